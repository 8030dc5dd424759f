# To be sourced by tests of programs: `out` is what the program has printed.
failures=0

expect() {  # expect NAME COMMAND...
  local name=$1
  shift
  if "$@"; then return; fi
  echo "FAILED: $name"
  failures=$((failures + 1))
}

has() { grep -qE -- "$1" <<< "$out"; }  # has REGEXP

# expect_run STATUS PATTERN COMMAND...: the command's exit status, and a line of its
# output, errors included, that matches.
expect_run() {
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

end_test() {  # shows what the program printed last, if anything failed
  if ((failures != 0)); then printf '%s\n' "$out"; fi
  exit "$failures"
}
