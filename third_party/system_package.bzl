"""A repository that stands for a package installed on the system."""

def not_installed(what, debian_package):
    """Ends the build with the one sentence that says what to do."""
    fail("mpg: %s is not installed: run apt-get install %s" % (what, debian_package))

def _system_package_impl(ctx):
    if not ctx.path(ctx.attr.probe).exists:
        not_installed(ctx.attr.what, ctx.attr.debian_package)
    ctx.symlink(ctx.attr.build_file, "BUILD.bazel")

system_package = repository_rule(
    implementation = _system_package_impl,
    attrs = {
        "build_file": attr.label(mandatory = True, allow_single_file = True),
        "debian_package": attr.string(mandatory = True),
        "probe": attr.string(
            mandatory = True,
            doc = "a file that is there if, and only if, the package is installed",
        ),
        "what": attr.string(mandatory = True, doc = "its name in a message"),
    },
    doc = "The headers and libraries are in the compiler's own search path, so " +
          "that build_file holds cc_library targets with linkopts and no more: " +
          "a second /usr/include on the command line breaks libstdc++.",
    local = True,
)

def _checked_in_impl(ctx):
    for label, path in ctx.attr.files.items():
        ctx.symlink(label, path)

checked_in = repository_rule(
    implementation = _checked_in_impl,
    attrs = {
        "files": attr.label_keyed_string_dict(
            mandatory = True,
            allow_files = True,
            doc = "label of a file here: its path in the repository",
        ),
    },
    doc = "A repository made of files that lie in mpg's source tree.",
    local = True,
)
