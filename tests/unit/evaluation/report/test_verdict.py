"""The verdict comes first and says why: each condition with what was measured, its bound, and the margin."""

from __future__ import annotations

import dataclasses

import pytest
from unit.evaluation.report.plausible import around, plausible_findings

from synthmill.evaluation.report.conditions import draw_verdict
from synthmill.learning.evaluate.findings import Better, Condition, Findings


def with_condition(value: float, bound: float, better: Better, *, passed: bool, figure: str = "lift") -> Findings:
    findings = plausible_findings()
    condition = Condition(figure, bound, better, value, passed, "A sentence.")
    return dataclasses.replace(findings, conditions=[condition], passed=passed)


def row_of(findings: Findings):
    (row,) = draw_verdict(findings).rows
    return row


def test_passed_page(sorts, read):
    page = read(sorts["passed"])
    (verdict,) = page.find("section", class_="verdict")
    assert page.find("section")[0] is verdict
    assert verdict.find("span", class_="badge")[0].text == "Passed"
    assert verdict.find("h2")[0].text == "Passed All 6 conditions are kept."
    assert sorts["passed"].verdict[0] in verdict.text
    assert not page.find("tr", class_="refused")
    assert page.find("title")[0].text == "Passed: models/fashion-gan/versions/3"


def test_refused_page(sorts, read):
    page = read(sorts["refused"])
    (verdict,) = page.find("section", class_="verdict")
    assert verdict.find("h2")[0].text == "Refused 2 of 6 conditions are missed."
    assert verdict.find("p", class_="missed")[0].text == "Missed: Coverage , Lift over the best baseline ."
    missed = verdict.find("tr", class_="refused")
    assert [row.find("th")[0].text for row in missed] == ["Coverage", "Lift over the best baseline"]
    cells = [cell.text for cell in missed[1].find("td")][1:]
    assert cells == [
        "0.0147 0.0034 to 0.0260",
        "at least 0.02",
        "missed by 0.0053 the interval reaches past the bound",
    ]


def test_gate_without_conditions(sorts):
    verdict = draw_verdict(sorts["no conditions"])
    assert (verdict.headline, list(verdict.rows)) == ("The gate sets no conditions.", [])


@pytest.mark.parametrize(
    ("value", "bound", "better", "passed", "shown"),
    [
        (0.778, 0.6, Better.HIGH, True, ("0.778", "at least 0.6", "kept by 0.178")),
        (0.69996, 0.7, Better.HIGH, False, ("0.69996", "at least 0.7", "missed by 0.00004")),
        (12.84, 20.0, Better.LOW, True, ("12.84", "at most 20", "kept by 7.16")),
        (-0.0123, 0.0, Better.HIGH, False, ("\N{MINUS SIGN}0.0123", "at least 0", "missed by 0.0123")),
        (0.5, 0.5, Better.LOW, True, ("0.500", "at most 0.5", "just kept")),
        (0.0, 0.015, Better.LOW, True, ("0.0000", "at most 0.015", "kept by 0.0150")),
    ],
)
def test_margin_shows_the_digits_that_decide(value, bound, better, passed, shown):
    row = row_of(with_condition(value, bound, better, passed=passed))
    assert (row.measured, row.bound, row.margin) == shown


def test_interval_is_that_of_the_figure_if_its_value_is_bounded():
    low = row_of(with_condition(0.0034, 0.002, Better.HIGH, passed=True))
    value = row_of(with_condition(0.0147, 0.0, Better.HIGH, passed=True))
    assert (low.interval, value.interval) == ("", "0.0034 to 0.0260")


def test_bound_within_the_interval_is_told():
    findings = with_condition(0.0147, 0.01, Better.HIGH, passed=True)
    assert row_of(findings).is_close
    narrow = [
        dataclasses.replace(each, measured=around(each.measured.value, 0.001)) if each.name == "lift" else each
        for each in findings.figures
    ]
    assert not row_of(dataclasses.replace(findings, figures=narrow)).is_close


def test_figure_that_is_not_shown_is_named():
    assert row_of(with_condition(1, 2, Better.HIGH, passed=False, figure="least_recall")).title == "Least recall"


@pytest.mark.parametrize("better", list(Better))
@pytest.mark.parametrize(("value", "bound"), [(0.0147, 0.0), (0.0062, 0.02), (0.9, 0.5), (12.0, 3.0), (0.0, 0.0)])
def test_dot_lies_where_the_condition_holds_exactly_if_it_does(value, bound, better):
    passed = value >= bound if better is Better.HIGH else value <= bound
    strip = row_of(with_condition(value, bound, better, passed=passed, figure="nothing")).strip
    assert (strip.kept.start <= strip.dot <= strip.kept.end) == passed
    assert 0 < strip.kept.width < 100
