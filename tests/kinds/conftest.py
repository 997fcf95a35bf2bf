"""Every test of the suite runs once per kind."""

from __future__ import annotations

import pytest
from kinds.samples import CASES, KindCase


@pytest.fixture(params=CASES.values(), ids=CASES)
def case(request: pytest.FixtureRequest) -> KindCase:
    return request.param
