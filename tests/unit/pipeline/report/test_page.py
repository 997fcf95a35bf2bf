"""Pages that need nothing beside themselves, whatever names they are given."""

from __future__ import annotations

import dataclasses
import json
import re

import pytest
from unit.evaluation.report.pages import read_page
from unit.pipeline.report.plausible import LOOP, plausible_facts, unfinished_facts

from synthmill.pipeline.record import Record
from synthmill.pipeline.report import Facts, render_loop, render_round

HOSTILE = "</script><img src=x onerror=alert(1)>&\"'"


def hostile_facts() -> Facts:
    facts = plausible_facts()
    record = json.loads(json.dumps(facts.record.to_json()).replace("Shirt", json.dumps(HOSTILE)[1:-1]))
    trial = {**record["trials"][0], "values": {"policy": HOSTILE}, "note": HOSTILE}
    return dataclasses.replace(facts, record=Record.from_json({**record, "trials": [trial, *record["trials"][1:]]}))


@pytest.mark.parametrize(
    "page",
    [
        render_loop(plausible_facts()),
        render_loop(plausible_facts(ships_model=False)),
        render_loop(unfinished_facts()),
        render_loop(dataclasses.replace(plausible_facts(), record=Record())),
        render_round(plausible_facts(), 1, b"\x89PNG\r\n\x1a\n"),
        render_round(plausible_facts(), 2),
        render_loop(hostile_facts()),
        render_round(hostile_facts(), 1),
    ],
    ids=["model", "baseline", "begun", "nothing", "round", "round without a picture", "hostile", "hostile round"],
)
def test_page_refers_to_no_other_place_and_runs_nothing(page):
    text = page.decode()
    links = re.findall(r'(?:href|src)="([^"]*)"', text)
    assert all(re.match(r"#|data:|loop\.html$|round-\d+\.html$", link) for link in links), links
    assert "<img src=x" not in text
    assert re.findall(r"<script[^>]*>", text) in ([], ['<script type="application/json" id="loop">'])
    assert "default-src 'none'" in text


def test_same_facts_give_the_same_bytes():
    assert render_loop(plausible_facts()) == render_loop(plausible_facts())


def test_page_has_the_decision_the_rounds_and_every_trial():
    facts = plausible_facts()
    page = read_page(render_loop(facts))
    text = page.text
    for wanted in (
        "Samples help",
        "models/fashion-loop/versions/9",
        ", promoted",
        "Shirt",
        "the last of 2 rounds",
    ):
        assert wanted in text
    (trials,) = [table for table in page.find("table") if "Trials" in table.find("caption")[0].text]
    assert len(trials.find("tr")) == 1 + len(facts.record.trials)
    assert "ended early: after 4 tenths" in text
    charts = [each.find("title")[0].text for each in page.find("svg", role="img")]
    assert charts[:1] == ["Lift over the rounds"]
    assert "Score of each trial" in charts
    assert "56.7 minutes" in text


def test_facts_are_in_the_page_as_json():
    facts = hostile_facts()
    (script,) = re.findall(r'<script type="application/json" id="loop">(.*?)</script>', render_loop(facts).decode())
    assert Record.from_json(json.loads(script)["record"]) == facts.record


def test_baseline_is_told_as_such():
    text = read_page(render_loop(plausible_facts(ships_model=False))).text
    assert "Do without samples" in text
    assert "datasets/fashion-augmented/versions/1" in text


def test_round_has_its_own_trials_alone():
    page = read_page(render_round(plausible_facts(), 2))
    (trials,) = [table for table in page.find("table") if "Trials" in table.find("caption")[0].text]
    assert [row.find("th")[0].text for row in trials.find("tr")[1:]] == ["10", "11"]
    assert LOOP in page.text
