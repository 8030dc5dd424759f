#!/usr/bin/env bash
# Runs gdb with mpg-gdb.py on a program, and on a core file of it, and checks what
# the commands print.
#
#   mpg-gdb_test.sh DEBUGGEE MPG_GDB_PY
set -u
debuggee="$(realpath "$1")"
script="$(realpath "$2")"
work="$(mktemp -d "${TEST_TMPDIR:-/tmp}/gdb.XXXXXX")"
trap 'rm -rf "$work"' EXIT
failed=0

if ! command -v gdb >/dev/null; then
  echo "SKIPPED: gdb is not installed"
  exit 0
fi
if ! gdb -nx -batch -ex 'python print("has", "unwinder" in dir(__import__("gdb.unwinder")))' \
    2>/dev/null | grep -q '^has True$'; then
  echo "SKIPPED: this gdb has no Python, or is too old"
  exit 0
fi

# expect FILE WHAT REGEX
expect() {
  if ! grep -Eq -- "$3" "$1"; then
    echo "FAILED: $2: no line matches: $3"
    failed=1
  fi
}

# Commands for both the process and the core file. Goroutine numbers come from the
# names, by `info goroutines`.
cat >"$work/look.gdb" <<'END'
set pagination off
echo ==goroutines\n
info goroutines
echo ==procs\n
info procs
info threads-m
echo ==values\n
frame function AllIsReady
print numbers
print strings
python
def named(name):
    for line in gdb.execute("info goroutines", to_string=True).splitlines():
        if '"%s"' % name in line:
            return line.replace("*", " ").split()[0]
for name in ("receiver", "sender", "caller", "spinner", "locked", "locking",
             "selecting", "sleeping"):
    print("==bt " + name)
    gdb.execute("goroutine %s bt" % named(name))
print("==frame")
gdb.execute("goroutine %s frame function ReceiverFunction" % named("receiver"))
bt = gdb.execute("goroutine %s bt" % named("sender"), to_string=True)
level = [l.split()[0][1:] for l in bt.splitlines() if "SenderFunction" in l][0]
print("sender's frame " + level)
gdb.execute("goroutine %s frame %s; info frame" % (named("sender"), level))
print("==descriptor")
gdb.execute("print *$goroutine(%s)" % named("locked"))
end
echo ==selected\n
frame
info threads
END

check() {
  local out="$1" what="$2" name
  expect "$out" "$what" '^. [0-9]+ +\[waiting, chan receive\] "receiver" .*ReceiverFunction at .*debuggee\.cc:[0-9]+$'
  expect "$out" "$what" '^. [0-9]+ +\[waiting, chan send\] "sender" .*SenderFunction'
  expect "$out" "$what" '^. [0-9]+ +\[syscall\] "caller" .*CallingFunction'
  expect "$out" "$what" '^. [0-9]+ +\[(running|preempted)\] "spinner" .*SpinningFunction'
  expect "$out" "$what" '^. [0-9]+ +\[waiting, chan receive, locked to thread\] "locked" '
  expect "$out" "$what" '^. [0-9]+ +\[waiting, sync\.Mutex\.Lock\] "locking" .*LockingFunction'
  expect "$out" "$what" '^. [0-9]+ +\[waiting, select\] "selecting" .*SelectingFunction'
  expect "$out" "$what" '^. [0-9]+ +\[waiting, sleep\] "sleeping" .*SleepingFunction'
  expect "$out" "$what" '^. 1 +\[running\] .*AllIsReady|^. 1 +\[running\] .*main'
  if [ "$(sed -n '/^==goroutines/,/^==procs/p' "$out" | grep -c 'ReceiverFunction at')" -ne 72 ]; then
    echo "FAILED: $what: not 72 receivers"
    failed=1
  fi
  expect "$out" "$what" '^Runtime 0x[0-9a-f]+: 4 procs, [0-9]+ threads, '
  expect "$out" "$what" '^  P[0-3] running  M[0-9]+ \(thread [0-9]+, LWP [0-9]+\) G[0-9]+ runq=[0-9]+ runnext='
  expect "$out" "$what" '^M0 LWP [0-9]+ \(thread [0-9]+\) P=.* is_m0$'
  expect "$out" "$what" '^\$[0-9]+ = mpg::Chan<int> len=2 cap=4 closed = \{\[0\] = 11, \[1\] = 12\}$'
  expect "$out" "$what" '^\$[0-9]+ = mpg::Chan<std.*string.*> len=2 cap=2 sending: G[0-9]+ = \{\[0\] = "one", \[1\] = "two"\}$'
  for name in receiver:Receiver sender:Sender caller:Calling \
      spinner:Spinning locked:Receiver locking:Locking selecting:Selecting \
      sleeping:Sleeping; do
    sed -n "/^==bt ${name%:*}/,/^==/p" "$out" >"$work/bt"
    expect "$work/bt" "$what, ${name%:*}'s stack" '^#0 '
    expect "$work/bt" "$what, ${name%:*}'s stack" \
      "^#[0-9]+ .*${name#*:}Function \(.*debuggee\.cc:[0-9]+"
    expect "$work/bt" "$what, ${name%:*}'s stack" '^#[0-9]+ .*mpg_context_start'
  done
  expect "$out" "$what" '^#[0-9]+ .*ReceiverFunction \(.*argument=42\)'
  sed -n '/^==frame/,/^==/p' "$out" >"$work/frame"
  expect "$work/frame" "$what, a frame" \
    "^#$(sed -n "s/^sender's frame //p" "$out") .*SenderFunction"
  expect "$work/frame" "$what, a frame" '^Stack level [0-9]+, frame at 0x'
  expect "$out" "$what" '^\$[0-9]+ = goroutine [0-9]+ "locked" \[waiting, chan receive, locked to thread\]$'
  sed -n '/^==selected/,$p' "$out" >"$work/selected"
  expect "$work/selected" "$what, the frame selected afterwards" '^#[0-9]+ .*AllIsReady'
  if grep -nE 'Python Exception|Traceback' "$out"; then
    echo "FAILED: $what: an exception in Python"
    failed=1
  fi
}

timeout 240 gdb -nx -q -batch -ex "source $script" -ex 'set breakpoint pending off' \
  -ex 'break AllIsReady' -ex run -x "$work/look.gdb" \
  -ex 'echo ==goes on\n' -ex 'delete' -ex continue "$debuggee" \
  >"$work/live" 2>&1 </dev/null
if grep -q 'ptrace: Operation not permitted\|Cannot create process' "$work/live"; then
  echo "SKIPPED: gdb may not trace here"
  exit 0
fi
check "$work/live" "live process"
expect "$work/live" "the process goes on" '^\[Inferior 1 \(process [0-9]+\) exited normally\]'

case "$(cat /proc/sys/kernel/core_pattern)" in
  core | core.%p)
    (cd "$work" && ulimit -c unlimited && "$debuggee" die) >/dev/null 2>&1
    core="$(echo "$work"/core*)"
    if [ -s "$core" ]; then
      timeout 240 gdb -nx -q -batch -ex "source $script" -x "$work/look.gdb" "$debuggee" \
        "$core" >"$work/core_out" 2>&1 </dev/null
      check "$work/core_out" "core file"
    else
      echo "SKIPPED: no core file was written"
    fi
    ;;
  *) echo "SKIPPED: the core file: core_pattern sends it elsewhere" ;;
esac

if [ "$failed" -ne 0 ]; then
  for out in live core_out; do
    [ -f "$work/$out" ] && { echo "----- $out"; cat "$work/$out"; }
  done
fi
exit "$failed"
