"""The fake services themselves: each finds, makes and remembers what it is asked for in a `World`."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Callable
from typing import TYPE_CHECKING, Any

import numpy as np
from unit.client.fakes.model import make_artifact
from unit.pipeline.makes import SIDE, make_dataset, make_findings
from unit.pipeline.worths import LABELS, POLICIES, TEST_GAP, arms

from synthmill.runtime.errors import AlreadyExists, FailedPrecondition, GateRefused, InvalidField, NotFound
from synthmill.runtime.structs import from_struct, to_struct, with_integers
from synthmill.runtime.tensors import to_batch
from synthmill.v1 import (
    artifact_pb2,
    augmentation_service_pb2,
    augmentation_service_pb2_grpc,
    catalog_service_pb2,
    catalog_service_pb2_grpc,
    dataset_pb2,
    evaluation_pb2,
    evaluation_service_pb2,
    evaluation_service_pb2_grpc,
    job_pb2,
    model_pb2,
    sampling_service_pb2,
    sampling_service_pb2_grpc,
    training_service_pb2,
    training_service_pb2_grpc,
)

if TYPE_CHECKING:
    from unit.pipeline.world import World

DEFAULTS = {"width": 8, "learning_rate": 0.002, "steps": 100}


class _Catalog(catalog_service_pb2_grpc.CatalogServiceServicer):
    def __init__(self, world: World) -> None:
        self._world = world

    async def ImportDataset(self, request: catalog_service_pb2.ImportDatasetRequest, context: Any) -> job_pb2.Job:
        def make() -> str:
            name = f"datasets/{request.spec.dataset}/versions/1"
            self._world.datasets[name] = make_dataset(name)
            return name

        return self._world.begin("catalog", "ImportDataset", request, make)

    async def GetDataset(self, request: catalog_service_pb2.GetDatasetRequest, context: Any) -> dataset_pb2.Dataset:
        found = [name for name in self._world.datasets if name == request.name or name.startswith(f"{request.name}/")]
        if not found:
            raise NotFound(f"there is no {request.name}", field="name", value=request.name)
        return self._world.datasets[found[-1]]

    async def PublishDataset(
        self, request: catalog_service_pb2.PublishDatasetRequest, context: Any
    ) -> dataset_pb2.Dataset:
        world, number = self._world, len(self._world.published) + 1
        earlier, name = world.published.setdefault(
            request.request_id, (request, f"{request.dataset}/versions/{number}")
        )
        if earlier != request:
            raise AlreadyExists("the request_id was used for another version", field="request_id")
        world.asked[request.request_id] += 1
        name = f"datasets/{name}"
        if name not in world.datasets:
            world.made[request.request_id] += 1
            world.datasets[name] = dataset_pb2.Dataset.FromString(request.version.SerializeToString())
            world.datasets[name].name = name
            world.on_request(request.request_id)
        return world.datasets[name]

    async def GetModel(self, request: catalog_service_pb2.GetModelRequest, context: Any) -> model_pb2.Model:
        return self._world.generators[request.name].message

    async def GetEvaluation(
        self, request: catalog_service_pb2.GetEvaluationRequest, context: Any
    ) -> evaluation_pb2.Evaluation:
        return self._world.evaluations[request.name]

    async def ReadArtifact(
        self, request: catalog_service_pb2.ReadArtifactRequest, context: Any
    ) -> AsyncIterator[artifact_pb2.ArtifactChunk]:
        data = self._world.findings[request.owner]
        for start in range(0, len(data), 1000):
            yield artifact_pb2.ArtifactChunk(offset=start, data=data[start : start + 1000])

    async def PromoteModel(self, request: catalog_service_pb2.PromoteModelRequest, context: Any) -> model_pb2.Model:
        newest = [each for each in self._world.evaluations.values() if each.subject == request.name][-1:]
        if not newest or not newest[0].passed:
            raise GateRefused(f"{request.name} does not pass the gate", evaluation=newest[0].name if newest else "")
        if request.name not in self._world.promoted:
            self._world.promoted.append(request.name)
            self._world.on_request(request.name)
        return self._world.generators[request.name].message


class _Augmentation(augmentation_service_pb2_grpc.AugmentationServiceServicer):
    def __init__(self, world: World) -> None:
        self._world = world

    async def ListReadyMadePolicies(
        self, request: augmentation_service_pb2.ListReadyMadePoliciesRequest, context: Any
    ) -> augmentation_service_pb2.ListReadyMadePoliciesResponse:
        policies = [augmentation_service_pb2.ReadyMadePolicy(kind="image", name=name) for name in POLICIES]
        return augmentation_service_pb2.ListReadyMadePoliciesResponse(policies=policies)

    async def ResolvePolicy(
        self, request: augmentation_service_pb2.ResolvePolicyRequest, context: Any
    ) -> augmentation_service_pb2.ResolvePolicyResponse:
        if request.ready_made.partition("(")[0] not in POLICIES:
            raise NotFound(f"there is no {request.ready_made}", field="ready_made", value=request.ready_made)
        return augmentation_service_pb2.ResolvePolicyResponse()

    async def CreateAugmentationJob(
        self, request: augmentation_service_pb2.CreateAugmentationJobRequest, context: Any
    ) -> job_pb2.Job:
        def make() -> str:
            name = "datasets/pets-augmented/versions/1"
            self._world.datasets[name] = make_dataset(name)
            return name

        return self._world.begin("augmentation", "CreateAugmentationJob", request, make)


class _Training(training_service_pb2_grpc.TrainingServiceServicer):
    def __init__(self, world: World) -> None:
        self._world = world

    async def CreateTrainingJob(
        self, request: training_service_pb2.CreateTrainingJobRequest, context: Any
    ) -> job_pb2.Job:
        given = with_integers(from_struct(request.parameters))
        if self._world.untrainable:
            raise FailedPrecondition("fewer than 8 training records in fox")
        if not 1 <= given.get("width", 1) <= 1024:
            raise InvalidField("parameters.width", given["width"], "1 to 1024")
        family = "vae" if request.family == "auto" else request.family
        if request.validate_only:
            parameters = {"family": family, "parameters": {**DEFAULTS, **given}}
            return job_pb2.Job(type="train", parameters=to_struct(parameters))

        def make() -> str:
            return self._world.add_model(request.model, {**given, "family": family})

        method, courses = "CreateTrainingJob", self._world.courses.get(family, [])
        told = [_progress(step, utility) for step, utility in enumerate(courses, 1)]
        return self._world.begin("training", method, request, make, told=told, ends=method not in self._world.hanging)

    async def CreateCompressionJob(
        self, request: training_service_pb2.CreateCompressionJobRequest, context: Any
    ) -> job_pb2.Job:
        return self._refine("CreateCompressionJob", request, "+".join(request.methods))

    async def CreateFilteringJob(
        self, request: training_service_pb2.CreateFilteringJobRequest, context: Any
    ) -> job_pb2.Job:
        return self._refine("CreateFilteringJob", request, "filter")

    async def ListFamilies(
        self, request: training_service_pb2.ListFamiliesRequest, context: Any
    ) -> training_service_pb2.ListFamiliesResponse:
        types = {"width": "int", "learning_rate": "float", "steps": "int", "prior": "string"}
        parameters = [training_service_pb2.Parameter(name=name, type=kind) for name, kind in types.items()]
        families = [
            training_service_pb2.Family(kind="image", family=name, parameters=parameters) for name in ("gan", "vae")
        ]
        return training_service_pb2.ListFamiliesResponse(families=families)

    def _refine(self, method: str, request: Any, how: str) -> job_pb2.Job:
        generator = self._world.generators[request.model]
        model = request.model.split("/")[1]

        def make() -> str:
            return self._world.add_model(model, generator.parameters, (*generator.refined, how))

        return self._world.begin("training", method, request, make, error=self._world.refused.get(how))


class _Sampling(sampling_service_pb2_grpc.SamplingServiceServicer):
    def __init__(self, world: World) -> None:
        self._world = world

    async def StreamSamples(
        self, request: sampling_service_pb2.StreamSamplesRequest, context: Any
    ) -> AsyncIterator[sampling_service_pb2.SampleChunk]:
        self._world.streams.append(request)
        counts = request.label_plan.counts.counts
        index = np.arange(request.start_index, request.start_index + request.count)
        label = np.repeat(np.arange(len(LABELS)), [counts[name] for name in LABELS])[index]
        pixels = (index[:, None] * 37 + np.arange(SIDE * SIDE)) % 256
        columns = {"image": pixels.astype(np.uint8).reshape(-1, SIDE, SIDE, 1), "label": label}
        yield sampling_service_pb2.SampleChunk(
            first_index=request.start_index,
            count=request.count,
            batch=to_batch(columns),
            model_digest=self._world.generators[request.model].message.digest,
        )


class _Evaluation(evaluation_service_pb2_grpc.EvaluationServiceServicer):
    def __init__(self, world: World) -> None:
        self._world = world

    async def CreateEvaluationJob(
        self, request: evaluation_service_pb2.CreateEvaluationJobRequest, context: Any
    ) -> job_pb2.Job:
        return self._world.begin("evaluation", "CreateEvaluationJob", request, lambda: self._evaluate(request))

    async def ListThresholds(
        self, request: evaluation_service_pb2.ListThresholdsRequest, context: Any
    ) -> evaluation_service_pb2.ListThresholdsResponse:
        thresholds = [evaluation_service_pb2.Threshold(figure=name) for name in ("lift", "coverage")]
        return evaluation_service_pb2.ListThresholdsResponse(thresholds=thresholds)

    def _evaluate(self, request: evaluation_service_pb2.CreateEvaluationJobRequest) -> str:
        world = self._world
        samples = world.samples_of(request.subject, request.synthetic_share, request.HasField("filter"))
        found = arms(request.ready_made, samples, world.lift)
        tried = {name: score for name, score in found.items() if not request.arms or name in request.arms}
        lift = None if samples is None else world.lift(samples)
        passed = not request.arms and lift is not None and lift > -0.02
        name = f"evaluations/{len(world.evaluations) + 1}"
        figures = {}
        for arm, score in tried.items():
            figures |= {f"arms.{arm}.macro_f1": score - TEST_GAP, f"arms.{arm}.validation_macro_f1": score}
            figures |= {f"arms.{arm}.recall.{label}": score - 0.1 * (label == "fox") for label in LABELS}
        world.findings[name] = json.dumps(make_findings(request.subject, lift or 0.0).to_json()).encode()
        condition = evaluation_pb2.GateCondition(figure="lift", passed=passed, sentence=f"lift is {lift}")
        world.evaluations[name] = evaluation_pb2.Evaluation(
            name=name,
            subject=request.subject,
            reference=request.against,
            kind="image",
            passed=passed,
            conditions=[condition],
            figures=to_struct(figures),
            artifacts=[make_artifact("findings.json", world.findings[name])],
        )
        return name


def _progress(step: int, utility: float) -> job_pb2.JobProgress:
    return job_pb2.JobProgress(done=step, total=10, unit="steps", phase="training", metrics={"tstr": utility})


SERVICERS: dict[str, tuple[Callable[[World], Any], Callable[[Any, Any], None]]] = {
    "catalog": (_Catalog, catalog_service_pb2_grpc.add_CatalogServiceServicer_to_server),
    "augmentation": (_Augmentation, augmentation_service_pb2_grpc.add_AugmentationServiceServicer_to_server),
    "training": (_Training, training_service_pb2_grpc.add_TrainingServiceServicer_to_server),
    "sampling": (_Sampling, sampling_service_pb2_grpc.add_SamplingServiceServicer_to_server),
    "evaluation": (_Evaluation, evaluation_service_pb2_grpc.add_EvaluationServiceServicer_to_server),
}
