from google.protobuf import empty_pb2 as _empty_pb2
from synthmill.v1 import access_pb2 as _access_pb2
from synthmill.v1 import label_plan_pb2 as _label_plan_pb2
from synthmill.v1 import model_pb2 as _model_pb2
from synthmill.v1 import tensor_pb2 as _tensor_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class SampleFilter(_message.Message):
    __slots__ = ("min_confidence", "min_score", "attempts")
    MIN_CONFIDENCE_FIELD_NUMBER: _ClassVar[int]
    MIN_SCORE_FIELD_NUMBER: _ClassVar[int]
    ATTEMPTS_FIELD_NUMBER: _ClassVar[int]
    min_confidence: float
    min_score: float
    attempts: int
    def __init__(self, min_confidence: _Optional[float] = ..., min_score: _Optional[float] = ..., attempts: _Optional[int] = ...) -> None: ...

class SampleRequest(_message.Message):
    __slots__ = ("model", "seed", "start_index", "count", "indices", "label_plan", "truncation", "tenant", "filter")
    MODEL_FIELD_NUMBER: _ClassVar[int]
    SEED_FIELD_NUMBER: _ClassVar[int]
    START_INDEX_FIELD_NUMBER: _ClassVar[int]
    COUNT_FIELD_NUMBER: _ClassVar[int]
    INDICES_FIELD_NUMBER: _ClassVar[int]
    LABEL_PLAN_FIELD_NUMBER: _ClassVar[int]
    TRUNCATION_FIELD_NUMBER: _ClassVar[int]
    TENANT_FIELD_NUMBER: _ClassVar[int]
    FILTER_FIELD_NUMBER: _ClassVar[int]
    model: str
    seed: int
    start_index: int
    count: int
    indices: _containers.RepeatedScalarFieldContainer[int]
    label_plan: _label_plan_pb2.LabelPlan
    truncation: float
    tenant: str
    filter: SampleFilter
    def __init__(self, model: _Optional[str] = ..., seed: _Optional[int] = ..., start_index: _Optional[int] = ..., count: _Optional[int] = ..., indices: _Optional[_Iterable[int]] = ..., label_plan: _Optional[_Union[_label_plan_pb2.LabelPlan, _Mapping]] = ..., truncation: _Optional[float] = ..., tenant: _Optional[str] = ..., filter: _Optional[_Union[SampleFilter, _Mapping]] = ...) -> None: ...

class StreamSamplesRequest(_message.Message):
    __slots__ = ("model", "seed", "start_index", "count", "label_plan", "truncation", "chunk_bytes", "tenant", "filter")
    MODEL_FIELD_NUMBER: _ClassVar[int]
    SEED_FIELD_NUMBER: _ClassVar[int]
    START_INDEX_FIELD_NUMBER: _ClassVar[int]
    COUNT_FIELD_NUMBER: _ClassVar[int]
    LABEL_PLAN_FIELD_NUMBER: _ClassVar[int]
    TRUNCATION_FIELD_NUMBER: _ClassVar[int]
    CHUNK_BYTES_FIELD_NUMBER: _ClassVar[int]
    TENANT_FIELD_NUMBER: _ClassVar[int]
    FILTER_FIELD_NUMBER: _ClassVar[int]
    model: str
    seed: int
    start_index: int
    count: int
    label_plan: _label_plan_pb2.LabelPlan
    truncation: float
    chunk_bytes: int
    tenant: str
    filter: SampleFilter
    def __init__(self, model: _Optional[str] = ..., seed: _Optional[int] = ..., start_index: _Optional[int] = ..., count: _Optional[int] = ..., label_plan: _Optional[_Union[_label_plan_pb2.LabelPlan, _Mapping]] = ..., truncation: _Optional[float] = ..., chunk_bytes: _Optional[int] = ..., tenant: _Optional[str] = ..., filter: _Optional[_Union[SampleFilter, _Mapping]] = ...) -> None: ...

