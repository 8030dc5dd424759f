#!/usr/bin/env bash
# mpg-top_test.sh MPG_TOP_TEST_PY MPG_TOP SAMPLE
set -eu
exec python3 "$@"
