from synthmill.v1 import access_pb2 as _access_pb2
from synthmill.v1 import evaluation_pb2 as _evaluation_pb2
from synthmill.v1 import job_pb2 as _job_pb2
from synthmill.v1 import policy_pb2 as _policy_pb2
from synthmill.v1 import sampling_service_pb2 as _sampling_service_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class CreateEvaluationJobRequest(_message.Message):
    __slots__ = ("subject", "against", "seeds", "probe_steps", "samples", "ready_made", "policy", "policy_name", "thresholds", "without_thresholds", "seed", "request_id", "validate_only", "arms", "synthetic_share", "filter")
    class ThresholdsEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: float
        def __init__(self, key: _Optional[str] = ..., value: _Optional[float] = ...) -> None: ...
    SUBJECT_FIELD_NUMBER: _ClassVar[int]
    AGAINST_FIELD_NUMBER: _ClassVar[int]
    SEEDS_FIELD_NUMBER: _ClassVar[int]
    PROBE_STEPS_FIELD_NUMBER: _ClassVar[int]
    SAMPLES_FIELD_NUMBER: _ClassVar[int]
    READY_MADE_FIELD_NUMBER: _ClassVar[int]
    POLICY_FIELD_NUMBER: _ClassVar[int]
    POLICY_NAME_FIELD_NUMBER: _ClassVar[int]
    THRESHOLDS_FIELD_NUMBER: _ClassVar[int]
    WITHOUT_THRESHOLDS_FIELD_NUMBER: _ClassVar[int]
    SEED_FIELD_NUMBER: _ClassVar[int]
    REQUEST_ID_FIELD_NUMBER: _ClassVar[int]
    VALIDATE_ONLY_FIELD_NUMBER: _ClassVar[int]
    ARMS_FIELD_NUMBER: _ClassVar[int]
    SYNTHETIC_SHARE_FIELD_NUMBER: _ClassVar[int]
    FILTER_FIELD_NUMBER: _ClassVar[int]
    subject: str
    against: str
    seeds: int
    probe_steps: int
    samples: int
    ready_made: str
    policy: _policy_pb2.Policy
    policy_name: str
    thresholds: _containers.ScalarMap[str, float]
    without_thresholds: _containers.RepeatedScalarFieldContainer[str]
    seed: int
    request_id: str
    validate_only: bool
    arms: _containers.RepeatedScalarFieldContainer[str]
    synthetic_share: float
    filter: _sampling_service_pb2.SampleFilter
    def __init__(self, subject: _Optional[str] = ..., against: _Optional[str] = ..., seeds: _Optional[int] = ..., probe_steps: _Optional[int] = ..., samples: _Optional[int] = ..., ready_made: _Optional[str] = ..., policy: _Optional[_Union[_policy_pb2.Policy, _Mapping]] = ..., policy_name: _Optional[str] = ..., thresholds: _Optional[_Mapping[str, float]] = ..., without_thresholds: _Optional[_Iterable[str]] = ..., seed: _Optional[int] = ..., request_id: _Optional[str] = ..., validate_only: bool = ..., arms: _Optional[_Iterable[str]] = ..., synthetic_share: _Optional[float] = ..., filter: _Optional[_Union[_sampling_service_pb2.SampleFilter, _Mapping]] = ...) -> None: ...

class ListThresholdsRequest(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class Threshold(_message.Message):
    __slots__ = ("figure", "meaning", "default_value", "better")
    FIGURE_FIELD_NUMBER: _ClassVar[int]
    MEANING_FIELD_NUMBER: _ClassVar[int]
    DEFAULT_VALUE_FIELD_NUMBER: _ClassVar[int]
    BETTER_FIELD_NUMBER: _ClassVar[int]
    figure: str
    meaning: str
    default_value: float
    better: _evaluation_pb2.Better
    def __init__(self, figure: _Optional[str] = ..., meaning: _Optional[str] = ..., default_value: _Optional[float] = ..., better: _Optional[_Union[_evaluation_pb2.Better, str]] = ...) -> None: ...

class ListThresholdsResponse(_message.Message):
    __slots__ = ("thresholds",)
    THRESHOLDS_FIELD_NUMBER: _ClassVar[int]
    thresholds: _containers.RepeatedCompositeFieldContainer[Threshold]
    def __init__(self, thresholds: _Optional[_Iterable[_Union[Threshold, _Mapping]]] = ...) -> None: ...
