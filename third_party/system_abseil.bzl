"""The system's Abseil under the labels of its module in Bazel's registry."""

load("//third_party:system_package.bzl", "not_installed")

# Package -> targets. pkg-config calls a target "absl_" and its name, unless
# _PKG_CONFIG says otherwise.
_TARGETS = {
    "absl/algorithm": ["algorithm", "container"],
    "absl/base": [
        "base",
        "config",
        "core_headers",
        "dynamic_annotations",
        "endian",
        "log_severity",
        "prefetch",
    ],
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
    "absl/debugging": [
        "failure_signal_handler",
        "leak_check",
        "stacktrace",
        "symbolize",
    ],
    "absl/flags": ["flag", "marshalling", "parse", "reflection", "usage"],
    "absl/functional": ["any_invocable", "bind_front", "function_ref"],
    "absl/hash": ["hash"],
    "absl/memory": ["memory"],
    "absl/meta": ["type_traits"],
    "absl/numeric": ["bits", "int128"],
    "absl/random": ["bit_gen_ref", "distributions", "random", "seed_sequences"],
    "absl/status": ["status", "statusor"],
    "absl/strings": ["cord", "str_format", "strings"],
    "absl/synchronization": ["synchronization"],
    "absl/time": ["time"],
    "absl/types": ["any", "compare", "optional", "span", "variant"],
    "absl/utility": ["utility"],
}

_PKG_CONFIG = {
    "absl/algorithm:container": "absl_algorithm_container",
    "absl/flags:flag": "absl_flags",
    "absl/flags:marshalling": "absl_flags_marshalling",
    "absl/flags:parse": "absl_flags_parse",
    "absl/flags:reflection": "absl_flags_reflection",
    "absl/flags:usage": "absl_flags_usage",
    "absl/random:bit_gen_ref": "absl_random_bit_gen_ref",
    "absl/random:distributions": "absl_random_distributions",
    "absl/random:random": "absl_random_random",
    "absl/random:seed_sequences": "absl_random_seed_sequences",
}

_RULE = """
cc_library(
    name = "{name}",
    linkopts = {linkopts},
)
"""

def _linkopts(ctx, package, target):
    """The linker's flags, or None if this version of Abseil lacks the target."""
    name = _PKG_CONFIG.get("%s:%s" % (package, target), "absl_" + target)
    result = ctx.execute(["pkg-config", "--libs", name])
    if result.return_code != 0:
        return None
    return [flag for flag in result.stdout.strip().split(" ") if flag]

def _system_abseil_impl(ctx):
    if not ctx.which("pkg-config"):
        not_installed("pkg-config", "pkg-config")
    if not ctx.path("/usr/include/absl/base/config.h").exists:
        not_installed("Abseil", "libabsl-dev")
    for package, targets in _TARGETS.items():
        text = "load(\"@rules_cc//cc:cc_library.bzl\", \"cc_library\")\n\n"
        text += "package(default_visibility = [\"//visibility:public\"])\n"
        for target in targets:
            linkopts = _linkopts(ctx, package, target)
            if linkopts != None:
                text += _RULE.format(name = target, linkopts = linkopts)
        ctx.file(package + "/BUILD.bazel", text)

system_abseil = repository_rule(
    implementation = _system_abseil_impl,
    doc = "As system_package, with the linker's flags as pkg-config knows them.",
    local = True,
)
