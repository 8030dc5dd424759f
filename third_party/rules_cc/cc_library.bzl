"""Bazel 4's own cc_library, under the name that newer versions of Bazel demand."""

cc_library = native.cc_library
