"""Evaluation: jobs that measure what samples are worth."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from synthmill.client.blocking import Blocking, blocking
from synthmill.client.filters import Filter, to_filter
from synthmill.client.messages import full_name, make, new_request_id
from synthmill.client.policies import PolicySource, policy_fields
from synthmill.client.services import ServiceClient
from synthmill.v1 import evaluation_service_pb2 as pb
from synthmill.v1 import job_pb2
from synthmill.v1.evaluation_service_pb2_grpc import EvaluationServiceStub


class AsyncEvaluation(ServiceClient):
    """The evaluation service. What it has found is in the catalog: `client.catalog.get_evaluation`."""

    stub = EvaluationServiceStub

    async def create_evaluation_job(
        self,
        subject: str,
        against: str = "",
        *,
        seeds: int = 0,
        probe_steps: int = 0,
        samples: int = 0,
        policy: PolicySource | None = None,
        thresholds: Mapping[str, float] | None = None,
        without_thresholds: Sequence[str] = (),
        arms: Sequence[str] = (),
        synthetic_share: float = 0.0,
        filter: Filter = None,
        seed: int = 0,
        request_id: str = "",
        validate_only: bool = False,
    ) -> job_pb2.Job:
        """Begins to evaluate a model or dataset version; the job's result is an evaluation, passed or not.

        Args:
            subject: "models/{model}", "datasets/{dataset}", or one of their versions; "models/" may be left out.
            against: dataset of the real records; empty means the version that the model was trained on.
            seeds: probes for each way to make training data; 0 means 3.
            probe_steps: batches that each learns from; 0 means 2,000.
            samples: to draw of a model; 0 means as many as there are real training records.
            policy: classic augmentation to compare with, as for `client.augmentation`; None means "light".
            thresholds: bounds of the gate by figure; those left out are as `list_thresholds` says.
            without_thresholds: figures whose bounds do not count.
            arms: only these ways to make training data are tried, which never passes the gate; empty means everything.
            synthetic_share: share of samples among each class where they are mixed with real records; 0 means 0.5.
            filter: of a model's samples; True is the model's own.
            seed: of everything random in the job, samples included.
            request_id: UUID; a second call with the same one returns the same job. Empty means a new one.
            validate_only: only check and resolve the request; the job returned has no name.

        Raises:
            InvalidField: a field has a value that is not allowed.
            NotFound: no such model, dataset or policy.
            FailedPrecondition: the two do not fit.
        """
        request = make(
            pb.CreateEvaluationJobRequest,
            subject=subject if subject.startswith("datasets/") else full_name("models", subject),
            against=full_name("datasets", against) if against else "",
            seeds=seeds,
            probe_steps=probe_steps,
            samples=samples,
            thresholds=dict(thresholds or {}),
            without_thresholds=list(without_thresholds),
            arms=list(arms),
            synthetic_share=synthetic_share,
            filter=to_filter(filter),
            seed=seed,
            request_id=request_id or new_request_id(),
            validate_only=validate_only,
            **(policy_fields(policy) if policy is not None else {}),
        )
        return await self._unary("CreateEvaluationJob", request)

    async def list_thresholds(self) -> list[pb.Threshold]:
        """Returns the thresholds that a gate may have, with their defaults."""
        return list((await self._unary("ListThresholds", pb.ListThresholdsRequest())).thresholds)


class Evaluation(Blocking[AsyncEvaluation]):
    """The evaluation service; methods as in `AsyncEvaluation`, without await."""

    create_evaluation_job = blocking(AsyncEvaluation.create_evaluation_job)
    list_thresholds = blocking(AsyncEvaluation.list_thresholds)
