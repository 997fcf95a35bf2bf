import datetime

from google.protobuf import struct_pb2 as _struct_pb2
from google.protobuf import timestamp_pb2 as _timestamp_pb2
from synthmill.v1 import artifact_pb2 as _artifact_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf.internal import enum_type_wrapper as _enum_type_wrapper
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class Better(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    BETTER_UNSPECIFIED: _ClassVar[Better]
    BETTER_HIGH: _ClassVar[Better]
    BETTER_LOW: _ClassVar[Better]
BETTER_UNSPECIFIED: Better
BETTER_HIGH: Better
BETTER_LOW: Better

class GateCondition(_message.Message):
    __slots__ = ("figure", "bound", "better", "value", "passed", "sentence")
    FIGURE_FIELD_NUMBER: _ClassVar[int]
    BOUND_FIELD_NUMBER: _ClassVar[int]
    BETTER_FIELD_NUMBER: _ClassVar[int]
    VALUE_FIELD_NUMBER: _ClassVar[int]
    PASSED_FIELD_NUMBER: _ClassVar[int]
    SENTENCE_FIELD_NUMBER: _ClassVar[int]
    figure: str
    bound: float
    better: Better
    value: float
    passed: bool
    sentence: str
    def __init__(self, figure: _Optional[str] = ..., bound: _Optional[float] = ..., better: _Optional[_Union[Better, str]] = ..., value: _Optional[float] = ..., passed: bool = ..., sentence: _Optional[str] = ...) -> None: ...

class Evaluation(_message.Message):
    __slots__ = ("name", "subject", "subject_digest", "reference", "reference_digest", "kind", "passed", "conditions", "figures", "verdict", "artifacts", "job", "create_time")
    NAME_FIELD_NUMBER: _ClassVar[int]
    SUBJECT_FIELD_NUMBER: _ClassVar[int]
    SUBJECT_DIGEST_FIELD_NUMBER: _ClassVar[int]
    REFERENCE_FIELD_NUMBER: _ClassVar[int]
    REFERENCE_DIGEST_FIELD_NUMBER: _ClassVar[int]
    KIND_FIELD_NUMBER: _ClassVar[int]
    PASSED_FIELD_NUMBER: _ClassVar[int]
    CONDITIONS_FIELD_NUMBER: _ClassVar[int]
    FIGURES_FIELD_NUMBER: _ClassVar[int]
    VERDICT_FIELD_NUMBER: _ClassVar[int]
    ARTIFACTS_FIELD_NUMBER: _ClassVar[int]
    JOB_FIELD_NUMBER: _ClassVar[int]
    CREATE_TIME_FIELD_NUMBER: _ClassVar[int]
    name: str
    subject: str
    subject_digest: str
    reference: str
    reference_digest: str
    kind: str
    passed: bool
    conditions: _containers.RepeatedCompositeFieldContainer[GateCondition]
    figures: _struct_pb2.Struct
    verdict: _containers.RepeatedScalarFieldContainer[str]
    artifacts: _containers.RepeatedCompositeFieldContainer[_artifact_pb2.Artifact]
    job: str
    create_time: _timestamp_pb2.Timestamp
    def __init__(self, name: _Optional[str] = ..., subject: _Optional[str] = ..., subject_digest: _Optional[str] = ..., reference: _Optional[str] = ..., reference_digest: _Optional[str] = ..., kind: _Optional[str] = ..., passed: bool = ..., conditions: _Optional[_Iterable[_Union[GateCondition, _Mapping]]] = ..., figures: _Optional[_Union[_struct_pb2.Struct, _Mapping]] = ..., verdict: _Optional[_Iterable[str]] = ..., artifacts: _Optional[_Iterable[_Union[_artifact_pb2.Artifact, _Mapping]]] = ..., job: _Optional[str] = ..., create_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ...) -> None: ...
