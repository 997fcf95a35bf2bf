"""Step 1, collect: the dataset version with the real records, imported if need be, which cleans them."""

from __future__ import annotations

from synthmill.pipeline.record import Step
from synthmill.pipeline.run import Run
from synthmill.pipeline.splits import require_usable
from synthmill.runtime.structs import to_struct
from synthmill.v1 import catalog_service_pb2 as pb
from synthmill.v1 import dataset_pb2

KEY = "collect"


def collect(run: Run) -> dataset_pb2.Dataset:
    """Returns the version that the whole loop goes by.

    Raises:
        FailedPrecondition: samples cannot be measured against it.
        SynthmillError: it cannot be imported, or is not there.
    """
    plan, catalog = run.plan, run.partners.catalog
    if plan.source:
        spec = pb.DatasetSpec(
            dataset=plan.collect.name,
            kind=plan.kind,
            label_from=plan.collect.label_from,
            parameters=to_struct(plan.collect.parameters),
            provenance=dataset_pb2.Provenance(**plan.collect.provenance),
        )
        request = pb.ImportDatasetRequest(spec=spec, source_uri=plan.source)
        name = run.job(KEY, catalog, "ImportDataset", request, required=True).result
    else:
        # Of a name without a number, the version that is the newest at the beginning.
        newest = pb.GetDatasetRequest(name=plan.dataset)
        name = run.step(KEY, lambda: Step(KEY, result=catalog.ask("GetDataset", newest).name)).result
    dataset = catalog.ask("GetDataset", pb.GetDatasetRequest(name=name))
    require_usable(dataset)
    run.record.dataset = dataset.name
    return dataset
