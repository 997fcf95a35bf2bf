from google.protobuf import struct_pb2 as _struct_pb2
from synthmill.v1 import access_pb2 as _access_pb2
from synthmill.v1 import job_pb2 as _job_pb2
from synthmill.v1 import policy_pb2 as _policy_pb2
from synthmill.v1 import tensor_pb2 as _tensor_pb2
from synthmill.v1 import training_service_pb2 as _training_service_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class AugmentationRecord(_message.Message):
    __slots__ = ("index", "arrays", "block", "result_block")
    INDEX_FIELD_NUMBER: _ClassVar[int]
    ARRAYS_FIELD_NUMBER: _ClassVar[int]
    BLOCK_FIELD_NUMBER: _ClassVar[int]
    RESULT_BLOCK_FIELD_NUMBER: _ClassVar[int]
    index: int
    arrays: _containers.RepeatedCompositeFieldContainer[_tensor_pb2.Tensor]
    block: Block
    result_block: Block
    def __init__(self, index: _Optional[int] = ..., arrays: _Optional[_Iterable[_Union[_tensor_pb2.Tensor, _Mapping]]] = ..., block: _Optional[_Union[Block, _Mapping]] = ..., result_block: _Optional[_Union[Block, _Mapping]] = ...) -> None: ...

class Block(_message.Message):
    __slots__ = ("offset", "byte_size")
    OFFSET_FIELD_NUMBER: _ClassVar[int]
    BYTE_SIZE_FIELD_NUMBER: _ClassVar[int]
    offset: int
    byte_size: int
    def __init__(self, offset: _Optional[int] = ..., byte_size: _Optional[int] = ...) -> None: ...

class AugmentationError(_message.Message):
    __slots__ = ("reason", "message", "metadata")
    class MetadataEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: str
        def __init__(self, key: _Optional[str] = ..., value: _Optional[str] = ...) -> None: ...
    REASON_FIELD_NUMBER: _ClassVar[int]
    MESSAGE_FIELD_NUMBER: _ClassVar[int]
    METADATA_FIELD_NUMBER: _ClassVar[int]
    reason: str
    message: str
    metadata: _containers.ScalarMap[str, str]
    def __init__(self, reason: _Optional[str] = ..., message: _Optional[str] = ..., metadata: _Optional[_Mapping[str, str]] = ...) -> None: ...

class AugmentationResult(_message.Message):
    __slots__ = ("index", "arrays", "error", "in_block")
    INDEX_FIELD_NUMBER: _ClassVar[int]
    ARRAYS_FIELD_NUMBER: _ClassVar[int]
    ERROR_FIELD_NUMBER: _ClassVar[int]
    IN_BLOCK_FIELD_NUMBER: _ClassVar[int]
    index: int
    arrays: _containers.RepeatedCompositeFieldContainer[_tensor_pb2.Tensor]
    error: AugmentationError
    in_block: bool
    def __init__(self, index: _Optional[int] = ..., arrays: _Optional[_Iterable[_Union[_tensor_pb2.Tensor, _Mapping]]] = ..., error: _Optional[_Union[AugmentationError, _Mapping]] = ..., in_block: bool = ...) -> None: ...

class AugmentationSpec(_message.Message):
    __slots__ = ("kind", "policy", "ready_made", "seed", "pool", "class_count", "policy_name")
    KIND_FIELD_NUMBER: _ClassVar[int]
    POLICY_FIELD_NUMBER: _ClassVar[int]
    READY_MADE_FIELD_NUMBER: _ClassVar[int]
    SEED_FIELD_NUMBER: _ClassVar[int]
    POOL_FIELD_NUMBER: _ClassVar[int]
    CLASS_COUNT_FIELD_NUMBER: _ClassVar[int]
    POLICY_NAME_FIELD_NUMBER: _ClassVar[int]
    kind: str
    policy: _policy_pb2.Policy
    ready_made: str
    seed: int
    pool: str
    class_count: int
    policy_name: str
    def __init__(self, kind: _Optional[str] = ..., policy: _Optional[_Union[_policy_pb2.Policy, _Mapping]] = ..., ready_made: _Optional[str] = ..., seed: _Optional[int] = ..., pool: _Optional[str] = ..., class_count: _Optional[int] = ..., policy_name: _Optional[str] = ...) -> None: ...

