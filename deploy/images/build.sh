#!/bin/sh
# Builds one image, tagged synthmill/PART:VERSION, with -cuda behind it for that variant.
# Usage: deploy/images/build.sh PART [cpu|cuda] [DOCKER-BUILD-ARGUMENT...]
# A pip.conf in $PIP_CONFIG_FILE is used for the build and left out of the image.
set -eu
if [ $# -eq 0 ]; then
    sed -n '2,4s/^# \{0,1\}//p' "$0" >&2
    exit 2
fi
part=$1
variant=${2:-cpu}
shift
[ $# -eq 0 ] || shift
cd "$(dirname "$0")/../.."
version=$(sed -n 's/^version = "\(.*\)"$/\1/p' pyproject.toml)
revision=$(git rev-parse HEAD 2>/dev/null || echo unknown)
target=service
[ "$part" != client ] || target=client
suffix=
[ "$variant" != cuda ] || suffix=-cuda
[ -z "${PIP_CONFIG_FILE:-}" ] || set -- --secret "id=pip.conf,src=$PIP_CONFIG_FILE" "$@"
exec docker build --file deploy/images/Dockerfile --target "$target" \
    --build-arg "PART=$part" --build-arg "VARIANT=$variant" \
    --build-arg "VERSION=$version" --build-arg "REVISION=$revision" \
    --tag "synthmill/$part:$version$suffix" "$@" .
