#!/usr/bin/env bash
# tools/summary.sh RESULTS: counts the lines "PASSED ..." and "FAILED ..." of a
# file, shows the failures and ends with "N passed, N failed"; status 1 if
# anything failed or nothing ran.
set -uo pipefail

passed="$(grep -c '^PASSED ' "$1")"
failed="$(grep -c '^FAILED ' "$1")"
grep '^FAILED ' "$1"
echo "$passed passed, $failed failed"
((failed == 0 && passed > 0))
