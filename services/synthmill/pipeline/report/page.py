"""The pages: what a loop has done in, HTML out."""

from __future__ import annotations

import base64
import dataclasses
import json
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from typing import Any

from synthmill.pages.templating import open_templates
from synthmill.pipeline.record import Outcome, Record
from synthmill.pipeline.report.rounds import draw_lift, list_rounds, list_weak
from synthmill.pipeline.report.trials import draw_scores, list_trials


@dataclasses.dataclass(frozen=True)
class Facts:
    """What pages are drawn from.

    Attributes:
        loop: "loops/{id}".
        plan: what it was asked for, as JSON.
        record: what it has done.
        made: when the page is made, with a time zone.
    """

    loop: str
    plan: Mapping[str, Any]
    record: Record
    made: datetime


def render_loop(facts: Facts) -> bytes:
    """Draws a loop so far as one HTML file that refers to nothing but the pages of its rounds, and runs no script.

    The same facts give the same bytes. They are in it as JSON too, in the element with the id "loop".
    """
    record = facts.record
    weak = next((each.weak_classes for each in reversed(record.rounds) if each.weak_classes), ())
    page = _TEMPLATES.get_template("loop.html.jinja").render(
        facts=facts,
        record=record,
        is_model=record.decision is not None and record.decision.outcome is Outcome.MODEL,
        made=facts.made.astimezone(UTC),
        minutes=record.spent_s / 60,
        lift=draw_lift(record.rounds),
        rounds=list_rounds(record.rounds),
        scores=draw_scores(record.trials),
        trials=list_trials(record.trials),
        weak=list_weak(weak),
        plan=list(_flatten(facts.plan)),
        data={"plan": facts.plan, "record": record.to_json()},
    )
    return page.encode()


def render_round(facts: Facts, number: int, picture: bytes = b"") -> bytes:
    """Draws a round that has ended, as `render_loop` draws a loop.

    Args:
        number: of the round.
        picture: PNG file of some of its samples; empty for none.
    """
    found = facts.record.rounds[number - 1]
    trials = [trial for trial in facts.record.trials if trial.round == number]
    page = _TEMPLATES.get_template("round.html.jinja").render(
        facts=facts,
        found=found,
        made=facts.made.astimezone(UTC),
        rounds=list_rounds([found] if found.evaluation else []),
        scores=draw_scores(trials),
        trials=list_trials(trials),
        weak=list_weak(found.weak_classes),
        picture=f"data:image/png;base64,{base64.b64encode(picture).decode()}" if picture else "",
    )
    return page.encode()


def _flatten(plan: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, str]]:
    """Yields a nested plan as paths and values."""
    for name, value in plan.items():
        if isinstance(value, Mapping) and value:
            yield from _flatten(value, f"{prefix}{name}.")
        else:
            yield f"{prefix}{name}", value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


_TEMPLATES = open_templates(__package__)
