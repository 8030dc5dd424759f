#!/usr/bin/env bash
# Checks that the README's program is the one that is built, that links between
# documents lead somewhere, and that the names in the map of Go's fields are those in
# the code. Prints "PASSED ..." or "FAILED ..." for each document.
set -uo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
failed=0

result() {  # result STATUS NAME
  if (($1 == 0)); then echo "PASSED docs: $2"; else echo "FAILED docs: $2"; failed=1; fi
}

check_links() {  # check_links DOCUMENT
  local target bad=0
  while read -r target; do
    [[ -e "$(dirname "$1")/$target" ]] && continue
    echo "$1: no $target" >&2
    bad=1
  done < <(grep -oE '\]\([^)#]+' "$1" | cut -c3- | grep -v '^[a-z]*:')
  return "$bad"
}

diff <(sed -n '/^```cpp$/,/^```$/{//!p}' README.md) examples/hello.cc >&2
result $? "the program in README.md is examples/hello.cc"
for document in *.md docs/*.md; do
  check_links "$document"
  result $? "the links of $document"
done
tools/gmp_map_test.sh >&2
result $? "the names in docs/gmp-map.md"
exit "$failed"
