#!/usr/bin/env bash
# Checks that every "file `name`" in docs/gmp-map.md is true: the file has the
# name as a word.
set -u
cd "$(dirname "$0")/.." || exit 2
checked=0
failed=0
while IFS=' ' read -r file name; do
  checked=$((checked + 1))
  if ! grep -qw -- "$name" "$file"; then
    echo "docs/gmp-map.md: no $name in $file"
    failed=$((failed + 1))
  fi
done < <(sed -nE 's/^\|[^|]*\| ([^ |]+) `([^`]+)` \|.*/\1 \2/p' docs/gmp-map.md)
echo "$checked names checked, $failed wrong"
[ "$checked" -gt 100 ] && [ "$failed" -eq 0 ]
