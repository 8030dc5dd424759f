"""Tests of Promela models by Debian's spin."""

load("@rules_shell//shell:sh_test.bzl", "sh_test")

def spin_test(name, model, right, broken, **kwargs):
    """Checks that a model holds, and that its broken variants are found out.

    Args:
      name: of the test.
      model: the Promela file.
      right: each entry is what spin's preprocessor gets ("-DN=2 -DROUNDS=3"):
        with these flags the model must have no error.
      broken: likewise; with these it must have one.
      **kwargs: as of any test.
    """
    runs = ["right:" + flags for flags in right]
    runs += ["broken:" + flags for flags in broken]
    sh_test(
        name = name,
        srcs = ["//third_party/spin:check.sh"],
        args = ["$(location %s)" % model] + ["'%s'" % run for run in runs],
        data = [model],
        **kwargs
    )
