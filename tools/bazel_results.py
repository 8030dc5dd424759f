#!/usr/bin/env python3
"""Prints "PASSED ..." or "FAILED ..." for each test of one `bazel test`.

usage: bazel_results.py NAME EVENTS STATUS

NAME says which configuration ran; EVENTS is what --build_event_json_file wrote;
STATUS is Bazel's exit status. A test that was asked for but has no summary, since
it or something it needs did not build, has failed. So has a run with a status
that no failed test explains.
"""

import json
import sys


def outcomes(lines):
    """Test label -> True if it passed, for every test that was asked for."""
    passed = {}
    for line in lines:
        event = json.loads(line)
        id_ = event.get("id", {})
        if "targetConfigured" in id_:
            kind = event.get("configured", {}).get("targetKind", "")
            if kind.endswith("_test rule"):
                passed.setdefault(id_["targetConfigured"]["label"], False)
        elif "testSummary" in id_:
            status = event.get("testSummary", {}).get("overallStatus")
            passed[id_["testSummary"]["label"]] = status == "PASSED"
    return passed


def main():
    name, events, status = sys.argv[1], sys.argv[2], int(sys.argv[3])
    try:
        with open(events, encoding="utf-8") as lines:
            tests = outcomes(lines)
    except (OSError, ValueError) as error:
        print(f"FAILED {name}: no results: {error}")
        return 1
    for label, ok in sorted(tests.items()):
        print(f"{'PASSED' if ok else 'FAILED'} {name}: {label}")
    if not tests:
        print(f"FAILED {name}: no test ran")
        return 1
    if not all(tests.values()):
        return 1
    if status != 0:
        print(f"FAILED {name}: bazel ended with status {status}")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
