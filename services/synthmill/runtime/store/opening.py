"""Finds a service's store by its settings."""

from __future__ import annotations

from synthmill.runtime.config import MIB, ServiceConfig
from synthmill.runtime.store.objects import ObjectStore


def find_store(config: ServiceConfig) -> ObjectStore:
    """Returns the store of a service, without asking whether it can be reached; errors as `ObjectStore`."""
    return ObjectStore(config.store_url, config.cache_folder, config.cache_mb * MIB)


def open_store(config: ServiceConfig) -> ObjectStore:
    """Returns the store of a service that begins; errors as `ObjectStore` and `ObjectStore.check`."""
    store = find_store(config)
    store.check()
    return store
