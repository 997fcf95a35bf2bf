"""The containers of services that Compose and Kubernetes would start, with the variables that each would see."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Mapping
from typing import Any

import dockerfile
from deploy_checks.folder import Folder
from deploy_checks.kustomize import Resource

from synthmill.augmentation.config import AugmentationConfig
from synthmill.catalog.config import CatalogConfig
from synthmill.evaluation.config import EvaluationConfig
from synthmill.pipeline.config import PipelineConfig
from synthmill.runtime.config import ServiceConfig
from synthmill.sampling.config import SamplingConfig
from synthmill.training.config import TrainingConfig

CONFIGS: dict[str, type[ServiceConfig]] = {
    cls.service: cls
    for cls in (CatalogConfig, AugmentationConfig, TrainingConfig, SamplingConfig, EvaluationConfig, PipelineConfig)
}
PLAIN = ("compose-cpu", "compose-gpu", "cpu", "gpu", "small")
SECURE = ("compose-secure-cpu", "compose-secure-gpu", "secure")
PLACES = (*PLAIN, *SECURE)
WITH_DATABASE = sorted(CONFIGS.keys() - {"sampling"})


@dataclasses.dataclass(frozen=True)
class Container:
    """One of them.

    Attributes:
        service: what runs in it.
        image: its image.
        environment: what it sees, the image's own variables included.
        wanted: what the file says of it.
    """

    service: str
    image: str
    environment: Mapping[str, str]
    wanted: Mapping[str, Any]


def containers(folder: Folder, place: str) -> dict[str, Container]:
    """Returns the container of each service.

    Args:
        folder: the folder `deploy`.
        place: one of `PLACES`.
    """
    if place.startswith("compose-"):
        file = "secure" if place in SECURE else "compose"
        found = _of_compose(folder, f"compose/{file}.yaml", place.rpartition("-")[2])
    else:
        found = _of_kubernetes(folder.kustomizations[f"kubernetes/overlays/{place}"])
    of_image = _image_variables(folder)
    return {
        name: dataclasses.replace(container, environment={**of_image, **container.environment})
        for name, container in found.items()
    }


def filled(folder: Folder, text: str) -> str:
    """Returns a text of a Compose file with the variables of `.env.example` in it."""
    return re.sub(r"\$\{(\w+)\}", lambda found: folder.variables[found[1]], text)


def _of_compose(folder: Folder, file: str, profile: str) -> dict[str, Container]:
    found = {}
    for name, wanted in folder.compositions[file]["services"].items():
        service = name.removesuffix("-gpu")
        if service in CONFIGS and profile in wanted.get("profiles", [profile]):
            environment = {key: filled(folder, str(value)) for key, value in wanted["environment"].items()}
            found[service] = Container(service, filled(folder, wanted["image"]), environment, wanted)
    return found


def _of_kubernetes(resources: list[Resource]) -> dict[str, Container]:
    maps = {resource["metadata"]["name"]: resource["data"] for resource in resources if resource["kind"] == "ConfigMap"}
    found = {}
    for resource in resources:
        name = resource["metadata"]["name"]
        if resource["kind"] == "Deployment" and name in CONFIGS:
            (wanted,) = resource["spec"]["template"]["spec"]["containers"]
            found[name] = Container(name, wanted["image"], variables_of(wanted, maps), resource)
    return found


def variables_of(container: Mapping[str, Any], maps: Mapping[str, Mapping[str, str]]) -> dict[str, str]:
    """Returns the variables of a container of a pod, as the kubelet makes them.

    Args:
        container: what the object says.
        maps: ConfigMaps by name.
    """
    environment: dict[str, str] = {}
    for source in container.get("envFrom", []):
        environment |= maps[source["configMapRef"]["name"]]
    own: dict[str, str] = {}
    for variable in container.get("env", []):
        source = variable.get("valueFrom", {})
        if "configMapKeyRef" in source:
            value = maps[source["configMapKeyRef"]["name"]][source["configMapKeyRef"]["key"]]
        elif "resourceFieldRef" in source:
            assert source["resourceFieldRef"]["resource"] == "limits.cpu"
            value = str(container["resources"]["limits"]["cpu"])
        else:
            value = expanded(variable["value"], own)
        own[variable["name"]] = value
    return {**environment, **own}


def expanded(text: str, variables: Mapping[str, str]) -> str:
    """Returns a text with `$(NAME)` filled in."""
    return re.sub(r"\$\((\w+)\)", lambda found: variables[found[1]], text)


def _image_variables(folder: Folder) -> dict[str, str]:
    """Returns the variables of the stages that a service's image is made of."""
    variables, stage = {}, ""
    for command in dockerfile.parse_file(str(folder.path / "images/Dockerfile")):
        if command.cmd.upper() == "FROM":
            stage = command.value[-1]
        elif command.cmd.upper() == "ENV" and stage in ("runtime", "service"):
            variables |= dict(zip(command.value[0::2], command.value[1::2], strict=True))
    return variables
