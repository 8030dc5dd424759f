#!/usr/bin/env bash
# tools/sanitizer_tests.sh CONFIG: the C++ tests under asan, tsan or ubsan.
# Left out: model tests, in which Relacy runs all threads on one of its own and
# looks for races itself; and what has the tag "slow", "no-san" or "no-CONFIG".
set -uo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
readonly bazel="${BAZEL:-/usr/bin/bazel}"
readonly config="$1"
readonly SKIP="slow|no-san|no-$config"

mapfile -t tests < <("$bazel" query --noshow_progress --ui_event_filters=-info \
  "kind(cc_test, //...)
     except attr(name, '_model_test$', //...)
     except attr(tags, '\b($SKIP)\b', //...)")
options=()
# gcc 12's and clang 14's sanitizers cannot place their shadow memory where the
# kernel spreads mappings wider than this (Ubuntu 24.04: 32 bits).
if (($(cat /proc/sys/vm/mmap_rnd_bits 2>/dev/null || echo 28) > 28)); then
  options+=("--run_under=setarch -R")
fi
exec tools/bazel_test.sh "$config" --config="$config" --build_tests_only \
  "${options[@]}" -- "${tests[@]}"
