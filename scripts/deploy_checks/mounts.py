"""Files that settings name, held against what is mounted where they are to be."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from deploy_checks.folder import Folder
from deploy_checks.kustomize import Resource, containers_of
from deploy_checks.objects import secrets_of

# Where nothing is but what is mounted.
_ROOT = "/etc/synthmill/"


def of_compose(folder: Folder) -> Iterator[str]:
    """Files that a service is told of, and that neither a secret nor a folder brings."""
    for file, composed in folder.compositions.items():
        for service, wanted in composed["services"].items():
            mounts = [*wanted.get("secrets", []), *wanted.get("volumes", [])]
            targets = [mount["target"] for mount in mounts if isinstance(mount, dict)]
            for name, path in _files(wanted.get("environment", {})):
                if not any(path == target or path.startswith(f"{target}/") for target in targets):
                    yield f"{file}: {service}: nothing mounts {path} of {name}"


def of_kubernetes(folder: Folder) -> Iterator[str]:
    """Files that a container is told of, and that no Secret brings."""
    keys = {secret["metadata"]["name"]: secret["data"].keys() for secret in secrets_of(folder)}
    for overlay, resources in folder.kustomizations.items():
        maps = {one["metadata"]["name"]: one["data"] for one in resources if one["kind"] == "ConfigMap"}
        for resource in resources:
            for container in containers_of(resource):
                there = mounted(resource, container, keys)
                for name, path in _files(_told(container, maps)):
                    if path not in there:
                        title = f"{resource['kind']} {resource['metadata']['name']}"
                        yield f"{overlay}: {title}: nothing mounts {path} of {name}"


def mounted(resource: Resource, container: Mapping[str, Any], keys: Mapping[str, Any]) -> dict[str, str]:
    """Returns the files of Secrets that a container sees, and the Secret that each is of.

    Args:
        resource: the object whose pods have the container.
        container: the container.
        keys: keys of each Secret.
    """
    volumes = {volume["name"]: volume for volume in resource["spec"]["template"]["spec"].get("volumes", [])}
    found = {}
    for mount in container["volumeMounts"]:
        volume = volumes.get(mount["name"], {})
        sources = [source.get("secret", {}).get("name") for source in volume.get("projected", {}).get("sources", [])]
        for secret in (*sources, volume.get("secret", {}).get("secretName")):
            found |= {f"{mount['mountPath']}/{key}": secret for key in keys.get(secret, ())}
    return found


def _told(container: Mapping[str, Any], maps: Mapping[str, Mapping[str, str]]) -> dict[str, str]:
    told = {}
    for source in container.get("envFrom", []):
        told |= maps.get(source["configMapRef"]["name"], {})
    return {**told, **{variable["name"]: variable.get("value", "") for variable in container.get("env", [])}}


def _files(environment: Mapping[str, str]) -> Iterator[tuple[str, str]]:
    for name, value in environment.items():
        if name.startswith("SYNTHMILL_") and str(value).startswith(_ROOT):
            yield name, value
