#!/usr/bin/env bash
# Builds every benchmark optimised and runs each for a moment, to show that it
# works; the figures mean nothing. Prints "PASSED ..." or "FAILED ..." for each.
set -uo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
readonly bazel="${BAZEL:-/usr/bin/bazel}"
readonly LIMIT_S=60  # for one benchmark; far more than any needs

mapfile -t labels < <("$bazel" query --noshow_progress --ui_event_filters=-info \
  'attr(name, "_benchmark$", kind(cc_binary, //...))')
if ((${#labels[@]} == 0)); then
  echo "FAILED benchmark: there is none"
  exit 1
fi
"$bazel" build --keep_going --noshow_progress --config=bench "${labels[@]}" >&2
bin="$("$bazel" info --config=bench bazel-bin 2>/dev/null)"

failed=0
log="$(mktemp)"
trap 'rm -f "$log"' EXIT
for label in "${labels[@]}"; do
  path="${label#//}"
  # Benchmark 1.7 knows no unit here.
  if timeout "$LIMIT_S" "$bin/${path/://}" --benchmark_min_time=0.001 \
    </dev/null >"$log" 2>&1; then
    echo "PASSED benchmark: $label"
  else
    echo "FAILED benchmark: $label (status $?)"
    tail -n 40 "$log" >&2
    failed=1
  fi
done
exit "$failed"
