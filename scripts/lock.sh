#!/bin/sh
# Resolves an installation afresh, newest versions first, and writes down what came out, below the file's own comment.
# Usage: scripts/lock.sh CONSTRAINTS PIP-INSTALL-ARGUMENT...
set -eu
constraints=$1
shift
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT

"$(dirname "$0")/create_venv.sh" "$folder/venv"
"$folder/venv/bin/python" -m pip install --quiet --disable-pip-version-check "$@"
{
    sed -n '/^#/p' "$constraints"
    # A build's own suffix, such as +cpu, would shut out the other builds of the same version, and so would a version of
    # CUDA's own packages.
    "$folder/venv/bin/python" -m pip freeze --all --exclude pip --exclude synthmill --exclude cuda-bindings \
        --exclude cuda-pathfinder | sed 's/+[a-z0-9.]*$//'
} >"$folder/constraints.txt"
cp "$folder/constraints.txt" "$constraints"
