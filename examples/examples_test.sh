#!/usr/bin/env bash
# Runs every example and looks at what it prints.
set -u
failures=0
dir="$(dirname "$0")"

# expect STATUS PATTERN COMMAND...: the command's exit status, and a line of its
# output, errors included, that matches.
expect() {
  local status=$1 pattern=$2 out rc
  shift 2
  out=$("$@" 2>&1 < /dev/null)
  rc=$?
  if [ "$rc" -ne "$status" ] || ! grep -qE -- "$pattern" <<< "$out"; then
    printf 'FAILED: %s\n  exit status %s, want %s; want a line /%s/ in:\n%s\n' \
      "$*" "$rc" "$status" "$pattern" "$out"
    failures=$((failures + 1))
  fi
}

files=$(mktemp -d)
trap 'rm -rf "$files"' EXIT
printf 'one two\nthree\n' > "$files/a"
printf 'four' > "$files/b"

expect 0 '^three goroutines$' "$dir/hello"
expect 0 '^541$' "$dir/sieve" 100
expect 2 '^usage: sieve' "$dir/sieve" 0
expect 0 '^49995000$' "$dir/skynet" 10000
expect 2 '^usage: skynet' "$dir/skynet" 77
expect 0 '^20 of 20 rounds in order' "$dir/ring" 50 20
expect 0 '^ +2 +4 +18 total$' "$dir/wordcount" "$files/a" "$files/b"
expect 1 'open .*/missing' "$dir/wordcount" "$files/a" "$files/missing"
expect 2 '^usage: wordcount' "$dir/wordcount"
expect 0 '338350$' "$dir/plain_threads"
expect 0 '^sum of squares: 338350$' "$dir/pipeline"
expect 0 '^factor: 1009; workers stopped: CANCELLED: context canceled$' "$dir/worker_pool"
expect 0 '^balance: 450 after 101 requests$' "$dir/select_loop"
expect 0 '^wordcount +2 files, 4 words' "$dir/tour" --leaves=1000 --primes=50 "$files/a" "$files/b"
expect 0 '^SCHED [0-9]+ms: gomaxprocs=2 idleprocs=' "$dir/tour" --procs=2 --leaves=1000 --primes=50 --schedtrace=1
expect 2 'out of range' "$dir/tour" --leaves=12
expect 2 'GOMAXPROCS: nonsense: want a positive number' env GOMAXPROCS=nonsense "$dir/hello"
exit "$failures"
