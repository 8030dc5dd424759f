#!/usr/bin/env bash
# FailTestsThatLeak makes the test that leaks fail, and no other one.
set -u
here="$(dirname "$0")"
. "$here/expect.sh"

out="$("$here/leaky_tests" 2>&1)"
status=$?
expect "the program fails" test "$status" -eq 1
expect "the test that leaks fails" has '\[  FAILED  \] LeakyTest\.Untidy \('
expect "it says what is left" has '^1 goroutine was left behind:$'
expect "and where" has '^goroutine [0-9]+ \[chan receive\]:$'
expect "one before it passes" has '\[       OK \] LeakyTest\.Tidy '
expect "one after it passes" has '\[       OK \] LeakyTest\.TidyAfterAnUntidyOne '

end_test
