"""What the catalog and the client rely on in every kind."""

from __future__ import annotations

import io
import json

import numpy as np
import pyarrow.parquet as pq
import pytest
from kinds.samples import KindCase
from PIL import Image

from synthmill.kinds import parameters as kind_parameters
from synthmill.kinds.base import CollectLimits, Item, Record, Rejection
from synthmill.runtime.errors import InvalidField, SynthmillError


@pytest.fixture
def found(case: KindCase, tmp_path):
    return list(case.kind.collect(case.write_source(tmp_path), case.label_from, CollectLimits()))


@pytest.fixture
def items(found):
    return [item for item in found if isinstance(item, Item)]


@pytest.fixture
def parameters(case: KindCase):
    return kind_parameters.parse(case.kind.import_parameters, {})


@pytest.fixture
def schema(case: KindCase, items, parameters):
    return case.kind.resolve_schema(parameters, items)


@pytest.fixture
def outcomes(case: KindCase, items, schema, parameters):
    return [case.kind.decode(item, schema, parameters) for item in items]


@pytest.fixture
def batch(outcomes):
    records = [outcome.columns for outcome in outcomes if isinstance(outcome, Record)]
    return {name: np.stack([record[name] for record in records]) for name in records[0]}


def test_collect_yields_the_same_in_the_same_order(case: KindCase, tmp_path, found):
    again = list(case.kind.collect(case.write_source(tmp_path), case.label_from, CollectLimits()))
    assert [item.source for item in again] == [item.source for item in found]
    assert len({item.source for item in found}) == len(found)


def test_collect_gives_labels_or_leaves_them_out(case: KindCase, tmp_path, items):
    assert all(item.label for item in items)
    unlabelled = case.kind.collect(case.write_source(tmp_path), "none", CollectLimits())
    assert {item.label for item in unlabelled} == {None}


def test_collect_refuses_labels_that_the_source_does_not_have(case: KindCase, tmp_path):
    with pytest.raises(InvalidField) as refusal:
        list(case.kind.collect(case.write_source(tmp_path), "nowhere", CollectLimits()))
    assert refusal.value.metadata["field"] == "label_from"
    assert refusal.value.metadata["value"] == "nowhere"


def test_collect_of_a_damaged_source_is_one_typed_error_or_rejections(case: KindCase, tmp_path, parameters):
    source = case.write_source(tmp_path)
    path = source if source.is_file() else sorted(source.rglob("*.*"))[0]
    path.write_bytes(b"\x00\xff" * 50)
    try:
        found = list(case.kind.collect(source, case.label_from, CollectLimits()))
        schema = case.kind.resolve_schema(parameters, [item for item in found if isinstance(item, Item)])
        outcomes = [
            item if isinstance(item, Rejection) else case.kind.decode(item, schema, parameters) for item in found
        ]
    except SynthmillError:
        return
    assert any(isinstance(outcome, Rejection) for outcome in outcomes)


def test_schema_is_json_and_survives_the_wire(case: KindCase, schema):
    travelled = json.loads(json.dumps(schema), parse_int=float)
    assert case.kind.columns(travelled) == case.kind.columns(schema)


def test_decode_gives_every_column_as_announced(case: KindCase, schema, outcomes):
    announced = case.kind.columns(schema)
    records = [outcome for outcome in outcomes if isinstance(outcome, Record)]
    assert len(records) == case.good
    for record in records:
        assert {name: (array.dtype, array.shape) for name, array in record.columns.items()} == announced
        assert all(isinstance(name, str) and isinstance(value, str) for name, value in record.traits.items())


def test_decode_rejects_the_bad_item_by_name(outcomes):
    (rejection,) = [outcome for outcome in outcomes if isinstance(outcome, Rejection)]
    assert rejection.source
    assert rejection.reason in ("CORRUPT", "UNSUPPORTED_FORMAT")
    assert rejection.detail


def test_parameters_from_text_change_the_records(case: KindCase, items, batch):
    given = kind_parameters.parse(case.kind.import_parameters, case.parameters)
    schema = case.kind.resolve_schema(given, items)
    record = case.kind.decode(items[0], schema, given)
    assert isinstance(record, Record)
    changed = [
        record.columns[name].shape != batch[name][0].shape or (record.columns[name] != batch[name][0]).any()
        for name in batch
    ]
    assert any(changed)


def test_unknown_parameter_is_refused(case: KindCase):
    with pytest.raises(InvalidField, match=r"parameters\.colour_space"):
        kind_parameters.parse(case.kind.import_parameters, {"colour_space": "lab"})


def test_table_is_the_inverse_of_itself(case: KindCase, schema, batch):
    labelled = {**batch, "label": np.arange(case.good) % 2}
    back = case.kind.from_table(case.kind.to_table(labelled, schema, ["a", "b"]), schema)
    assert set(back) == set(labelled)
    for name, array in labelled.items():
        assert back[name].dtype == array.dtype
        assert (back[name] == array).all()


def test_table_survives_parquet(case: KindCase, schema, batch):
    buffer = io.BytesIO()
    pq.write_table(case.kind.to_table(batch, schema), buffer)
    back = case.kind.from_table(pq.read_table(buffer), schema)
    assert all((back[name] == array).all() for name, array in batch.items())


def test_table_declares_its_features(case: KindCase, schema, batch):
    labelled = {**batch, "label": np.zeros(case.good, np.int64)}
    metadata = case.kind.to_table(labelled, schema, ["a", "b"]).schema.metadata
    features = json.loads(metadata[b"huggingface"])["info"]["features"]
    assert set(features) == set(labelled)
    assert features["label"] == {"_type": "ClassLabel", "names": ["a", "b"]}


def test_files_of_a_record_are_named_by_ending(case: KindCase, schema, batch):
    files = case.kind.to_files({name: array[0] for name, array in batch.items()}, schema)
    assert files
    assert all(ending.isidentifier() and data for ending, data in files.items())


def test_fingerprints_depend_on_each_record_alone(case: KindCase, batch):
    together = case.kind.fingerprint(batch)
    assert together.shape == (case.good,)
    assert together.dtype == np.uint64
    alone = case.kind.fingerprint({name: array[7:8] for name, array in batch.items()})
    assert np.bitwise_count(alone[0] ^ together[7]) <= max(case.kind.near_duplicate_bits, 0)


def test_every_record_is_nearly_equal_to_itself_and_to_no_other(case: KindCase, batch):
    assert case.kind.nearly_equal(batch, batch).all()
    first, second = np.triu_indices(case.good, 1)
    pairs = [{name: array[rows] for name, array in batch.items()} for rows in (first, second)]
    assert not case.kind.nearly_equal(*pairs).any()


def test_statistics_are_json_and_do_not_depend_on_the_batches(case: KindCase, schema, batch):
    halves = [{name: array[part] for name, array in batch.items()} for part in (slice(0, 15), slice(15, None))]
    whole, parts = case.kind.statistics(schema, [batch]), case.kind.statistics(schema, halves)
    assert json.dumps(whole)
    for name, value in whole.items():
        assert parts[name] == pytest.approx(value, rel=1e-5)


@pytest.mark.parametrize("captions", [[], [str(number) for number in range(40)]], ids=["plain", "captioned"])
def test_picture_is_a_png(case: KindCase, schema, batch, captions):
    image = Image.open(io.BytesIO(case.kind.picture(batch, schema, captions, 8)))
    assert image.format == "PNG"
    assert min(image.size) > 50
