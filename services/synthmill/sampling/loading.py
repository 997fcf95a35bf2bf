"""Reads the sampler graph of a model version and makes it ready to run."""

from __future__ import annotations

import logging
import time
from collections.abc import Collection, Sequence

from synthmill.runtime.errors import DataLoss
from synthmill.runtime.store import Artifact, ObjectStore
from synthmill.sampling.engine import Engine
from synthmill.sampling.models import OpenEngine
from synthmill.sampling.opinions import keep_opinions
from synthmill.sampling.providers import Attempt, ProviderChoice, use_first
from synthmill.sampling.runners import Runner
from synthmill.sampling.signature import read_signature
from synthmill.v1 import model_pb2

SAMPLER = "sampler.onnx"

_log = logging.getLogger(__name__)


def engine_opener(store: ObjectStore, attempts: Sequence[Attempt]) -> OpenEngine:
    """Returns what loads versions from a store in the first way that works."""

    def open_engine(model: model_pb2.Model, opinions: Collection[str] = ()) -> Engine:
        began = time.perf_counter()
        graph = keep_opinions(store.get_bytes(_find_sampler(model)), opinions)

        def use(runner: Runner, provider: ProviderChoice) -> Engine:
            signature = read_signature(runner.session, model.labels)
            return Engine(model.name, runner, provider, signature, len(graph))

        engine = use_first(graph, attempts, use)
        planner, provider = engine.planner, engine.provider
        _log.info(
            "%s: loaded%s in %.2f s on %s (%s); batches of %d, %.0f samples a second and worker",
            model.name,
            f" with {', '.join(opinions)}" if opinions else "",
            time.perf_counter() - began,
            provider.name,
            provider.reason,
            planner.bulk,
            1 / planner.seconds_per_sample,
        )
        return engine

    return open_engine


def _find_sampler(model: model_pb2.Model) -> Artifact:
    found = [artifact for artifact in model.artifacts if artifact.name == SAMPLER]
    if not found or found[0].sha256 != model.digest:
        raise DataLoss(f"{model.name}: its {SAMPLER} is not the one that its digest names", artifact=SAMPLER)
    return Artifact.from_proto(found[0])
