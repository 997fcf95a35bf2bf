"""Fills empty services with a little of everything, by valid requests that reach every method."""

from __future__ import annotations

import io

import numpy as np
from fuzz.methods import SERVICES
from fuzz.world import World, request_id
from grpc_health.v1 import health_pb2
from grpc_reflection.v1alpha import reflection_pb2
from unit.graph.generators import LABELS, dense_generator, judging_graph

from support.data import digits
from synthmill.client.plans import to_plan
from synthmill.oip.v1 import inference_service_pb2, model_config_pb2, repository_pb2, shared_memory_pb2, statistics_pb2
from synthmill.oip.v1.tensor_pb2 import InferParameter
from synthmill.runtime.store import ObjectStore
from synthmill.runtime.structs import to_struct
from synthmill.v1 import augmentation_service_pb2 as augmentation
from synthmill.v1 import catalog_service_pb2 as catalog
from synthmill.v1 import (
    dataset_pb2,
    evaluation_pb2,
    job_pb2,
    job_service_pb2,
    label_plan_pb2,
    model_pb2,
    policy_pb2,
    status_service_pb2,
    tensor_pb2,
)
from synthmill.v1 import evaluation_service_pb2 as evaluation
from synthmill.v1 import pipeline_service_pb2 as pipeline
from synthmill.v1 import sampling_service_pb2 as sampling
from synthmill.v1 import training_service_pb2 as training

TINY = {"steps": 3, "width": 8, "latent_size": 8, "batch_size": 16}
_LINEAGE = augmentation.GetLineageRequest(dataset="datasets/more/versions/1", record=3)
_SPLITS = {"validation_fraction": 0.2, "test_fraction": 0.2}
WORDS = (
    *("image", "tensor", "train", "validation", "test", "folder", "none", "gan", "vae", "imported", "light", "local"),
    *(
        "digits",
        "tiny",
        "mild",
        "spare",
        "steps",
        "width",
        "latent_size",
        "learning_rate",
        "batch_size",
        "fit",
        "white",
    ),
    *("height", "channels", "latent", "label", "range", "output", "layout", "index", "seed", "INT64", "UINT8", "BYTES"),
    *(
        "flip",
        "rotate",
        "crop",
        "noise",
        "probability",
        "lift",
        "int8",
        "prune",
        "real",
        "0",
        "1",
        "9",
        "a.npz",
    ),
)


def fill_world(world: World) -> None:
    """Fills the services, and finds out the names of all that is there."""
    dataset = _fill_datasets(world)
    model = _fill_models(world, dataset)
    _fill_policies(world)
    _fill_evaluations(world, dataset, model)
    _ask_sampling(world, model)
    _ask_inference(world)
    jobs = _make_jobs(world, dataset, model)
    _ask_all(world)
    versions = [f"{name}/versions/1" for name in ("datasets/digits", "models/tiny", "policies/mild", "models/judged")]
    world.names += [*WORDS, *versions, "datasets/digits", "models/tiny", "policies/mild", "evaluations/1", *jobs]
    world.names += [request_id(1), request_id(4), str(world.cluster.folder / "sources" / "digits.npz")]


def _fill_datasets(world: World) -> dataset_pb2.Dataset:
    images, labels = digits()
    np.savez(world.cluster.folder / "sources" / "digits.npz", x=images[:300], y=labels[:300])
    spec = catalog.DatasetSpec(dataset="digits", kind="image", parameters=to_struct(_SPLITS))
    uri = str(world.cluster.folder / "sources" / "digits.npz")
    (job,) = world.ask(
        "catalog", "ImportDataset", catalog.ImportDatasetRequest(spec=spec, source_uri=uri, request_id=request_id(1))
    )
    name = world.finish("catalog", job).result
    buffer = io.BytesIO()
    np.savez(buffer, x=images[:30], y=labels[:30])
    sent = catalog.DatasetSpec(dataset="sent", kind="image")
    header = catalog.UploadHeader(spec=sent, file_name="a.npz", request_id=request_id(2))
    world.ask("catalog", "UploadDataset", *_upload(catalog.UploadDatasetRequest, header, buffer.getvalue()))
    (dataset,) = world.ask("catalog", "GetDataset", catalog.GetDatasetRequest(name=name))
    world.ask("catalog", "ListDatasets", catalog.ListDatasetsRequest(page_size=1, dataset="datasets/digits"))
    world.ask("catalog", "ListImportIssues", catalog.ListImportIssuesRequest(name=name))
    world.ask("catalog", "ReadRecords", catalog.ReadRecordsRequest(name=name, split="train", count=20))
    published = catalog.PublishDatasetRequest(dataset="copy", version=dataset, request_id=request_id(3))
    world.ask("catalog", "PublishDataset", published)
    world.ask("catalog", "DeleteDataset", catalog.DeleteDatasetRequest(name="datasets/copy/versions/1"))
    world.ask("catalog", "ReadArtifact", catalog.ReadArtifactRequest(owner=name, artifact=dataset.artifacts[0].name))
    return dataset


