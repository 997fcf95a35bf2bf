"""The files of `deploy`, read once."""

from __future__ import annotations

import functools
from pathlib import Path
from typing import Any

import yaml

from deploy_checks import kustomize
from deploy_checks.merging import merge_files


class Folder:
    """The folder `deploy` of a working tree.

    Args:
        path: where it is.
    """

    def __init__(self, path: Path) -> None:
        self.path = path

    @functools.cached_property
    def compose(self) -> dict[str, Any]:
        """The Compose file, before variables are filled in."""
        return self.load("compose/compose.yaml")

    @functools.cached_property
    def compositions(self) -> dict[str, dict[str, Any]]:
        """What Compose makes of its file, and of that with another laid over it, by the file that comes last."""
        below = "compose/compose.yaml"
        above = "compose/secure.yaml"
        return {below: self.compose, above: merge_files(self.compose, self.load(above))}

    @functools.cached_property
    def variables(self) -> dict[str, str]:
        """Variables of the Compose files and their values, by `.env.example`."""
        lines = (self.path / "compose/.env.example").read_text().splitlines()
        pairs = (line.split("=", 1) for line in lines if line and not line.startswith("#"))
        return dict(pairs)

    @functools.cached_property
    def kustomizations(self) -> dict[str, list[dict[str, Any]]]:
        """What every kustomization builds, by its folder inside `deploy`; components are in what lists them.

        Raises:
            kustomize.BuildError: one cannot be built.
        """
        folders = sorted(path.parent for path in self.path.rglob(kustomize.FILE))
        return {
            str(folder.relative_to(self.path)): kustomize.build(folder)
            for folder in folders
            if not kustomize.is_component(folder)
        }

    def load(self, name: str) -> Any:
        """Returns the content of a YAML file of one document."""
        return yaml.safe_load((self.path / name).read_text())
