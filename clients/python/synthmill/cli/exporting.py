"""Files of a version to a folder."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from synthmill.cli.progress import ProgressDisplay

if TYPE_CHECKING:
    from synthmill.client import Client
    from synthmill.v1 import artifact_pb2


def export(
    client: Client, version: dict[str, Any], artifacts: Sequence[artifact_pb2.Artifact], out: Path, overwrite: bool
) -> None:
    """Writes files of a version, and the version itself as manifest.json, to a folder that appears whole or not at all.

    Raises:
        AlreadyExists: something is in its place.
        DataLoss: a file has another digest than the version says.
    """
    from synthmill.client.staging import MANIFEST, staged_folder

    with staged_folder(out, overwrite=overwrite) as folder, ProgressDisplay(version["name"]) as display:
        for number, artifact in enumerate(artifacts):
            display.update(number, len(artifacts), "files", phase=artifact.name)
            client.catalog.download_artifact(version["name"], artifact, folder / artifact.name)
        manifest = json.dumps(version, indent=2, ensure_ascii=False) + "\n"
        (folder / MANIFEST).write_text(manifest, encoding="utf-8")