def _fill_models(world: World, dataset: dataset_pb2.Dataset) -> model_pb2.Model:
    graph = dense_generator(8, 8, labels=10, finished=False).SerializeToString()
    header = catalog.ImportModelHeader(
        model="tiny",
        kind="image",
        labels=dataset.labels,
        request_id=request_id(4),
        parameters=to_struct({"latent": "z"}),
    )
    (job,) = world.ask("catalog", "ImportModel", *_upload(catalog.ImportModelRequest, header, graph))
    name = world.finish("catalog", job).result
    world.ask("catalog", "PromoteModel", catalog.PromoteModelRequest(name=name, override_reason="a test"))
    (model,) = world.ask("catalog", "GetModel", catalog.GetModelRequest(name=name))
    world.ask("catalog", "ListModels", catalog.ListModelsRequest(model="models/tiny"))
    published = catalog.PublishModelRequest(model="again", version=model, request_id=request_id(5))
    world.ask("catalog", "PublishModel", published)
    world.ask("catalog", "DeleteModel", catalog.DeleteModelRequest(name="models/again/versions/1"))
    judged = catalog.PublishModelRequest(model="judged", version=_judged_version(world), request_id=request_id(7))
    world.ask("catalog", "PublishModel", judged)
    return model


def _judged_version(world: World) -> model_pb2.Model:
    store = ObjectStore(str(world.cluster.store / "objects"))
    graph = store.put_bytes(judging_graph().SerializeToString(), "sampler.onnx")
    files = [graph, store.put_bytes(b"{}", "card.json"), store.put_bytes(b"# Card", "card.md")]
    artifacts = [file.to_proto() for file in files]
    return model_pb2.Model(kind="image", family="gan", labels=LABELS, artifacts=artifacts, digest=graph.sha256)


def _fill_policies(world: World) -> None:
    saved = augmentation.SavePolicyRequest(name="mild", kind="image", ready_made="light")
    (version,) = world.ask("augmentation", "SavePolicy", saved)
    world.ask("catalog", "PublishPolicy", catalog.PublishPolicyRequest(policy="spare", version=version))
    world.ask("catalog", "GetPolicy", catalog.GetPolicyRequest(name="policies/mild"))
    world.ask("catalog", "ListPolicies", catalog.ListPoliciesRequest(policy="policies/mild"))
    world.ask("catalog", "DeletePolicy", catalog.DeletePolicyRequest(name="policies/spare/versions/1"))
    images, _ = digits()
    records = [
        augmentation.AugmentationRecord(index=number, arrays=[_tensor("image", image[..., None])])
        for number, image in enumerate(images[:3])
    ]
    (ready,) = world.ask("augmentation", "ListReadyMadePolicies", augmentation.ListReadyMadePoliciesRequest())
    for policy in (each.policy for each in ready.policies):
        spec = augmentation.AugmentationSpec(
            kind="image", policy=policy, pool="datasets/digits", class_count=10, seed=5
        )
        world.ask("augmentation", "Augment", augmentation.AugmentRequest(spec=spec, records=records))
        world.ask("augmentation", "ResolvePolicy", augmentation.ResolvePolicyRequest(kind="image", policy=policy))
    (operations,) = world.ask("augmentation", "ListOperations", augmentation.ListOperationsRequest(kind="image"))
    steps = [operation.example for operation in operations.operations]
    every = policy_pb2.Policy(steps=[policy_pb2.PolicyStep(one_of=policy_pb2.PolicyChoice(steps=steps))])
    spec = augmentation.AugmentationSpec(kind="image", policy=every, pool="datasets/digits", class_count=10)
    world.ask("augmentation", "Augment", augmentation.AugmentRequest(spec=spec, records=records))
    stream = [augmentation.AugmentStreamRequest(spec=spec), augmentation.AugmentStreamRequest(records=records)]
    world.ask("augmentation", "AugmentStream", *stream)
    world.ask(
        "augmentation", "GetLineage", augmentation.GetLineageRequest(dataset="datasets/more/versions/1", record=3)
    )
    preview = augmentation.PreviewRequest(spec=spec, record=records[0], count=4, columns=2)
    world.ask("augmentation", "Preview", preview)


