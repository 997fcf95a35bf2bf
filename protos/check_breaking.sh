#!/bin/sh
# Fails if protos/ would break a client of the last release. Usage: protos/check_breaking.sh BUF
# The last release is the newest tag v* that this commit descends from; before the first one there is nothing to break.
set -eu
buf=$1
cd "$(dirname "$0")/.."

if ! tag=$(git describe --tags --abbrev=0 --match 'v*' 2>/dev/null); then
    echo "protos: no release tag yet, nothing to compare with"
    exit 0
fi
released=$(mktemp -d)
trap 'rm -rf "$released"' EXIT
git archive "$tag" protos | tar -x -C "$released"
if ! "$buf" breaking protos --against "$released/protos"; then
    echo "protos: this would break clients of $tag" >&2
    exit 1
fi
echo "protos: compatible with $tag"
