"""Bazel 4's own cc_binary, under the name that newer versions of Bazel demand."""

cc_binary = native.cc_binary
