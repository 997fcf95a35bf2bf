#!/bin/sh
# Resolves the development environment afresh, newest versions first, and writes down what came out.
# Usage: scripts/lock.sh CONSTRAINTS
set -eu
constraints=$1
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT

"$(dirname "$0")/create_venv.sh" "$folder/venv"
"$folder/venv/bin/python" -m pip install --quiet --disable-pip-version-check '.[dev]'
{
    sed -n '/^#/p' "$constraints"
    # A build's own suffix, such as +cpu, would shut out the other builds of the same version.
    "$folder/venv/bin/python" -m pip freeze --all --exclude pip --exclude synthmill | sed 's/+[a-z0-9.]*$//'
} >"$folder/constraints.txt"
cp "$folder/constraints.txt" "$constraints"
