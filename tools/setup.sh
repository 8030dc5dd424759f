#!/usr/bin/env bash
# Installs what building mpg needs on Debian 12 or Ubuntu 24.04: only what is
# missing, and nothing outside of the distribution's own packages. Debian's
# backports are switched on for Go (a file mpg-backports in apt's sources.list.d).
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
# Tests that need one of these are skipped where it is missing: Go's own tools read
# what mpg's write; a browser shows the page of `trace serve`.
readonly OPTIONAL_PACKAGES=(golang-1.23-go chromium chromium-driver)
readonly BACKPORTS=/etc/apt/sources.list.d/mpg-backports
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

has_candidate() {
  local candidate
  candidate="$(apt-cache policy "$1" 2>/dev/null | sed -n 's/^  Candidate: //p')"
  [[ -n "$candidate" && "$candidate" != "(none)" ]]
}

# Prints the system's own source entry for suite $1, with suite $2 in its place, and
# as the first line which of apt's two formats it has.
source_entry() {
  local from="$1" to="$2" file entry
  for file in /etc/apt/sources.list.d/*.sources; do
    [[ -r "$file" && "$file" != "$BACKPORTS.sources" ]] || continue
    entry="$(awk -v from="$from" -v to="$to" '
      BEGIN { RS = ""; FS = "\n" }
      {
        text = ""; found = 0; binary = 0; off = 0
        for (i = 1; i <= NF; i++) {
          line = $i
          if (line ~ /^#/) continue
          if (line ~ /^Types:/ && line ~ /(^|[ \t:])deb([ \t]|$)/) binary = 1
          if (tolower(line) ~ /^enabled:[ \t]*(no|false)/) off = 1
          if (line ~ /^Suites:/) {
            n = split(line, word, /[ \t]+/)
            for (j = 2; j <= n; j++) if (word[j] == from) found = 1
            line = "Suites: " to
          }
          if (line ~ /^Types:/) line = "Types: deb"
          text = text line "\n"
        }
        if (found && binary && !off) { printf "%s", text; exit }
      }' "$file")"
    if [[ -n "$entry" ]]; then printf 'sources\n%s\n' "$entry"; return; fi
  done
  for file in /etc/apt/sources.list /etc/apt/sources.list.d/*.list; do
    [[ -r "$file" && "$file" != "$BACKPORTS.list" ]] || continue
    entry="$(awk -v from="$from" -v to="$to" '
      $1 == "deb" {
        for (i = 2; i <= NF; i++) if ($i == from) { $i = to; print; exit }
      }' "$file")"
    if [[ -n "$entry" ]]; then printf 'list\n%s\n' "$entry"; return; fi
  done
  return 1
}

# Makes Debian's backports known to apt, from the same place as all else. False if
# there are none, and then nothing has changed.
enable_backports() {
  local id codename entry file
  id="$(. /etc/os-release && echo "${ID:-}")"
  codename="$(. /etc/os-release && echo "${VERSION_CODENAME:-}")"
  [[ "$id" == debian && -n "$codename" ]] || return 1
  entry="$(source_entry "$codename" "$codename-backports")" || return 1
  file="$BACKPORTS.${entry%%$'\n'*}"
  as_root sh -c 'printf "%s\n" "$1" >"$2"' sh "${entry#*$'\n'}" "$file" || return 1
  if apt update -o Dir::Etc::SourceList="$file" -o Dir::Etc::SourceParts=- \
      -o APT::Get::List-Cleanup=0 -o APT::Update::Error-Mode=any; then
    say "switched on $codename-backports in $file"
    return
  fi
  say "there is no $codename-backports where this machine has its packages from"
  as_root rm -f "$file"
  return 1
}

# Never fails: what cannot be had is named, and the tests do without.
install_optional() {
  local package missing=() lacking=()
  for package in "${OPTIONAL_PACKAGES[@]}"; do
    installed "$package" || missing+=("$package")
  done
  if ((${#missing[@]} == 0)); then return; fi
  if ((EUID != 0)) && ! command -v sudo >/dev/null; then
    lacking=("${missing[@]}")
  else
    has_candidate "${missing[0]}" || apt update || true
    for package in "${missing[@]}"; do
      if ! has_candidate "$package" && [[ "$package" == golang-* ]]; then
        enable_backports || true
      fi
      if has_candidate "$package" &&
          apt install -y --no-install-recommends "$package"; then
        say "installed $package"
      else
        lacking+=("$package")
      fi
    done
  fi
  if ((${#lacking[@]} > 0)); then
    say "not to be had here: ${lacking[*]}; the tests that need them will be skipped"
  fi
}

main() {
  local wanted
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
    if [[ "$1" == test ]]; then install_optional; fi
    say "nothing is missing"
    return
  fi
  if ((EUID != 0)) && ! command -v sudo >/dev/null; then
    die "run as root, or install sudo: these packages are missing: ${missing[*]}"
  fi
  say "installing ${missing[*]}"
  install_packages "${missing[@]}"
  if [[ "$1" == test ]]; then install_optional; fi
  say "done"
}

main "$@"
