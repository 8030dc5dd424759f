#!/usr/bin/env bash
# Runs every example and looks at what it prints.
set -u
dir="$(dirname "$0")"
. "$dir/../testing/expect.sh"

files=$(mktemp -d)
trap 'rm -rf "$files"' EXIT
printf 'one two\nthree\n' > "$files/a"
printf 'four' > "$files/b"

expect_run 0 '^three goroutines$' "$dir/hello"
expect_run 0 '^541$' "$dir/sieve" 100
expect_run 2 '^usage: sieve' "$dir/sieve" 0
expect_run 0 '^49995000$' "$dir/skynet" 10000
expect_run 2 '^usage: skynet' "$dir/skynet" 77
expect_run 0 '^20 of 20 rounds in order' "$dir/ring" 50 20
expect_run 0 '^ +2 +4 +18 total$' "$dir/wordcount" "$files/a" "$files/b"
expect_run 1 'open .*/missing' "$dir/wordcount" "$files/a" "$files/missing"
expect_run 2 '^usage: wordcount' "$dir/wordcount"
expect_run 0 '338350$' "$dir/plain_threads"
expect_run 0 '^sum of squares: 338350$' "$dir/pipeline"
expect_run 0 '^factor: 1009; workers stopped: CANCELLED: context canceled$' "$dir/worker_pool"
expect_run 0 '^balance: 450 after 101 requests$' "$dir/select_loop"
expect_run 1 'echo_server \[--address' "$dir/echo_server" --help
expect_run 1 'missing port in address' "$dir/echo_server" --address=127.0.0.1
expect_run 1 'port_scanner \[--host' "$dir/port_scanner" --help
expect_run 2 '1 <= from <= to' "$dir/port_scanner" --from=2 --to=1
expect_run 1 'http_hello \[--address' "$dir/http_hello" --help
expect_run 1 'invalid port' "$dir/http_hello" --address=127.0.0.1:99999

# with_server COMMAND SERVER...: runs COMMAND with $port set, while SERVER listens
# at a port of its choice.
with_server() {
  local command=$1 pid
  shift
  : > "$files/server"  # it may be read before the command's redirection is done
  "$@" --address=127.0.0.1:0 > "$files/server" 2>&1 &
  pid=$!
  for _ in $(seq 200); do
    grep -q '^listening at' "$files/server" && break
    sleep 0.05
  done
  port=$(sed -n 's/^listening at .*://p' "$files/server")
  $command
  kill "$pid"
  wait "$pid" 2> /dev/null
}

# talk TEXT: what the server at $port answers to TEXT, in the first 500 bytes or
# until it closes, but no longer than 5 s.
talk() {
  exec 3<> "/dev/tcp/127.0.0.1/$port" && printf '%b' "$1" >&3
  timeout 5 head -c "${2:-500}" <&3
  exec 3>&-
}

talk_to_echo() { expect_run 0 '^hello, echo$' talk 'hello, echo\n' 12; }
scan_echo() {
  expect_run 0 "^$port\$" "$dir/port_scanner" --from="$port" --to="$port"
  expect_run 0 '^1 of 1 ports open$' "$dir/port_scanner" --host=localhost \
    --from="$port" --to="$port"
  # Where tests that run at the same time have none of theirs.
  expect_run 0 'of 299 ports open$' "$dir/port_scanner" --from=2 --to=300
}
readonly CLOSE='HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n'
talk_to_hello() { expect_run 0 '^hello$' talk "GET / $CLOSE"; }
talk_to_files() {
  expect_run 0 '^four$' talk "GET /b $CLOSE"
  expect_run 0 '^HTTP/1.1 404 Not Found' talk "GET /c $CLOSE"
}
with_server talk_to_echo "$dir/echo_server"
with_server scan_echo "$dir/echo_server"
with_server talk_to_hello "$dir/http_hello"
talk_to_metrics() {
  expect_run 0 '^hello$' talk "GET / $CLOSE"
  expect_run 0 '^Content-Type: text/plain; version=0.0.4' talk "GET /metrics $CLOSE"
  expect_run 0 '^mpg_sched_goroutines_goroutines [1-9]' talk "GET /metrics $CLOSE" 100000
  expect_run 0 '^HTTP/1.1 200 OK' talk "GET /debug/pprof/goroutine $CLOSE" 20
  expect_run 0 '^HTTP/1.1 404 Not Found' talk "GET /debug/pprof/heap $CLOSE"
}
with_server talk_to_metrics "$dir/http_hello" --metrics
with_server talk_to_files "$dir/http_hello" --root="$files"

# follow: tail_f of two files through what may happen to them, until ^C.
follow() {
  local out="$files/tail" pid
  seq 20 > "$files/x"
  printf 'first\n' > "$files/y"
  : > "$out"
  "$dir/tail_f" --lines=2 "$files/x" "$files/y" "$files/z" > "$out" 2>&1 &
  pid=$!
  shows() {  # shows PATTERN: within 20 s
    for _ in $(seq 400); do
      grep -qE -- "$1" "$out" && return
      sleep 0.05
    done
    printf 'FAILED: tail_f does not show /%s/ in:\n%s\n' "$1" "$(cat "$out")"
    failures=$((failures + 1))
  }
  shows '^20$'
  shows '^first$'
  echo appended >> "$files/y"
  shows '^appended$'
  echo short > "$files/x"  # truncated
  shows '^short$'
  echo other > "$files/new" && mv "$files/new" "$files/x"  # replaced
  shows '^other$'
  echo late > "$files/z"  # was not there
  shows '^late$'
  kill -INT "$pid"
  if ! wait "$pid" || grep -q '^18$' "$out"; then
    printf 'FAILED: tail_f:\n%s\n' "$(cat "$out")"
    failures=$((failures + 1))
  fi
}
follow
expect_run 2 'at least one FILE' "$dir/tail_f"

expect_run 0 '^wordcount +2 files, 4 words' "$dir/tour" --leaves=1000 --primes=50 "$files/a" "$files/b"
expect_run 0 '^SCHED [0-9]+ms: gomaxprocs=2 idleprocs=' "$dir/tour" --procs=2 --leaves=1000 --primes=50 --schedtrace=1
expect_run 2 'out of range' "$dir/tour" --leaves=12
expect_run 2 'GOMAXPROCS: nonsense: want a positive number' env GOMAXPROCS=nonsense "$dir/hello"
exit "$failures"