class SampleChunk(_message.Message):
    __slots__ = ("first_index", "count", "batch", "model_digest", "model")
    FIRST_INDEX_FIELD_NUMBER: _ClassVar[int]
    COUNT_FIELD_NUMBER: _ClassVar[int]
    BATCH_FIELD_NUMBER: _ClassVar[int]
    MODEL_DIGEST_FIELD_NUMBER: _ClassVar[int]
    MODEL_FIELD_NUMBER: _ClassVar[int]
    first_index: int
    count: int
    batch: _tensor_pb2.Batch
    model_digest: str
    model: str
    def __init__(self, first_index: _Optional[int] = ..., count: _Optional[int] = ..., batch: _Optional[_Union[_tensor_pb2.Batch, _Mapping]] = ..., model_digest: _Optional[str] = ..., model: _Optional[str] = ...) -> None: ...

class CountLabelsRequest(_message.Message):
    __slots__ = ("model", "seed", "start_index", "count", "label_plan")
    MODEL_FIELD_NUMBER: _ClassVar[int]
    SEED_FIELD_NUMBER: _ClassVar[int]
    START_INDEX_FIELD_NUMBER: _ClassVar[int]
    COUNT_FIELD_NUMBER: _ClassVar[int]
    LABEL_PLAN_FIELD_NUMBER: _ClassVar[int]
    model: str
    seed: int
    start_index: int
    count: int
    label_plan: _label_plan_pb2.LabelPlan
    def __init__(self, model: _Optional[str] = ..., seed: _Optional[int] = ..., start_index: _Optional[int] = ..., count: _Optional[int] = ..., label_plan: _Optional[_Union[_label_plan_pb2.LabelPlan, _Mapping]] = ...) -> None: ...

class CountLabelsResponse(_message.Message):
    __slots__ = ("count", "counts")
    class CountsEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: int
        def __init__(self, key: _Optional[str] = ..., value: _Optional[int] = ...) -> None: ...
    COUNT_FIELD_NUMBER: _ClassVar[int]
    COUNTS_FIELD_NUMBER: _ClassVar[int]
    count: int
    counts: _containers.ScalarMap[str, int]
    def __init__(self, count: _Optional[int] = ..., counts: _Optional[_Mapping[str, int]] = ...) -> None: ...

class LoadedModel(_message.Message):
    __slots__ = ("model", "provider", "provider_reason", "active_calls", "memory_bytes")
    MODEL_FIELD_NUMBER: _ClassVar[int]
    PROVIDER_FIELD_NUMBER: _ClassVar[int]
    PROVIDER_REASON_FIELD_NUMBER: _ClassVar[int]
    ACTIVE_CALLS_FIELD_NUMBER: _ClassVar[int]
    MEMORY_BYTES_FIELD_NUMBER: _ClassVar[int]
    model: _model_pb2.Model
    provider: str
    provider_reason: str
    active_calls: int
    memory_bytes: int
    def __init__(self, model: _Optional[_Union[_model_pb2.Model, _Mapping]] = ..., provider: _Optional[str] = ..., provider_reason: _Optional[str] = ..., active_calls: _Optional[int] = ..., memory_bytes: _Optional[int] = ...) -> None: ...

class ListLoadedModelsRequest(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class ListLoadedModelsResponse(_message.Message):
    __slots__ = ("models",)
    MODELS_FIELD_NUMBER: _ClassVar[int]
    models: _containers.RepeatedCompositeFieldContainer[LoadedModel]
    def __init__(self, models: _Optional[_Iterable[_Union[LoadedModel, _Mapping]]] = ...) -> None: ...

class LoadModelRequest(_message.Message):
    __slots__ = ("name",)
    NAME_FIELD_NUMBER: _ClassVar[int]
    name: str
    def __init__(self, name: _Optional[str] = ...) -> None: ...

class UnloadModelRequest(_message.Message):
    __slots__ = ("name",)
    NAME_FIELD_NUMBER: _ClassVar[int]
    name: str
    def __init__(self, name: _Optional[str] = ...) -> None: ...
