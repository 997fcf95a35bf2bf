"""Arms stand beside the best baseline, with intervals, and with what they do for the rarest classes."""

from __future__ import annotations

import dataclasses
import statistics

import pytest
from unit.evaluation.report.plausible import CLASSES, around, class_counts, plausible_findings

from synthmill.evaluation.report.classes import draw_figures_by_class, draw_recalls
from synthmill.evaluation.report.utility import draw_utility, find_tail


def without_sizes(findings):
    return dataclasses.replace(findings, settings={})


def test_arms_are_told_apart_and_the_best_marked(read):
    page = read(plausible_findings())
    (table,) = page.find("table", class_="arms")
    baselines, sampled = (
        [row.find("th")[0].find("bdi")[0].text for row in table.find("tr", class_=name)]
        for name in ("baseline", "synthetic")
    )
    assert baselines == ["Real records", "Oversampled", "Class weights", "SMOTE", "Augmented"]
    assert sampled == ["Samples alone", "Real records and samples", "Everything"]
    marked = {
        row.find("bdi")[0].text: row.find("span", class_="mark")[0].text for row in table.find("tr", class_="best")
    }
    assert marked == {"Augmented": "best baseline", "Everything": "best with samples"}
    assert all(row.find("circle", class_="ring") for row in table.find("tr", class_="baseline"))
    assert all(row.find("circle", class_="dot") for row in table.find("tr", class_="synthetic"))


def test_arm_shows_its_interval_and_runs_beside_the_best_baseline():
    findings = plausible_findings()
    utility = draw_utility(findings)
    arm, row = findings.arms[-1], utility.with_samples[-1]
    assert row.macro_f1[0] == f"{arm.macro_f1.value:.3f}"
    assert row.macro_f1[1] == f"{arm.macro_f1.low:.3f} to {arm.macro_f1.high:.3f}"
    assert row.strip.reference == utility.axis.place(findings.arms[4].macro_f1.value)
    assert row.strip.dot > row.strip.reference
    assert row.strip.interval.start < row.strip.dot < row.strip.interval.end
    assert len(row.strip.runs) == len(arm.runs)
    assert (utility.baselines[0].records, row.records) == ("3,000", "made anew")


def test_the_best_are_those_on_validation_records(read):
    findings = plausible_findings()
    arms = [
        dataclasses.replace(arm, validation_macro_f1=around(0.9 - 0.01 * n, 0)) for n, arm in enumerate(findings.arms)
    ]
    (table,) = read(dataclasses.replace(findings, arms=arms)).find("table", class_="arms")
    marked = [row.find("bdi")[0].text for row in table.find("tr", class_="best")]
    assert marked == ["Real records", "Samples alone"]


def test_arms_alone_make_a_page_without_likeness(read):
    findings = plausible_findings(passed=False)
    tried = dataclasses.replace(findings, extractor=None, figures=[], distributions=[], arms=findings.arms[:2])
    page = read(tried)
    assert len(page.find("table", class_="arms")[0].find("tr", class_="baseline")) == 2
    assert not page.find("tr", class_="synthetic")


def test_interval_beyond_what_a_share_can_be_does_not_stretch_the_axis():
    findings = plausible_findings(("only",))
    assert max(arm.macro_f1.high for arm in findings.arms) > 1
    assert draw_utility(findings).axis.high == 1


def test_no_arms_no_utility():
    assert draw_utility(plausible_findings(())) is None


def test_tail_is_the_rarest_quarter():
    sizes = class_counts(CLASSES)
    findings = plausible_findings()
    tail = find_tail(findings)
    assert tail.title == "Rarest classes"
    assert set(tail.names) == set(sorted(CLASSES, key=sizes.__getitem__)[:3])
    recall = findings.arms[0].recall
    assert (
        draw_utility(findings).baselines[0].tail == f"{statistics.fmean(recall[name].value for name in tail.names):.3f}"
    )


