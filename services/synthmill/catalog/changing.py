"""Promotes and deletes versions."""

from __future__ import annotations

from sqlalchemy import select
from sqlalchemy.orm import Session

from synthmill.catalog.convert import to_evaluation
from synthmill.catalog.disposing import disown
from synthmill.catalog.listing import find_dataset, find_model, find_policy, newest_evaluation, promoted_version
from synthmill.catalog.tables import Collection, Evaluation, ModelVersion, Promotion
from synthmill.runtime.errors import FailedPrecondition, GateRefused, InvalidField
from synthmill.runtime.gate import refusal
from synthmill.runtime.names import DATASETS, MODELS, POLICIES, parse_version

MAX_REASON_CHARACTERS = 1000

_PROMOTABLE = "a version whose newest evaluation has passed, or an override_reason"


def promote_model(session: Session, name: str, override_reason: str) -> None:
    """Makes a version the one that its model's name without a number means, and writes down how that came.

    Args:
        session: of a transaction that may read before it writes.
        name: of the version.
        override_reason: why it is promoted whatever the gate says; empty if the gate is to decide.

    Raises:
        InvalidField: `name` is no name of a model version, or the reason is blank or too long.
        NotFound: there is no such version.
        GateRefused: its newest evaluation has not passed, or there is none.
    """
    parsed = parse_version(MODELS, "name", name)
    row = find_model(session, name)
    if override_reason.isspace() or len(override_reason) > MAX_REASON_CHARACTERS:
        raise InvalidField(
            "override_reason", override_reason, f"a reason in at most {MAX_REASON_CHARACTERS} characters"
        )
    newest = newest_evaluation(session, row.name)
    if not override_reason:
        _require_passed(row, newest)
    session.add(Promotion(model_id=row.id, evaluation=newest.name if newest else "", override_reason=override_reason))
    session.get_one(Collection, parsed.collection).promoted_version = parsed.version


def delete_dataset(session: Session, name: str) -> None:
    """Deletes a dataset version with its findings and evaluations and, at the next sweep, its files.

    Raises:
        InvalidField: `name` is no name of a dataset version.
        NotFound: there is no such version.
    """
    parse_version(DATASETS, "name", name)
    row = find_dataset(session, name)
    _delete_evaluations(session, row.name)
    disown(session, row.name)
    session.delete(row)


def delete_model(session: Session, name: str) -> None:
    """Deletes a model version with its evaluations and, at the next sweep, its files.

    Raises:
        InvalidField: `name` is no name of a model version.
        NotFound: there is no such version.
        FailedPrecondition: it is promoted.
    """
    parsed = parse_version(MODELS, "name", name)
    row = find_model(session, name)
    if promoted_version(session, parsed.collection) == parsed.version:
        raise FailedPrecondition(
            f"{name} is promoted; promote another version first",
            field="name",
            value=name,
            allowed="a version that is not promoted",
        )
    _delete_evaluations(session, row.name)
    disown(session, row.name)
    session.delete(row)


def delete_policy(session: Session, name: str) -> None:
    """Deletes a policy version; errors as `delete_dataset`."""
    parse_version(POLICIES, "name", name)
    session.delete(find_policy(session, name))


def _require_passed(model: ModelVersion, newest: Evaluation | None) -> None:
    if newest is None:
        against = "" if model.dataset else " --against DATASET"
        command = f"synthmill evaluate {model.name.removeprefix(f'{MODELS}/')}{against}"
        raise GateRefused(
            f"{model.name} was never evaluated, so that nothing is known of its worth: `{command}` evaluates it",
            field="name",
            value=model.name,
            allowed=_PROMOTABLE,
        )
    if not newest.passed:
        raise refusal(to_evaluation(newest), allowed=_PROMOTABLE)


def _delete_evaluations(session: Session, subject: str) -> None:
    for row in session.scalars(select(Evaluation).where(Evaluation.subject == subject)).all():
        disown(session, row.name)
        session.delete(row)
