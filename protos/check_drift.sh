#!/bin/sh
# Fails if the committed Python stubs are not what protos/ gives. Usage: protos/check_drift.sh PYTHON [STUBS]
# PYTHON has the pinned grpcio-tools; STUBS is the folder above synthmill/, clients/python by default.
set -eu
python=$1
stubs=${2:-clients/python}
cd "$(dirname "$0")/.."
fresh=$(mktemp -d)
trap 'rm -rf "$fresh"' EXIT

protos/generate.sh "$python" "$fresh"
for package in v1 oip; do
    if ! diff --recursive --brief --exclude=__pycache__ "$fresh/synthmill/$package" "$stubs/synthmill/$package"; then
        echo "The stubs differ from protos/: run 'make protos' and commit what it changes" >&2
        exit 1
    fi
done
