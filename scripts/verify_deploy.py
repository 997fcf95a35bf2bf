"""Checks the folder `deploy` without an engine or a cluster. Usage: python scripts/verify_deploy.py [FOLDER]

Prints what is wrong, a line each, and ends with status 1 if there is anything.
"""

from __future__ import annotations

import sys
from pathlib import Path

from deploy_checks import composition, images, metrics, mounts, objects, schemas
from deploy_checks.folder import Folder
from deploy_checks.kustomize import BuildError
from deploy_checks.merging import MergeError

CHECKS = (
    images.stages,
    images.user,
    schemas.compose,
    composition.variables,
    composition.names,
    composition.files,
    composition.hardened,
    composition.healthy,
    mounts.of_compose,
    schemas.kubernetes,
    objects.references,
    objects.selectors,
    objects.restricted,
    mounts.of_kubernetes,
    images.known,
    metrics.defined,
    metrics.used,
)


def main(arguments: list[str]) -> int:
    """Runs all checks over a folder, this repository's `deploy` by default, and returns the exit status."""
    folder = Folder(Path(arguments[0]) if arguments else Path(__file__).parents[1] / "deploy")
    # What cannot be read or built cannot be checked further.
    findings = list(schemas.readable(folder)) or _built(folder)
    for finding in findings:
        print(finding)
    print(f"deploy: {len(CHECKS)} checks, {len(findings)} findings", file=sys.stderr)
    return 1 if findings else 0


def _built(folder: Folder) -> list[str]:
    try:
        return [finding for check in CHECKS for finding in check(folder)]
    except (BuildError, MergeError) as error:
        return [str(error)]


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
