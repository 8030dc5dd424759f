"""The system's Abseil under the labels of its module in Bazel's registry."""

# Package -> targets. A target's pkg-config name is "absl_" and the target,
# unless _PKG_CONFIG says otherwise.
_TARGETS = {
    "absl/algorithm": ["algorithm", "container"],
    "absl/base": ["base", "config", "core_headers", "dynamic_annotations", "endian", "log_severity"],
    "absl/cleanup": ["cleanup"],
    "absl/container": [
        "btree",
        "fixed_array",
        "flat_hash_map",
        "flat_hash_set",
        "inlined_vector",
        "node_hash_map",
        "node_hash_set",
    ],
    "absl/debugging": ["failure_signal_handler", "leak_check", "stacktrace", "symbolize"],
    "absl/flags": ["flag", "parse", "usage"],
    "absl/functional": ["any_invocable", "bind_front", "function_ref"],
    "absl/hash": ["hash"],
    "absl/memory": ["memory"],
    "absl/meta": ["type_traits"],
    "absl/numeric": ["bits", "int128"],
    "absl/random": ["random", "distributions"],
    "absl/status": ["status", "statusor"],
    "absl/strings": ["cord", "str_format", "strings"],
    "absl/synchronization": ["synchronization"],
    "absl/time": ["time"],
    "absl/types": ["any", "optional", "span", "variant"],
    "absl/utility": ["utility"],
}

_PKG_CONFIG = {
    "absl/algorithm:container": "absl_algorithm_container",
    "absl/flags:flag": "absl_flags",
    "absl/flags:parse": "absl_flags_parse",
    "absl/flags:usage": "absl_flags_usage",
    "absl/random:distributions": "absl_random_distributions",
    "absl/random:random": "absl_random_random",
}

def _pkg_config(ctx, name):
    result = ctx.execute(["pkg-config", "--libs", name])
    if result.return_code != 0:
        fail("mpg: pkg-config knows no %s: install the Debian packages libabsl-dev and pkg-config (apt-get install libabsl-dev pkg-config)" % name)
    return [flag for flag in result.stdout.strip().split(" ") if flag]

def _system_abseil_impl(ctx):
    for path in ["/usr/include/absl/base/config.h", "/usr/bin/pkg-config"]:
        if not ctx.path(path).exists:
            fail("mpg: %s is missing: install the Debian packages libabsl-dev and pkg-config (apt-get install libabsl-dev pkg-config)" % path)
    ctx.file("WORKSPACE", "workspace(name = \"%s\")\n" % ctx.name)
    ctx.file("BUILD.bazel", "")
    for package, targets in _TARGETS.items():
        lines = [
            "load(\"@rules_cc//cc:cc_library.bzl\", \"cc_library\")",
            "package(default_visibility = [\"//visibility:public\"])",
        ]
        for target in targets:
            name = _PKG_CONFIG.get(package + ":" + target, "absl_" + target)
            lines.append("cc_library(name = \"%s\", linkopts = %s)" % (target, _pkg_config(ctx, name)))
        ctx.file(package + "/BUILD.bazel", "\n".join(lines) + "\n")

system_abseil = repository_rule(
    implementation = _system_abseil_impl,
    local = True,
)
