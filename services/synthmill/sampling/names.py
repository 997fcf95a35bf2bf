"""Names of resources as requests give them."""

from __future__ import annotations

import re

from synthmill.runtime.errors import InvalidField

_ID = "[a-z][a-z0-9-]{0,62}"
_VERSION = "/versions/[1-9][0-9]{0,8}"


def check_model(field: str, name: str) -> str:
    """Returns the name of a model or of one of its versions unchanged; InvalidField if it is no such name."""
    return _check(field, name, f"models/{_ID}({_VERSION})?", '"models/{model}" or "models/{model}/versions/{n}"')


def check_model_version(field: str, name: str) -> str:
    """Returns the name of a model version unchanged; InvalidField if it is no such name."""
    return _check(field, name, f"models/{_ID}{_VERSION}", '"models/{model}/versions/{n}"')


def check_dataset(field: str, name: str) -> str:
    """Returns the name of a dataset or of one of its versions unchanged; InvalidField if it is no such name."""
    allowed = '"datasets/{dataset}" or "datasets/{dataset}/versions/{n}"'
    return _check(field, name, f"datasets/{_ID}({_VERSION})?", allowed)


def _check(field: str, name: str, pattern: str, allowed: str) -> str:
    if not re.fullmatch(pattern, name):
        raise InvalidField(field, name, allowed)
    return name
