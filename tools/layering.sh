#!/usr/bin/env bash
# Checks the floor plan (docs/architecture.md) on the graph of targets: no folder
# reaches one that it may not know. Prints a line "PASSED ..." or "FAILED ..." for
# each rule; status 1 if any failed.
set -uo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
readonly bazel="${BAZEL:-/usr/bin/bazel}"

# folder: the folders that it may reach, itself left out.
readonly PLAN="
base:
queue: base
timer: base
trace: base
sysmon: base
channel: base queue timer trace
sync: base queue timer trace channel
runtime: base queue timer trace channel sync sysmon
net: base queue timer trace channel sync sysmon runtime
context: base queue timer trace channel sync sysmon runtime
"
readonly UPPER="examples testing tests tools"

failed=0

# expect_empty NAME QUERY
expect_empty() {
  local found
  if ! found="$("$bazel" query --noshow_progress --ui_event_filters=-info "$2")"; then
    echo "FAILED $1: the query failed: $2"
  elif [[ -n "$found" ]]; then
    echo "FAILED $1:" $found
  else
    echo "PASSED $1"
    return
  fi
  failed=1
}

packages() {  # the folders, of those named, that hold a BUILD file, as a query
  local folder union=
  for folder in "$@"; do
    if [[ -n "$(find "$folder" -name BUILD 2>/dev/null)" ]]; then
      union+="${union:+ + }//$folder/..."
    fi
  done
  echo "$union"
}

check_folder() {  # FOLDER "FOLDERS IT MAY REACH"
  local from above=() other
  from="$(packages "$1")"
  [[ -n "$from" ]] || return
  for other in $(cut -d: -f1 <<<"$PLAN") $UPPER; do
    [[ " $1 $2 " == *" $other "* ]] || above+=("$other")
  done
  expect_empty "layering: //$1 reaches nothing of ${above[*]}" \
    "somepath($from, $(packages "${above[@]}"))"
}

while IFS=: read -r folder allowed; do
  [[ -n "$folder" ]] && check_folder "$folder" "${allowed# }"
done <<<"$PLAN"

libraries="$(packages $(cut -d: -f1 <<<"$PLAN"))"
expect_empty "layering: no library reads command-line flags" \
  "somepath(kind(cc_library, $libraries), @gflags//...)"
expect_empty "layering: a program with plain threads links nothing of the runtime" \
  "somepath(//examples:plain_threads, //runtime/...)"
exit "$failed"
