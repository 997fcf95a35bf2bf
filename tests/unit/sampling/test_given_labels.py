"""Labels given one by one: each row has its own, whether the indices are asked for whole or in parts."""

from __future__ import annotations

import numpy as np
import pytest

from synthmill.runtime.errors import InvalidField
from synthmill.sampling.labels import GivenLabels
from synthmill.sampling.plans import Given

INDICES = (7, 2**40, 0, 7, 3)
LABELS = (1, 0, 2, 1, 0)


def array(*values: int) -> np.ndarray:
    return np.array(values, np.int64)


def test_whole_and_parts_have_the_same_labels():
    plan = GivenLabels(3, INDICES, LABELS)
    assert plan.labels(0, array(*INDICES)).tolist() == list(LABELS)
    for index, label in zip(INDICES, LABELS, strict=True):
        assert plan.labels(9, array(index)).tolist() == [label]
    assert plan.labels(0, array(*INDICES[1:4])).tolist() == list(LABELS[1:4])


def test_one_index_may_have_several_labels_if_all_are_asked_for():
    plan = GivenLabels(3, (4, 4, 4, 5), (0, 1, 2, 2))
    assert plan.labels(0, array(4, 4, 4, 5)).tolist() == [0, 1, 2, 2]
    assert plan.labels(0, array(5)).tolist() == [2]


@pytest.mark.parametrize("index", [4, 6, 3], ids=["several", "above", "below"])
def test_index_without_one_label_of_its_own_is_a_fault(index):
    with pytest.raises(ValueError, match="no label of their own"):
        GivenLabels(3, (4, 4, 5), (0, 1, 2)).labels(0, array(index))


@pytest.mark.parametrize("label", [-1, 3])
async def test_label_that_the_model_does_not_have(label):
    async def no_counts(dataset):
        raise AssertionError(dataset)

    with pytest.raises(InvalidField) as caught:
        await Given((1, 2), (0, label)).resolve(["a", "b", "c"], no_counts)
    assert caught.value.metadata == {"field": "label", "value": str(label), "allowed": "0 to 2"}
    plan = await Given((1, 2), (0, 2)).resolve(["a", "b", "c"], no_counts)
    assert plan.labels(0, array(1, 2)).tolist() == [0, 2]
