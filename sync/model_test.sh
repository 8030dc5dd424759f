#!/bin/sh
# Checks the protocols of Mutex and WaitGroup with spin, in every interleaving;
# then that each broken variant of them is found out. Skipped where spin or a C
# compiler is missing (Debian: spin, gcc).
set -eu

if ! command -v spin >/dev/null 2>&1 || ! command -v cc >/dev/null 2>&1; then
  echo "SKIPPED: needs spin and cc (apt install spin gcc)"
  exit 0
fi
models=$PWD/sync
work=${TEST_TMPDIR:-$(mktemp -d)}
failed=0

# check MODEL WANTED FLAGS...: the number of errors must be 0, or not 0.
check() {
  model=$1
  wanted=$2
  shift 2
  dir=$work/$model
  rm -rf "$dir"
  mkdir -p "$dir"
  (
    cd "$dir"
    spin "$@" -a "$models/$model.pml" >spin.log 2>&1
    cc -O2 -w -DSAFETY -DCOLLAPSE -DVECTORSZ=2048 -o pan pan.c
    ./pan -m1000000 >pan.log 2>&1
  ) || true
  errors=$(sed -n 's/.*errors: \([0-9]*\).*/\1/p' "$dir/pan.log")
  states=$(sed -n 's/ *\([0-9.e+]*\) states, stored.*/\1/p' "$dir/pan.log")
  cut=$(grep -c 'max search depth too small\|out of memory' "$dir/pan.log" || true)
  case "$wanted:$errors:$cut" in
    right:0:0 | broken:[1-9]*:*) verdict=ok ;;
    *) verdict=FAILED; failed=1; cat "$dir/spin.log" "$dir/pan.log" ;;
  esac
  echo "$verdict: $model $* ($wanted): errors: $errors, states: $states"
}

check mutex_model right -DN=2 -DROUNDS=3
check mutex_model right -DN=3 -DROUNDS=2
for b in 1 2 3; do check mutex_model broken -DN=3 -DROUNDS=2 -DBROKEN=$b; done
check wait_group_model right
check wait_group_model right -DDONES=3 -DWAITS=2
for b in 1 2 3; do check wait_group_model broken -DBROKEN=$b; done
exit $failed
