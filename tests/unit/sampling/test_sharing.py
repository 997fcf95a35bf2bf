"""What several processes answer, as one answer, and what each of them may use."""

from __future__ import annotations

import dataclasses

import pytest

from synthmill.runtime.config import load_config, to_flags
from synthmill.sampling.config import SamplingConfig
from synthmill.sampling.sharing import SHARED, list_together, load_together
from synthmill.v1 import sampling_service_pb2 as pb
from synthmill.v1.model_pb2 import Model


def loaded(version: int, calls: int, provider: str = "CPUExecutionProvider") -> pb.LoadedModel:
    model = Model(name=f"models/m/versions/{version}", digest=f"{version:064}")
    return pb.LoadedModel(model=model, provider=provider, active_calls=calls)


def test_each_version_is_listed_once_with_the_calls_of_all_processes():
    answers = [
        pb.ListLoadedModelsResponse(models=[loaded(1, 3), loaded(2, 0)]),
        pb.ListLoadedModelsResponse(),
        pb.ListLoadedModelsResponse(models=[loaded(3, 1), loaded(1, 4)]),
    ]
    assert list(list_together(answers).models) == [loaded(1, 7), loaded(2, 0), loaded(3, 1)]
    assert answers[0].models[0] == loaded(1, 3)
    assert list_together(answers[1:2]) == pb.ListLoadedModelsResponse()


def test_version_on_different_providers_is_listed_for_each():
    other = "CUDAExecutionProvider"
    models = [loaded(1, 3), loaded(1, 4, other), loaded(1, 5)]
    answers = [pb.ListLoadedModelsResponse(models=[model]) for model in models]
    assert list(list_together(answers).models) == [loaded(1, 8), loaded(1, 4, other)]


def test_version_that_was_loaded_is_that_of_the_process_that_was_asked():
    assert load_together([loaded(1, 3), loaded(1, 4)]) == loaded(1, 7)
    # Somebody has promoted another one between the two.
    assert load_together([loaded(1, 3), loaded(2, 4)]) == loaded(1, 3)


@pytest.mark.parametrize("method", SHARED)
def test_shared_methods_are_methods_of_the_service_with_that_answer(method):
    described = pb.DESCRIPTOR.services_by_name["SamplingService"].methods_by_name[method]
    assert described.output_type == SHARED[method].answer.DESCRIPTOR


@pytest.mark.parametrize(
    ("processes", "workers", "parts"), [(1, 4, [4]), (2, 4, [2, 2]), (3, 8, [3, 3, 2]), (4, 2, [1, 1, 1, 1])]
)
def test_workers_are_divided_and_each_process_has_one(processes, workers, parts):
    config = SamplingConfig(processes=processes, workers=workers)
    assert [config.share(number).workers for number in range(processes)] == parts


def test_memory_is_divided_and_the_rest_is_as_it_was():
    config = SamplingConfig(processes=3, model_memory_mb=1000, answer_memory_mb=2, max_models=5, fresh_s=0.5, port=1234)
    shares = [config.share(number) for number in range(3)]
    assert [share.model_memory_mb for share in shares] == [334, 333, 333]
    assert [share.answer_memory_mb for share in shares] == [1, 1, 1]
    divided = ("processes", "workers", "model_memory_mb", "answer_memory_mb")
    for share in shares:
        assert share.process_count == 1
        given = {name: getattr(config, name) for name in divided}
        assert dataclasses.replace(share, **given) == config
        assert load_config(SamplingConfig, to_flags(share), {}) == share
