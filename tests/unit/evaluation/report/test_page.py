"""One file that needs nothing beside itself, whatever names the findings bring, the same for the same findings."""

from __future__ import annotations

import base64
import dataclasses
import json
import re
from datetime import datetime, timedelta, timezone

import pytest
from unit.evaluation.report.hostile import HOSTILE, with_names
from unit.evaluation.report.plausible import CLASSES, MADE, plausible_findings

from synthmill.evaluation.report import render_report
from synthmill.learning.evaluate.findings import Findings
from synthmill.runtime.errors import BadData, InvalidField, NotFound

SORTS = (
    "passed",
    "refused",
    "without classes",
    "one class",
    "100 classes",
    "long names",
    "no ceilings",
    "measured once",
    "no conditions",
    "bare",
)
_REFERRING = ("src", "srcset", "href", "xlink:href", "action", "formaction", "data", "poster", "background", "ping")


@pytest.mark.parametrize("sort", SORTS)
def test_refers_to_nothing_outside_of_itself(sorts, read, sort):
    page = read(sorts[sort])
    identities = [each.attributes["id"] for each in page.elements if "id" in each.attributes]
    references = [each.attributes[name] for each in page.elements for name in _REFERRING if name in each.attributes]
    assert len(identities) == len(set(identities))
    assert references
    for reference in references:
        assert reference.startswith("data:") or reference.removeprefix("#") in identities
    (style,) = page.find("style")
    assert "url(" not in style.text
    assert "@import" not in style.text
    assert not re.search("https?:", page.text)


@pytest.mark.parametrize("sort", SORTS)
def test_runs_nothing(sorts, read, sort):
    page = read(sorts[sort])
    assert [each.attributes["type"] for each in page.find("script")] == ["application/json"]
    assert not [name for each in page.elements for name in each.attributes if name.startswith("on")]
    assert not {each.tag for each in page.elements} & {"iframe", "object", "embed", "form", "base"}
    (policy,) = page.find("meta", **{"http-equiv": "Content-Security-Policy"})
    assert "default-src 'none'" in policy.attributes["content"]


def test_names_cannot_become_markup(read):
    hostile, harmless = read(with_names(HOSTILE)), read(with_names([f"name {number}" for number in range(6)]))
    assert [each.tag for each in hostile.elements] == [each.tag for each in harmless.elements]
    assert [each.attributes.keys() for each in hostile.elements] == [
        each.attributes.keys() for each in harmless.elements
    ]
    for name in HOSTILE:
        assert " ".join(name.split()) in hostile.text or "\x00" in name
    assert hostile.find("h1")[0].text == HOSTILE[1]


def test_holds_the_findings_for_programs(sorts, read):
    for findings in [*sorts.values(), with_names(HOSTILE)]:
        (script,) = read(findings).find("script", id="findings")
        data = json.loads("".join(script.content))
        assert data == json.loads(json.dumps(findings.to_json()))
        assert Findings.from_json(data).labels == findings.labels


def test_findings_that_are_no_json_are_refused(render):
    findings = dataclasses.replace(plausible_findings(), settings={"loss": float("nan")})
    with pytest.raises(ValueError, match="JSON compliant"):
        render(findings)


def test_same_findings_same_bytes(render):
    assert render(plausible_findings()) == render(plausible_findings())
    assert render(plausible_findings()) != render(plausible_findings(seed=2))


def test_date_is_the_callers_in_universal_time(pictures):
    there = MADE.astimezone(timezone(timedelta(hours=-7)))
    page = render_report(plausible_findings(), pictures, there)
    assert page == render_report(plausible_findings(), pictures, MADE)
    assert b"2026-07-01 14:05 UTC" in page
    with pytest.raises(InvalidField, match="made"):
        render_report(plausible_findings(), pictures, datetime(2026, 7, 1))


def test_pictures_are_within(read, pictures):
    page = read(plausible_findings())
    images = {image.attributes["alt"].split(":")[0]: image for image in page.find("img")}
    shown = images["Samples"]
    assert base64.b64decode(shown.attributes["src"].removeprefix("data:image/png;base64,")) == pictures["samples"]
    assert int(shown.attributes["width"]) % int.from_bytes(pictures["samples"][16:20]) == 0
    (memorisation,), (samples,) = page.find("section", id="memorisation"), page.find("section", id="samples")
    assert [image.attributes["alt"].split(":")[0] for image in memorisation.find("img")] == [
        "Samples and the training records nearest to them"
    ]
    assert samples.find("img") == [shown]


def test_pictures_must_be_png_files_that_are_there(pictures):
    with pytest.raises(NotFound, match="'nearest-records'"):
        render_report(plausible_findings(), {"samples": pictures["samples"]}, MADE)
    with pytest.raises(BadData, match="'samples' is no PNG file"):
        render_report(plausible_findings(), {**pictures, "samples": b"<svg onload='attack()'/>"}, MADE)


def test_settings_are_written_one_by_one(read):
    (settings,) = read(plausible_findings()).find("details")
    names = [each.text for each in settings.find("dt")]
    values = [each.text for each in settings.find("dd")]
    shown = dict(zip(names, values, strict=True))
    assert shown["policy.name"] == "policies/light/versions/1"
    assert shown["versions.torch"] == "2.8.0"
    assert shown["seeds"] == "3"
    assert "test 1,000" in shown["Against"]
    assert "86.2 %" in shown["Features"]


@pytest.mark.parametrize(
    ("sort", "sections"),
    [
        ("passed", ["utility", "classes", "fidelity", "coverage", "likeness-by-class", "memorisation", "samples"]),
        ("without classes", ["fidelity", "coverage", "memorisation", "samples"]),
        ("bare", []),
    ],
)
def test_shows_what_there_is(sorts, read, sort, sections):
    page = read(sorts[sort])
    shown = [each.attributes["id"] for each in page.find("section") if "id" in each.attributes]
    assert shown == [*sections, "reading", "provenance"]
    (contents,) = page.find("nav")
    assert [each.attributes["href"].removeprefix("#") for each in contents.find("a")] == shown


def test_classes_stay_in_their_order(read):
    names = ["zebra", "ant", "mole"]
    page = read(plausible_findings(names))
    for table in page.find("table", class_="heat"):
        (body,) = table.find("tbody")
        assert [each.text for each in body.find("th")] == names


def test_every_chart_says_what_it_shows(read):
    page = read(plausible_findings())
    charts = page.find("svg", role="img")
    assert len(charts) >= len(plausible_findings().figures) + len(plausible_findings().arms) + len(CLASSES) // 5
    for chart in charts:
        assert chart.find("title")[0].text
        assert chart.find("desc")[0].text
    described = {chart.find("title")[0].text: chart.find("desc")[0].text for chart in charts}
    assert described["Recall"] == (
        "Samples get 0.683 (95 % confidence interval 0.665 to 0.701). "
        "Real records get 0.929 (95 % confidence interval 0.920 to 0.938)."
    )
    parts = [part for chart in charts for part in chart.find("svg")]
    others = [each for each in page.find("svg") if each not in charts and each not in parts]
    assert others
    assert all(each.attributes.get("aria-hidden") == "true" for each in others)


def test_every_set_has_a_name_and_an_outline(read):
    page = read(plausible_findings())
    (histogram, _) = page.find("figure", class_="histogram")
    assert [each.text for each in histogram.find("li")] == ["samples", "held-out records"]
    chart = histogram.find("svg", role="img")[0]
    assert [each.attributes["class"] for each in chart.find("path")] == ["set set-0", "set set-1"]
