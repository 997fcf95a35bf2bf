import datetime

from google.protobuf import struct_pb2 as _struct_pb2
from google.protobuf import timestamp_pb2 as _timestamp_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class Policy(_message.Message):
    __slots__ = ("steps", "settings")
    STEPS_FIELD_NUMBER: _ClassVar[int]
    SETTINGS_FIELD_NUMBER: _ClassVar[int]
    steps: _containers.RepeatedCompositeFieldContainer[PolicyStep]
    settings: _struct_pb2.Struct
    def __init__(self, steps: _Optional[_Iterable[_Union[PolicyStep, _Mapping]]] = ..., settings: _Optional[_Union[_struct_pb2.Struct, _Mapping]] = ...) -> None: ...

class PolicyVersion(_message.Message):
    __slots__ = ("name", "kind", "policy", "digest", "create_time")
    NAME_FIELD_NUMBER: _ClassVar[int]
    KIND_FIELD_NUMBER: _ClassVar[int]
    POLICY_FIELD_NUMBER: _ClassVar[int]
    DIGEST_FIELD_NUMBER: _ClassVar[int]
    CREATE_TIME_FIELD_NUMBER: _ClassVar[int]
    name: str
    kind: str
    policy: Policy
    digest: str
    create_time: _timestamp_pb2.Timestamp
    def __init__(self, name: _Optional[str] = ..., kind: _Optional[str] = ..., policy: _Optional[_Union[Policy, _Mapping]] = ..., digest: _Optional[str] = ..., create_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ...) -> None: ...

class PolicyStep(_message.Message):
    __slots__ = ("probability", "operation", "one_of", "some_of", "repeat", "sequence")
    PROBABILITY_FIELD_NUMBER: _ClassVar[int]
    OPERATION_FIELD_NUMBER: _ClassVar[int]
    ONE_OF_FIELD_NUMBER: _ClassVar[int]
    SOME_OF_FIELD_NUMBER: _ClassVar[int]
    REPEAT_FIELD_NUMBER: _ClassVar[int]
    SEQUENCE_FIELD_NUMBER: _ClassVar[int]
    probability: float
    operation: PolicyOperation
    one_of: PolicyChoice
    some_of: PolicySelection
    repeat: PolicyRepetition
    sequence: PolicySequence
    def __init__(self, probability: _Optional[float] = ..., operation: _Optional[_Union[PolicyOperation, _Mapping]] = ..., one_of: _Optional[_Union[PolicyChoice, _Mapping]] = ..., some_of: _Optional[_Union[PolicySelection, _Mapping]] = ..., repeat: _Optional[_Union[PolicyRepetition, _Mapping]] = ..., sequence: _Optional[_Union[PolicySequence, _Mapping]] = ...) -> None: ...

class PolicyOperation(_message.Message):
    __slots__ = ("name", "parameters")
    NAME_FIELD_NUMBER: _ClassVar[int]
    PARAMETERS_FIELD_NUMBER: _ClassVar[int]
    name: str
    parameters: _struct_pb2.Struct
    def __init__(self, name: _Optional[str] = ..., parameters: _Optional[_Union[_struct_pb2.Struct, _Mapping]] = ...) -> None: ...

class PolicyChoice(_message.Message):
    __slots__ = ("steps", "weights")
    STEPS_FIELD_NUMBER: _ClassVar[int]
    WEIGHTS_FIELD_NUMBER: _ClassVar[int]
    steps: _containers.RepeatedCompositeFieldContainer[PolicyStep]
    weights: _containers.RepeatedScalarFieldContainer[float]
    def __init__(self, steps: _Optional[_Iterable[_Union[PolicyStep, _Mapping]]] = ..., weights: _Optional[_Iterable[float]] = ...) -> None: ...

class PolicySelection(_message.Message):
    __slots__ = ("steps", "least", "most")
    STEPS_FIELD_NUMBER: _ClassVar[int]
    LEAST_FIELD_NUMBER: _ClassVar[int]
    MOST_FIELD_NUMBER: _ClassVar[int]
    steps: _containers.RepeatedCompositeFieldContainer[PolicyStep]
    least: int
    most: int
    def __init__(self, steps: _Optional[_Iterable[_Union[PolicyStep, _Mapping]]] = ..., least: _Optional[int] = ..., most: _Optional[int] = ...) -> None: ...

class PolicyRepetition(_message.Message):
    __slots__ = ("steps", "times")
    STEPS_FIELD_NUMBER: _ClassVar[int]
    TIMES_FIELD_NUMBER: _ClassVar[int]
    steps: _containers.RepeatedCompositeFieldContainer[PolicyStep]
    times: int
    def __init__(self, steps: _Optional[_Iterable[_Union[PolicyStep, _Mapping]]] = ..., times: _Optional[int] = ...) -> None: ...

class PolicySequence(_message.Message):
    __slots__ = ("steps",)
    STEPS_FIELD_NUMBER: _ClassVar[int]
    steps: _containers.RepeatedCompositeFieldContainer[PolicyStep]
    def __init__(self, steps: _Optional[_Iterable[_Union[PolicyStep, _Mapping]]] = ...) -> None: ...
