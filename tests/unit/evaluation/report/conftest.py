"""Findings of every sort, and their pages."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping

import pytest
from unit.evaluation.report.pages import Element, read_page
from unit.evaluation.report.plausible import CLASSES, MADE, plausible_findings, plausible_pictures

from synthmill.evaluation.report import render_report
from synthmill.learning.evaluate.findings import Findings


@pytest.fixture(scope="session")
def pictures() -> dict[str, bytes]:
    return plausible_pictures()


@pytest.fixture(scope="session")
def render(pictures: dict[str, bytes]) -> Callable[[Findings], bytes]:
    return lambda findings: render_report(findings, pictures, MADE)


@pytest.fixture(scope="session")
def read(render: Callable[[Findings], bytes]) -> Callable[[Findings], Element]:
    return lambda findings: read_page(render(findings))


@pytest.fixture(scope="session")
def sorts() -> Mapping[str, Findings]:
    """Findings that a page must have room for, by what is special about them."""
    findings = plausible_findings()
    return {
        "passed": findings,
        "refused": plausible_findings(passed=False),
        "without classes": plausible_findings(()),
        "one class": plausible_findings(("only",)),
        "100 classes": plausible_findings([f"species {number:02d}" for number in range(100)]),
        "long names": _with_long_names(),
        "no ceilings": _with_figures(findings, real=None),
        "measured once": _measured_once(findings),
        "no conditions": dataclasses.replace(findings, conditions=[]),
        "bare": dataclasses.replace(
            plausible_findings(()), figures=[], conditions=[], pictures=[], distributions=[], settings={}, verdict=[]
        ),
    }


def _with_figures(findings: Findings, **changes: object) -> Findings:
    return dataclasses.replace(findings, figures=[dataclasses.replace(each, **changes) for each in findings.figures])


def _with_long_names() -> Findings:
    findings = plausible_findings([f"a name of many words {name}-{'without-end' * 12}" for name in CLASSES[:4]])
    return dataclasses.replace(
        findings,
        subject=dataclasses.replace(findings.subject, name=f"models/{'m' * 200}/versions/1"),
        reference=dataclasses.replace(findings.reference, name=f"datasets/{'d' * 200}/versions/1"),
    )


def _measured_once(findings: Findings) -> Findings:
    figures = [
        dataclasses.replace(each, measured=dataclasses.replace(each.measured, low=value, high=value))
        for each in findings.figures
        for value in [each.measured.value]
    ]
    return dataclasses.replace(findings, figures=figures)
