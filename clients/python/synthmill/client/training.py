"""Training: jobs that turn a dataset into a model."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from google.protobuf.duration_pb2 import Duration

from synthmill.client.blocking import Blocking, blocking
from synthmill.client.messages import full_name, make, new_request_id
from synthmill.client.services import ServiceClient
from synthmill.runtime.errors import InvalidField
from synthmill.runtime.structs import to_struct
from synthmill.v1 import job_pb2
from synthmill.v1 import training_service_pb2 as pb
from synthmill.v1.training_service_pb2_grpc import TrainingServiceStub


class AsyncTraining(ServiceClient):
    """The training service."""

    stub = TrainingServiceStub

    async def create_training_job(
        self,
        dataset: str,
        family: str,
        *,
        model: str = "",
        parameters: Mapping[str, Any] | None = None,
        seed: int = 0,
        request_id: str = "",
        validate_only: bool = False,
        budget_s: float = 0.0,
        target: Mapping[str, float] | None = None,
        processes: int = 0,
        executor: str = "",
    ) -> job_pb2.Job:
        """Begins to train a generator; the job's result is a model version.

        Of the time, the parameter "steps" and the target, whichever comes first ends the run.

        Args:
            dataset: "datasets/{dataset}", or one of its versions; "datasets/" may be left out.
            family: "gan", "vae", or "auto", which chooses by the data and the time.
            model: model to add a version to; empty means "{dataset}-{family}".
            parameters: hyper-parameters by name, as `list_families` lists them.
            request_id: UUID; a second call with the same one returns the same job. Empty means a new one.
            validate_only: only check and resolve the request; the job returned has no name.
            budget_s: most training time, in seconds; 0 sets no bound.
            target: the utility that ends the run: {"tstr": 0.85}, or {"fidelity": 0.9} without labels.
            processes: that share every batch; 0 means 1.
            executor: what runs them: "local", or "ray" for the service's Ray cluster; empty leaves it to the service.

        Raises:
            InvalidField: an unknown family or hyper-parameter, or a value that is not allowed.
            NotFound: there is no such dataset.
            FailedPrecondition: the dataset cannot be trained on, or the service has no such executor.
        """
        request = make(
            pb.CreateTrainingJobRequest,
            dataset=full_name("datasets", dataset),
            family=family,
            model=model.removeprefix("models/"),
            parameters=to_struct(parameters or {}),
            seed=seed,
            request_id=request_id or new_request_id(),
            validate_only=validate_only,
            budget=_to_duration(budget_s) if budget_s else None,
            target=_to_target(target) if target else None,
            processes=processes,
            executor=executor,
        )
        return await self._unary("CreateTrainingJob", request)

    async def create_compression_job(
        self,
        model: str,
        methods: Sequence[str] = (),
        *,
        parameters: Mapping[str, Any] | None = None,
        max_loss: float | None = None,
        dataset: str = "",
        seed: int = 0,
        request_id: str = "",
        validate_only: bool = False,
    ) -> job_pb2.Job:
        """Begins to make a model version smaller and faster; the job's result is another version of the same model.

        The job fails with `FailedPrecondition` if more utility is lost than allowed; its messages tell the figures.

        Args:
            model: "models/{model}", or one of its versions; "models/" may be left out.
            methods: "prune", "int8", "fp16", applied in this order; none means "int8".
            parameters: of methods and judgement by name; a job made with `validate_only` tells them all.
            max_loss: utility that may be lost, in points; None means 0.5.
            dataset: to judge on; empty means the one that the model was trained on.
            request_id: UUID; a second call with the same one returns the same job. Empty means a new one.
            validate_only: only check and resolve the request; the job returned has no name.

        Raises:
            InvalidField: an unknown method or parameter, or a value that is not allowed.
            NotFound: there is no such model or dataset.
            FailedPrecondition: the model cannot be compressed by these methods, or judged on this dataset.
        """
        request = make(
            pb.CreateCompressionJobRequest,
            model=full_name("models", model),
            methods=list(methods),
            parameters=to_struct(parameters or {}),
            max_loss=max_loss,
            dataset=full_name("datasets", dataset) if dataset else "",
            seed=seed,
            request_id=request_id or new_request_id(),
            validate_only=validate_only,
        )
        return await self._unary("CreateCompressionJob", request)

    async def create_filtering_job(
        self,
        model: str,
        *,
        dataset: str = "",
        parameters: Mapping[str, Any] | None = None,
        seed: int = 0,
        request_id: str = "",
        validate_only: bool = False,
    ) -> job_pb2.Job:
        """Begins to give a model version opinions of its samples and a filter; the result is another version of it.

        Its samples are the same, and `filter=True` keeps those that it holds good. The job's messages tell what each
        bound was found to be worth.

        Args:
            model: "models/{model}", or one of its versions; "models/" may be left out.
            dataset: with real records; empty means the one that the model was trained on.
            parameters: of opinions and judgement by name; a job made with `validate_only` tells them all.
            request_id: UUID; a second call with the same one returns the same job. Empty means a new one.
            validate_only: only check and resolve the request; the job returned has no name.

        Raises:
            InvalidField: an unknown parameter, or a value that is not allowed.
            NotFound: there is no such model or dataset.
            FailedPrecondition: the model has no classes, or the dataset does not fit it.
        """
        request = make(
            pb.CreateFilteringJobRequest,
            model=full_name("models", model),
            dataset=full_name("datasets", dataset) if dataset else "",
            parameters=to_struct(parameters or {}),
            seed=seed,
            request_id=request_id or new_request_id(),
            validate_only=validate_only,
        )
        return await self._unary("CreateFilteringJob", request)

    async def list_families(self, kind: str = "") -> list[pb.Family]:
        """Returns the families of generators of a kind, or of all kinds, with their hyper-parameters."""
        return list((await self._unary("ListFamilies", pb.ListFamiliesRequest(kind=kind))).families)


def _to_duration(seconds: float) -> Duration:
    try:
        return Duration(seconds=int(seconds), nanos=round(seconds % 1 * 1e9) % 10**9)
    except (ValueError, OverflowError):
        raise InvalidField("budget_s", seconds, "a number of seconds") from None


def _to_target(target: Mapping[str, float]) -> pb.TrainingTarget:
    if len(target) != 1:
        raise InvalidField("target", dict(target), "one figure and its least value")
    [(figure, least)] = target.items()
    return make(pb.TrainingTarget, figure=figure, least=least)


class Training(Blocking[AsyncTraining]):
    """The training service; methods as in `AsyncTraining`, without await."""

    create_training_job = blocking(AsyncTraining.create_training_job)
    create_compression_job = blocking(AsyncTraining.create_compression_job)
    create_filtering_job = blocking(AsyncTraining.create_filtering_job)
    list_families = blocking(AsyncTraining.list_families)