class AugmentRequest(_message.Message):
    __slots__ = ("spec", "records")
    SPEC_FIELD_NUMBER: _ClassVar[int]
    RECORDS_FIELD_NUMBER: _ClassVar[int]
    spec: AugmentationSpec
    records: _containers.RepeatedCompositeFieldContainer[AugmentationRecord]
    def __init__(self, spec: _Optional[_Union[AugmentationSpec, _Mapping]] = ..., records: _Optional[_Iterable[_Union[AugmentationRecord, _Mapping]]] = ...) -> None: ...

class AugmentResponse(_message.Message):
    __slots__ = ("results", "policy_digest", "pool", "policy_name", "shares_memory")
    RESULTS_FIELD_NUMBER: _ClassVar[int]
    POLICY_DIGEST_FIELD_NUMBER: _ClassVar[int]
    POOL_FIELD_NUMBER: _ClassVar[int]
    POLICY_NAME_FIELD_NUMBER: _ClassVar[int]
    SHARES_MEMORY_FIELD_NUMBER: _ClassVar[int]
    results: _containers.RepeatedCompositeFieldContainer[AugmentationResult]
    policy_digest: str
    pool: str
    policy_name: str
    shares_memory: bool
    def __init__(self, results: _Optional[_Iterable[_Union[AugmentationResult, _Mapping]]] = ..., policy_digest: _Optional[str] = ..., pool: _Optional[str] = ..., policy_name: _Optional[str] = ..., shares_memory: bool = ...) -> None: ...

class SharedMemory(_message.Message):
    __slots__ = ("process_id", "descriptor", "key", "byte_size")
    PROCESS_ID_FIELD_NUMBER: _ClassVar[int]
    DESCRIPTOR_FIELD_NUMBER: _ClassVar[int]
    KEY_FIELD_NUMBER: _ClassVar[int]
    BYTE_SIZE_FIELD_NUMBER: _ClassVar[int]
    process_id: int
    descriptor: int
    key: str
    byte_size: int
    def __init__(self, process_id: _Optional[int] = ..., descriptor: _Optional[int] = ..., key: _Optional[str] = ..., byte_size: _Optional[int] = ...) -> None: ...

class AugmentStreamRequest(_message.Message):
    __slots__ = ("spec", "records", "shared_memory")
    SPEC_FIELD_NUMBER: _ClassVar[int]
    RECORDS_FIELD_NUMBER: _ClassVar[int]
    SHARED_MEMORY_FIELD_NUMBER: _ClassVar[int]
    spec: AugmentationSpec
    records: _containers.RepeatedCompositeFieldContainer[AugmentationRecord]
    shared_memory: SharedMemory
    def __init__(self, spec: _Optional[_Union[AugmentationSpec, _Mapping]] = ..., records: _Optional[_Iterable[_Union[AugmentationRecord, _Mapping]]] = ..., shared_memory: _Optional[_Union[SharedMemory, _Mapping]] = ...) -> None: ...

class PreviewRequest(_message.Message):
    __slots__ = ("spec", "record", "count", "columns")
    SPEC_FIELD_NUMBER: _ClassVar[int]
    RECORD_FIELD_NUMBER: _ClassVar[int]
    COUNT_FIELD_NUMBER: _ClassVar[int]
    COLUMNS_FIELD_NUMBER: _ClassVar[int]
    spec: AugmentationSpec
    record: AugmentationRecord
    count: int
    columns: int
    def __init__(self, spec: _Optional[_Union[AugmentationSpec, _Mapping]] = ..., record: _Optional[_Union[AugmentationRecord, _Mapping]] = ..., count: _Optional[int] = ..., columns: _Optional[int] = ...) -> None: ...

class PreviewResponse(_message.Message):
    __slots__ = ("picture",)
    PICTURE_FIELD_NUMBER: _ClassVar[int]
    picture: bytes
    def __init__(self, picture: _Optional[bytes] = ...) -> None: ...

class ListOperationsRequest(_message.Message):
    __slots__ = ("kind",)
    KIND_FIELD_NUMBER: _ClassVar[int]
    kind: str
    def __init__(self, kind: _Optional[str] = ...) -> None: ...

