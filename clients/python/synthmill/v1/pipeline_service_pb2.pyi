from synthmill.v1 import access_pb2 as _access_pb2
from synthmill.v1 import artifact_pb2 as _artifact_pb2
from synthmill.v1 import job_pb2 as _job_pb2
from synthmill.v1 import loop_pb2 as _loop_pb2
from synthmill.v1 import loop_plan_pb2 as _loop_plan_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class CreateLoopJobRequest(_message.Message):
    __slots__ = ("plan", "request_id", "validate_only")
    PLAN_FIELD_NUMBER: _ClassVar[int]
    REQUEST_ID_FIELD_NUMBER: _ClassVar[int]
    VALIDATE_ONLY_FIELD_NUMBER: _ClassVar[int]
    plan: _loop_plan_pb2.LoopPlan
    request_id: str
    validate_only: bool
    def __init__(self, plan: _Optional[_Union[_loop_plan_pb2.LoopPlan, _Mapping]] = ..., request_id: _Optional[str] = ..., validate_only: bool = ...) -> None: ...

class GetLoopRequest(_message.Message):
    __slots__ = ("name",)
    NAME_FIELD_NUMBER: _ClassVar[int]
    name: str
    def __init__(self, name: _Optional[str] = ...) -> None: ...

class ListLoopsRequest(_message.Message):
    __slots__ = ("page_size", "page_token")
    PAGE_SIZE_FIELD_NUMBER: _ClassVar[int]
    PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    page_size: int
    page_token: str
    def __init__(self, page_size: _Optional[int] = ..., page_token: _Optional[str] = ...) -> None: ...

class ListLoopsResponse(_message.Message):
    __slots__ = ("loops", "next_page_token")
    LOOPS_FIELD_NUMBER: _ClassVar[int]
    NEXT_PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    loops: _containers.RepeatedCompositeFieldContainer[_loop_pb2.Loop]
    next_page_token: str
    def __init__(self, loops: _Optional[_Iterable[_Union[_loop_pb2.Loop, _Mapping]]] = ..., next_page_token: _Optional[str] = ...) -> None: ...

class ReadLoopReportRequest(_message.Message):
    __slots__ = ("name", "artifact", "offset")
    NAME_FIELD_NUMBER: _ClassVar[int]
    ARTIFACT_FIELD_NUMBER: _ClassVar[int]
    OFFSET_FIELD_NUMBER: _ClassVar[int]
    name: str
    artifact: str
    offset: int
    def __init__(self, name: _Optional[str] = ..., artifact: _Optional[str] = ..., offset: _Optional[int] = ...) -> None: ...
