#!/usr/bin/env bash
# Builds this folder as another repository that depends on one part of mpg, and
# checks what the README promises about that. Prints a line "PASSED ..." or
# "FAILED ..." for each promise, all else to stderr; status 1 if any failed.
set -uo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")"
base="$(mktemp -d)"
# Not the user's own output base: this server ends with the script.
bazel() { "${BAZEL:-/usr/bin/bazel}" --output_base="$base" "$@"; }
cleanup() {
  bazel shutdown >&2
  chmod -R u+w "$base"
  rm -rf "$base" bazel-*
}
trap cleanup EXIT

failed=0
expect() {  # expect NAME COMMAND: the command succeeds
  local name="$1"
  shift
  if "$@" >&2; then
    echo "PASSED consumer: $name"
  else
    echo "FAILED consumer: $name"
    failed=1
  fi
}

only_what_it_names() {
  local reached
  reached="$(bazel query --noshow_progress 'deps(//:consumer)')" &&
    grep -q '^@mpg//queue:runq$' <<<"$reached" &&
    ! grep '^@mpg//' <<<"$reached" | grep -vE '^@mpg//(queue|base):'
}

unneeded_are_untouched() {
  local repository
  for repository in gflags gperftools googletest google_benchmark relacy; do
    [[ ! -e "$base/external/$repository" ]] || return 1
  done
}

missing_is_one_sentence() {
  local said
  ! said="$(bazel build --noshow_progress //:needs_missing 2>&1)" &&
    grep -F "mpg: Missing is not installed: run apt-get install libmissing-dev" \
      <<<"$said"
}

expect "a program that depends on @mpg//queue:runq alone, with its own Abseil" \
  bazel run --noshow_progress //:consumer
expect "repositories that it does not need are not looked at" unneeded_are_untouched
expect "it gets nothing of mpg but the queue and what that stands on" only_what_it_names
expect "a missing package is named in one sentence" missing_is_one_sentence
exit "$failed"
