#!/bin/sh
# Writes the hashed locks anew. Needs uv. Hashes pin what is installed; no registry address is written.
set -eu
cd "$(dirname "$0")/.."
lock() {
  out=$1; shift
  uv pip compile --quiet --universal --generate-hashes --no-header --no-annotate \
    --no-emit-index-url --no-emit-find-links --python-version 3.11 "$@" --output-file "requirements/$out"
}
lock base.lock pyproject.toml
lock report.lock --extra report pyproject.toml
lock demo.lock --extra demo pyproject.toml
lock dev.lock --extra demo --extra report --group dev pyproject.toml
