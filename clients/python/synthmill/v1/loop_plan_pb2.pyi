from google.protobuf import struct_pb2 as _struct_pb2
from synthmill.v1 import dataset_pb2 as _dataset_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class LoopPlan(_message.Message):
    __slots__ = ("dataset", "source", "kind", "model", "seed", "budget", "collect", "augment", "train", "refine", "mint", "evaluate", "decide")
    DATASET_FIELD_NUMBER: _ClassVar[int]
    SOURCE_FIELD_NUMBER: _ClassVar[int]
    KIND_FIELD_NUMBER: _ClassVar[int]
    MODEL_FIELD_NUMBER: _ClassVar[int]
    SEED_FIELD_NUMBER: _ClassVar[int]
    BUDGET_FIELD_NUMBER: _ClassVar[int]
    COLLECT_FIELD_NUMBER: _ClassVar[int]
    AUGMENT_FIELD_NUMBER: _ClassVar[int]
    TRAIN_FIELD_NUMBER: _ClassVar[int]
    REFINE_FIELD_NUMBER: _ClassVar[int]
    MINT_FIELD_NUMBER: _ClassVar[int]
    EVALUATE_FIELD_NUMBER: _ClassVar[int]
    DECIDE_FIELD_NUMBER: _ClassVar[int]
    dataset: str
    source: str
    kind: str
    model: str
    seed: int
    budget: LoopBudget
    collect: LoopCollect
    augment: LoopAugment
    train: LoopTrain
    refine: LoopRefine
    mint: LoopMint
    evaluate: LoopEvaluate
    decide: LoopDecide
    def __init__(self, dataset: _Optional[str] = ..., source: _Optional[str] = ..., kind: _Optional[str] = ..., model: _Optional[str] = ..., seed: _Optional[int] = ..., budget: _Optional[_Union[LoopBudget, _Mapping]] = ..., collect: _Optional[_Union[LoopCollect, _Mapping]] = ..., augment: _Optional[_Union[LoopAugment, _Mapping]] = ..., train: _Optional[_Union[LoopTrain, _Mapping]] = ..., refine: _Optional[_Union[LoopRefine, _Mapping]] = ..., mint: _Optional[_Union[LoopMint, _Mapping]] = ..., evaluate: _Optional[_Union[LoopEvaluate, _Mapping]] = ..., decide: _Optional[_Union[LoopDecide, _Mapping]] = ...) -> None: ...

class LoopBudget(_message.Message):
    __slots__ = ("minutes", "trials", "rounds")
    MINUTES_FIELD_NUMBER: _ClassVar[int]
    TRIALS_FIELD_NUMBER: _ClassVar[int]
    ROUNDS_FIELD_NUMBER: _ClassVar[int]
    minutes: float
    trials: int
    rounds: int
    def __init__(self, minutes: _Optional[float] = ..., trials: _Optional[int] = ..., rounds: _Optional[int] = ...) -> None: ...

class LoopCollect(_message.Message):
    __slots__ = ("name", "label_from", "parameters", "provenance")
    NAME_FIELD_NUMBER: _ClassVar[int]
    LABEL_FROM_FIELD_NUMBER: _ClassVar[int]
    PARAMETERS_FIELD_NUMBER: _ClassVar[int]
    PROVENANCE_FIELD_NUMBER: _ClassVar[int]
    name: str
    label_from: str
    parameters: _struct_pb2.Struct
    provenance: _dataset_pb2.Provenance
    def __init__(self, name: _Optional[str] = ..., label_from: _Optional[str] = ..., parameters: _Optional[_Union[_struct_pb2.Struct, _Mapping]] = ..., provenance: _Optional[_Union[_dataset_pb2.Provenance, _Mapping]] = ...) -> None: ...

class LoopAugment(_message.Message):
    __slots__ = ("policies", "before_training")
    POLICIES_FIELD_NUMBER: _ClassVar[int]
    BEFORE_TRAINING_FIELD_NUMBER: _ClassVar[int]
    policies: _containers.RepeatedScalarFieldContainer[str]
    before_training: _containers.RepeatedScalarFieldContainer[bool]
    def __init__(self, policies: _Optional[_Iterable[str]] = ..., before_training: _Optional[_Iterable[bool]] = ...) -> None: ...

class LoopRange(_message.Message):
    __slots__ = ("choices", "low", "high", "log", "relative")
    CHOICES_FIELD_NUMBER: _ClassVar[int]
    LOW_FIELD_NUMBER: _ClassVar[int]
    HIGH_FIELD_NUMBER: _ClassVar[int]
    LOG_FIELD_NUMBER: _ClassVar[int]
    RELATIVE_FIELD_NUMBER: _ClassVar[int]
    choices: _containers.RepeatedCompositeFieldContainer[_struct_pb2.Value]
    low: float
    high: float
    log: bool
    relative: bool
    def __init__(self, choices: _Optional[_Iterable[_Union[_struct_pb2.Value, _Mapping]]] = ..., low: _Optional[float] = ..., high: _Optional[float] = ..., log: bool = ..., relative: bool = ...) -> None: ...

