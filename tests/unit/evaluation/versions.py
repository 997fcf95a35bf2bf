"""Messages of versions, as the catalog would send them."""

from __future__ import annotations

import numpy as np

from synthmill.runtime.structs import to_struct
from synthmill.runtime.tensors import to_column_specs
from synthmill.v1 import artifact_pb2, dataset_pb2, model_pb2

LABELS = ("cat", "dog")
IMAGE, LABEL = (np.dtype(np.uint8), (8, 8, 1)), (np.dtype(np.int64), ())


def model(
    labels: tuple[str, ...] = LABELS, kind: str = "image", image=IMAGE, dataset: str = "datasets/pets/versions/1"
) -> model_pb2.Model:
    """Makes a model version."""
    return model_pb2.Model(
        name="models/pets/versions/2",
        kind=kind,
        labels=labels,
        columns=to_column_specs({"image": image}),
        digest="a" * 64,
        dataset=dataset,
    )


def dataset(
    counts: tuple[int, ...] = (40, 10), labels: tuple[str, ...] = LABELS, name: str = "pets", image=IMAGE, **others: int
) -> dataset_pb2.Dataset:
    """Makes a dataset version.

    Args:
        counts: training records of each class.
        others: records of the other splits, by name.
    """
    sizes = {"train": sum(counts), **others}
    height, width, channels = image[1]
    columns = {"image": image, **({"label": LABEL} if labels else {})}
    return dataset_pb2.Dataset(
        name=f"datasets/{name}/versions/1",
        kind="image",
        labels=labels,
        columns=to_column_specs(columns),
        schema=to_struct({"height": height, "width": width, "channels": channels}),
        splits=[
            dataset_pb2.Split(name=split, record_count=size, class_counts=counts if split == "train" and labels else [])
            for split, size in sizes.items()
        ],
        artifacts=[artifact_pb2.Artifact(name=f"{split}.{column}.npy") for split in sizes for column in columns],
        digest="d" * 64,
    )
