"""What changes in the course of a run, as pure functions of the share of it that is done."""

from __future__ import annotations

_WARM_UP = 0.01


def rate_factor(progress: float, decay_start: float) -> float:
    """Returns the learning rate as a share of its greatest value.

    It rises in a line over the first hundredth of the run, since Adam's first estimates are bad ones, and falls in a
    line to zero from `decay_start` on, since the noise of the last steps would stay in the weights.

    Args:
        progress: share of the run that is done, in [0, 1).
        decay_start: share after which the rate falls; 1 never lets it.
    """
    rising = min(1.0, (progress + _WARM_UP / 10) / _WARM_UP)
    falling = (1 - progress) / (1 - decay_start) if progress > decay_start else 1.0
    return rising * falling
