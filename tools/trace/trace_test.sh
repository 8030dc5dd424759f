#!/usr/bin/env bash
# The program as its user has it: its event stream is Go's own, byte for byte, its JSON
# is JSON, and errors are said.
set -uo pipefail
readonly trace=tools/trace/trace data=tools/trace/testdata
readonly tmp="${TEST_TMPDIR:-$(mktemp -d)}"
failed=0
source tools/trace/go_tool.sh || exit 1

fail() { echo "FAILED: $*"; failed=1; }

for file in "$data"/*.trace; do
  "$trace" summary "$file" >"$tmp/summary" || fail "summary $file"
  grep -q 'execution sched wait    blocked    syscall  start function' \
    "$tmp/summary" || fail "no table in the summary of $file"
  "$trace" convert "$file" "$tmp/out.json" || fail "convert $file"
  python3 - "$tmp/out.json" <<'PY' || fail "the JSON of $file"
import json, sys
events = json.load(open(sys.argv[1]))["traceEvents"]
by = lambda phase: [e for e in events if e["ph"] == phase]
assert len(by("X")) > 20, len(by("X"))
assert by("C") and by("M")
starts = {e["id"]: e for e in by("s")}
ends = {e["id"]: e for e in by("f")}
assert starts and starts.keys() == ends.keys()
assert all(starts[i]["ts"] <= ends[i]["ts"] for i in starts)
# On a track, no two stretches overlap.
for track in {e["tid"] for e in by("X") if e["tid"] < 1000000}:
    last = 0
    for e in sorted((e for e in by("X") if e["tid"] == track),
                    key=lambda e: e["ts"]):
        assert e["ts"] >= last - 1e-6, (track, e, last)
        last = e["ts"] + e["dur"]
PY
done

head -c 5000 "$data/everything_go123.trace" >"$tmp/cut.trace"
"$trace" summary "$tmp/cut.trace" >/dev/null 2>"$tmp/err" &&
  fail "a truncated file was taken for a whole one"
grep -q 'cut.trace: truncated trace' "$tmp/err" || fail "says: $(cat "$tmp/err")"
"$trace" summary "$tmp/none" 2>"$tmp/err" && fail "a missing file was read"
grep -q 'cannot open' "$tmp/err" || fail "says: $(cat "$tmp/err")"

serve() {  # serve STATUS OPTIONS...: serves, asks for the page, ends it; its status
  local expected="$1" pid status url="" i
  shift
  : >"$tmp/out"  # it may be read before the redirection is done
  "$trace" serve "$@" >"$tmp/out" 2>"$tmp/err" &
  pid=$!
  for ((i = 0; i < 600 && ${#url} == 0; i++)); do
    url="$(sed -n 's/^trace: serving //p' "$tmp/out")"
    kill -0 "$pid" 2>/dev/null || break
    sleep 0.1
  done
  python3 - "$url" <<'PY' || fail "no page at '$url'"
import json, sys, time, urllib.request
assert b"<!DOCTYPE html>" in urllib.request.urlopen(sys.argv[1]).read()
while not json.load(urllib.request.urlopen(sys.argv[1] + "api/state"))["trace"]:
    time.sleep(0.05)
PY
  kill -TERM "$pid"
  wait "$pid"
  status=$?
  ((status == expected)) || fail "serve $* ends with status $status"
}

serve 0 "$data/everything_go123.trace"
[[ -s "$tmp/err" ]] && fail "serve says: $(cat "$tmp/err")"
serve 0 --http=localhost:0 "$data/everything_go122.trace"
serve 1 "$tmp/cut.trace"
grep -q 'trace: .*cut.trace: truncated trace' "$tmp/err" ||
  fail "says: $(cat "$tmp/err")"
"$trace" serve "$tmp/none" 2>"$tmp/err" && fail "a missing file is served"
grep -q 'cannot open' "$tmp/err" || fail "says: $(cat "$tmp/err")"
"$trace" serve --http=nonsense "$data/everything_go123.trace" 2>"$tmp/err" &&
  fail "serves at an address that is none"
grep -q 'trace: listen tcp: address nonsense: missing port' "$tmp/err" || fail "says: $(cat "$tmp/err")"

if go="$(find_go)"; then
  for file in "$data"/*.trace; do
    go_events "$go" "$file" >"$tmp/go.txt" || fail "$go does not read $file"
    "$trace" print "$file" >"$tmp/mpg.txt" || fail "print $file"
    if ! diff "$tmp/go.txt" "$tmp/mpg.txt" >"$tmp/diff"; then
      head -20 "$tmp/diff"
      fail "the events of $file are not those that $go finds"
    fi
  done
else
  echo "SKIPPED the comparison with Go: none of 1.23 or newer in \$MPG_GO, \$PATH," \
       "/usr/lib/go-1.2*"
fi
exit "$failed"
