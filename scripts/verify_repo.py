"""Checks what no other tool knows about this repository. Usage: python scripts/verify_repo.py [FOLDER]

Prints what is wrong, a line each, and ends with status 1 if there is anything.
"""

from __future__ import annotations

import sys
from pathlib import Path

from repo_checks import layers, packaging, size, text
from repo_checks.files import Files

CHECKS = (
    text.machine_paths,
    text.unfinished,
    text.readmes,
    text.changelog,
    packaging.refused_dependencies,
    packaging.heavy_default,
    packaging.unpinned,
    packaging.registries,
    layers.layering,
    layers.kind_specific,
    layers.start_up,
    size.long_modules,
    size.long_functions,
)


def main(arguments: list[str]) -> int:
    """Runs all checks over a folder, this repository by default, and returns the exit status."""
    root = Path(arguments[0]) if arguments else Path(__file__).parents[1]
    files = Files(root)
    findings = list(dict.fromkeys(str(finding) for check in CHECKS for finding in check(files)))
    for finding in findings:
        print(finding)
    print(f"repository: {len(files.paths)} files, {len(findings)} findings", file=sys.stderr)
    return 1 if findings else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
