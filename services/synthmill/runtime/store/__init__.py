"""The object store: files named by the SHA-256 of their bytes.

A name says what the content is, so storing twice is harmless, a version is a list of names, and a damaged file is
recognised by every reader. Nothing is visible under its name before all of its bytes are there.

`objects` is the store, the same for all; a `Storage` is where its files are: `folder`, `s3`, or whatever `remote`
finds a driver for. `cache` keeps local copies of what is not on a disk.
"""

from __future__ import annotations

from synthmill.runtime.store.artifact import Artifact
from synthmill.runtime.store.objects import ObjectStore
from synthmill.runtime.store.opening import find_store, open_store

__all__ = ["Artifact", "ObjectStore", "find_store", "open_store"]
