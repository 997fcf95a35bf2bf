"""Step 4, refine: versions of a model that are smaller, or whose samples can be filtered."""

from __future__ import annotations

from synthmill.pipeline.plan import NONE
from synthmill.pipeline.run import Run
from synthmill.runtime.structs import to_struct
from synthmill.v1 import training_service_pb2 as pb

# What is found out about a filter or a smaller model is found out cheaply, as all that trials do.
_JUDGED_SEEDS = 2


def refine(run: Run, model: str, *, compression: str, filtered: bool) -> str:
    """Returns a version of a model, refined; the same again whenever it is asked for.

    Args:
        model: version to begin with.
        compression: methods joined by "+", or `NONE`.
        filtered: whether its samples are to be filtered.

    Raises:
        JobFailed: it cannot be done, for example because too much utility is lost.
        SynthmillError: as `Run.job`.
    """
    numbers, training = run.plan.evaluate, run.partners.training
    given = {"model": model, "dataset": run.record.dataset, "seed": run.plan.seed}
    judged = {"probe_seeds": _JUDGED_SEEDS, "probe_steps": numbers.trial_probe_steps}
    # A filter goes by opinions, which are networks of their own: compression takes only graphs without.
    if compression != NONE:
        asked = pb.CreateCompressionJobRequest(**given, methods=compression.split("+"), parameters=to_struct(judged))
        key = f"compress {model} by {compression}"
        model = given["model"] = run.job(key, training, "CreateCompressionJob", asked).result
    if filtered:
        parameters = {**judged, "opinion_steps": numbers.probe_steps}
        asked = pb.CreateFilteringJobRequest(**given, parameters=to_struct(parameters))
        model = run.job(f"filter {model}", training, "CreateFilteringJob", asked).result
    return model
