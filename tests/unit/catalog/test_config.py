"""Settings of the catalog that are refused at its start."""

from __future__ import annotations

import pytest

from synthmill.catalog.config import CatalogConfig
from synthmill.runtime.errors import InvalidField


@pytest.mark.parametrize(
    ("name", "value"), [("job_memory_mb", 511), ("job_memory_mb", -1), ("trial_s", 0.0), ("trial_s", 3601.0)]
)
def test_setting_outside_its_bounds_is_an_invalid_field(name, value):
    with pytest.raises(InvalidField, match=name):
        CatalogConfig(**{name: value})


def test_no_bound_on_memory_is_a_setting_too():
    assert CatalogConfig(job_memory_mb=0).job_memory_mb == 0
