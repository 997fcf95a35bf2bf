#!/bin/sh
# Creates an empty virtual environment. Usage: scripts/create_venv.sh FOLDER
# Takes $PYTHON if set, or else the first Python on the PATH that is new enough.
set -eu
folder=$1

for python in ${PYTHON:-python3.11 python3.12 python3.13 python3}; do
    if "$python" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then
        "$python" -m venv --clear "$folder" && exit 0
        rm -rf "$folder"
        echo "$python cannot create a virtual environment; on Debian and Ubuntu install its -venv package" >&2
        exit 1
    fi
done
echo "Python 3.11 or newer was not found; set PYTHON to its path" >&2
exit 1
