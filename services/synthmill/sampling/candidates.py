"""How many candidates a filtered sample takes: what it is expected to cost."""

from __future__ import annotations

from synthmill.runtime.filters import Filter

_WEIGHT = 0.1
_MOST_FILTERS = 256


class CandidateCounts:
    """The mean number of candidates for a sample of late, by filter; safe to use from several threads."""

    def __init__(self) -> None:
        self._means: dict[Filter, float] = {}

    def expected(self, by: Filter) -> float:
        """Returns the candidates for a sample; 1 before anything is known."""
        return self._means.get(by, 1.0)

    def note(self, by: Filter, samples: int, candidates: int) -> None:
        """Takes notice of what some samples have taken."""
        if len(self._means) >= _MOST_FILTERS and by not in self._means:
            self._means.clear()
        found = candidates / samples
        mean = self._means.get(by, found)
        self._means[by] = mean + _WEIGHT * (found - mean)