def test_tail_is_the_hardest_quarter_where_sizes_are_unknown_or_alike():
    findings = plausible_findings()
    alike = dataclasses.replace(findings, settings={"train_records": dict.fromkeys(CLASSES, 50)})
    mean = {name: statistics.fmean(arm.recall[name].value for arm in findings.arms) for name in CLASSES}
    for each in (without_sizes(findings), alike):
        tail = find_tail(each)
        assert (tail.title, set(tail.names)) == ("Hardest classes", set(sorted(CLASSES, key=mean.__getitem__)[:3]))


@pytest.mark.parametrize("labels", [(), ("only",)])
def test_too_few_classes_have_no_tail(labels):
    assert find_tail(plausible_findings(labels)) is None


def test_recalls_by_class(read):
    findings = plausible_findings()
    page = read(findings)
    table = page.find("section", id="classes")[0].find("table")[0]
    row = next(row for row in table.find("tr") if row.find("th")[0].text == "sneaker")
    recalls = [arm.recall["sneaker"].value for arm in findings.arms]
    cells = row.find("td", class_="shaded")
    assert [cell.text for cell in cells] == [f"{recall:.2f}" for recall in recalls]
    assert [cell for cell in cells if "best" in cell.attributes["class"]] == [cells[recalls.index(max(recalls))]]
    assert row.find("td", class_="number")[0].text == str(class_counts(CLASSES)["sneaker"])


def test_change_is_clear_only_where_intervals_do_not_meet():
    findings = plausible_findings(("up", "down", "same", "unsure"))
    before = dict(zip(findings.labels, (0.5, 0.9, 0.7, 0.60), strict=True))
    after = dict(zip(findings.labels, (0.8, 0.8, 0.7, 0.63), strict=True))
    arms = [
        dataclasses.replace(arm, recall={name: around(value, 0.02) for name, value in recall.items()})
        for arm, recall in ((findings.arms[4], before), (findings.arms[7], after))
    ]
    changes = [row.change for row in draw_recalls(dataclasses.replace(findings, arms=arms)).rows]
    assert [change.text for change in changes] == ["+0.30", "\N{MINUS SIGN}0.10", "0.00", "+0.03"]
    assert [change.bar.is_clear for change in changes] == [True, True, False, False]
    assert [change.bar.is_gain for change in changes] == [True, False, False, True]
    assert changes[0].bar.span.end == 100
    assert changes[1].bar.span.end == 50


def test_class_without_test_records_is_left_empty(read):
    findings = plausible_findings()
    arms = [
        dataclasses.replace(arm, recall={name: each for name, each in arm.recall.items() if name != "sneaker"})
        for arm in findings.arms
    ]
    findings = dataclasses.replace(findings, arms=arms)
    row = next(row for row in draw_recalls(findings).rows if row.name == "sneaker")
    assert {cell.text for cell in row.cells} == {""}
    assert row.change is None
    assert "sneaker" not in find_tail(findings).names
    assert read(findings).find("section", id="classes")


def test_without_baselines_nothing_is_compared(read):
    findings = plausible_findings()
    findings = dataclasses.replace(findings, arms=[arm for arm in findings.arms if arm.synthetic])
    assert draw_recalls(findings).compared is None
    assert "Change with samples" not in read(findings).text


def test_sizes_are_shown_only_where_all_are_known():
    assert not draw_recalls(without_sizes(plausible_findings())).has_sizes


def test_shade_follows_what_is_good():
    findings = plausible_findings()
    table = draw_figures_by_class(findings)
    assert [column.title for column in table.columns] == [
        "Fréchet distance",
        "Precision",
        "Class agreement",
        "Recall",
        "Coverage",
    ]
    for number, falling in ((0, True), (3, False)):
        figure = next(each for each in findings.figures if each.title == table.columns[number].title)
        shades = {row.name: row.cells[number].shade for row in table.rows}
        by_value = sorted(figure.by_class, key=figure.by_class.__getitem__, reverse=falling)
        assert [shades[name] for name in by_value] == sorted(shades.values())
        assert all(0 <= shade <= 100 for shade in shades.values())