class Operation(_message.Message):
    __slots__ = ("kind", "name", "group", "description", "parameters", "partners", "example")
    KIND_FIELD_NUMBER: _ClassVar[int]
    NAME_FIELD_NUMBER: _ClassVar[int]
    GROUP_FIELD_NUMBER: _ClassVar[int]
    DESCRIPTION_FIELD_NUMBER: _ClassVar[int]
    PARAMETERS_FIELD_NUMBER: _ClassVar[int]
    PARTNERS_FIELD_NUMBER: _ClassVar[int]
    EXAMPLE_FIELD_NUMBER: _ClassVar[int]
    kind: str
    name: str
    group: str
    description: str
    parameters: _containers.RepeatedCompositeFieldContainer[_training_service_pb2.Parameter]
    partners: int
    example: _policy_pb2.PolicyStep
    def __init__(self, kind: _Optional[str] = ..., name: _Optional[str] = ..., group: _Optional[str] = ..., description: _Optional[str] = ..., parameters: _Optional[_Iterable[_Union[_training_service_pb2.Parameter, _Mapping]]] = ..., partners: _Optional[int] = ..., example: _Optional[_Union[_policy_pb2.PolicyStep, _Mapping]] = ...) -> None: ...

class ListOperationsResponse(_message.Message):
    __slots__ = ("operations",)
    OPERATIONS_FIELD_NUMBER: _ClassVar[int]
    operations: _containers.RepeatedCompositeFieldContainer[Operation]
    def __init__(self, operations: _Optional[_Iterable[_Union[Operation, _Mapping]]] = ...) -> None: ...

class ListReadyMadePoliciesRequest(_message.Message):
    __slots__ = ("kind",)
    KIND_FIELD_NUMBER: _ClassVar[int]
    kind: str
    def __init__(self, kind: _Optional[str] = ...) -> None: ...

class ReadyMadePolicy(_message.Message):
    __slots__ = ("kind", "name", "policy", "digest")
    KIND_FIELD_NUMBER: _ClassVar[int]
    NAME_FIELD_NUMBER: _ClassVar[int]
    POLICY_FIELD_NUMBER: _ClassVar[int]
    DIGEST_FIELD_NUMBER: _ClassVar[int]
    kind: str
    name: str
    policy: _policy_pb2.Policy
    digest: str
    def __init__(self, kind: _Optional[str] = ..., name: _Optional[str] = ..., policy: _Optional[_Union[_policy_pb2.Policy, _Mapping]] = ..., digest: _Optional[str] = ...) -> None: ...

class ListReadyMadePoliciesResponse(_message.Message):
    __slots__ = ("policies",)
    POLICIES_FIELD_NUMBER: _ClassVar[int]
    policies: _containers.RepeatedCompositeFieldContainer[ReadyMadePolicy]
    def __init__(self, policies: _Optional[_Iterable[_Union[ReadyMadePolicy, _Mapping]]] = ...) -> None: ...

class ResolvePolicyRequest(_message.Message):
    __slots__ = ("kind", "policy", "ready_made", "policy_name")
    KIND_FIELD_NUMBER: _ClassVar[int]
    POLICY_FIELD_NUMBER: _ClassVar[int]
    READY_MADE_FIELD_NUMBER: _ClassVar[int]
    POLICY_NAME_FIELD_NUMBER: _ClassVar[int]
    kind: str
    policy: _policy_pb2.Policy
    ready_made: str
    policy_name: str
    def __init__(self, kind: _Optional[str] = ..., policy: _Optional[_Union[_policy_pb2.Policy, _Mapping]] = ..., ready_made: _Optional[str] = ..., policy_name: _Optional[str] = ...) -> None: ...

class ResolvePolicyResponse(_message.Message):
    __slots__ = ("policy", "digest", "policy_name")
    POLICY_FIELD_NUMBER: _ClassVar[int]
    DIGEST_FIELD_NUMBER: _ClassVar[int]
    POLICY_NAME_FIELD_NUMBER: _ClassVar[int]
    policy: _policy_pb2.Policy
    digest: str
    policy_name: str
    def __init__(self, policy: _Optional[_Union[_policy_pb2.Policy, _Mapping]] = ..., digest: _Optional[str] = ..., policy_name: _Optional[str] = ...) -> None: ...

class SavePolicyRequest(_message.Message):
    __slots__ = ("name", "kind", "policy", "ready_made", "policy_name")
    NAME_FIELD_NUMBER: _ClassVar[int]
    KIND_FIELD_NUMBER: _ClassVar[int]
    POLICY_FIELD_NUMBER: _ClassVar[int]
    READY_MADE_FIELD_NUMBER: _ClassVar[int]
    POLICY_NAME_FIELD_NUMBER: _ClassVar[int]
    name: str
    kind: str
    policy: _policy_pb2.Policy
    ready_made: str
    policy_name: str
    def __init__(self, name: _Optional[str] = ..., kind: _Optional[str] = ..., policy: _Optional[_Union[_policy_pb2.Policy, _Mapping]] = ..., ready_made: _Optional[str] = ..., policy_name: _Optional[str] = ...) -> None: ...

