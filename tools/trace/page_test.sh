#!/usr/bin/env bash
# page_test.sh PAGE_TEST_PY TRACE PROGRAM FILE
set -eu
exec python3 "$@"
