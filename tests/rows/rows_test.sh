#!/usr/bin/env bash
# The row program and the script that compares two of them: what they print, and
# what they say to wrong use. A row is measured here, but its figure means nothing.
set -u
. "$(dirname "$0")/../../testing/expect.sh"
rows="$1"
compare="$2"

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
tab=$'\t'

expect_run 0 '^skynet \[1 2\] total ns$' "$rows" --list
expect_run 0 "^waitgroup/P=1${tab}[0-9.]+${tab}[0-9.]+${tab}ns/Add\\+Done\\+Wait$" \
  "$rows" --bench='^waitgroup$' --reps=1
expect_run 0 "^waitgroup/P=2${tab}" "$rows" --bench='^waitgroup$' --reps=1 --procs=2
expect_run 0 "^ring/P=1${tab}" "$rows" --bench='^ring$' --reps=2 --procs=1
expect_run 2 '^--reps must be at least 1' "$rows" --reps=0
expect_run 2 '^--bench: ' "$rows" '--bench=('
expect_run 2 '^no benchmark named nonsense$' "$rows" --child=nonsense

# The comparison, of programs whose figures are known. Goals: goals.tsv.
fake() {  # fake NAME FIGURES...: a program that lists and prints two rows
  cat > "$folder/$1" <<END
#!/bin/sh
case "\$1" in
  --list) printf 'yield2 [1] ns/Gosched\ncreate_1M [2] ns/goroutine\n' ;;
  *yield2*) printf 'yield2/P=1\t$2\t$3\tns/Gosched\n' ;;
  *) printf 'create_1M/P=2\t9.9\t9.8\tns, all create_ms=$4 wake_end_ms=$5\n' ;;
esac
END
  chmod +x "$folder/$1"
}
fake ours 12.5 12.0 1000 250
fake go 100.0 95.25 1250 400
run=("$compare" --ours "$folder/ours" --other "$folder/go" --rounds 2)
expect_run 0 '^\| yield2 \| 1 \| 100 ns \[95\.2\] \| 12\.5 ns \[12\] \| 0\.12 \| 0\.13 \|$' \
  "${run[@]}"
expect_run 0 '^\| create_1M wake_end_ms \| 2 \| 400 ms \| 250 ms \| 0\.62 \| \*\*0\.58\*\* \|$' \
  "${run[@]}"
expect_run 0 '^3 goals, 1 missed' "${run[@]}"
expect_run 0 '^\| waitgroup \| 1 \| [0-9.]+ ns \[[0-9.]+\] \| [0-9.]+ ns \[[0-9.]+\] \| [0-9.]+ \|  \|$' \
  "$compare" --ours "$rows" --other "$rows" --bench '^waitgroup$' --rounds 1 --reps 1
expect_run 1 'no Go compiler: no-such-go not found' \
  "$compare" --ours "$rows" --go-source "$folder" --go no-such-go
expect_run 1 'holds no go.mod' \
  "$compare" --ours "$rows" --go-source "$folder" --go true
expect_run 1 'cannot run .*/nothing: No such file' \
  "$compare" --ours "$rows" --other "$folder/nothing"
expect_run 2 'one of --other and --go-source' "$compare" --ours "$rows"
exit "$failures"