class CreateAugmentationJobRequest(_message.Message):
    __slots__ = ("dataset", "policy", "ready_made", "name", "copies", "records_per_class", "balance", "without_originals", "seed", "request_id", "validate_only", "policy_name")
    DATASET_FIELD_NUMBER: _ClassVar[int]
    POLICY_FIELD_NUMBER: _ClassVar[int]
    READY_MADE_FIELD_NUMBER: _ClassVar[int]
    NAME_FIELD_NUMBER: _ClassVar[int]
    COPIES_FIELD_NUMBER: _ClassVar[int]
    RECORDS_PER_CLASS_FIELD_NUMBER: _ClassVar[int]
    BALANCE_FIELD_NUMBER: _ClassVar[int]
    WITHOUT_ORIGINALS_FIELD_NUMBER: _ClassVar[int]
    SEED_FIELD_NUMBER: _ClassVar[int]
    REQUEST_ID_FIELD_NUMBER: _ClassVar[int]
    VALIDATE_ONLY_FIELD_NUMBER: _ClassVar[int]
    POLICY_NAME_FIELD_NUMBER: _ClassVar[int]
    dataset: str
    policy: _policy_pb2.Policy
    ready_made: str
    name: str
    copies: int
    records_per_class: int
    balance: bool
    without_originals: bool
    seed: int
    request_id: str
    validate_only: bool
    policy_name: str
    def __init__(self, dataset: _Optional[str] = ..., policy: _Optional[_Union[_policy_pb2.Policy, _Mapping]] = ..., ready_made: _Optional[str] = ..., name: _Optional[str] = ..., copies: _Optional[int] = ..., records_per_class: _Optional[int] = ..., balance: bool = ..., without_originals: bool = ..., seed: _Optional[int] = ..., request_id: _Optional[str] = ..., validate_only: bool = ..., policy_name: _Optional[str] = ...) -> None: ...

class GetLineageRequest(_message.Message):
    __slots__ = ("dataset", "record")
    DATASET_FIELD_NUMBER: _ClassVar[int]
    RECORD_FIELD_NUMBER: _ClassVar[int]
    dataset: str
    record: int
    def __init__(self, dataset: _Optional[str] = ..., record: _Optional[int] = ...) -> None: ...

class AppliedOperation(_message.Message):
    __slots__ = ("path", "name", "values")
    PATH_FIELD_NUMBER: _ClassVar[int]
    NAME_FIELD_NUMBER: _ClassVar[int]
    VALUES_FIELD_NUMBER: _ClassVar[int]
    path: str
    name: str
    values: _struct_pb2.Struct
    def __init__(self, path: _Optional[str] = ..., name: _Optional[str] = ..., values: _Optional[_Union[_struct_pb2.Struct, _Mapping]] = ...) -> None: ...

class GetLineageResponse(_message.Message):
    __slots__ = ("source", "source_record", "is_original", "index", "seed", "policy_digest", "operations", "policy", "policy_name")
    SOURCE_FIELD_NUMBER: _ClassVar[int]
    SOURCE_RECORD_FIELD_NUMBER: _ClassVar[int]
    IS_ORIGINAL_FIELD_NUMBER: _ClassVar[int]
    INDEX_FIELD_NUMBER: _ClassVar[int]
    SEED_FIELD_NUMBER: _ClassVar[int]
    POLICY_DIGEST_FIELD_NUMBER: _ClassVar[int]
    OPERATIONS_FIELD_NUMBER: _ClassVar[int]
    POLICY_FIELD_NUMBER: _ClassVar[int]
    POLICY_NAME_FIELD_NUMBER: _ClassVar[int]
    source: str
    source_record: int
    is_original: bool
    index: int
    seed: int
    policy_digest: str
    operations: _containers.RepeatedCompositeFieldContainer[AppliedOperation]
    policy: _policy_pb2.Policy
    policy_name: str
    def __init__(self, source: _Optional[str] = ..., source_record: _Optional[int] = ..., is_original: bool = ..., index: _Optional[int] = ..., seed: _Optional[int] = ..., policy_digest: _Optional[str] = ..., operations: _Optional[_Iterable[_Union[AppliedOperation, _Mapping]]] = ..., policy: _Optional[_Union[_policy_pb2.Policy, _Mapping]] = ..., policy_name: _Optional[str] = ...) -> None: ...
