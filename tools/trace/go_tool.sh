# Go's own reader of traces, for tests: to be sourced.

# Prints the go command of Go 1.23 or newer; false if there is none.
find_go() {
  local go
  for go in "${MPG_GO:-}" "$(command -v go)" /usr/lib/go-1.2{3,4,5}/bin/go; do
    if [[ -x "$go" && "$("$go" version)" =~ go1\.2[3-9] ]]; then
      echo "$go"
      return
    fi
  done
  return 1
}

# go_events GO FILE: every event as text. Go 1.24 calls it -d=parsed, Go 1.23 -d=1;
# Go 1.22 has other events.
go_events() {
  "$1" tool trace -d=parsed "$2" 2>/dev/null || "$1" tool trace -d=1 "$2"
}
