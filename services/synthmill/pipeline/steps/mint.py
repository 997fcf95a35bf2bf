"""Step 5, mint: a dataset version of samples, with the recipe that makes them again."""

from __future__ import annotations

import hashlib
import shutil
from collections.abc import Mapping

from synthmill.pipeline.minting import Minting, make_version
from synthmill.pipeline.record import Step
from synthmill.pipeline.run import Run
from synthmill.runtime.jobs.publication import write_durably
from synthmill.v1 import catalog_service_pb2 as pb
from synthmill.v1 import dataset_pb2

_PUBLICATION = "publication.binpb"
# The catalog reads all files of a version before it publishes it.
_PUBLICATION_DEADLINE_S = 900.0


def mint(
    run: Run, key: str, dataset: dataset_pb2.Dataset, model: str, counts: Mapping[str, int], *, filtered: bool
) -> str:
    """Returns a dataset version of samples, the same again for the same key.

    Args:
        key: of the step.
        dataset: with the real records.
        model: version that the samples are of.
        counts: samples of each class, by name.
        filtered: whether they go through the model's own filter.

    Raises:
        SynthmillError: a service was away for too long, or there is no such model any more.
    """
    folder = run.context.scratch / f"mint-{hashlib.sha256(key.encode()).hexdigest()[:16]}"
    catalog = run.partners.catalog

    def make() -> Step:
        began_s = run.clock.spent_s
        publication = folder / _PUBLICATION
        if not publication.exists():
            folder.mkdir(exist_ok=True)
            found = catalog.ask("GetModel", pb.GetModelRequest(name=model))
            version = make_version(run, key, Minting(found, counts, filtered), dataset, folder)
            name = run.plan.synthetic_id
            request = pb.PublishDatasetRequest(dataset=name, version=version, request_id=run.request_id(key))
            write_durably(publication, request.SerializeToString())
        # The catalog may have published in answer to an earlier attempt that died before it heard of it: the same
        # bytes under the same request_id get the same answer.
        request = pb.PublishDatasetRequest.FromString(publication.read_bytes())
        name = catalog.ask("PublishDataset", request, _PUBLICATION_DEADLINE_S).name
        return Step(key, result=name, seconds=run.clock.spent_s - began_s)

    name = run.step(key, make).result
    shutil.rmtree(folder, ignore_errors=True)
    return name
