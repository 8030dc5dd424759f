"""Bazel 4's own cc_test, under the name that newer versions of Bazel demand."""

cc_test = native.cc_test
