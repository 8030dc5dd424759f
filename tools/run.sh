#!/usr/bin/env bash
# Sets the machine up, builds optimised and runs the tour of examples/.
# Arguments go to the tour; files are relative to where you are.
set -euo pipefail
readonly root="$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)"
readonly bazel="${BAZEL:-/usr/bin/bazel}"

"$root/tools/setup.sh" run
cd "$root"
"$bazel" build --config=bench //examples:tour
program="$("$bazel" info --config=bench bazel-bin 2>/dev/null)/examples/tour"
cd "$OLDPWD"
exec "$program" "$@"
