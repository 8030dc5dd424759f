#!/usr/bin/env python3
"""Runs our row benchmarks and another program's in turn and compares them.

  compare_rows.py --ours bazel-bin/tests/rows/rows --go-source path/to/program
  compare_rows.py --ours bazel-bin/tests/rows/rows --other path/to/gobench

Both programs take --bench=REGEXP --reps=N --procs=P and --list, and print
name/P=procs<TAB>median<TAB>min<TAB>extra (see tests/rows/driver.h). With
--go-source the other one is built here first, from a folder with a go.mod.

Each row is run by one program and then by the other, --rounds times, so that a
machine whose speed drifts is as fair to one as to the other. A figure is the
median of the rounds' medians, in brackets the least of all repetitions. Prints
a Markdown table: the ratio mpg/other, and beside it the ratio that
tests/rows/goals.tsv asks for.
"""

import argparse
import os
import pathlib
import re
import shutil
import statistics
import subprocess
import sys
import tempfile

GOALS = pathlib.Path(__file__).parent.parent / "tests/rows/goals.tsv"
FIGURES = ("create_ms", "wake_end_ms", "cpu_ms_in_5s", "ms")
UNITS = {"create_ms": "ms", "wake_end_ms": "ms", "cpu_ms_in_5s": "ms", "ms": "ms"}


def fail(message):
    sys.exit(f"compare_rows.py: {message}")


def build_go(source, go, folder):
    """The program in the folder source, built: its path."""
    found = shutil.which(go)
    if found is None:
        fail(f"no Go compiler: {go} not found; install Go 1.22 or newer or name one by --go")
    if not (pathlib.Path(source) / "go.mod").is_file():
        fail(f"{source} holds no go.mod")
    # The toolchain at hand, and nothing fetched.
    settings = {"CGO_ENABLED": "0", "GOTOOLCHAIN": "local", "GOFLAGS": "-mod=mod", "GOPROXY": "off"}
    program = os.path.join(folder, "other")
    result = subprocess.run([found, "build", "-o", program, "."], cwd=source,
                            env={**os.environ, **settings}, capture_output=True, text=True)
    if result.returncode != 0:
        fail(f"{found} build failed in {source}:\n{result.stderr}")
    return program


def output(*command):
    try:
        result = subprocess.run(command, capture_output=True, text=True)
    except OSError as error:
        fail(f"cannot run {command[0]}: {error.strerror}")
    if result.returncode != 0:
        fail(f"{' '.join(command)} failed:\n{result.stderr}")
    return result.stdout


def listed(program):
    """What the program can run: {row: its numbers of Ps}."""
    rows = re.findall(r"^(\S+) \[([\d ]+)\]", output(program, "--list"), re.MULTILINE)
    return {name: [int(p) for p in procs.split()] for name, procs in rows}


def run(program, row, procs, reps):
    """One round of one row: its figures, {"ns": ..., "min": ..., "ms": ...}."""
    text = output(program, f"--bench=^{row}$", f"--procs={procs}", f"--reps={reps}")
    match = re.fullmatch(r"\S+\t(\S+)\t(\S+)\t(.*)\n", text)
    if match is None:
        fail(f"{program}: not a row: {text!r}")
    figures = {key: float(value) for key, value in re.findall(r"(\w+)=([-+.\deE]+)", match[3])}
    return {**figures, "ns": float(match[1]), "min": float(match[2])}


def measure(programs, row, procs, args):
    """Medians over the rounds, and the least of all: [figures] as programs."""
    rounds = [[] for _ in programs]
    for _ in range(args.rounds):
        for program, samples in zip(programs, rounds):
            samples.append(run(program, row, procs, args.reps))
    return [{**{k: statistics.median(s[k] for s in samples) for k in samples[0]},
             "min": min(s["min"] for s in samples)} for samples in rounds]


def read_goals():
    goals = {}
    for line in GOALS.read_text().splitlines():
        if line and not line.startswith("#"):
            row, procs, figure, goal, go = line.split("\t")
            goals[row, int(procs), figure] = float(goal) / float(go)
    return goals


def number(value):
    return f"{value:.3g}" if value < 100 else f"{value:.0f}"


def cell(row, figure, figures):
    unit = " B" if row.startswith("memory") else f" {UNITS.get(figure, 'ns')}"
    if figure in ("create_ms", "wake_end_ms"):  # the least is of their sum
        return number(figures[figure]) + unit
    least = figures["min"] / (1e6 if unit == " ms" else 1)
    return f"{number(figures[figure])}{unit} [{number(least)}]"


def lines(row, procs, ours, other, goals):
    """The table's lines for one row: one for each figure it is judged by."""
    shown = [f for f in FIGURES if f in ours and f in other] or ["ns"]
    for figure in shown:
        name = row if len(shown) == 1 else f"{row} {figure}"
        ratio = ours[figure] / other[figure] if other[figure] else float("inf")
        goal = goals.get((row, procs, figure))
        verdict = "" if goal is None else f"{goal:.2f}" if ratio <= goal else f"**{goal:.2f}**"
        yield (f"| {name} | {procs} | {cell(row, figure, other)} | "
               f"{cell(row, figure, ours)} | {ratio:.2f} | {verdict} |")


def main():
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--ours", required=True, help="//tests/rows, built with -c opt")
    parser.add_argument("--other", help="the other program")
    parser.add_argument("--go-source", help="folder of the other program, in Go, to be built")
    parser.add_argument("--go", default="go", help="the Go command to build it with")
    parser.add_argument("--label", default="Go", help="the other's name")
    parser.add_argument("--bench", default=".", help="rows that match this")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--reps", type=int, default=3)
    args = parser.parse_args()
    if (args.other is None) == (args.go_source is None):
        parser.error("one of --other and --go-source is needed")
    if args.rounds < 1 or args.reps < 1:
        parser.error("--rounds and --reps must be at least 1")
    with tempfile.TemporaryDirectory() as folder:
        other = args.other or build_go(args.go_source, args.go, folder)
        compare(os.path.abspath(args.ours), os.path.abspath(other), args)


def compare(ours, other, args):
    goals = read_goals()
    rows, theirs = listed(ours), listed(other)
    label = args.label
    print(f"| row | P | {label} | mpg | mpg / {label} | goal |\n|---|---|---|---|---|---|")
    missed = judged = 0
    for row, all_procs in rows.items():
        if row not in theirs or not re.search(args.bench, row):
            continue
        for procs in all_procs:
            figures = measure((ours, other), row, procs, args)
            for line in lines(row, procs, *figures, goals):
                print(line, flush=True)
                judged += not line.endswith("|  |")
                missed += line.endswith("** |")
    print(f"\n{judged} goals, {missed} missed (bold)")


if __name__ == "__main__":
    main()
