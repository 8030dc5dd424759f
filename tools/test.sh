#!/usr/bin/env bash
# Sets the machine up and runs all tests: every test built by gcc and, optimised,
# by clang; the C++ tests under the address and the thread sanitizer; the floor
# plan; a consumer in a workspace of its own; each benchmark for a moment.
#
# Ends with a line "N passed, N failed" that counts a test once for each way in
# which it ran; the status is 1 if any failed. MPG_SEED replays random tests.
# tools/presubmit.sh does more; `bazel test //...` is the quick way.
set -uo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

results="$(mktemp)"
trap 'rm -f "$results"' EXIT

if ! tools/setup.sh test; then
  echo "FAILED set-up" >"$results"
  tools/summary.sh "$results"
  exit 1
fi

# Each of these prints one line a test to stdout and all else to stderr.
{
  tools/docs_check.sh
  tools/layering.sh
  tools/bazel_test.sh gcc --build_tests_only //...
  tools/sanitizer_tests.sh tsan
  tools/sanitizer_tests.sh asan
  # Linked statically, else each library is compiled twice: for the tests as
  # position-independent code, for programs without.
  tools/bazel_test.sh clang --config=clang -c opt --dynamic_mode=off //...
  tools/benchmark_smoke.sh
  tests/consumer/run.sh
} | tee "$results"

echo "all tests: $((SECONDS / 60)) min $((SECONDS % 60)) s"
tools/summary.sh "$results"
