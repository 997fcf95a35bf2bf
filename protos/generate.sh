#!/bin/sh
# Regenerates the Python stubs. Usage: protos/generate.sh PYTHON [OUT]
# PYTHON has the pinned grpcio-tools; OUT is the folder above synthmill/, clients/python by default.
set -eu
python=$1
out=${2:-clients/python}
cd "$(dirname "$0")/.."
mkdir -p "$out"
PATH="$(dirname "$python"):$PATH" "$python" -m grpc_tools.protoc -I protos \
    --python_out="$out" --pyi_out="$out" --grpc_python_out="$out" --mypy_grpc_out="quiet:$out" \
    protos/synthmill/v1/*.proto protos/synthmill/oip/v1/*.proto
touch "$out/synthmill/v1/py.typed" "$out/synthmill/oip/v1/py.typed"
