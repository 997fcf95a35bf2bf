"""Figures stand beside their ceiling, on one axis and to the same digits."""

from __future__ import annotations

import dataclasses

import pytest
from unit.evaluation.report.plausible import plausible_findings

from synthmill.evaluation.report.figures import draw_figures
from synthmill.learning.evaluate.findings import Group


def test_figure_is_shown_with_its_ceiling(read):
    page = read(plausible_findings())
    (coverage,) = page.find("section", id="coverage")
    shown = coverage.find("div", class_="figure")[1]
    assert shown.find("h3")[0].text == "Coverage"
    assert "Share of real neighbourhoods with a sample in them. Higher is better." in shown.text
    assert [each.text for each in shown.find("dd")] == ["0.778 0.763 to 0.793", "0.967 0.960 to 0.974"]
    assert shown.find("rect", class_="reference")
    assert shown.find("line", class_="interval")


def test_figure_and_ceiling_have_the_same_digits():
    kid = draw_figures(plausible_findings(), Group.FIDELITY)[1]
    assert kid.measured == ("0.00873", "0.00763 to 0.00983")
    assert kid.real == ("\N{MINUS SIGN}0.00012", "\N{MINUS SIGN}0.00067 to 0.00043")


def test_order_and_side_on_the_axis_are_those_of_the_values():
    for group in Group:
        figures = [each for each in plausible_findings().figures if each.group is group]
        for figure, row in zip(figures, draw_figures(plausible_findings(), group), strict=True):
            assert row.title == figure.title
            if figure.real and figure.real != figure.measured:
                assert (row.strip.dot < row.strip.reference) == (figure.measured.value < figure.real.value)


def test_missing_ceiling_is_not_drawn(sorts, read):
    page = read(sorts["no ceilings"])
    (fidelity,) = page.find("section", id="fidelity")
    assert not fidelity.find("line", class_="reference")
    assert "Real records" not in [each.text for each in fidelity.find("dt")]
    assert {each.text for each in fidelity.find("dt")} == {"Measured"}


def test_value_that_was_measured_once_has_no_interval(sorts):
    row = draw_figures(dataclasses.replace(sorts["measured once"]), Group.COVERAGE)[0]
    assert (row.measured[1], row.strip.interval) == ("", None)


@pytest.mark.parametrize(("number", "better"), [(0, "lower is better"), (2, "higher is better")])
def test_which_values_are_good_is_said(number, better):
    assert draw_figures(plausible_findings(), Group.FIDELITY)[number].better == better
