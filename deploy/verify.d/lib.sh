# Sourced by the steps. A step exits 0 (fine), 77 (skipped; its last line says why) or anything else (failed).
# It has VENV, ROOT and SCRATCH in its environment, and prints "= ..." for what the reader should see.
# shellcheck shell=sh
set -eu

skip() { echo "$*"; exit 77; }
fail() { echo "FAILED: $*"; exit 1; }

# need COMMAND PACKAGE: installs PACKAGE when COMMAND is missing and that is possible, otherwise skips the step.
need() {
  command -v "$1" >/dev/null 2>&1 && return 0
  [ "$(id -u)" -eq 0 ] && command -v apt-get >/dev/null 2>&1 || skip "needs $1 (Debian package $2)"
  if [ ! -e "$SCRATCH/apt-updated" ]; then
    apt-get update -qq || skip "needs $1, and apt-get update failed"
    : >"$SCRATCH/apt-updated"
  fi
  # Services that come with a package must not start.
  printf '#!/bin/sh\nexit 101\n' >"$SCRATCH/policy-rc.d"
  DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "$2" >&2 ||
    skip "needs $1, and Debian package $2 cannot be installed"
  command -v "$1" >/dev/null 2>&1 || skip "needs $1, which Debian package $2 did not bring"
}

# The checkout as a stranger would get it: tracked files where there is git, otherwise all but what is ignored.
copy_checkout() {
  mkdir -p "$1"
  untracked=$(git -C "$ROOT" ls-files --others --exclude-standard 2>/dev/null | sed 's/^/  /') || untracked=''
  [ -z "$untracked" ] || printf 'Not in the copy, as git does not track them:\n%s\n' "$untracked"
  if git -C "$ROOT" rev-parse --verify -q HEAD >/dev/null 2>&1; then
    git -C "$ROOT" ls-files -z
  else
    (cd "$ROOT" && find . \( -name .git -o -name .venv -o -name __pycache__ -o -name '.*_cache' \) -prune \
      -o \( -type f -o -type l \) ! -name '*.ndjson' -print0)
  fi | (cd "$ROOT" && tar --null --ignore-failed-read -T - -cf -) | tar -C "$1" -xf -
}

# Debian 12, minbase, made once and kept for the next run if VERIFY_CACHE names a folder.
debian() {
  packages=$2
  cache=${VERIFY_CACHE:-$SCRATCH}
  mkdir -p "$cache"
  if [ ! -e "$cache/debian.tar" ]; then
    debootstrap --variant=minbase bookworm "$cache/debian.new" >"$SCRATCH/debootstrap.log" 2>&1 ||
      { tail -n 20 "$SCRATCH/debootstrap.log"; fail "debootstrap"; }
    tar -C "$cache/debian.new" --one-file-system -cf "$cache/debian.tar.new" .
    rm -rf "$cache/debian.new"
    mv "$cache/debian.tar.new" "$cache/debian.tar"
  fi
  mkdir -p "$1"
  tar -C "$1" -xf "$cache/debian.tar"
  cp /etc/resolv.conf "$1/etc/resolv.conf"
  # Where packages come from is the machine's affair: the guest gets them the way the host does.
  for file in /etc/apt/sources.list /etc/apt/sources.list.d/debian.sources /etc/hosts; do
    [ ! -f "$file" ] || install -D -m 0644 "$file" "$1$file"
  done
  inside "$1" "apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends $packages" \
    >"$SCRATCH/apt-guest.log" 2>&1 || { tail -n 20 "$SCRATCH/apt-guest.log"; fail "apt-get in the guest"; }
  # ... and trusts whom the host trusts: many networks have a certificate authority of their own.
  if [ -f /etc/ssl/certs/ca-certificates.crt ]; then
    install -D -m 0644 /etc/ssl/certs/ca-certificates.crt "$1/etc/ssl/certs/ca-certificates.crt"
    echo "[global]" >"$1/etc/pip.conf"
    echo "cert = /etc/ssl/certs/ca-certificates.crt" >>"$1/etc/pip.conf"
    if index=$("$VENV/bin/python" -m pip config get global.index-url 2>/dev/null); then
      echo "index-url = $index" >>"$1/etc/pip.conf"
    fi
  fi
}

# inside FOLDER COMMAND: runs the command line there, with nothing of the host's environment.
inside() { env -i PATH=/usr/sbin:/usr/bin:/sbin:/bin HOME=/root LC_ALL=C.UTF-8 chroot "$1" sh -c "$2"; }