class LoopFamily(_message.Message):
    __slots__ = ("parameters",)
    class ParametersEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: LoopRange
        def __init__(self, key: _Optional[str] = ..., value: _Optional[_Union[LoopRange, _Mapping]] = ...) -> None: ...
    PARAMETERS_FIELD_NUMBER: _ClassVar[int]
    parameters: _containers.MessageMap[str, LoopRange]
    def __init__(self, parameters: _Optional[_Mapping[str, LoopRange]] = ...) -> None: ...

class LoopTrain(_message.Message):
    __slots__ = ("families", "minutes", "stop_early")
    class FamiliesEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: LoopFamily
        def __init__(self, key: _Optional[str] = ..., value: _Optional[_Union[LoopFamily, _Mapping]] = ...) -> None: ...
    FAMILIES_FIELD_NUMBER: _ClassVar[int]
    MINUTES_FIELD_NUMBER: _ClassVar[int]
    STOP_EARLY_FIELD_NUMBER: _ClassVar[int]
    families: _containers.MessageMap[str, LoopFamily]
    minutes: float
    stop_early: bool
    def __init__(self, families: _Optional[_Mapping[str, LoopFamily]] = ..., minutes: _Optional[float] = ..., stop_early: bool = ...) -> None: ...

class LoopRefine(_message.Message):
    __slots__ = ("filter", "compression")
    FILTER_FIELD_NUMBER: _ClassVar[int]
    COMPRESSION_FIELD_NUMBER: _ClassVar[int]
    filter: _containers.RepeatedScalarFieldContainer[bool]
    compression: _containers.RepeatedScalarFieldContainer[str]
    def __init__(self, filter: _Optional[_Iterable[bool]] = ..., compression: _Optional[_Iterable[str]] = ...) -> None: ...

class LoopMint(_message.Message):
    __slots__ = ("share", "samples", "emphasis")
    SHARE_FIELD_NUMBER: _ClassVar[int]
    SAMPLES_FIELD_NUMBER: _ClassVar[int]
    EMPHASIS_FIELD_NUMBER: _ClassVar[int]
    share: LoopRange
    samples: int
    emphasis: _containers.RepeatedScalarFieldContainer[float]
    def __init__(self, share: _Optional[_Union[LoopRange, _Mapping]] = ..., samples: _Optional[int] = ..., emphasis: _Optional[_Iterable[float]] = ...) -> None: ...

class LoopEvaluate(_message.Message):
    __slots__ = ("seeds", "probe_steps", "trial_probe_steps", "thresholds", "without_thresholds")
    class ThresholdsEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: float
        def __init__(self, key: _Optional[str] = ..., value: _Optional[float] = ...) -> None: ...
    SEEDS_FIELD_NUMBER: _ClassVar[int]
    PROBE_STEPS_FIELD_NUMBER: _ClassVar[int]
    TRIAL_PROBE_STEPS_FIELD_NUMBER: _ClassVar[int]
    THRESHOLDS_FIELD_NUMBER: _ClassVar[int]
    WITHOUT_THRESHOLDS_FIELD_NUMBER: _ClassVar[int]
    seeds: int
    probe_steps: int
    trial_probe_steps: int
    thresholds: _containers.ScalarMap[str, float]
    without_thresholds: _containers.RepeatedScalarFieldContainer[str]
    def __init__(self, seeds: _Optional[int] = ..., probe_steps: _Optional[int] = ..., trial_probe_steps: _Optional[int] = ..., thresholds: _Optional[_Mapping[str, float]] = ..., without_thresholds: _Optional[_Iterable[str]] = ...) -> None: ...

class LoopDecide(_message.Message):
    __slots__ = ("least_gain", "tolerance", "beyond_spread", "promote")
    LEAST_GAIN_FIELD_NUMBER: _ClassVar[int]
    TOLERANCE_FIELD_NUMBER: _ClassVar[int]
    BEYOND_SPREAD_FIELD_NUMBER: _ClassVar[int]
    PROMOTE_FIELD_NUMBER: _ClassVar[int]
    least_gain: float
    tolerance: float
    beyond_spread: bool
    promote: bool
    def __init__(self, least_gain: _Optional[float] = ..., tolerance: _Optional[float] = ..., beyond_spread: bool = ..., promote: bool = ...) -> None: ...
