#!/usr/bin/env bash
# The files are those of the package, and README.md says which version they are of.
set -euo pipefail
cd third_party/d3
sha256sum --check SHA256SUMS
version="$(sed -n '1s/.* v\([0-9.]*\) .*/\1/p' d3.min.js)"
grep -q "^| version | $version |" README.md || {
  echo "FAILED: d3.min.js is of version $version, and README.md says another"
  exit 1
}
