"""Findings whose names try to become markup, scripts and template code."""

from __future__ import annotations

import dataclasses

from unit.evaluation.report.plausible import plausible_findings

from synthmill.learning.evaluate.findings import Distribution, Findings, Party

HOSTILE = [
    "</script><script>attack()</script>",
    "\"><img src=x onerror='attack()'>",
    "<!--<script>",
    "{{ 7 * 7 }}{% raw %}",
    "</title></style></table><h1>Passed</h1>",
    "&lt;b&gt; &amp; \u2028 \u202e \x00",
]


def with_names(names: list[str]) -> Findings:
    """Returns findings in which these names stand wherever somebody else has chosen them."""
    findings = plausible_findings(names)
    first = names[0]
    return dataclasses.replace(
        findings,
        subject=Party(names[1], names[2], {names[3]: 1}),
        reference=Party(names[4], names[0], dict.fromkeys(names, 5)),
        kind=first,
        extractor=dataclasses.replace(findings.extractor, name=names[1], meaning=names[2]),
        arms=[dataclasses.replace(each, title=each.name + names[3], meaning=names[4]) for each in findings.arms],
        figures=[dataclasses.replace(each, title=first, meaning=names[5]) for each in findings.figures],
        conditions=[dataclasses.replace(each, figure=names[5], sentence=first) for each in findings.conditions],
        verdict=names,
        pictures=[dataclasses.replace(each, title=names[1], caption=names[1]) for each in findings.pictures],
        distributions=[_rename(each, names) for each in findings.distributions],
        settings={name: {name: name} for name in names},
    )


def _rename(distribution: Distribution, names: list[str]) -> Distribution:
    shares = dict(zip(names, distribution.shares.values(), strict=False))
    return dataclasses.replace(distribution, title=names[0], unit=names[2], shares=shares)
