"""Reads plans, and says by its path what is wrong with one."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeVar

from synthmill.kinds.parameters import parse
from synthmill.pipeline.plan import (
    DEFAULT_VALIDATION_FRACTION,
    NONE,
    Augment,
    Budget,
    Collect,
    Decide,
    Evaluate,
    EvaluateNumbers,
    Mint,
    Plan,
    Refine,
    Train,
    TrainSwitches,
)
from synthmill.pipeline.ranges import Range
from synthmill.runtime.errors import InvalidField
from synthmill.runtime.names import DATASETS, check_id, parse_name

T = TypeVar("T")

_SECTIONS = ("budget", "collect", "augment", "train", "refine", "mint", "evaluate", "decide")
_NAMES = tuple(field.name for field in dataclasses.fields(Plan))
_COMPRESSIONS = ("int8", "fp16", "prune")
_MAX_SAMPLES = 100_000_000
_MAX_EMPHASIS = 100
_SHARES = (0.05, 0.95)
_MAX_SEED = (1 << 64) - 1
_ID_LENGTH = 63


def parse_plan(given: Mapping[str, Any]) -> Plan:
    """Reads a plan.

    Args:
        given: as `Plan.to_json` writes it; what is missing has its default.

    Raises:
        InvalidField: something is missing, unknown or not allowed; the field is its path: "budget.trials".
    """
    _require_known(given, _NAMES, "")
    sections = {name: _mapping(given.get(name), name) for name in _SECTIONS}
    source, kind = _text(given.get("source"), "source"), _text(given.get("kind"), "kind")
    dataset = _parse_dataset(_text(given.get("dataset"), "dataset"), source, kind)
    collect = _parse_collect(sections["collect"], source)
    plan = Plan(
        dataset=dataset,
        source=source,
        kind=kind,
        model=_text(given.get("model"), "model"),
        seed=_parse_seed(given.get("seed", 0)),
        budget=parse(Budget, sections["budget"], "budget"),
        collect=collect,
        augment=_parse_augment(sections["augment"]),
        train=_parse_train(sections["train"]),
        refine=_parse_refine(sections["refine"]),
        mint=_parse_mint(sections["mint"]),
        evaluate=_parse_evaluate(sections["evaluate"]),
        decide=parse(Decide, sections["decide"], "decide"),
    )
    return dataclasses.replace(plan, model=check_id("model", plan.model or f"{plan.dataset_id}-loop"))


def _parse_dataset(dataset: str, source: str, kind: str) -> str:
    if bool(dataset) == bool(source):
        raise InvalidField("dataset", dataset, "a dataset, or else a source and its kind")
    if source and not kind:
        raise InvalidField("kind", kind, "the kind of the source's records, such as image")
    if kind and not source:
        raise InvalidField("kind", kind, "nothing without a source: a dataset has its kind")
    if dataset:
        parse_name(DATASETS, "dataset", dataset)
    return dataset


def _parse_collect(given: Mapping[str, Any], source: str) -> Collect:
    _require_fields(given, Collect, "collect")
    if not source:
        _require_known(
            {name: value for name, value in given.items() if value}, (), "collect", "nothing without a source"
        )
        return Collect()
    parameters = dict(_mapping(given.get("parameters"), "collect.parameters"))
    parameters.setdefault("validation_fraction", DEFAULT_VALIDATION_FRACTION)
    provenance = _mapping(given.get("provenance"), "collect.provenance")
    _require_known(provenance, ("license", "origin", "consent"), "collect.provenance")
    name = _text(given.get("name"), "collect.name") or _id_of(source)
    return Collect(
        name=check_id("collect.name", name),
        label_from=_text(given.get("label_from"), "collect.label_from"),
        parameters=parameters,
        provenance={key: _text(value, f"collect.provenance.{key}") for key, value in provenance.items()},
    )


def _parse_augment(given: Mapping[str, Any]) -> Augment:
    _require_fields(given, Augment, "augment")
    policies = _choices(given.get("policies"), "augment.policies", (), _text)
    for number, name in enumerate(policies):
        if not name or (name == NONE and len(policies) > 1):
            raise InvalidField(f"augment.policies[{number}]", name, f"the name of a policy; {NONE} alone")
    before = _choices(given.get("before_training"), "augment.before_training", Augment().before_training, _switch)
    return Augment(policies, before)


def _parse_train(given: Mapping[str, Any]) -> Train:
    _require_fields(given, Train, "train")
    switches = parse(TrainSwitches, {name: value for name, value in given.items() if name != "families"}, "train")
    families: dict[str, dict[str, Range]] = {}
    for family, content in _mapping(given.get("families"), "train.families").items():
        path = f"train.families.{family}"
        content = _mapping(content, path)
        _require_known(content, ("parameters",), path)
        parameters = _mapping(content.get("parameters"), f"{path}.parameters")
        families[family] = {name: Range.parse(tried, f"{path}.parameters.{name}") for name, tried in parameters.items()}
    return Train(**dataclasses.asdict(switches), families=families)


def _parse_refine(given: Mapping[str, Any]) -> Refine:
    _require_fields(given, Refine, "refine")
    compression = _choices(given.get("compression"), "refine.compression", Refine().compression, _text)
    for number, methods in enumerate(compression):
        if methods != NONE and not set(methods.split("+")) <= set(_COMPRESSIONS):
            allowed = f"{NONE}, or some of {', '.join(_COMPRESSIONS)} joined by +"
            raise InvalidField(f"refine.compression[{number}]", methods, allowed)
    return Refine(_choices(given.get("filter"), "refine.filter", Refine().filter, _switch), compression)


def _parse_mint(given: Mapping[str, Any]) -> Mint:
    _require_fields(given, Mint, "mint")
    share = Range.parse(given["share"], "mint.share") if given.get("share") else Mint().share
    low, high = _SHARES
    if share.relative or not all(_is_number(end) and low <= end <= high for end in share.ends):
        raise InvalidField("mint.share", share.to_json(), f"shares of {low} to {high}")
    samples = given.get("samples", 0)
    if not _is_number(samples) or int(samples) != samples or not 0 <= samples <= _MAX_SAMPLES:
        raise InvalidField("mint.samples", samples, f"an integer of 0 to {_MAX_SAMPLES}")
    emphasis = _choices(given.get("emphasis"), "mint.emphasis", Mint().emphasis, _emphasis)
    return Mint(share, int(samples), emphasis)


def _parse_evaluate(given: Mapping[str, Any]) -> Evaluate:
    _require_fields(given, Evaluate, "evaluate")
    apart = ("thresholds", "without_thresholds")
    numbers = parse(EvaluateNumbers, {name: value for name, value in given.items() if name not in apart}, "evaluate")
    thresholds = _mapping(given.get("thresholds"), "evaluate.thresholds")
    for figure, number in thresholds.items():
        if not _is_number(number):
            raise InvalidField(f"evaluate.thresholds.{figure}", number, "a number")
    without = _choices(given.get("without_thresholds"), "evaluate.without_thresholds", (), _text)
    return Evaluate(
        **dataclasses.asdict(numbers),
        thresholds={figure: float(number) for figure, number in thresholds.items()},
        without_thresholds=without,
    )


def _parse_seed(given: Any) -> int:
    try:
        seed = int(given)
    except (TypeError, ValueError):
        seed = -1
    if isinstance(given, bool) or not 0 <= seed <= _MAX_SEED:
        raise InvalidField("seed", given, f"an integer of 0 to {_MAX_SEED}")
    return seed


def _require_fields(given: Mapping[str, Any], section: type, path: str) -> None:
    _require_known(given, [field.name for field in dataclasses.fields(section)], path)


def _require_known(given: Mapping[str, Any], known: Sequence[str], path: str, instead: str = "") -> None:
    for name in given:
        if name not in known:
            allowed = instead or "only " + ", ".join(known)
            raise InvalidField(f"{path}.{name}" if path else name, given[name], allowed)


def _mapping(given: Any, path: str) -> Mapping[str, Any]:
    if not isinstance(given or {}, Mapping):
        raise InvalidField(path, given, "a mapping")
    return given or {}


def _text(given: Any, path: str) -> str:
    if not isinstance(given or "", str):
        raise InvalidField(path, given, "text")
    return given or ""


def _switch(given: Any, path: str) -> bool:
    if not isinstance(given, bool):
        raise InvalidField(path, given, "true or false")
    return given


def _emphasis(given: Any, path: str) -> float:
    if not _is_number(given) or not 1 <= given <= _MAX_EMPHASIS:
        raise InvalidField(path, given, f"a number of 1 to {_MAX_EMPHASIS}")
    return float(given)


def _choices(given: Any, path: str, default: tuple[T, ...], read: Callable[[Any, str], T]) -> tuple[T, ...]:
    """Reads a list of distinct values; an empty one means the default."""
    if not isinstance(given or [], list | tuple):
        raise InvalidField(path, given, "a list")
    found = tuple(read(each, f"{path}[{number}]") for number, each in enumerate(given or []))
    if len(set(found)) < len(found):
        raise InvalidField(path, list(found), "distinct values")
    return found or default


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _id_of(source: str) -> str:
    """Makes an id of what a source is called: "Fashion MNIST.npz" becomes "fashion-mnist"."""
    name = source.rstrip("/").rpartition("/")[2].partition(".")[0].lower()
    name = re.sub(r"[^a-z0-9]+", "-", name).strip("-")
    name = name if name[:1].isalpha() else f"data-{name}"
    return name[:_ID_LENGTH].strip("-")
