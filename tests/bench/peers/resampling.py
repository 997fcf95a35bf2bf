"""Rotates, scales and crops an image with Albumentations: IMAGE.npy RESULT.npy DEGREES FACTOR LEFT TOP RIGHT BOTTOM."""

from __future__ import annotations

import sys

import albumentations
import cv2
import numpy as np


def main() -> None:
    """Writes the result."""
    source, target = sys.argv[1:3]
    degrees, factor = map(float, sys.argv[3:5])
    left, top, right, bottom = map(int, sys.argv[5:9])
    image = np.load(source)
    height, width = image.shape[:2]
    policy = albumentations.Compose(
        [
            albumentations.Rotate((degrees, degrees), border_mode=cv2.BORDER_REFLECT_101, p=1),
            albumentations.Affine(scale=(factor, factor), border_mode=cv2.BORDER_REFLECT_101, p=1),
            albumentations.Crop(left, top, right, bottom, p=1),
            albumentations.Resize(height, width, p=1),
        ]
    )
    np.save(target, policy(image=image)["image"])


if __name__ == "__main__":
    main()
