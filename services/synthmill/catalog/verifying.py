"""Checks that a model version is what it says, before it is published."""

from __future__ import annotations

import dataclasses
import re
from typing import Any

from synthmill.kinds.registry import all_kinds
from synthmill.learning.graph.check import GraphInfo, check_graph
from synthmill.runtime.errors import InvalidField
from synthmill.runtime.names import DATASETS, parse_version
from synthmill.runtime.store import Artifact, ObjectStore

SAMPLER = "sampler.onnx"
CARD_JSON = "card.json"
CARD_MARKDOWN = "card.md"
REQUIRED_ARTIFACTS = (SAMPLER, CARD_JSON, CARD_MARKDOWN)

PLAIN_KIND = "tensor"
"""Kind of an imported model whose samples are arrays and nothing more."""


@dataclasses.dataclass(frozen=True)
class ModelDraft:
    """A model version as its maker describes it; fields as in the message `Model`."""

    kind: str
    family: str
    labels: list[str]
    artifacts: list[Artifact]
    digest: str
    dataset: str
    job: str
    metrics: dict[str, Any]


def check_kind(field: str, kind: str) -> None:
    """Checks the kind of a model.

    Raises:
        InvalidField: it is neither an installed kind nor `PLAIN_KIND`.
    """
    allowed = sorted([*all_kinds(), PLAIN_KIND])
    if kind not in allowed:
        raise InvalidField(field, kind, "one of " + ", ".join(allowed))


def verify_model(store: ObjectStore, draft: ModelDraft) -> GraphInfo:
    """Checks a draft against its files and returns what its sampler graph says.

    Raises:
        InvalidField: a field breaks the rules, or contradicts the graph.
        DataLoss: an artifact is missing or damaged.
        BadGraph: the sampler graph breaks the rules.
    """
    check_kind("version.kind", draft.kind)
    if not re.fullmatch(r"[a-z][a-z0-9-]{0,31}", draft.family):
        raise InvalidField("version.family", draft.family, "a word such as gan, vae or imported")
    if draft.dataset:
        parse_version(DATASETS, "version.dataset", draft.dataset)
    sampler = _check_artifacts(draft)
    for artifact in draft.artifacts:
        store.verify(artifact)
    info = check_graph(store.get_bytes(sampler))
    for field, given, actual in (
        ("kind", draft.kind, info.metadata.kind),
        ("labels", draft.labels, list(info.metadata.labels)),
    ):
        if given != actual:
            raise InvalidField(f"version.{field}", given, f"{actual}, as the sampler graph says")
    return info


def _check_artifacts(draft: ModelDraft) -> Artifact:
    by_name = {artifact.name: artifact for artifact in draft.artifacts}
    names = [artifact.name for artifact in draft.artifacts]
    if len(by_name) != len(names) or not set(REQUIRED_ARTIFACTS) <= set(names):
        raise InvalidField("version.artifacts", names, "distinct names, among them " + ", ".join(REQUIRED_ARTIFACTS))
    sampler = by_name[SAMPLER]
    if draft.digest != sampler.sha256:
        raise InvalidField("version.digest", draft.digest, f"{sampler.sha256}, the SHA-256 of {SAMPLER}")
    return sampler
