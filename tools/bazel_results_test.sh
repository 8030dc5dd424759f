#!/usr/bin/env bash
# Tests bazel_results.py on events such as Bazel writes.
set -uo pipefail
events="$TEST_TMPDIR/events"
failed=0

check() {  # check STATUS-OF-BAZEL WANTED-STATUS WANTED-OUTPUT
  local got status
  got="$(tools/bazel_results.py conf "$events" "$1")"
  status=$?
  if [[ "$got" != "$3" || "$status" != "$2" ]]; then
    printf 'status %s, wanted %s; printed:\n%s\nwanted:\n%s\n' \
      "$status" "$2" "$got" "$3"
    failed=1
  fi
}
configured() {
  echo "{\"id\":{\"targetConfigured\":{\"label\":\"$1\"}},\"configured\":{\"targetKind\":\"$2 rule\"}}"
}
summary() {
  echo "{\"id\":{\"testSummary\":{\"label\":\"$1\"}},\"testSummary\":{\"overallStatus\":\"$2\"}}"
}

{ configured //a:x_test cc_test; configured //a:lib cc_library; summary //a:x_test PASSED; } >"$events"
check 0 0 "PASSED conf: //a:x_test"

# What failed, was flaky or ran out of time has not passed.
{ summary //a:f FAILED; summary //a:l FLAKY; summary //a:t TIMEOUT; } >"$events"
check 3 1 "FAILED conf: //a:f
FAILED conf: //a:l
FAILED conf: //a:t"

# No summary: it did not build.
{ configured //a:x_test cc_test; configured //a:y_test sh_test; summary //a:y_test PASSED; } >"$events"
check 1 1 "FAILED conf: //a:x_test
PASSED conf: //a:y_test"

# Something that is no test did not build.
summary //a:x_test PASSED >"$events"
check 1 1 "PASSED conf: //a:x_test
FAILED conf: bazel ended with status 1"

: >"$events"
check 0 1 "FAILED conf: no test ran"
exit "$failed"
