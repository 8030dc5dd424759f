#!/usr/bin/env bash
# All checks that a change must pass; takes about an hour. Runs them all, and ends
# with "N passed, N failed" and status 1 if any failed.
#
#   tools/presubmit.sh            everything
#   tools/presubmit.sh format     one part: format, buildifier, docs, layering,
#                                 tests, benchmarks or consumer
set -uo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

tools/setup.sh test || exit 1

check() {  # check NAME COMMAND: a result line for a command that prints none
  local name="$1"
  shift
  if "$@" >&2; then echo "PASSED $name"; else echo "FAILED $name"; fi
}

format() {
  if ! command -v clang-format >/dev/null; then
    echo "FAILED format: run apt-get install clang-format"
    return
  fi
  local files
  mapfile -t files < <(git ls-files '*.h' '*.cc')
  check "format: clang-format" clang-format --dry-run --Werror "${files[@]}"
}

# From npm, @bazel/buildifier, or any other installation in $PATH.
buildifier_clean() {
  if ! command -v buildifier >/dev/null; then
    echo "buildifier: not installed, not checked" >&2
    return
  fi
  local files
  mapfile -t files < <(git ls-files '*BUILD' '*.BUILD' '*.bazel' '*.bzl' WORKSPACE)
  check "format: buildifier" buildifier -mode=check -lint=warn "${files[@]}"
}

tests() {
  local compiler mode config
  for compiler in gcc clang; do
    for mode in fastbuild opt dbg; do
      config=(--config=ci)
      [[ "$compiler" == gcc ]] || config+=(--config=clang)
      # dbg shuffles the scheduler's queues, as MPG_SEED says.
      if [[ "$mode" == dbg ]]; then config+=(--config=dbg); else config+=(-c "$mode"); fi
      tools/bazel_test.sh "$compiler $mode" "${config[@]}" //...
    done
  done
  for config in asan tsan ubsan; do tools/sanitizer_tests.sh "$config"; done
}

run_parts() {
  local part
  for part in "$@"; do
    case "$part" in
      format) format ;;
      buildifier) buildifier_clean ;;
      docs) tools/docs_check.sh ;;
      layering) tools/layering.sh ;;
      tests) tests ;;
      benchmarks) tools/benchmark_smoke.sh ;;
      consumer) tests/consumer/run.sh ;;
      *) echo "FAILED no part is named $part" ;;
    esac
  done
}

results="$(mktemp)"
trap 'rm -f "$results"' EXIT
(($# > 0)) || set -- format buildifier docs layering tests benchmarks consumer
run_parts "$@" | tee "$results"

tools/summary.sh "$results"
