"""What several processes answer to the protocol, as one answer."""

from __future__ import annotations

import pytest

from synthmill.oip.v1 import inference_service_pb2 as pb
from synthmill.oip.v1 import statistics_pb2
from synthmill.oip.v1.repository_pb2 import RepositoryIndexResponse
from synthmill.oip.v1.statistics_pb2 import ModelStatisticsResponse
from synthmill.sampling.oip.servicer import InferenceServicer
from synthmill.sampling.oip.sharing import SHARED, index_together, ready_together, statistics_together


def index(*models: tuple[str, str, str]) -> RepositoryIndexResponse:
    listed = [
        RepositoryIndexResponse.ModelIndex(name=name, version=version, state=state, reason="" if ready else "not there")
        for name, version, state in models
        for ready in (state == "READY",)
    ]
    return RepositoryIndexResponse(models=listed)


def statistics(name: str, version: str, factor: int) -> statistics_pb2.ModelStatistics:
    """Returns counts that are all different."""
    found = statistics_pb2.ModelStatistics(
        name=name, version=version, last_inference=100 * factor, inference_count=7 * factor, execution_count=3 * factor
    )
    for number, field in enumerate(found.inference_stats.DESCRIPTOR.fields, 1):
        duration = getattr(found.inference_stats, field.name)
        duration.count, duration.ns = number * factor, 1000 * number * factor
    return found


def test_version_is_ready_if_it_is_somewhere():
    yes, no = (pb.ModelReadyResponse(ready=ready) for ready in (True, False))
    assert ready_together([no, yes]).ready
    assert not ready_together([no, no]).ready


def test_index_has_each_version_once_in_order_of_its_number():
    found = index_together(
        [
            index(("a", "2", "UNAVAILABLE"), ("a", "10", "READY"), ("b", "1", "UNAVAILABLE")),
            index(("a", "2", "READY"), ("a", "10", "UNAVAILABLE"), ("c", "1", "READY")),
        ]
    )
    expected = [("a", "2", "READY"), ("a", "10", "READY"), ("b", "1", "UNAVAILABLE"), ("c", "1", "READY")]
    assert found == index(*expected)


def test_statistics_are_added_up_by_version():
    answers = [
        ModelStatisticsResponse(model_stats=[statistics("a", "2", 1), statistics("a", "10", 4)]),
        ModelStatisticsResponse(model_stats=[statistics("b", "1", 2), statistics("a", "2", 5)]),
    ]
    found = statistics_together(answers)
    together = statistics("a", "2", 6)
    # The last of all, not a sum.
    together.last_inference = 500
    assert list(found.model_stats) == [together, statistics("a", "10", 4), statistics("b", "1", 2)]
    assert answers[0].model_stats[0] == statistics("a", "2", 1)


def test_statistics_of_one_process_are_its_own():
    answer = ModelStatisticsResponse(model_stats=[statistics("a", "1", 3)])
    assert statistics_together([answer]) == answer
    assert statistics_together([ModelStatisticsResponse()]) == ModelStatisticsResponse()


@pytest.mark.parametrize("method", SHARED)
def test_shared_methods_are_methods_of_the_service_with_that_answer(method):
    assert hasattr(InferenceServicer, method)
    described = pb.DESCRIPTOR.services_by_name["GRPCInferenceService"].methods_by_name[method]
    assert described.output_type == SHARED[method].answer.DESCRIPTOR
