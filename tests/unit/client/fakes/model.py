"""The model that the fake services know."""

from __future__ import annotations

import hashlib
import json

import numpy as np

from synthmill.runtime.tensors import to_column_specs
from synthmill.v1 import artifact_pb2, model_pb2

LABELS = ("cat", "dog", "fox")
SHAPE = (6, 5, 1)
MODEL = "models/pets"
DIGEST = hashlib.sha256(b"pets").hexdigest()
CARD = {
    "schema": {"height": SHAPE[0], "width": SHAPE[1], "channels": SHAPE[2]},
    "license": "CC0-1.0",
    "lineage": {"dataset_digest": "d" * 64},
    "synthetic": True,
}
FILES = {"card.json": json.dumps(CARD).encode(), "sampler.onnx": bytes(range(256)) * 9000}


def make_model(version: int) -> model_pb2.Model:
    """Makes a version of the model."""
    columns = {"image": (np.dtype(np.uint8), SHAPE), "label": (np.dtype(np.int64), ())}
    return model_pb2.Model(
        name=f"{MODEL}/versions/{version}",
        kind="image",
        family="gan",
        labels=LABELS,
        columns=to_column_specs(columns),
        artifacts=[make_artifact(name, data) for name, data in FILES.items()],
        digest=DIGEST,
        dataset="datasets/pets/versions/1",
        job="jobs/training-0123456789abcdefgh",
    )


def make_artifact(name: str, data: bytes) -> artifact_pb2.Artifact:
    """Describes a file."""
    digest = hashlib.sha256(data).hexdigest()
    return artifact_pb2.Artifact(name=name, uri=f"store://sha256/{digest}", sha256=digest, size_bytes=len(data))