def _fill_evaluations(world: World, dataset: dataset_pb2.Dataset, model: model_pb2.Model) -> None:
    store = ObjectStore(str(world.cluster.store / "objects"))
    files = [store.put_bytes(b"<html></html>", "report.html"), store.put_bytes(b"{}", "findings.json")]
    found = evaluation_pb2.Evaluation(
        subject=model.name,
        subject_digest=model.digest,
        reference=dataset.name,
        reference_digest=dataset.digest,
        kind="image",
        passed=True,
        conditions=[
            evaluation_pb2.GateCondition(
                figure="lift", bound=0.0, better=evaluation_pb2.BETTER_HIGH, value=0.1, passed=True
            )
        ],
        figures=to_struct({"lift": 0.1}),
        artifacts=[file.to_proto() for file in files],
    )
    request = catalog.PublishEvaluationRequest(evaluation=found, request_id=request_id(6))
    world.ask("catalog", "PublishEvaluation", request)
    world.ask("catalog", "GetEvaluation", catalog.GetEvaluationRequest(name="evaluations/1"))
    world.ask("catalog", "ListEvaluations", catalog.ListEvaluationsRequest(subject=model.name))
    world.ask("catalog", "ReadArtifact", catalog.ReadArtifactRequest(owner="evaluations/1", artifact="report.html"))


def _ask_sampling(world: World, model: model_pb2.Model) -> None:
    plans = [
        label_plan_pb2.LabelPlan(label="3"),
        label_plan_pb2.LabelPlan(counts=label_plan_pb2.LabelCounts(counts={"3": 5, "4": 20})),
        label_plan_pb2.LabelPlan(weights=label_plan_pb2.LabelWeights(weights={"3": 0.5, "4": 0.25, "5": 0.25})),
        label_plan_pb2.LabelPlan(balance=label_plan_pb2.LabelBalance(dataset="datasets/digits", target_count=100)),
    ]
    asked = {"model": model.name, "seed": 7, "count": 20}
    for plan in plans:
        world.ask("sampling", "Sample", sampling.SampleRequest(**asked, label_plan=plan))
        world.ask("sampling", "StreamSamples", sampling.StreamSamplesRequest(**asked, label_plan=plan, chunk_bytes=512))
        world.ask("sampling", "CountLabels", sampling.CountLabelsRequest(**asked, label_plan=plan))
    filtered = sampling.SampleRequest(
        model="models/judged/versions/1", count=20, filter={"attempts": 2, "min_score": 0.1}
    )
    world.ask("sampling", "Sample", filtered)
    world.ask("sampling", "Sample", sampling.SampleRequest(model=model.name, indices=[5, 0, 2**40], tenant="a"))
    world.ask("sampling", "LoadModel", sampling.LoadModelRequest(name="models/tiny"))
    world.ask("sampling", "UnloadModel", sampling.UnloadModelRequest(name="models/tiny/versions/1"))


def _ask_inference(world: World) -> None:
    model = {"name": "tiny", "version": "1"}
    index = np.arange(4, dtype=np.int64)
    infer = inference_service_pb2.ModelInferRequest(
        model_name="tiny",
        model_version="1",
        inputs=[
            {"name": "index", "datatype": "INT64", "shape": [4]},
            {"name": "label", "datatype": "INT64", "shape": [4]},
        ],
        outputs=[{"name": "image"}],
        raw_input_contents=[index.tobytes(), index.tobytes()],
    )
    parameters = {
        "start_index": InferParameter(int64_param=3),
        "count": InferParameter(int64_param=6),
        "label_plan": InferParameter(string_param='{"label": "3"}'),
        "truncation": InferParameter(double_param=0.5),
    }
    ranged = inference_service_pb2.ModelInferRequest(model_name="tiny", parameters=parameters)
    for request in (infer, ranged):
        world.ask("sampling", "ModelInfer", request)
    world.ask("sampling", "ModelStreamInfer", infer, ranged)
    world.ask("sampling", "ModelReady", inference_service_pb2.ModelReadyRequest(**model))
    world.ask("sampling", "ModelMetadata", inference_service_pb2.ModelMetadataRequest(**model))
    world.ask("sampling", "ModelConfig", model_config_pb2.ModelConfigRequest(**model))
    world.ask("sampling", "ModelStatistics", statistics_pb2.ModelStatisticsRequest(**model))
    world.ask("sampling", "RepositoryModelLoad", repository_pb2.RepositoryModelLoadRequest(model_name="tiny"))
    world.ask("sampling", "RepositoryModelUnload", repository_pb2.RepositoryModelUnloadRequest(model_name="tiny"))
    region = shared_memory_pb2.SystemSharedMemoryRegisterRequest(name="region", key="/no-such", byte_size=64)
    world.ask("sampling", "SystemSharedMemoryRegister", region)


