"""How many images a second a library augments with one thread: LIBRARY SIDE SECONDS [OPERATION].

Without an operation, by one policy: flip, rotate by up to 15 degrees, translate by up to a tenth, scale by up to a
tenth, random resized crop, colour jitter, erase. Each library does it in the way that is quickest with it. Runs in the
environment of the library.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable

import numpy as np

COUNT = 256
# Of small images more at a time, as anybody would.
BATCH = {32: 256}

Run = Callable[[list[np.ndarray]], object]


def pictures(side: int) -> list[np.ndarray]:
    """Returns images as smooth as photographs are, uint8 (side, side, 3)."""
    rng = np.random.default_rng(0)
    coarse = rng.integers(0, 256, (COUNT, side // 8 + 2, side // 8 + 2, 3)).astype(np.float32)
    steps = np.arange(side) / 8
    low, share = steps.astype(int), (steps % 1)[:, None].astype(np.float32)
    rows = coarse[:, low] * (1 - share[None, :, None]) + coarse[:, low + 1] * share[None, :, None]
    images = rows[:, :, low] * (1 - share[None, None]) + rows[:, :, low + 1] * share[None, None]
    return list((images + rng.normal(0, 4, images.shape)).clip(0, 255).astype(np.uint8))


def policy(side: int) -> dict[str, list]:
    """Returns the policy in our own words."""
    steps = [
        {"op": "horizontal_flip", "probability": 0.5},
        {"op": "rotate", "degrees": [-15, 15]},
        {"op": "translate", "x": [-0.1, 0.1], "y": [-0.1, 0.1]},
        {"op": "scale", "factor": [0.9, 1.1]},
        {"op": "random_resized_crop", "area": [0.5, 1], "height": side, "width": side},
        {"op": "colour_jitter"},
        {"op": "erase", "fill": "zero", "probability": 0.5},
    ]
    return {"steps": steps}


def synthmill(side: int) -> Run:
    """Returns our own engine, in-process."""
    return _engine(policy(side))


def operation(name: str) -> Run:
    """Returns one of our operations, with its defaults."""
    return _engine({"steps": [{"op": name}]})


def _engine(given: dict[str, list]) -> Run:
    import cv2

    from synthmill.kinds.image.augmentation.engine import Augmenter
    from synthmill.kinds.image.augmentation.example import Example
    from synthmill.kinds.image.augmentation.policy import image_policy

    cv2.setNumThreads(1)
    augmenter = Augmenter(image_policy(given))
    return lambda images: augmenter.augment([Example(image) for image in images], range(len(images)), 0)


def albumentations_operation(name: str) -> Run:
    """Returns the operation of Albumentations that does what one of ours does, as far as it does."""
    import albumentations as library
    import cv2

    cv2.setNumThreads(1)
    made = {
        "horizontal_flip": lambda: library.HorizontalFlip(p=1),
        "transpose": lambda: library.Transpose(p=1),
        "rotate": lambda: library.Rotate((-15, 15), p=1),
        "perspective": lambda: library.Perspective((0.02, 0.1), p=1),
        "colour_jitter": lambda: library.ColorJitter((0.8, 1.2), (0.8, 1.2), (0.8, 1.2), (-0.05, 0.05), p=1),
        "gamma": lambda: library.RandomGamma((80, 125), p=1),
        "posterise": lambda: library.Posterize((4, 7), p=1),
        "solarise": lambda: library.Solarize((0.5, 1), p=1),
        "equalise": lambda: library.Equalize(p=1),
        "autocontrast": lambda: library.AutoContrast(p=1),
        "clahe": lambda: library.CLAHE((1, 4), p=1),
        "gaussian_blur": lambda: library.GaussianBlur(sigma_limit=(0.1, 2), blur_limit=0, p=1),
        "motion_blur": lambda: library.MotionBlur((3, 9), p=1),
        "defocus_blur": lambda: library.Defocus((1, 4), p=1),
        "sharpen": lambda: library.Sharpen((0.2, 1), p=1),
        "gaussian_noise": lambda: library.GaussNoise((0.01, 0.05), p=1),
        "shot_noise": lambda: library.ShotNoise((0.02, 0.1), p=1),
        "salt_and_pepper": lambda: library.SaltAndPepper((0.001, 0.02), p=1),
        "jpeg": lambda: library.ImageCompression(quality_range=(40, 95), p=1),
        "downscale": lambda: library.Downscale((0.25, 0.67), p=1),
        "elastic": lambda: library.ElasticTransform(alpha=300, sigma=20, p=1),
        "grid_distortion": lambda: library.GridDistortion(num_steps=5, distort_limit=(-0.15, 0.15), p=1),
        "optical": lambda: library.OpticalDistortion((-0.15, 0.15), p=1),
        "erase": lambda: library.Erasing(fill="random_uniform", p=1),
    }
    policy = library.Compose([made[name]()], seed=0)
    return lambda images: [policy(image=image)["image"] for image in images]


def albumentations(side: int) -> Run:
    """Returns Albumentations; rotation, translation and scale in one operation, for which it resamples once."""
    import albumentations as library
    import cv2

    cv2.setNumThreads(1)
    policy = library.Compose(
        [
            library.HorizontalFlip(p=0.5),
            library.Affine(rotate=(-15, 15), translate_percent=(-0.1, 0.1), scale=(0.9, 1.1), p=1),
            library.RandomResizedCrop((side, side), scale=(0.5, 1.0), p=1),
            library.ColorJitter(
                brightness=(0.8, 1.2), contrast=(0.8, 1.2), saturation=(0.8, 1.2), hue=(-0.05, 0.05), p=1
            ),
            library.Erasing(p=0.5),
        ],
        seed=0,
    )
    return lambda images: [policy(image=image)["image"] for image in images]


def kornia(side: int) -> Run:
    """Returns Kornia; whole batches of float32, and back to bytes."""
    import kornia.augmentation as library
    import torch

    torch.set_num_threads(1)
    policy = library.AugmentationSequential(
        library.RandomHorizontalFlip(p=0.5),
        library.RandomAffine(15.0, (0.1, 0.1), (0.9, 1.1), p=1),
        library.RandomResizedCrop((side, side), scale=(0.5, 1.0), p=1),
        library.ColorJiggle(0.2, 0.2, 0.2, 0.05, p=1),
        library.RandomErasing(p=0.5),
        data_keys=["input"],
    )

    def run(images: list[np.ndarray]) -> object:
        batch = torch.from_numpy(np.stack(images)).permute(0, 3, 1, 2).float() / 255
        return (policy(batch) * 255).clamp(0, 255).to(torch.uint8).permute(0, 2, 3, 1).contiguous().numpy()

    return run


def torch(side: int) -> Run:
    """Returns what a person would write in PyTorch: one grid, one colour matrix, whole batches."""
    import torch
    from torch.nn import functional

    torch.set_num_threads(1)
    generator = torch.Generator().manual_seed(0)

    def between(count: int, low: float, high: float) -> torch.Tensor:
        return low + (high - low) * torch.rand(count, generator=generator)

    def run(images: list[np.ndarray]) -> object:
        count = len(images)
        batch = torch.from_numpy(np.stack(images)).permute(0, 3, 1, 2).float() / 255
        angle = between(count, -0.2618, 0.2618)
        scale = between(count, 0.9, 1.1) / between(count, 0.5, 1).sqrt()
        mirror = torch.where(torch.rand(count, generator=generator) < 0.5, -1.0, 1.0)
        maps = torch.zeros(count, 2, 3)
        maps[:, 0, 0], maps[:, 0, 1] = mirror * angle.cos() / scale, angle.sin() / scale
        maps[:, 1, 0], maps[:, 1, 1] = -mirror * angle.sin() / scale, angle.cos() / scale
        maps[:, :, 2] = between(2 * count, -0.2, 0.2).view(count, 2)
        grid = functional.affine_grid(maps, list(batch.shape), align_corners=False)
        seen = functional.grid_sample(batch, grid, align_corners=False)
        mix = torch.eye(3) * between(count, 0.8, 1.2)[:, None, None] + 0.05 * torch.randn(
            count, 3, 3, generator=generator
        )
        seen = torch.einsum("nij,njhw->nihw", mix, seen) + between(count, -0.1, 0.1)[:, None, None, None]
        for row in torch.nonzero(torch.rand(count, generator=generator) < 0.5).flatten().tolist():
            top, left = (int(place * side * 0.7) for place in torch.rand(2, generator=generator))
            seen[row, :, top : top + side * 3 // 10, left : left + side * 3 // 10] = 0
        return (seen * 255).clamp(0, 255).to(torch.uint8).permute(0, 2, 3, 1).contiguous().numpy()

    return run


LIBRARIES = {function.__name__: function for function in (synthmill, albumentations, kornia, torch)}
OPERATIONS = {"synthmill": operation, "albumentations": albumentations_operation}


def main() -> None:
    """Prints images a second."""
    library, side, seconds = sys.argv[1], int(sys.argv[2]), float(sys.argv[3])
    images, size = pictures(side), BATCH.get(side, 64)
    run = OPERATIONS[library](sys.argv[4]) if sys.argv[4:] else LIBRARIES[library](side)
    batches = [images[start : start + size] for start in range(0, COUNT, size)]
    run(batches[0])
    done, started = 0, time.perf_counter()
    while (elapsed := time.perf_counter() - started) < seconds:
        batch = batches[done // size % len(batches)]
        run(batch)
        done += len(batch)
    print(done / elapsed)


if __name__ == "__main__":
    main()
