#!/usr/bin/env bash
# FailTestsThatLeak makes the test that leaks fail, and no other one.
set -u
out="$("$(dirname "$0")/leaky_tests" 2>&1)"
status=$?
failures=0

expect() {  # expect NAME COMMAND...
  local name=$1
  shift
  if "$@"; then return; fi
  echo "FAILED: $name"
  failures=$((failures + 1))
}
has() { grep -qE -- "$1" <<< "$out"; }

expect "the program fails" test "$status" -eq 1
expect "the test that leaks fails" has '\[  FAILED  \] LeakyTest\.Untidy \('
expect "it says what is left" has '^1 goroutine was left behind:$'
expect "and where" has '^goroutine [0-9]+ \[chan receive\]:$'
expect "one before it passes" has '\[       OK \] LeakyTest\.Tidy '
expect "one after it passes" has '\[       OK \] LeakyTest\.TidyAfterAnUntidyOne '
if ((failures != 0)); then printf '%s\n' "$out"; fi
exit "$failures"
