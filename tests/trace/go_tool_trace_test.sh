#!/usr/bin/env bash
# Go's own tool opens a trace of mpg: its events are those that tools/trace finds, and
# its pages show the program.
set -uo pipefail
readonly tmp="${TEST_TMPDIR:-$(mktemp -d)}"
failed=0
source tools/trace/go_tool.sh || exit 1

fail() { echo "FAILED: $*"; failed=1; }

tests/trace/sample "$tmp/sample.trace" || fail "the program"
tools/trace/trace print "$tmp/sample.trace" >"$tmp/mpg.txt" || fail "tools/trace"
for event in 'Resource=Goroutine.*Running->Waiting' 'Reason="network"' \
    'Reason="preempted"' 'Running->Syscall' 'Syscall->Runn' 'Resource=Proc' \
    'RangeBegin.*stop-the-world \(sample\)' TaskBegin RegionEnd Log gomaxprocs; do
  grep -qE "$event" "$tmp/mpg.txt" || fail "no $event in the trace"
done

if ! go="$(find_go)"; then
  echo "SKIPPED: Go 1.23 or newer is neither in \$MPG_GO nor in \$PATH nor in" \
       "/usr/lib/go-1.2*"
  exit "$failed"
fi
go_events "$go" "$tmp/sample.trace" >"$tmp/go.txt" || fail "$go does not read it"
if ! diff "$tmp/go.txt" "$tmp/mpg.txt" >"$tmp/diff"; then
  head -20 "$tmp/diff"
  fail "tools/trace and $go differ"
fi
PYTHONPATH=. python3 tests/trace/go_tool_trace.py "$go" "$tmp/sample.trace" "$@" ||
  fail "the pages"
exit "$failed"
