#!/bin/sh
# Creates an empty virtual environment. Usage: scripts/create_venv.sh FOLDER
# Takes $PYTHON if set, or else the first Python on the PATH that is new enough and can create one.
set -eu
folder=$1
probe='import sys; sys.exit(sys.version_info < (3, 11))'

incomplete=
for python in ${PYTHON:-python3.11 python3.12 python3.13 python3}; do
    "$python" -c "$probe" 2>/dev/null || continue
    # Debian and Ubuntu ship these two modules apart from Python.
    if ! "$python" -c 'import ensurepip, venv' 2>/dev/null; then
        incomplete=${incomplete:-$python}
        continue
    fi
    # A folder with half an environment in it would look finished to the next run.
    trap 'rm -rf "$folder"' EXIT
    "$python" -m venv --clear "$folder"
    trap - EXIT
    exit 0
done

if [ -n "$incomplete" ]; then
    version=$("$incomplete" -c 'import sys; print("%d.%d" % sys.version_info[:2])')
    echo "$incomplete cannot create a virtual environment: it lacks venv or ensurepip." >&2
    echo "On Debian and Ubuntu: sudo apt install python$version-venv. Or name another Python: make PYTHON=/path/to/python" >&2
else
    echo "Python 3.11 or newer was not found. Install it, or name one: make PYTHON=/path/to/python" >&2
fi
exit 1
