import datetime

from google.protobuf import timestamp_pb2 as _timestamp_pb2
from synthmill.v1 import job_pb2 as _job_pb2
from synthmill.v1 import sampling_service_pb2 as _sampling_service_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class ServiceStatus(_message.Message):
    __slots__ = ("service", "version", "processes", "job_queues", "running_jobs", "failed_jobs", "gauges", "loaded_models", "promoted_models", "devices")
    SERVICE_FIELD_NUMBER: _ClassVar[int]
    VERSION_FIELD_NUMBER: _ClassVar[int]
    PROCESSES_FIELD_NUMBER: _ClassVar[int]
    JOB_QUEUES_FIELD_NUMBER: _ClassVar[int]
    RUNNING_JOBS_FIELD_NUMBER: _ClassVar[int]
    FAILED_JOBS_FIELD_NUMBER: _ClassVar[int]
    GAUGES_FIELD_NUMBER: _ClassVar[int]
    LOADED_MODELS_FIELD_NUMBER: _ClassVar[int]
    PROMOTED_MODELS_FIELD_NUMBER: _ClassVar[int]
    DEVICES_FIELD_NUMBER: _ClassVar[int]
    service: str
    version: str
    processes: _containers.RepeatedCompositeFieldContainer[ServiceProcess]
    job_queues: _containers.RepeatedCompositeFieldContainer[JobQueue]
    running_jobs: _containers.RepeatedCompositeFieldContainer[_job_pb2.Job]
    failed_jobs: _containers.RepeatedCompositeFieldContainer[_job_pb2.Job]
    gauges: _containers.RepeatedCompositeFieldContainer[Gauge]
    loaded_models: _containers.RepeatedCompositeFieldContainer[_sampling_service_pb2.LoadedModel]
    promoted_models: _containers.RepeatedScalarFieldContainer[str]
    devices: _containers.RepeatedCompositeFieldContainer[Device]
    def __init__(self, service: _Optional[str] = ..., version: _Optional[str] = ..., processes: _Optional[_Iterable[_Union[ServiceProcess, _Mapping]]] = ..., job_queues: _Optional[_Iterable[_Union[JobQueue, _Mapping]]] = ..., running_jobs: _Optional[_Iterable[_Union[_job_pb2.Job, _Mapping]]] = ..., failed_jobs: _Optional[_Iterable[_Union[_job_pb2.Job, _Mapping]]] = ..., gauges: _Optional[_Iterable[_Union[Gauge, _Mapping]]] = ..., loaded_models: _Optional[_Iterable[_Union[_sampling_service_pb2.LoadedModel, _Mapping]]] = ..., promoted_models: _Optional[_Iterable[str]] = ..., devices: _Optional[_Iterable[_Union[Device, _Mapping]]] = ...) -> None: ...

class ServiceProcess(_message.Message):
    __slots__ = ("number", "pid", "start_time", "resident_bytes", "worker_bytes")
    NUMBER_FIELD_NUMBER: _ClassVar[int]
    PID_FIELD_NUMBER: _ClassVar[int]
    START_TIME_FIELD_NUMBER: _ClassVar[int]
    RESIDENT_BYTES_FIELD_NUMBER: _ClassVar[int]
    WORKER_BYTES_FIELD_NUMBER: _ClassVar[int]
    number: int
    pid: int
    start_time: _timestamp_pb2.Timestamp
    resident_bytes: int
    worker_bytes: int
    def __init__(self, number: _Optional[int] = ..., pid: _Optional[int] = ..., start_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., resident_bytes: _Optional[int] = ..., worker_bytes: _Optional[int] = ...) -> None: ...

class JobQueue(_message.Message):
    __slots__ = ("type", "pending", "longest_pending_s", "running", "longest_silent_s", "failed")
    TYPE_FIELD_NUMBER: _ClassVar[int]
    PENDING_FIELD_NUMBER: _ClassVar[int]
    LONGEST_PENDING_S_FIELD_NUMBER: _ClassVar[int]
    RUNNING_FIELD_NUMBER: _ClassVar[int]
    LONGEST_SILENT_S_FIELD_NUMBER: _ClassVar[int]
    FAILED_FIELD_NUMBER: _ClassVar[int]
    type: str
    pending: int
    longest_pending_s: float
    running: int
    longest_silent_s: float
    failed: int
    def __init__(self, type: _Optional[str] = ..., pending: _Optional[int] = ..., longest_pending_s: _Optional[float] = ..., running: _Optional[int] = ..., longest_silent_s: _Optional[float] = ..., failed: _Optional[int] = ...) -> None: ...

class Gauge(_message.Message):
    __slots__ = ("name", "value", "unit")
    NAME_FIELD_NUMBER: _ClassVar[int]
    VALUE_FIELD_NUMBER: _ClassVar[int]
    UNIT_FIELD_NUMBER: _ClassVar[int]
    name: str
    value: float
    unit: str
    def __init__(self, name: _Optional[str] = ..., value: _Optional[float] = ..., unit: _Optional[str] = ...) -> None: ...

class Device(_message.Message):
    __slots__ = ("id", "name", "memory_used_bytes", "memory_total_bytes", "utilization")
    ID_FIELD_NUMBER: _ClassVar[int]
    NAME_FIELD_NUMBER: _ClassVar[int]
    MEMORY_USED_BYTES_FIELD_NUMBER: _ClassVar[int]
    MEMORY_TOTAL_BYTES_FIELD_NUMBER: _ClassVar[int]
    UTILIZATION_FIELD_NUMBER: _ClassVar[int]
    id: str
    name: str
    memory_used_bytes: int
    memory_total_bytes: int
    utilization: float
    def __init__(self, id: _Optional[str] = ..., name: _Optional[str] = ..., memory_used_bytes: _Optional[int] = ..., memory_total_bytes: _Optional[int] = ..., utilization: _Optional[float] = ...) -> None: ...
