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

end_test() {  # shows what the program printed last, if anything failed
  if ((failures != 0)); then printf '%s\n' "$out"; fi
  exit "$failures"
}
