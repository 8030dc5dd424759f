"""Bazel 4's own sh_test, under the name that newer versions of Bazel demand."""

sh_test = native.sh_test
