"""One extractor for all tests: it is what takes time."""

from __future__ import annotations

import pytest
from unit.learning.evaluate.records import COMPARISON, parts

from synthmill.learning.evaluate.features import FeatureExtractor
from synthmill.learning.task import never_stop


@pytest.fixture(scope="session")
def extractor() -> FeatureExtractor:
    train, held_out, _ = parts()
    return FeatureExtractor.fit(COMPARISON, train, held_out, 300, never_stop)