def _make_jobs(world: World, dataset: dataset_pb2.Dataset, model: model_pb2.Model) -> list[str]:
    """Begins a job of each sort and cancels it; returns the names of all of them."""
    tiny = to_struct(TINY)
    version, name = dataset.name, model.name
    plan = to_plan({"dataset": version, "budget": {"minutes": 1, "trials": 1, "rounds": 1}})
    for service, method, request in (
        (
            "augmentation",
            "CreateAugmentationJob",
            augmentation.CreateAugmentationJobRequest(dataset=version, ready_made="light", name="more", copies=1),
        ),
        (
            "training",
            "CreateTrainingJob",
            training.CreateTrainingJobRequest(dataset=version, family="gan", model="own", parameters=tiny),
        ),
        (
            "training",
            "CreateCompressionJob",
            training.CreateCompressionJobRequest(model=name, methods=["int8"], dataset=version),
        ),
        ("training", "CreateFilteringJob", training.CreateFilteringJobRequest(model=name, dataset=version)),
        (
            "evaluation",
            "CreateEvaluationJob",
            evaluation.CreateEvaluationJobRequest(
                subject=name, against=version, seeds=1, probe_steps=10, samples=100, thresholds={"lift": 0.0}
            ),
        ),
        ("pipeline", "CreateLoopJob", pipeline.CreateLoopJobRequest(plan=plan)),
    ):
        request.request_id = request_id(10 + len(world.valid))
        world.ask(service, method, request)
        request = type(request).FromString(request.SerializeToString())
        request.validate_only = True
        world.ask(service, method, request)
    world.cancel_jobs()
    names: list[str] = []
    for service in SERVICES:
        if service == "sampling":
            continue
        (page,) = world.ask(service, "ListJobs", job_service_pb2.ListJobsRequest(page_size=10))
        for job in page.jobs:
            names.append(job.name)
            _ask_of_job(world, service, job)
    world.cancel_jobs()
    return names


def _ask_of_job(world: World, service: str, job: job_pb2.Job) -> None:
    world.ask(service, "GetJob", job_service_pb2.GetJobRequest(name=job.name))
    world.ask(service, "CancelJob", job_service_pb2.CancelJobRequest(name=job.name))
    world.ask(service, "ResumeJob", job_service_pb2.ResumeJobRequest(name=job.name))
    world.ask(service, "ReadJobPicture", job_service_pb2.ReadJobPictureRequest(name=job.name))
    if service == "pipeline":
        loop = job.name.replace("jobs/pipeline-", "loops/")
        world.names.append(loop)
        world.ask(service, "GetLoop", pipeline.GetLoopRequest(name=loop))
        world.ask(service, "ListLoops", pipeline.ListLoopsRequest(page_size=2))
        world.ask(service, "ReadLoopReport", pipeline.ReadLoopReportRequest(name=loop, artifact="report.html"))


def _ask_all(world: World) -> None:
    for service in SERVICES:
        world.ask(service, "GetStatus", status_service_pb2.GetStatusRequest())
        world.ask(service, "Check", health_pb2.HealthCheckRequest(service=f"synthmill.v1.{service.title()}Service"))
        symbol = reflection_pb2.ServerReflectionRequest(file_containing_symbol="synthmill.v1.JobService")
        listed = reflection_pb2.ServerReflectionRequest(list_services="")
        world.ask(service, "ServerReflectionInfo", listed, symbol)


def _upload(request: type, header: object, data: bytes) -> list:
    """Returns a header and its file in two pieces."""
    half = len(data) // 2
    return [request(header=header), request(data=data[:half]), request(data=data[half:])]


def _tensor(name: str, array: np.ndarray) -> tensor_pb2.Tensor:
    return tensor_pb2.Tensor(
        name=name, data_type=tensor_pb2.DATA_TYPE_UINT8, shape=array.shape, data=np.ascontiguousarray(array).tobytes()
    )
