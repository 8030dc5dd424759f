#!/usr/bin/env bash
# --mpg_trace=FILE writes a trace of all tests, and says why when it cannot.
set -u
here="$(dirname "$0")"
tmp="${TEST_TMPDIR:-$(mktemp -d)}"
. "$here/expect.sh"

run() { out="$("$here/traced_tests" "$@" 2>&1)"; status=$?; }
trace() { "$here/../tools/trace/trace" "$@" 2>&1; }

run --gtest_brief=1 "--mpg_trace=$tmp/trace.out"
expect "the tests pass" test "$status" -eq 0
out="$(trace summary "$tmp/trace.out")"
expect "the goroutines are in the file" has 'chan receive|chan send'
expect "and the test that made them" has 'TracedTest_Talks_Test'

run
expect "without the flag, too" test "$status" -eq 0

run --mpg_trace=/nonexistent/trace.out
expect "a file that cannot be made: status 2" test "$status" -eq 2
expect "and why" has '^testing: .*/nonexistent/trace.out'
run --mpg_trace
expect "no file: status 2" test "$status" -eq 2
expect "and why" has '^testing: --mpg_trace=FILE needs'

end_test
