"""A program built with debug information, whatever the rest is built with."""

def _debug_transition_impl(settings, attr):
    return {
        "//command_line_option:compilation_mode": attr.mode,
        "//command_line_option:copt": settings["//command_line_option:copt"] + ["-g"],
        "//command_line_option:strip": "never",
    }

_debug_transition = transition(
    implementation = _debug_transition_impl,
    inputs = ["//command_line_option:copt"],
    outputs = [
        "//command_line_option:compilation_mode",
        "//command_line_option:copt",
        "//command_line_option:strip",
    ],
)

def _debug_binary_impl(ctx):
    out = ctx.actions.declare_file(ctx.label.name)
    ctx.actions.symlink(
        output = out,
        target_file = ctx.executable.binary,
        is_executable = True,
    )
    return [DefaultInfo(
        executable = out,
        files = depset([out]),
        runfiles = ctx.runfiles(files = [out, ctx.executable.binary]),
    )]

debug_binary = rule(
    implementation = _debug_binary_impl,
    attrs = {
        "binary": attr.label(
            cfg = _debug_transition,
            executable = True,
            mandatory = True,
        ),
        "mode": attr.string(default = "opt"),
        "_allowlist_function_transition": attr.label(
            default = "@bazel_tools//tools/allowlists/function_transition_allowlist",
        ),
    },
    executable = True,
)
