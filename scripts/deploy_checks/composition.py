"""What no schema says of Compose files: that whatever it names is there, and that containers may do little."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

from deploy_checks.folder import Folder

# Of what the commands of compose/README.md make.
_MADE = "./secrets/"
_VARIABLE = re.compile(r"\$\{(\w+)[^}]*\}")
# What stays of a container's power.
_HARDENED = {"read_only": True, "cap_drop": ["ALL"], "security_opt": ["no-new-privileges:true"]}


def variables(folder: Folder) -> Iterator[str]:
    """Variables that are used and not explained, or explained and not used."""
    used = {name: file for file in folder.compositions for name in _VARIABLE.findall((folder.path / file).read_text())}
    # Compose itself reads it.
    explained = folder.variables.keys() - {"COMPOSE_PROFILES"}
    for name in sorted(used.keys() - explained):
        yield f"{used[name]}: {name} is not in .env.example"
    for name in sorted(explained - used.keys()):
        yield f"compose/.env.example: nothing uses {name}"


def names(folder: Folder) -> Iterator[str]:
    """Networks, volumes, secrets and services that are named and not there."""
    for place, wanted, composed in _services(folder):
        for key, named in _named(wanted).items():
            for name in sorted(set(named) - composed[key].keys()):
                yield f"{place}: there is no {name} among the {key}"
        for needed in wanted.get("depends_on", {}):
            if missing := _profiles_without(composed["services"], wanted, needed):
                yield f"{place}: {needed} is not there in the profiles {', '.join(missing)}"


def files(folder: Folder) -> Iterator[str]:
    """Files of this repository that are mounted and not there."""
    for place, wanted, _ in _services(folder):
        for volume in wanted.get("volumes", []):
            source = volume["source"] if isinstance(volume, dict) else ""
            elsewhere = not source or source.startswith(_MADE) or _VARIABLE.match(source)
            if not elsewhere and not (folder.path / "compose" / source).exists():
                yield f"{place}: there is no {source}"


def hardened(folder: Folder) -> Iterator[str]:
    """Containers that may do more than most."""
    for place, wanted, _ in _services(folder):
        for key, value in _HARDENED.items():
            if wanted.get(key) != value:
                yield f"{place}: {key} is not {value}"


def healthy(folder: Folder) -> Iterator[str]:
    """Services that others wait for, and that never tell whether they are healthy."""
    for place, wanted, composed in _services(folder):
        for needed, how in wanted.get("depends_on", {}).items():
            other = composed["services"].get(needed, {})
            tells = "healthcheck" in other or other.get("image", "").startswith("synthmill/")
            if how["condition"] == "service_healthy" and not tells:
                yield f"{place} waits for the health of {needed}, which tells nothing of it"


def _services(folder: Folder) -> Iterator[tuple[str, Mapping[str, Any], Mapping[str, Any]]]:
    """Yields every service: its place, what is said of it, and the composition that it belongs to."""
    for file, composed in folder.compositions.items():
        for service, wanted in composed["services"].items():
            yield f"{file}: {service}", wanted, composed


def _named(wanted: Mapping[str, Any]) -> dict[str, list[str]]:
    volumes = [volume for volume in wanted.get("volumes", []) if isinstance(volume, str)]
    secrets = wanted.get("secrets", [])
    return {
        "networks": list(wanted.get("networks", [])),
        "volumes": [volume.partition(":")[0] for volume in volumes],
        "secrets": [secret["source"] if isinstance(secret, dict) else secret for secret in secrets],
        "services": list(wanted.get("depends_on", {})),
    }


def _profiles_without(services: Mapping[str, Any], asking: Mapping[str, Any], needed: str) -> list[str]:
    """Returns the profiles in which a service runs and what it needs does not."""
    every = {profile for wanted in services.values() for profile in wanted.get("profiles", [])}
    having = set(services.get(needed, {}).get("profiles", every))
    return sorted(set(asking.get("profiles", every)) - having)
