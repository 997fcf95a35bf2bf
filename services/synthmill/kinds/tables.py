"""Arrow tables that `datasets.load_dataset("parquet", ...)` reads with the right features."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pyarrow as pa

_METADATA_KEY = b"huggingface"

Encoded = tuple[pa.Array, Mapping[str, Any]]
"""A column for storage and its feature, for example {"_type": "Image"}."""


def make_table(encoded: Mapping[str, Encoded], batch: Mapping[str, np.ndarray], labels: Sequence[str]) -> pa.Table:
    """Joins columns that a kind has encoded with the plain ones of a batch.

    Args:
        encoded: the kind's own columns by name.
        batch: all columns; those not in `encoded` are arrays of numbers (N,).
        labels: class names of the column "label"; empty leaves it a plain number.
    """
    columns = {name: encoded[name] if name in encoded else _plain(name, array, labels) for name, array in batch.items()}
    features = {name: dict(feature) for name, (_, feature) in columns.items()}
    table = pa.table({name: array for name, (array, _) in columns.items()})
    return table.replace_schema_metadata({_METADATA_KEY: json.dumps({"info": {"features": features}})})


def read_features(schema: pa.Schema) -> dict[str, Any]:
    """Returns the features by column name that a Parquet file declares; empty if it declares none that can be read."""
    try:
        declared = json.loads((schema.metadata or {})[_METADATA_KEY])["info"]["features"]
        return {name: feature for name, feature in declared.items() if isinstance(feature, dict)}
    except (KeyError, TypeError, ValueError, AttributeError, RecursionError):
        return {}


def plain_columns(table: pa.Table, encoded: Sequence[str]) -> dict[str, np.ndarray]:
    """Returns the columns of numbers of a table, all but those named in `encoded`."""
    return {name: table[name].to_numpy() for name in table.column_names if name not in encoded}


def _plain(name: str, array: np.ndarray, labels: Sequence[str]) -> Encoded:
    if name == "label" and labels:
        return pa.array(array, pa.int64()), {"names": list(labels), "_type": "ClassLabel"}
    return pa.array(array), {"dtype": str(array.dtype), "_type": "Value"}
