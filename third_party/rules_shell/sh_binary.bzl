"""Bazel 4's own sh_binary, under the name that newer versions of Bazel demand."""

sh_binary = native.sh_binary
