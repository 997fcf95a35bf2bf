"""Histograms keep their shape, and widening bins are labelled as they are."""

from __future__ import annotations

import re

from synthmill.learning.evaluate.findings import Distribution
from synthmill.pages.charts import draw_histogram


def test_outline_is_as_high_as_the_shares():
    shares = {"samples": [0.1, 0.4, 0.0, 0.5], "held-out records": [0.25, 0.25, 0.25, 0.25]}
    chart = draw_histogram(Distribution("Distance", "pixels", [0.0, 1.0, 2.0, 3.0, 4.0], shares))
    first, second = chart.outlines
    assert first.path == "M0 100V80.0H25.0V20.0H50.0V100.0H75.0V0.0H100.0V100"
    assert re.findall(r"V([\d.]+)H", second.path) == ["50.0"] * 4
    assert chart.top == "50 %"
    assert [tick.text for tick in chart.ticks] == ["0", "1", "2", "3", "4"]
    assert chart.description.startswith("samples: most records, 50.0 %, lie between 3.000 and 4.000.")


def test_bins_that_widen_are_labelled_at_their_edges():
    chart = draw_histogram(Distribution("Ratio", "", [0.1, 1.0, 10.0, 100.0], {"samples": [0.2, 0.3, 0.5]}))
    assert [(tick.place, tick.text) for tick in chart.ticks] == [
        (0.0, "0.100"),
        (33.33, "1.000"),
        (66.67, "10.00"),
        (100.0, "100.0"),
    ]


def test_empty_sets_are_drawn_flat():
    chart = draw_histogram(Distribution("Distance", "", [0.0, 1.0, 2.0], {"samples": [0.0, 0.0]}))
    assert chart.outlines[0].path == "M0 100V100.0H50.0V100.0H100.0V100"
