"""What mpg depends on, for a WORKSPACE that uses it.

Each repository is declared only if the workspace has none of that name yet, so
a consumer's own Abseil wins. The default is the system's package.
"""

load("//third_party:system_abseil.bzl", "system_abseil")
load("//third_party:system_package.bzl", "system_package")

def _maybe(rule, name, **kwargs):
    if not native.existing_rule(name):
        rule(name = name, **kwargs)

def _skeleton(name, debian_package, probe):
    _maybe(
        system_package,
        name = name,
        build_file = "@mpg//third_party/skeletons:%s.BUILD" % name,
        debian_package = debian_package,
        probe = probe,
    )

def mpg_dependencies():
    """Repositories needed to build the libraries."""

    # Bazel 4 wants these before it builds anything, and without a network they
    # must be local.
    _maybe(
        native.local_repository,
        name = "platforms",
        path = "/usr/share/bazel/tools/platforms",
    )
    _maybe(
        native.local_repository,
        name = "rules_java",
        path = "/usr/share/bazel/rules/java",
    )
    _maybe(
        system_package,
        name = "rules_cc",
        build_file = "@mpg//third_party/skeletons:empty.BUILD",
        files = {
            "cc/BUILD": "@mpg//third_party/rules_cc:cc/BUILD.rules_cc",
            "cc/cc_binary.bzl": "@mpg//third_party/rules_cc:cc/cc_binary.bzl",
            "cc/cc_library.bzl": "@mpg//third_party/rules_cc:cc/cc_library.bzl",
            "cc/cc_test.bzl": "@mpg//third_party/rules_cc:cc/cc_test.bzl",
            "cc/defs.bzl": "@mpg//third_party/rules_cc:cc/defs.bzl",
        },
    )
    _maybe(system_abseil, name = "abseil-cpp")
    _skeleton("gflags", "libgflags-dev", "/usr/include/gflags/gflags.h")
    _skeleton("gperftools", "libgoogle-perftools-dev", "/usr/include/gperftools/tcmalloc.h")

def mpg_dev_dependencies():
    """Repositories needed to build the tests and benchmarks as well."""
    _maybe(
        system_package,
        name = "remote_coverage_tools",
        build_file = "@mpg//third_party/skeletons:remote_coverage_tools.BUILD",
    )
    _skeleton("googletest", "libgtest-dev", "/usr/include/gtest/gtest.h")
    _skeleton("google_benchmark", "libbenchmark-dev", "/usr/include/benchmark/benchmark.h")
    _skeleton("relacy", "relacy-dev", "/usr/include/relacy/relacy.hpp")
