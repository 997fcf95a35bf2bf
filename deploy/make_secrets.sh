#!/bin/sh
# Makes the secrets that Compose and Kubernetes take: random ones, a file each; those that are there stay.
# Usage: deploy/make_secrets.sh FOLDER
set -eu
if [ $# -ne 1 ]; then
    sed -n '2,3s/^# \{0,1\}//p' "$0" >&2
    exit 2
fi
mkdir -p "$1"
# Containers read the files under users of their own; nobody else gets through the folder.
chmod 700 "$1"
for name in postgres-password catalog-password augmentation-password training-password evaluation-password \
    pipeline-password store-user store-password grafana-password; do
    if [ ! -s "$1/$name" ]; then
        head -c 24 /dev/urandom | od -An -v -tx1 | tr -d ' \n' >"$1/$name"
    fi
    chmod 644 "$1/$name"
done
