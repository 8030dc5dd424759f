"""What mpg depends on, for a WORKSPACE that uses it.

Each repository is declared only if the workspace has none of that name yet, so
a consumer's own Abseil wins. The default is the system's package: nothing is
downloaded. A repository is looked at only when something that is built needs
it. The names are those of the modules in the Bazel Central Registry, so that
the labels in BUILD files are the same under WORKSPACE and MODULE.bazel.
"""

load("@bazel_tools//tools/build_defs/repo:utils.bzl", "maybe")
load("//third_party:system_abseil.bzl", "system_abseil")
load("//third_party:system_package.bzl", "checked_in", "system_package")

def _system(name, what, debian_package, probe):
    maybe(
        system_package,
        name = name,
        build_file = Label("//third_party/skeletons:%s.BUILD" % name),
        debian_package = debian_package,
        probe = probe,
        what = what,
    )

def mpg_debian_bazel():
    """What Debian's Bazel 4 wants before it builds anything; call it first.

    Bazel would download these. A workspace that is built with another Bazel
    leaves the call out.
    """
    maybe(
        native.local_repository,
        name = "platforms",
        path = "/usr/share/bazel/tools/platforms",
    )
    maybe(
        native.local_repository,
        name = "rules_java",
        path = "/usr/share/bazel/rules/java",
    )
    maybe(
        checked_in,
        name = "remote_coverage_tools",
        files = {
            Label("//third_party/skeletons:remote_coverage_tools.BUILD"): "BUILD.bazel",
        },
    )

def mpg_dependencies():
    """Repositories needed to build the libraries and the programs."""
    maybe(
        checked_in,
        name = "rules_cc",
        files = {
            Label("//third_party/rules_cc:cc.BUILD"): "cc/BUILD.bazel",
            Label("//third_party/rules_cc:cc_binary.bzl"): "cc/cc_binary.bzl",
            Label("//third_party/rules_cc:cc_library.bzl"): "cc/cc_library.bzl",
            Label("//third_party/rules_cc:cc_test.bzl"): "cc/cc_test.bzl",
            Label("//third_party/rules_cc:defs.bzl"): "cc/defs.bzl",
        },
    )
    maybe(
        checked_in,
        name = "rules_shell",
        files = {
            Label("//third_party/rules_shell:sh_binary.bzl"): "shell/sh_binary.bzl",
            Label("//third_party/rules_shell:sh_test.bzl"): "shell/sh_test.bzl",
            Label("//third_party/rules_shell:shell.BUILD"): "shell/BUILD.bazel",
        },
    )
    maybe(system_abseil, name = "abseil-cpp")
    _system("gflags", "gflags", "libgflags-dev", "/usr/include/gflags/gflags.h")
    _system(
        "gperftools",
        "TCMalloc",
        "libgoogle-perftools-dev",
        "/usr/include/gperftools/tcmalloc.h",
    )
    _system(
        "http_parser",
        "http-parser",
        "libhttp-parser-dev",
        "/usr/include/http_parser.h",
    )
    _system("zlib", "zlib", "zlib1g-dev", "/usr/include/zlib.h")

def mpg_dev_dependencies():
    """Repositories needed only by mpg's own tests, benchmarks and examples."""
    _system(
        "googletest",
        "GoogleTest",
        "libgtest-dev libgmock-dev",
        "/usr/include/gmock/gmock.h",
    )
    _system(
        "google_benchmark",
        "Google Benchmark",
        "libbenchmark-dev",
        "/usr/include/benchmark/benchmark.h",
    )
    _system("relacy", "Relacy", "relacy-dev", "/usr/include/relacy/relacy.hpp")
