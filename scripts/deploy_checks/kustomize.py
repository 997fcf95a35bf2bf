"""Builds a kustomization as Kustomize does, as far as ours go; whatever else one asks for is refused, not passed over.

Known: resources, components, strategic merge patches with or without a target, `$patch: delete`, JSON patches that
replace, images with a new tag, labels, the namespace, ConfigMaps of files without a hash in their name. Where kubectl
is installed, tests/unit/deploy holds it against Kustomize itself.
"""

from __future__ import annotations

import copy
import functools
import operator
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import yaml

from deploy_checks.merging import merge

FILE = "kustomization.yaml"

_HEADER = {"apiVersion": "kustomize.config.k8s.io/v1beta1", "kind": "Kustomization"}
_COMPONENT = {"apiVersion": "kustomize.config.k8s.io/v1alpha1", "kind": "Component"}
_KNOWN = {
    *(*_HEADER, "namespace", "resources", "components", "labels", "patches", "images"),
    *("configMapGenerator", "generatorOptions"),
}
_WITHOUT_NAMESPACE = {"Namespace"}

Resource = dict[str, Any]


class BuildError(Exception):
    """A kustomization that cannot be built."""


def build(folder: Path) -> list[Resource]:
    """Returns the objects that a kustomization stands for.

    Args:
        folder: where its `kustomization.yaml` is.

    Raises:
        BuildError: it asks for something unknown, or for what is not there.
    """
    return _built(folder, _HEADER, [])


def is_component(folder: Path) -> bool:
    """Tells whether a folder is a component, which changes what others have built and is nothing by itself."""
    return yaml.safe_load((folder / FILE).read_text()).get("kind") == _COMPONENT["kind"]


def _built(folder: Path, header: dict[str, str], below: list[Resource]) -> list[Resource]:
    """Returns the objects of a kustomization, or those of others with a component laid over them."""
    path = folder / FILE
    wanted = yaml.safe_load(path.read_text())
    if unknown := sorted(wanted.keys() - _KNOWN):
        raise BuildError(f"{path}: {unknown[0]} is not known here; known are {', '.join(sorted(_KNOWN))}")
    if {key: wanted.get(key) for key in header} != header:
        raise BuildError(f"{path}: begins otherwise than {header}")
    resources = [*below, *_resources(folder, wanted)]
    for component in wanted.get("components", []):
        if not (folder / component / FILE).is_file():
            raise BuildError(f"{path}: there is no {component}")
        resources = _built(folder / component, _COMPONENT, resources)
    resources += _config_maps(folder, wanted)
    for patch in wanted.get("patches", []):
        resources = _patched(folder, resources, patch)
    for resource in resources:
        _place(resource, wanted.get("namespace"))
        for labels in wanted.get("labels", []):
            _label(resource, labels)
        for image in wanted.get("images", []):
            if image.keys() != {"name", "newTag"}:
                raise BuildError(f"{path}: only new tags of images are known here, not {image}")
            _tag(resource, image)
    _refuse_twins(path, resources)
    return resources


def _resources(folder: Path, wanted: dict) -> Iterator[Resource]:
    for name in wanted.get("resources", []):
        path = folder / name
        if path.is_dir():
            yield from build(path)
        elif path.is_file():
            yield from (document for document in yaml.safe_load_all(path.read_text()) if document)
        else:
            raise BuildError(f"{folder / FILE}: there is no {name}")


def _config_maps(folder: Path, wanted: dict) -> Iterator[Resource]:
    for generator in wanted.get("configMapGenerator", []):
        if generator.keys() != {"name", "files"} or not wanted.get("generatorOptions", {}).get("disableNameSuffixHash"):
            raise BuildError(f"{folder / FILE}: only ConfigMaps of files, without a hash in their name, are known here")
        data = {name: (folder / name).read_text() for name in generator["files"]}
        yield {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": generator["name"]}, "data": data}


def _patched(folder: Path, resources: list[Resource], patch: dict) -> list[Resource]:
    if not {"path"} <= patch.keys() <= {"path", "target"}:
        raise BuildError(f"{folder / FILE}: only patches with a path, and a target at most, are known here")
    change = yaml.safe_load((folder / patch["path"]).read_text())
    if isinstance(change, list):
        return [
            _replaced(folder / patch["path"], resource, change) if _matches(resource, patch["target"]) else resource
            for resource in resources
        ]
    named = {"kind": change["kind"], "name": change["metadata"]["name"]}
    target = patch.get("target", named)
    chosen = [resource for resource in resources if _matches(resource, target)]
    if not chosen:
        raise BuildError(f"{folder / patch['path']}: there is no {target}")
    if change.pop("$patch", "") == "delete":
        return [resource for resource in resources if not any(resource is other for other in chosen)]
    # With a target, the patch's own name says nothing.
    change = {key: value for key, value in change.items() if key not in ("apiVersion", "kind")}
    metadata = {key: value for key, value in change.pop("metadata").items() if key not in ("name", "namespace")}
    change = {**change, "metadata": metadata}
    return [merge(resource, change) if _matches(resource, target) else resource for resource in resources]


def _replaced(path: Path, resource: Resource, operations: list[dict[str, Any]]) -> Resource:
    """Returns an object after the operations of a JSON patch."""
    changed = copy.deepcopy(resource)
    for operation in operations:
        if operation.keys() != {"op", "path", "value"} or operation["op"] != "replace":
            raise BuildError(f"{path}: only JSON patches that replace are known here, not {operation}")
        *way, last = (int(key) if key.isdecimal() else key for key in operation["path"].split("/")[1:])
        try:
            place = functools.reduce(operator.getitem, way, changed)
            place[last]
        except (KeyError, IndexError):
            raise BuildError(f"{path}: {resource['metadata']['name']} has no {operation['path']}") from None
        place[last] = operation["value"]
    return changed


def _matches(resource: Resource, target: dict[str, str]) -> bool:
    found = {"kind": resource["kind"], "name": resource["metadata"]["name"]}
    return all(re.fullmatch(pattern, found[key]) for key, pattern in target.items())


def _place(resource: Resource, namespace: str | None) -> None:
    if namespace and resource["kind"] not in _WITHOUT_NAMESPACE:
        resource["metadata"] = {**resource["metadata"], "namespace": namespace}


def _label(resource: Resource, labels: dict) -> None:
    places = [resource["metadata"]]
    if labels.get("includeTemplates") and (template := resource.get("spec", {}).get("template")):
        places.append(template["metadata"])
    for metadata in places:
        metadata["labels"] = {**metadata.get("labels", {}), **labels["pairs"]}


def _tag(resource: Resource, image: dict[str, str]) -> None:
    for container in containers_of(resource):
        if re.fullmatch(rf"{re.escape(image['name'])}(:.*)?", container["image"]):
            container["image"] = f"{image['name']}:{image['newTag']}"


def containers_of(resource: Resource) -> list[dict[str, Any]]:
    """Returns the containers of an object's pods; none if it has no pods."""
    spec = resource.get("spec", {}).get("template", {}).get("spec", {})
    return [*spec.get("initContainers", []), *spec.get("containers", [])]


def _refuse_twins(path: Path, resources: list[Resource]) -> None:
    seen = set()
    for resource in resources:
        identity = (resource["kind"], resource["metadata"]["name"])
        if identity in seen:
            raise BuildError(f"{path}: {identity} is there twice")
        seen.add(identity)
