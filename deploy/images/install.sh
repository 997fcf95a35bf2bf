#!/bin/sh
# Installs one part of Synthmill into a virtual environment of its own, as an image has it: no pip, bytecode compiled.
# Usage: deploy/images/install.sh PART VARIANT PREFIX
#   PART     catalog, augmentation, training, sampling, evaluation, pipeline or client
#   VARIANT  cpu, or cuda where the part has a use for it
#   PREFIX   folder to make
# Packages come from the index that pip is configured to, at the versions of $CONSTRAINTS (requirements/constraints.txt).
# $PYTHON chooses the interpreter; its pip does the work. Prints the size as a line of JSON.
set -eu
if [ $# -ne 3 ]; then
    sed -n '2,6s/^# \{0,1\}//p' "$0" >&2
    exit 2
fi
part=$1 variant=$2 prefix=$3
root=$(cd "$(dirname "$0")/../.." && pwd)
constraints=${CONSTRAINTS:-$root/requirements/constraints.txt}
python=${PYTHON:-python3}

case $part-$variant in
client-cpu) extras=tracing ;;
sampling-cpu) extras=sampling,s3,tracing ;;
sampling-cuda) extras=sampling-gpu,s3,tracing ;;
augmentation-cuda) extras=augmentation-gpu,s3,postgresql,tracing ;;
catalog-cpu | augmentation-cpu | training-cpu | evaluation-cpu | pipeline-cpu | training-cuda | evaluation-cuda)
    extras=$part,s3,postgresql,tracing
    ;;
*)
    echo "install.sh: there is no $part for $variant" >&2
    exit 2
    ;;
esac

"$python" -m venv --without-pip "$prefix"
"$python" -m pip --python "$prefix/bin/python" install --quiet --disable-pip-version-check --no-compile \
    --constraint "$constraints" "$root${extras:+[$extras]}"

# Which build of torch comes is the index's choice, and a wrong one would show up late: as hours on a processor.
if [ "$variant" = cuda ] && { [ "$part" = training ] || [ "$part" = evaluation ]; }; then
    "$prefix/bin/python" -c '
import sys, torch
sys.exit(None if torch.version.cuda else f"install.sh: the index gave torch {torch.__version__}, which has no CUDA")'
fi

# The file system will be read-only, and nobody edits a file of an image. Some packages bring files for other versions of
# Python, which do not compile; all of ours must.
compile="$prefix/bin/python -m compileall -j 0 --invalidation-mode unchecked-hash"
$compile -qq "$prefix/lib" || true
$compile -q "$prefix"/lib/python3*/site-packages/synthmill
printf '{"part": "%s", "variant": "%s", "size_mb": %d}\n' "$part" "$variant" "$(du -sm "$prefix" | cut -f1)"
