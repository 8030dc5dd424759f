"""A repository that stands for a package installed on the system."""

def _system_package_impl(ctx):
    probe = ctx.attr.probe
    if probe and not ctx.path(probe).exists:
        fail("mpg: %s is missing: install the Debian package %s (apt-get install %s)" %
             (probe, ctx.attr.debian_package, ctx.attr.debian_package))
    ctx.file("WORKSPACE", "workspace(name = \"%s\")\n" % ctx.name)
    ctx.symlink(ctx.attr.build_file, "BUILD.bazel")
    for path, label in ctx.attr.files.items():
        ctx.symlink(Label(label), path)

system_package = repository_rule(
    implementation = _system_package_impl,
    attrs = {
        "build_file": attr.label(mandatory = True, allow_single_file = True),
        "debian_package": attr.string(doc = "what to install if it is missing"),
        "files": attr.string_dict(doc = "further files: path to label"),
        "probe": attr.string(doc = "a file that is there if the package is installed"),
    },
    local = True,
)
