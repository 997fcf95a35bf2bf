"""The pyramid of sizes that an image's networks work at, and how many channels each has; needs no torch."""

from __future__ import annotations

_BASE_SIDE = 7
_WIDEST = 4

# Up to this side every pixel is computed by itself: a small image has none to spare.
_LARGEST_UNFOLDED = 16


def halved(size: tuple[int, int]) -> tuple[int, int]:
    """Returns (height, width) of half the size, rounded up."""
    return (size[0] + 1) // 2, (size[1] + 1) // 2


def is_folded(height: int, width: int) -> bool:
    """Tells whether four neighbouring pixels of an image of this size are channels of one place in the networks."""
    return max(height, width) > _LARGEST_UNFOLDED


def levels(height: int, width: int) -> list[tuple[int, int]]:
    """Returns the sizes (height, width) that networks work at, from the finest down.

    >>> levels(28, 21)
    [(14, 11), (7, 6)]
    >>> levels(8, 8)
    [(8, 8), (4, 4)]
    """
    sizes = [halved((height, width)) if is_folded(height, width) else (height, width)]
    while max(sizes[-1]) > _BASE_SIDE:
        sizes.append(halved(sizes[-1]))
    return sizes


def level_widths(height: int, width: int, channels: int) -> list[int]:
    """Returns the channels of each level: twice as many with every halving, up to four times those of the finest.

    >>> level_widths(64, 64, 32)
    [32, 64, 128, 128]
    """
    return [channels * min(2**level, _WIDEST) for level in range(len(levels(height, width)))]
