"""Small real data: scikit-learn's handwritten digits, in the shapes that users bring."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from PIL import Image
from sklearn.datasets import load_digits


def digits() -> tuple[np.ndarray, np.ndarray]:
    """Returns scikit-learn's digits as uint8 images (1797, 8, 8) and int64 labels (1797,)."""
    bunch = load_digits()
    images = np.round(bunch.images * (255 / 16)).astype(np.uint8)
    return images, bunch.target.astype(np.int64)


def write_folders(root: Path, images: np.ndarray, labels: np.ndarray) -> Path:
    """Writes images as PNG files, a folder per class, and returns the root."""
    for position, (image, label) in enumerate(zip(images, labels, strict=True)):
        folder = root / str(label)
        folder.mkdir(parents=True, exist_ok=True)
        Image.fromarray(image).save(folder / f"{position:05d}.png")
    return root
