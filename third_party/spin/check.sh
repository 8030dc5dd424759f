#!/bin/sh
# check.sh MODEL KIND:FLAGS...: checks a Promela model with spin, in every
# interleaving, once for each argument: a model of kind "right" must have no
# error, one of kind "broken" must have one. Skipped where spin or a C compiler
# is missing (Debian: spin, gcc).
set -eu

if ! command -v spin >/dev/null 2>&1 || ! command -v cc >/dev/null 2>&1; then
  echo "SKIPPED: needs spin and cc (apt install spin gcc)"
  exit 0
fi
model=$PWD/$1
shift
work=${TEST_TMPDIR:-$(mktemp -d)}
failed=0

check() { # KIND FLAGS...
  kind=$1
  shift
  dir=$work/run
  rm -rf "$dir"
  mkdir -p "$dir"
  (
    cd "$dir"
    spin "$@" -a "$model" >spin.log 2>&1
    # An error is found early, and then the compiler takes most of the time.
    case $kind in right) level=-O2 ;; *) level=-O0 ;; esac
    # MEMLIM ends the search when it takes more megabytes.
    cc $level -w -DSAFETY -DCOLLAPSE -DVECTORSZ=2048 -DMEMLIM=2000 -o pan pan.c
    ./pan -m1000000 >pan.log 2>&1
    # The way to an error that should not be there.
    trail=$(basename "$model").trail
    if [ "$kind" = right ] && [ -e "$trail" ]; then
      spin -k "$trail" -t -p -g "$@" "$model" >trail.log 2>&1
    fi
  ) || true
  errors=$(sed -n 's/.*errors: \([0-9]*\).*/\1/p' "$dir/pan.log")
  states=$(sed -n 's/ *\([0-9.e+]*\) states, stored.*/\1/p' "$dir/pan.log")
  cut=$(grep -c 'Search not completed\|max search depth too small' \
    "$dir/pan.log" || true)
  case "$kind:$errors:$cut" in
    right:0:0 | broken:[1-9]*:*) verdict=ok ;;
    *) verdict=FAILED; failed=1; cat "$dir"/*.log ;;
  esac
  echo "$verdict: $(basename "$model") $* ($kind): errors: $errors, states: $states"
}

for run in "$@"; do
  # shellcheck disable=SC2086  # the flags are words
  check "${run%%:*}" ${run#*:}
done
exit $failed
