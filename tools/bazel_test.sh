#!/usr/bin/env bash
# tools/bazel_test.sh NAME ARGUMENTS: runs `bazel test ARGUMENTS`, its output to
# stderr, and prints a line "PASSED NAME: //label" or "FAILED ..." for each test.
set -uo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
readonly bazel="${BAZEL:-/usr/bin/bazel}"
readonly name="$1"
shift

events="$(mktemp)"
trap 'rm -f "$events"' EXIT
start=$SECONDS
"$bazel" test --keep_going --noshow_progress --build_event_json_file="$events" "$@" >&2
status=$?
echo "$name: $((SECONDS - start)) s" >&2
tools/bazel_results.py "$name" "$events" "$status"
