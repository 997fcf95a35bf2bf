"""The augmentation side of the image kind."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from concurrent.futures import Executor
from typing import Any

import numpy as np

from synthmill.kinds.augmentation import Augmentation
from synthmill.kinds.image.augmentation.device import Device, open_device
from synthmill.kinds.image.augmentation.engine import Augmenter
from synthmill.kinds.image.augmentation.example import Example
from synthmill.kinds.image.augmentation.gallery import draw_grid
from synthmill.kinds.image.augmentation.operations import OPERATIONS
from synthmill.kinds.image.augmentation.policy import image_policy
from synthmill.kinds.image.augmentation.ready_made import READY_MADE
from synthmill.kinds.policies.parsing import Policy
from synthmill.runtime.errors import InvalidField

_NAMES = tuple(field.name for field in dataclasses.fields(Example))
# What is exact in a narrower type may come in a wider one: JSON and other languages know fewer types.
_DTYPES = {
    "label": np.float32,
    "boxes": np.float32,
    "box_labels": np.int64,
    "keypoints": np.float32,
    "keypoint_labels": np.int64,
}


class ImageAugmentation(Augmentation):
    """Images with labels, boxes, masks and keypoints; arrays have the names of `Example`'s attributes."""

    operations = OPERATIONS
    ready_made = READY_MADE

    def policy(self, given: Any) -> Policy:
        return image_policy(given)

    def open(
        self,
        policy: Policy,
        pool: Sequence[Example] | None = None,
        executor: Executor | None = None,
        class_count: int | None = None,
        device: Device | None = None,
    ) -> Augmenter:
        return Augmenter(policy, pool, executor, class_count, device)

    def open_device(self, wanted: str) -> Device | None:
        return open_device(wanted)

    def to_example(self, arrays: Mapping[str, np.ndarray]) -> Example:
        for name in arrays:
            if name not in _NAMES:
                raise InvalidField(name, "an array", "only " + ", ".join(_NAMES))
        if "image" not in arrays:
            raise InvalidField("image", "nothing", "an array")
        image = arrays["image"]
        # A grey image may come without its axis of one channel.
        given = {**arrays, "image": image[:, :, None] if image.ndim == 2 else image}
        for name, dtype in _DTYPES.items():
            if name in given and given[name].dtype != dtype:
                if given[name].dtype.kind not in "iuf":
                    raise InvalidField(name, f"{given[name].dtype}", "numbers")
                given[name] = given[name].astype(dtype)
        return Example(**given)

    def to_arrays(self, example: Example) -> dict[str, np.ndarray]:
        return {name: array for name in _NAMES if (array := getattr(example, name)) is not None}

    def picture(self, examples: Sequence[Example], captions: Sequence[str], columns: int) -> bytes:
        return draw_grid(examples, captions, columns)


AUGMENTATION = ImageAugmentation()
