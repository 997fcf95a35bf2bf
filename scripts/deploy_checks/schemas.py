"""Whether files say what their readers understand, by the schemas that packages bring: nothing is fetched."""

from __future__ import annotations

import functools
import importlib.resources
import json
from collections.abc import Iterator
from typing import Any

import jsonschema
import kubernetes_validate
import yaml

from deploy_checks.folder import Folder

# The oldest that the manifests are written for, and the newest that there are schemas of.
KUBERNETES_VERSIONS = ("1.31", kubernetes_validate.latest_version())


def readable(folder: Folder) -> Iterator[str]:
    """Files that are neither YAML nor JSON, whatever their name says."""
    for path in sorted(folder.path.rglob("*")):
        try:
            if path.suffix == ".yaml":
                list(yaml.safe_load_all(path.read_text()))
            elif path.suffix == ".json":
                json.loads(path.read_text())
        except (yaml.YAMLError, ValueError) as error:
            yield f"{path.relative_to(folder.path)}: {error}"


def compose(folder: Folder) -> Iterator[str]:
    """What the Compose specification does not know."""
    for file, composed in folder.compositions.items():
        for error in sorted(_compose_schema().iter_errors(composed), key=str):
            yield f"{file}: {'.'.join(map(str, error.path))}: {error.message}"


def kubernetes(folder: Folder) -> Iterator[str]:
    """Objects, patched and complete, that one of the versions of Kubernetes would refuse."""
    for name, resources in folder.kustomizations.items():
        for resource in resources:
            for version in KUBERNETES_VERSIONS:
                # Overlays have most in common, and a look at a schema takes its time.
                yield from (f"{name}: {problem}" for problem in _problems(json.dumps(resource), version))


@functools.cache
def _problems(text: str, version: str) -> tuple[str, ...]:
    return tuple(_validate(json.loads(text), version))


def _validate(resource: dict[str, Any], version: str) -> Iterator[str]:
    place = f"{resource['kind']} {resource['metadata']['name']} under Kubernetes {version}"
    try:
        kubernetes_validate.validate(resource, version, strict=True)
    except kubernetes_validate.ValidationError as error:
        yield f"{place}: {'.'.join(map(str, error.path))}: {error.message}"
    except kubernetes_validate.SchemaNotFoundError as error:
        yield f"{place}: {error.message}"


@functools.cache
def _compose_schema() -> Any:
    file = importlib.resources.files("check_jsonschema") / "builtin_schemas/vendor/compose-spec.json"
    schema = json.loads(file.read_text())
    return jsonschema.validators.validator_for(schema)(schema)
