#!/bin/sh
# Builds switch_conformance_test for aarch64 and runs it under qemu's user-mode
# emulation: the only look at the aarch64 switch that an x86-64 machine allows.
# Skipped where the tools are missing (Debian: g++-aarch64-linux-gnu,
# qemu-user).
set -eu

compiler=aarch64-linux-gnu-g++
emulator=
for candidate in qemu-aarch64 qemu-aarch64-static; do
  if command -v "$candidate" >/dev/null 2>&1; then emulator=$candidate; break; fi
done
[ "$(uname -m)" = aarch64 ] && emulator=env
if ! command -v "$compiler" >/dev/null 2>&1 || [ -z "$emulator" ]; then
  echo "SKIPPED: needs aarch64-linux-gnu-g++ and qemu-aarch64" \
    "(apt install g++-aarch64-linux-gnu qemu-user)"
  exit 0
fi

program=${TEST_TMPDIR:-$(mktemp -d)}/switch_conformance_test
for flags in "-O0" "-O2 -mbranch-protection=standard" "-O3 -flto"; do
  # shellcheck disable=SC2086 -- flags are words
  "$compiler" -std=c++17 -Wall -Wextra -Werror -static $flags -I. \
    runtime/switch/switch_conformance_test.cc runtime/switch/eh_state.cc \
    runtime/switch/start.S -o "$program"
  echo "$flags: $("$emulator" "$program")"
done
