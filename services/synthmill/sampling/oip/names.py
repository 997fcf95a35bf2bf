"""Models as the protocol names them: an id and a version number, "digits" and "3" for "models/digits/versions/3"."""

from __future__ import annotations

import re

from synthmill.runtime.errors import InvalidField
from synthmill.runtime.names import MODELS, check_id, parse_version

_VERSION = re.compile(r"[1-9][0-9]{0,8}")


def to_resource(model_id: str, version: str = "") -> str:
    """Returns the resource name of a model, or of one version.

    Args:
        model_id: the model's id.
        version: number of the version; empty leaves it open.

    Raises:
        InvalidField: one of them is malformed.
    """
    collection = f"{MODELS}/{check_id('model_name', model_id)}"
    if not version:
        return collection
    if not _VERSION.fullmatch(version):
        raise InvalidField("model_version", version, "the number of a version, or empty for the promoted one")
    return f"{collection}/versions/{version}"


def from_resource(name: str) -> tuple[str, str]:
    """Returns id and version number of "models/{model}/versions/{n}"."""
    parsed = parse_version(MODELS, "name", name)
    return parsed.collection.removeprefix(f"{MODELS}/"), str(parsed.version)
