#!/bin/sh
# Makes tokens, a file each: token-SERVICE, with which services ask one another; token-admin, which may do everything; and
# token-bulk, which may take samples. access/tokens.yaml lists their digests, access/quotas.yaml is quotas.yaml from beside this
# script; services are given both. What is there stays. $DAYS says how long tokens are good for: 365. $SYNTHMILL runs the
# command line: synthmill.
# Usage: deploy/make_tokens.sh FOLDER
set -eu
if [ $# -ne 1 ]; then
    sed -n '2,6s/^# \{0,1\}//p' "$0" >&2
    exit 2
fi
# Containers read the files under users of their own; nobody else gets through the folder.
umask 022
mkdir -p "$1/access"
chmod 700 "$1"
[ -e "$1/access/quotas.yaml" ] || cp "$(dirname "$0")/quotas.yaml" "$1/access/quotas.yaml"
cd "$1"

# token NAME TENANT ROLE...
token() {
    name=$1
    tenant=$2
    shift 2
    [ ! -s "token-$name" ] || return 0
    roles=
    for role in "$@"; do
        roles="$roles --role $role"
    done
    # shellcheck disable=SC2086 # Both are lists of words.
    made=$(${SYNTHMILL:-synthmill} tokens add access/tokens.yaml "$name" --tenant "$tenant" --days "${DAYS:-365}" $roles)
    printf '%s\n' "$made" >"token-$name"
}

# The catalog asks nobody.
token augmentation services trainer
token training services trainer
token sampling services reader
token evaluation services reviewer
token pipeline services trainer reviewer
token admin operators admin
token bulk bulk sampler
