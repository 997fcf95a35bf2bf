"""What no schema says of Kubernetes objects: that whatever they name is there, and that pods may do little."""

from __future__ import annotations

import functools
import os
import re
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import yaml

from deploy_checks.folder import Folder
from deploy_checks.kustomize import Resource, containers_of

_OVERLAY = "kubernetes/overlays/"
_REFERENCE = re.compile(r"\$\((\w+)\)")
_RESTRICTED = {
    "allowPrivilegeEscalation": False,
    "readOnlyRootFilesystem": True,
    "capabilities": {"drop": ["ALL"]},
}


def references(folder: Folder) -> Iterator[str]:
    """ConfigMaps, Secrets, volumes and variables that are named and not there."""
    secrets = {secret["metadata"]["name"]: set(secret["data"]) for secret in secrets_of(folder)}
    for name, resources in _overlays(folder):
        there = {
            "configMap": _of_kind(resources, "ConfigMap"),
            "secret": secrets.keys(),
            "claim": _of_kind(resources, "PersistentVolumeClaim"),
        }
        for resource in resources:
            for key, wanted in _referenced(resource):
                if wanted not in there[key]:
                    yield f"{name}: {_title(resource)}: there is no {key} {wanted}"
            for container in containers_of(resource):
                yield from (f"{name}: {_title(resource)}: {problem}" for problem in _variables(container))


def selectors(folder: Folder) -> Iterator[str]:
    """Services, budgets, policies and autoscalers that choose nothing."""
    for name, resources in _overlays(folder):
        labels = [_pod_labels(resource) for resource in resources if containers_of(resource)]
        names = {(resource["kind"], resource["metadata"]["name"]) for resource in resources}
        for resource in resources:
            wanted = _selected(resource)
            if wanted and not any(wanted.items() <= found.items() for found in labels):
                yield f"{name}: {_title(resource)} chooses no pod"
            target = resource["spec"].get("scaleTargetRef") if "spec" in resource else None
            if target and (target["kind"], target["name"]) not in names:
                yield f"{name}: {_title(resource)} scales nothing"


def restricted(folder: Folder) -> Iterator[str]:
    """Pods that may do more than Kubernetes' restricted standard, write anywhere, or grow without limit."""
    for name, resources in folder.kustomizations.items():
        if not name.startswith((_OVERLAY, "kubernetes/bulk", "kubernetes/client")):
            continue
        for resource in resources:
            for container in containers_of(resource):
                place = f"{name}: {_title(resource)}: {container['name']}"
                if container.get("securityContext") != _RESTRICTED:
                    yield f"{place}: its securityContext is not {_RESTRICTED}"
                if "memory" not in container.get("resources", {}).get("limits", {}):
                    yield f"{place}: nothing limits its memory"
                if container["image"].rpartition(":")[2] in (container["image"], "latest"):
                    yield f"{place}: {container['image']} names no version"
            if containers_of(resource):
                yield from (f"{name}: {_title(resource)}: {problem}" for problem in _pod_problems(resource))


@functools.cache
def secrets_of(folder: Folder) -> list[Resource]:
    """Returns the Secrets that `secrets.sh` prints of what the scripts make, with words in place of tokens."""
    with tempfile.TemporaryDirectory() as made:
        subprocess.run([folder.path / "make_secrets.sh", made], check=True)
        subprocess.run([folder.path / "make_certificates.sh", made], check=True, stdout=subprocess.DEVNULL)
        subprocess.run([folder.path / "make_tokens.sh", made], check=True, env={**os.environ, "SYNTHMILL": "echo"})
        (Path(made) / "access/tokens.yaml").touch()
        printed = subprocess.run(
            [folder.path / "kubernetes/secrets.sh", made], check=True, capture_output=True, text=True
        )
    return [document for document in yaml.safe_load_all(printed.stdout) if document]


def _overlays(folder: Folder) -> list[tuple[str, list[Resource]]]:
    return [(name, built) for name, built in folder.kustomizations.items() if name.startswith(_OVERLAY)]


def _of_kind(resources: list[Resource], kind: str) -> set[str]:
    return {resource["metadata"]["name"] for resource in resources if resource["kind"] == kind}


def _referenced(resource: Resource) -> Iterator[tuple[str, str]]:
    for container in containers_of(resource):
        for source in container.get("envFrom", []):
            yield "configMap", source["configMapRef"]["name"]
        for variable in container.get("env", []):
            if source := variable.get("valueFrom", {}).get("configMapKeyRef"):
                yield "configMap", source["name"]
    for volume in _pod_spec(resource).get("volumes", []):
        for source in [volume, *volume.get("projected", {}).get("sources", [])]:
            if "secret" in source:
                yield "secret", source["secret"].get("secretName") or source["secret"]["name"]
            if "configMap" in source:
                yield "configMap", source["configMap"]["name"]
            if "persistentVolumeClaim" in source:
                yield "claim", source["persistentVolumeClaim"]["claimName"]


def _variables(container: dict[str, Any]) -> Iterator[str]:
    """Yields what is wrong with `$(NAME)` in variables, which see only those before them, and in arguments."""
    known = set()
    for variable in container.get("env", []):
        for name in set(_REFERENCE.findall(variable.get("value", ""))) - known:
            yield f"{variable['name']} uses {name}, which is not there before it"
        known.add(variable["name"])
    for argument in container.get("args", []):
        for name in set(_REFERENCE.findall(argument)) - known:
            yield f"{argument}: there is no variable {name}"


def _pod_problems(resource: Resource) -> Iterator[str]:
    spec = _pod_spec(resource)
    context = spec.get("securityContext", {})
    if not context.get("runAsNonRoot") or context.get("seccompProfile") != {"type": "RuntimeDefault"}:
        yield "its pods may be root's, or make any system call"
    if spec.get("automountServiceAccountToken") is not False or spec.get("enableServiceLinks") is not False:
        yield "its pods get a token of the cluster, or variables of Services"
    volumes = {volume["name"] for volume in spec.get("volumes", [])}
    claims = {claim["metadata"]["name"] for claim in resource["spec"].get("volumeClaimTemplates", [])}
    for container in containers_of(resource):
        for mount in container["volumeMounts"]:
            if mount["name"] not in volumes | claims:
                yield f"there is no volume {mount['name']}"


def _pod_spec(resource: Resource) -> dict[str, Any]:
    return resource.get("spec", {}).get("template", {}).get("spec", {})


def _pod_labels(resource: Resource) -> dict[str, str]:
    return resource["spec"]["template"]["metadata"]["labels"]


def _selected(resource: Resource) -> dict[str, str]:
    """Returns the labels that an object chooses pods by; none if it chooses none, or in another way."""
    spec = resource.get("spec", {})
    if resource["kind"] == "Service":
        return spec["selector"]
    chosen = spec.get("podSelector", spec.get("selector")) or {}
    labels = chosen.get("matchLabels", {})
    # Clients are made by hand.
    return labels if "app.kubernetes.io/component" in labels else {}


def _title(resource: Resource) -> str:
    return f"{resource['kind']} {resource['metadata']['name']}"
