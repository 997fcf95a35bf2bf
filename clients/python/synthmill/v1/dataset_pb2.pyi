import datetime

from google.protobuf import struct_pb2 as _struct_pb2
from google.protobuf import timestamp_pb2 as _timestamp_pb2
from synthmill.v1 import artifact_pb2 as _artifact_pb2
from synthmill.v1 import tensor_pb2 as _tensor_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf.internal import enum_type_wrapper as _enum_type_wrapper
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class ImportIssueReason(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    IMPORT_ISSUE_REASON_UNSPECIFIED: _ClassVar[ImportIssueReason]
    IMPORT_ISSUE_REASON_CORRUPT: _ClassVar[ImportIssueReason]
    IMPORT_ISSUE_REASON_UNSUPPORTED_FORMAT: _ClassVar[ImportIssueReason]
    IMPORT_ISSUE_REASON_TOO_LARGE: _ClassVar[ImportIssueReason]
    IMPORT_ISSUE_REASON_EXACT_DUPLICATE: _ClassVar[ImportIssueReason]
    IMPORT_ISSUE_REASON_NEAR_DUPLICATE: _ClassVar[ImportIssueReason]
    IMPORT_ISSUE_REASON_CROSS_SPLIT_DUPLICATE: _ClassVar[ImportIssueReason]
    IMPORT_ISSUE_REASON_BAD_LABEL: _ClassVar[ImportIssueReason]
    IMPORT_ISSUE_REASON_CONFLICTING_LABEL: _ClassVar[ImportIssueReason]
    IMPORT_ISSUE_REASON_UNSAFE_PATH: _ClassVar[ImportIssueReason]
    IMPORT_ISSUE_REASON_MISSING: _ClassVar[ImportIssueReason]
    IMPORT_ISSUE_REASON_CROSS_SPLIT_NEAR_DUPLICATE: _ClassVar[ImportIssueReason]
IMPORT_ISSUE_REASON_UNSPECIFIED: ImportIssueReason
IMPORT_ISSUE_REASON_CORRUPT: ImportIssueReason
IMPORT_ISSUE_REASON_UNSUPPORTED_FORMAT: ImportIssueReason
IMPORT_ISSUE_REASON_TOO_LARGE: ImportIssueReason
IMPORT_ISSUE_REASON_EXACT_DUPLICATE: ImportIssueReason
IMPORT_ISSUE_REASON_NEAR_DUPLICATE: ImportIssueReason
IMPORT_ISSUE_REASON_CROSS_SPLIT_DUPLICATE: ImportIssueReason
IMPORT_ISSUE_REASON_BAD_LABEL: ImportIssueReason
IMPORT_ISSUE_REASON_CONFLICTING_LABEL: ImportIssueReason
IMPORT_ISSUE_REASON_UNSAFE_PATH: ImportIssueReason
IMPORT_ISSUE_REASON_MISSING: ImportIssueReason
IMPORT_ISSUE_REASON_CROSS_SPLIT_NEAR_DUPLICATE: ImportIssueReason

class Provenance(_message.Message):
    __slots__ = ("license", "origin", "consent")
    LICENSE_FIELD_NUMBER: _ClassVar[int]
    ORIGIN_FIELD_NUMBER: _ClassVar[int]
    CONSENT_FIELD_NUMBER: _ClassVar[int]
    license: str
    origin: str
    consent: str
    def __init__(self, license: _Optional[str] = ..., origin: _Optional[str] = ..., consent: _Optional[str] = ...) -> None: ...

class Split(_message.Message):
    __slots__ = ("name", "record_count", "class_counts")
    NAME_FIELD_NUMBER: _ClassVar[int]
    RECORD_COUNT_FIELD_NUMBER: _ClassVar[int]
    CLASS_COUNTS_FIELD_NUMBER: _ClassVar[int]
    name: str
    record_count: int
    class_counts: _containers.RepeatedScalarFieldContainer[int]
    def __init__(self, name: _Optional[str] = ..., record_count: _Optional[int] = ..., class_counts: _Optional[_Iterable[int]] = ...) -> None: ...

class ImportIssue(_message.Message):
    __slots__ = ("source", "reason", "detail", "dropped", "other")
    SOURCE_FIELD_NUMBER: _ClassVar[int]
    REASON_FIELD_NUMBER: _ClassVar[int]
    DETAIL_FIELD_NUMBER: _ClassVar[int]
    DROPPED_FIELD_NUMBER: _ClassVar[int]
    OTHER_FIELD_NUMBER: _ClassVar[int]
    source: str
    reason: ImportIssueReason
    detail: str
    dropped: bool
    other: str
    def __init__(self, source: _Optional[str] = ..., reason: _Optional[_Union[ImportIssueReason, str]] = ..., detail: _Optional[str] = ..., dropped: bool = ..., other: _Optional[str] = ...) -> None: ...

class ImportReport(_message.Message):
    __slots__ = ("seen_count", "kept_count", "dropped_count", "issue_counts")
    class IssueCountsEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: int
        def __init__(self, key: _Optional[str] = ..., value: _Optional[int] = ...) -> None: ...
    SEEN_COUNT_FIELD_NUMBER: _ClassVar[int]
    KEPT_COUNT_FIELD_NUMBER: _ClassVar[int]
    DROPPED_COUNT_FIELD_NUMBER: _ClassVar[int]
    ISSUE_COUNTS_FIELD_NUMBER: _ClassVar[int]
    seen_count: int
    kept_count: int
    dropped_count: int
    issue_counts: _containers.ScalarMap[str, int]
    def __init__(self, seen_count: _Optional[int] = ..., kept_count: _Optional[int] = ..., dropped_count: _Optional[int] = ..., issue_counts: _Optional[_Mapping[str, int]] = ...) -> None: ...

class Dataset(_message.Message):
    __slots__ = ("name", "kind", "labels", "columns", "splits", "record_count", "schema", "statistics", "provenance", "report", "artifacts", "digest", "create_time", "job")
    NAME_FIELD_NUMBER: _ClassVar[int]
    KIND_FIELD_NUMBER: _ClassVar[int]
    LABELS_FIELD_NUMBER: _ClassVar[int]
    COLUMNS_FIELD_NUMBER: _ClassVar[int]
    SPLITS_FIELD_NUMBER: _ClassVar[int]
    RECORD_COUNT_FIELD_NUMBER: _ClassVar[int]
    SCHEMA_FIELD_NUMBER: _ClassVar[int]
    STATISTICS_FIELD_NUMBER: _ClassVar[int]
    PROVENANCE_FIELD_NUMBER: _ClassVar[int]
    REPORT_FIELD_NUMBER: _ClassVar[int]
    ARTIFACTS_FIELD_NUMBER: _ClassVar[int]
    DIGEST_FIELD_NUMBER: _ClassVar[int]
    CREATE_TIME_FIELD_NUMBER: _ClassVar[int]
    JOB_FIELD_NUMBER: _ClassVar[int]
    name: str
    kind: str
    labels: _containers.RepeatedScalarFieldContainer[str]
    columns: _containers.RepeatedCompositeFieldContainer[_tensor_pb2.ColumnSpec]
    splits: _containers.RepeatedCompositeFieldContainer[Split]
    record_count: int
    schema: _struct_pb2.Struct
    statistics: _struct_pb2.Struct
    provenance: Provenance
    report: ImportReport
    artifacts: _containers.RepeatedCompositeFieldContainer[_artifact_pb2.Artifact]
    digest: str
    create_time: _timestamp_pb2.Timestamp
    job: str
    def __init__(self, name: _Optional[str] = ..., kind: _Optional[str] = ..., labels: _Optional[_Iterable[str]] = ..., columns: _Optional[_Iterable[_Union[_tensor_pb2.ColumnSpec, _Mapping]]] = ..., splits: _Optional[_Iterable[_Union[Split, _Mapping]]] = ..., record_count: _Optional[int] = ..., schema: _Optional[_Union[_struct_pb2.Struct, _Mapping]] = ..., statistics: _Optional[_Union[_struct_pb2.Struct, _Mapping]] = ..., provenance: _Optional[_Union[Provenance, _Mapping]] = ..., report: _Optional[_Union[ImportReport, _Mapping]] = ..., artifacts: _Optional[_Iterable[_Union[_artifact_pb2.Artifact, _Mapping]]] = ..., digest: _Optional[str] = ..., create_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., job: _Optional[str] = ...) -> None: ...
