"""Recognises splits by the names people give them."""

from __future__ import annotations

import re

SPLITS = {
    "train": "train",
    "training": "train",
    "validation": "validation",
    "valid": "validation",
    "val": "validation",
    "dev": "validation",
    "test": "test",
    "testing": "test",
    "t10k": "test",
}


def split_of(name: str) -> str | None:
    """Returns the split that a word names, or None."""
    return SPLITS.get(name.lower())


def words(name: str) -> list[str]:
    """Returns the lower-case words of a name: "x_train" -> ["x", "train"], "XTest" -> ["x", "test"]."""
    return [word.lower() for word in re.findall(r"[A-Z]+(?![a-z])|[A-Z]?[a-z0-9]+|[0-9]+", name)]


def split_in(name: str) -> str | None:
    """Returns the split that any word of a name names, or None."""
    return next((SPLITS[word] for word in words(name) if word in SPLITS), None)
