"""How Kubernetes lays a patch over an object, and Compose a file over another, as far as ours use it."""

from __future__ import annotations

from typing import Any

# What tells the entries of a list apart; a list that is not here is replaced as a whole.
_KEYS = {
    "containers": ("name",),
    "env": ("name",),
    "volumes": ("name",),
    "volumeMounts": ("mountPath",),
    "ports": ("containerPort", "port"),
}


def merge(below: dict[str, Any], above: dict[str, Any]) -> dict[str, Any]:
    """Returns an object with a patch laid over it; null removes a key.

    Args:
        below: the object.
        above: the patch.
    """
    merged = dict(below)
    for key, value in above.items():
        if value is None:
            merged.pop(key, None)
        elif isinstance(value, dict):
            lower = merged.get(key)
            merged[key] = merge(lower if isinstance(lower, dict) else {}, value)
        elif isinstance(value, list) and key in _KEYS and key in merged:
            merged[key] = _merge_lists(merged[key], value, _KEYS[key])
        else:
            merged[key] = value
    return merged


def _merge_lists(below: list[dict], above: list[dict], keys: tuple[str, ...]) -> list[dict]:
    known = {_identity(entry, keys): entry for entry in below}
    patched = {_identity(entry, keys): merge(known.get(_identity(entry, keys), {}), entry) for entry in above}
    # What is new comes first, as Kustomize has it.
    new = [entry for name, entry in patched.items() if name not in known]
    return [*new, *(patched.get(name, entry) for name, entry in known.items())]


def _identity(entry: dict[str, Any], keys: tuple[str, ...]) -> Any:
    return next(entry[key] for key in keys if key in entry)


# Lists of Compose whose entries are told apart by the place that they have in the container.
_PLACED = ("secrets", "volumes")


class MergeError(Exception):
    """A file that lays more over another than is known here."""


def merge_files(below: dict[str, Any], above: dict[str, Any]) -> dict[str, Any]:
    """Returns a Compose file with another one laid over it.

    Args:
        below: the file that comes first.
        above: the one that comes last.

    Raises:
        MergeError: a list is changed whose merging is not known here.
    """
    merged = dict(below)
    for key, value in above.items():
        lower = merged.get(key)
        if isinstance(value, dict) and isinstance(lower, dict):
            merged[key] = merge_files(lower, value)
        elif isinstance(value, list) and lower is not None:
            if key not in _PLACED:
                raise MergeError(f"only {' and '.join(_PLACED)} are known here among the lists of Compose, not {key}")
            merged[key] = list({_target(entry): entry for entry in [*lower, *value]}.values())
        else:
            merged[key] = value
    return merged


def _target(entry: str | dict[str, str]) -> str:
    return entry["target"] if isinstance(entry, dict) else entry.rpartition(":")[2]
