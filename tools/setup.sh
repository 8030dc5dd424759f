#!/usr/bin/env bash
# Installs what building mpg needs on Debian 12 or Ubuntu 24.04: only what is
# missing, and nothing outside of the distribution's own packages.
#
#   tools/setup.sh run     what the programs need
#   tools/setup.sh test    what the tests, benchmarks and checks need as well
#
# Needs root or sudo only if something is missing. MPG_SKIP_SETUP=1 makes it do
# nothing, for machines that are set up in another way.
set -euo pipefail

readonly RUN_PACKAGES=(
  bazel-bootstrap bazel-platforms bazel-rules-java
  g++ pkg-config
  libabsl-dev libgflags-dev libgoogle-perftools-dev libhttp-parser-dev
  zlib1g-dev
)
readonly TEST_PACKAGES=(
  libgtest-dev libgmock-dev libbenchmark-dev relacy-dev spin
  clang
  gdb
  # The switch for aarch64 is cross-built and emulated.
  g++-aarch64-linux-gnu qemu-user
)
readonly TRIES=4

say() { echo "setup: $*" >&2; }
die() { say "$*"; exit 1; }

installed() {
  [[ "$(dpkg-query -W -f='${db:Status-Status}' "$1" 2>/dev/null)" == installed ]]
}

check_distribution() {
  local id=unknown version=unknown
  if [[ -r /etc/os-release ]]; then
    id="$(. /etc/os-release && echo "${ID:-unknown}")"
    version="$(. /etc/os-release && echo "${VERSION_ID:-unknown}")"
  fi
  case "$id $version" in
    "debian 12" | "ubuntu 24.04") ;;
    *) die "this is $id $version; mpg sets itself up on Debian 12 and Ubuntu" \
           "24.04 only. Elsewhere install the counterparts of: ${wanted[*]}," \
           "and set MPG_SKIP_SETUP=1." ;;
  esac
}

as_root() {
  if ((EUID == 0)); then
    env DEBIAN_FRONTEND=noninteractive "$@" </dev/null
  else
    sudo env DEBIAN_FRONTEND=noninteractive "$@"
  fi
}

apt() {
  as_root apt-get -q -o Acquire::Retries=3 -o DPkg::Lock::Timeout=300 "$@" >&2
}

# An `update` that could not reach a mirror still ends with status 0; it shows
# when `install` finds no package. So both are tried again.
install_packages() {
  local try
  for ((try = 1; try <= TRIES; try++)); do
    if apt update && apt install -y --no-install-recommends "$@"; then return; fi
    if ((try < TRIES)); then
      say "that failed (try $try of $TRIES); trying again"
      sleep $((try * 10))
    fi
  done
  die "apt-get could not install: $*." \
      "On Ubuntu they are in universe (add-apt-repository universe)."
}

main() {
  case "${1:-}" in
    run) wanted=("${RUN_PACKAGES[@]}") ;;
    test) wanted=("${RUN_PACKAGES[@]}" "${TEST_PACKAGES[@]}") ;;
    *) die "usage: tools/setup.sh run|test" ;;
  esac
  if [[ "${MPG_SKIP_SETUP:-}" == 1 ]]; then return; fi
  check_distribution

  local missing=() package
  for package in "${wanted[@]}"; do
    installed "$package" || missing+=("$package")
  done
  if ((${#missing[@]} == 0)); then
    say "nothing is missing"
    return
  fi
  if ((EUID != 0)) && ! command -v sudo >/dev/null; then
    die "run as root, or install sudo: these packages are missing: ${missing[*]}"
  fi
  say "installing ${missing[*]}"
  install_packages "${missing[@]}"
  say "done"
}

main "$@"
