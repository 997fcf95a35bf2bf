"""The Dockerfile, by Docker's own parser, and what others expect of its images."""

from __future__ import annotations

import re
from collections.abc import Iterator

import dockerfile

from deploy_checks.folder import Folder
from deploy_checks.kustomize import containers_of

_FILE = "images/Dockerfile"
_PART = re.compile(r"^synthmill/(\w+)(?::(.*))?$")
_INSTRUCTIONS = {
    *("FROM", "ARG", "ENV", "WORKDIR", "COPY", "RUN", "LABEL", "USER", "ENTRYPOINT", "CMD"),
    *("EXPOSE", "STOPSIGNAL", "HEALTHCHECK"),
}
# What must not be in the stages that become images.
_TOOLS = re.compile(r"\b(?:apt-get|apk|pip|gcc|curl|wget)\b")


def stages(folder: Folder) -> Iterator[str]:
    """Stages that build on what is not there, or with tools that images do without."""
    try:
        commands = dockerfile.parse_file(str(folder.path / _FILE))
    except dockerfile.GoParseError as error:
        yield f"{_FILE}: {error}"
        return
    known: set[str] = set()
    stage = ""
    for command in commands:
        place = f"{_FILE}:{command.start_line}"
        if command.cmd.upper() not in _INSTRUCTIONS:
            yield f"{place}: {command.cmd} is no instruction that is known here"
        if command.cmd.upper() == "FROM":
            base, *name = (word for word in command.value if word.upper() != "AS")
            if base not in known and base != "${PYTHON_IMAGE}":
                yield f"{place}: there is no stage {base}"
            stage = name[0] if name else ""
            known.add(stage)
        for flag in command.flags:
            if flag.startswith("--from=") and flag.removeprefix("--from=") not in known:
                yield f"{place}: there is no stage {flag.removeprefix('--from=')}"
        if command.cmd.upper() == "RUN" and stage != "build" and _TOOLS.search(command.original):
            yield f"{place}: images do without {_TOOLS.search(command.original).group()}"


def user(folder: Folder) -> Iterator[str]:
    """Images whose user is not a number that is not root's: Kubernetes cannot tell who a name is."""
    users = [
        command.value[0] for command in dockerfile.parse_file(str(folder.path / _FILE)) if command.cmd.upper() == "USER"
    ]
    if not users or not all(re.fullmatch(r"[1-9]\d*:[1-9]\d*", name) for name in users):
        yield f"{_FILE}: USER is {users}, not a number that is not root's"


def known(folder: Folder) -> Iterator[str]:
    """Images that are asked for and that install.sh cannot make, or with a version apart from the others."""
    makes = set(re.findall(r"(\w+-(?:cpu|cuda))\b(?=[ )|])", (folder.path / "images/install.sh").read_text()))
    for place, image in _images(folder):
        if found := _PART.match(image):
            part, tag = found.groups()
            variant = "cuda" if (tag or "").endswith("-cuda") else "cpu"
            if f"{part}-{variant}" not in makes:
                yield f"{place}: install.sh makes no {part} for {variant}"
            if tag and tag.removesuffix("-cuda") != folder.variables["VERSION"]:
                yield f"{place}: {image} is not of the version of .env.example"


def _images(folder: Folder) -> Iterator[tuple[str, str]]:
    for service, wanted in folder.compose["services"].items():
        yield f"compose/compose.yaml: {service}", wanted["image"].replace("${VERSION}", folder.variables["VERSION"])
    for name, resources in folder.kustomizations.items():
        for resource in resources:
            for container in containers_of(resource):
                yield f"{name}: {resource['metadata']['name']}", container["image"]
