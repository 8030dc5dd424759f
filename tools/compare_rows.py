#!/usr/bin/env python3
"""Runs our row benchmarks and another program's in turn and compares them.

  compare_rows.py --ours bazel-bin/tests/rows/rows --other path/to/gobench

Both programs take --bench=REGEXP --reps=N --procs=P and --list, and print
name/P=procs<TAB>median<TAB>min<TAB>extra (see tests/rows/driver.h). Each row is
run by one program and then by the other, --rounds times, so that a machine
whose speed drifts is as fair to one as to the other; a figure is the median of
the rounds' medians. Prints a Markdown table.
"""

import argparse
import re
import statistics
import subprocess
import sys


def run(program, bench, procs, reps):
    """Rows of one benchmark: {extra key or '': value}, or None."""
    command = [program, f"--bench=^{bench}$", f"--procs={procs}", f"--reps={reps}"]
    result = subprocess.run(command, capture_output=True, text=True)
    if result.returncode != 0:
        sys.exit(f"{' '.join(command)} failed:\n{result.stderr}")
    line = result.stdout.strip().splitlines()
    if not line:
        return None
    fields = line[-1].split("\t")
    figures = {"": float(fields[1])}
    for key, value in re.findall(r"(\w+)=([-+.\deE]+)", fields[3]):
        figures[key] = float(value)
    return figures


def listed(program):
    result = subprocess.run([program, "--list"], capture_output=True, text=True)
    if result.returncode != 0:
        sys.exit(f"{program} --list failed:\n{result.stderr}")
    rows = {}
    for line in result.stdout.splitlines():
        match = re.match(r"(\S+) \[([\d ]+)\]", line)
        if match:
            rows[match[1]] = [int(p) for p in match[2].split()]
    return rows


def show(figures, name):
    """A figure in the unit that suits it."""
    if "create_ms" in figures:
        return f"{figures['create_ms']:.0f} + {figures['wake_end_ms']:.0f} ms"
    if "cpu_ms_in_5s" in figures:
        return f"{figures['cpu_ms_in_5s']:.2f} ms"
    if name.startswith("memory"):
        return f"{figures['']:.0f} B"
    if "ms" in figures:
        return f"{figures['ms']:.0f} ms"
    return f"{figures['']:.1f} ns"


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--ours", required=True)
    parser.add_argument("--other", required=True)
    parser.add_argument("--label", default="Go", help="the other's name")
    parser.add_argument("--bench", default=".", help="rows that match this")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--reps", type=int, default=3)
    args = parser.parse_args()
    ours, other = listed(args.ours), listed(args.other)
    print(f"| row | P | {args.label} | mpg | mpg / {args.label} |\n|---|---|---|---|---|")
    for name, procs in ours.items():
        if name not in other or not re.search(args.bench, name):
            continue
        for p in procs:
            samples = {"ours": [], "other": []}
            for _ in range(args.rounds):
                samples["ours"].append(run(args.ours, name, p, args.reps))
                samples["other"].append(run(args.other, name, p, args.reps))
            best = {}
            for who, rounds in samples.items():
                best[who] = {k: statistics.median(r[k] for r in rounds) for k in rounds[0]}
            ratio = best["ours"][""] / best["other"][""] if best["other"][""] else float("inf")
            print(f"| {name} | {p} | {show(best['other'], name)} | "
                  f"{show(best['ours'], name)} | {ratio:.2f} |", flush=True)


if __name__ == "__main__":
    main()
