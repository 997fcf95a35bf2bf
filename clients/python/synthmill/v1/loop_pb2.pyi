import datetime

from google.protobuf import struct_pb2 as _struct_pb2
from google.protobuf import timestamp_pb2 as _timestamp_pb2
from synthmill.v1 import artifact_pb2 as _artifact_pb2
from synthmill.v1 import job_pb2 as _job_pb2
from synthmill.v1 import loop_plan_pb2 as _loop_plan_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf.internal import enum_type_wrapper as _enum_type_wrapper
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class LoopTrialState(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    LOOP_TRIAL_STATE_UNSPECIFIED: _ClassVar[LoopTrialState]
    LOOP_TRIAL_STATE_RUNNING: _ClassVar[LoopTrialState]
    LOOP_TRIAL_STATE_COMPLETE: _ClassVar[LoopTrialState]
    LOOP_TRIAL_STATE_STOPPED: _ClassVar[LoopTrialState]
    LOOP_TRIAL_STATE_FAILED: _ClassVar[LoopTrialState]

class LoopOutcome(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    LOOP_OUTCOME_UNSPECIFIED: _ClassVar[LoopOutcome]
    LOOP_OUTCOME_MODEL: _ClassVar[LoopOutcome]
    LOOP_OUTCOME_BASELINE: _ClassVar[LoopOutcome]
LOOP_TRIAL_STATE_UNSPECIFIED: LoopTrialState
LOOP_TRIAL_STATE_RUNNING: LoopTrialState
LOOP_TRIAL_STATE_COMPLETE: LoopTrialState
LOOP_TRIAL_STATE_STOPPED: LoopTrialState
LOOP_TRIAL_STATE_FAILED: LoopTrialState
LOOP_OUTCOME_UNSPECIFIED: LoopOutcome
LOOP_OUTCOME_MODEL: LoopOutcome
LOOP_OUTCOME_BASELINE: LoopOutcome

class LoopStep(_message.Message):
    __slots__ = ("key", "job", "result", "seconds")
    KEY_FIELD_NUMBER: _ClassVar[int]
    JOB_FIELD_NUMBER: _ClassVar[int]
    RESULT_FIELD_NUMBER: _ClassVar[int]
    SECONDS_FIELD_NUMBER: _ClassVar[int]
    key: str
    job: str
    result: str
    seconds: float
    def __init__(self, key: _Optional[str] = ..., job: _Optional[str] = ..., result: _Optional[str] = ..., seconds: _Optional[float] = ...) -> None: ...

class LoopTrial(_message.Message):
    __slots__ = ("number", "round", "stage", "values", "state", "score", "model", "dataset", "evaluation", "note", "seconds")
    NUMBER_FIELD_NUMBER: _ClassVar[int]
    ROUND_FIELD_NUMBER: _ClassVar[int]
    STAGE_FIELD_NUMBER: _ClassVar[int]
    VALUES_FIELD_NUMBER: _ClassVar[int]
    STATE_FIELD_NUMBER: _ClassVar[int]
    SCORE_FIELD_NUMBER: _ClassVar[int]
    MODEL_FIELD_NUMBER: _ClassVar[int]
    DATASET_FIELD_NUMBER: _ClassVar[int]
    EVALUATION_FIELD_NUMBER: _ClassVar[int]
    NOTE_FIELD_NUMBER: _ClassVar[int]
    SECONDS_FIELD_NUMBER: _ClassVar[int]
    number: int
    round: int
    stage: str
    values: _struct_pb2.Struct
    state: LoopTrialState
    score: float
    model: str
    dataset: str
    evaluation: str
    note: str
    seconds: float
    def __init__(self, number: _Optional[int] = ..., round: _Optional[int] = ..., stage: _Optional[str] = ..., values: _Optional[_Union[_struct_pb2.Struct, _Mapping]] = ..., state: _Optional[_Union[LoopTrialState, str]] = ..., score: _Optional[float] = ..., model: _Optional[str] = ..., dataset: _Optional[str] = ..., evaluation: _Optional[str] = ..., note: _Optional[str] = ..., seconds: _Optional[float] = ...) -> None: ...

class LoopWeakClass(_message.Message):
    __slots__ = ("label", "record_count", "recall", "uncovered", "collect_count", "advice")
    LABEL_FIELD_NUMBER: _ClassVar[int]
    RECORD_COUNT_FIELD_NUMBER: _ClassVar[int]
    RECALL_FIELD_NUMBER: _ClassVar[int]
    UNCOVERED_FIELD_NUMBER: _ClassVar[int]
    COLLECT_COUNT_FIELD_NUMBER: _ClassVar[int]
    ADVICE_FIELD_NUMBER: _ClassVar[int]
    label: str
    record_count: int
    recall: float
    uncovered: float
    collect_count: int
    advice: str
    def __init__(self, label: _Optional[str] = ..., record_count: _Optional[int] = ..., recall: _Optional[float] = ..., uncovered: _Optional[float] = ..., collect_count: _Optional[int] = ..., advice: _Optional[str] = ...) -> None: ...

class LoopRound(_message.Message):
    __slots__ = ("number", "model", "synthetic_dataset", "sample_count", "evaluation", "passed", "policy", "synthetic_share", "filtered", "best_arm", "best_baseline", "validation_lift", "lift", "lift_low", "lift_high", "macro_f1", "baseline_macro_f1", "weak_classes", "sentences")
    NUMBER_FIELD_NUMBER: _ClassVar[int]
    MODEL_FIELD_NUMBER: _ClassVar[int]
    SYNTHETIC_DATASET_FIELD_NUMBER: _ClassVar[int]
    SAMPLE_COUNT_FIELD_NUMBER: _ClassVar[int]
    EVALUATION_FIELD_NUMBER: _ClassVar[int]
    PASSED_FIELD_NUMBER: _ClassVar[int]
    POLICY_FIELD_NUMBER: _ClassVar[int]
    SYNTHETIC_SHARE_FIELD_NUMBER: _ClassVar[int]
    FILTERED_FIELD_NUMBER: _ClassVar[int]
    BEST_ARM_FIELD_NUMBER: _ClassVar[int]
    BEST_BASELINE_FIELD_NUMBER: _ClassVar[int]
    VALIDATION_LIFT_FIELD_NUMBER: _ClassVar[int]
    LIFT_FIELD_NUMBER: _ClassVar[int]
    LIFT_LOW_FIELD_NUMBER: _ClassVar[int]
    LIFT_HIGH_FIELD_NUMBER: _ClassVar[int]
    MACRO_F1_FIELD_NUMBER: _ClassVar[int]
    BASELINE_MACRO_F1_FIELD_NUMBER: _ClassVar[int]
    WEAK_CLASSES_FIELD_NUMBER: _ClassVar[int]
    SENTENCES_FIELD_NUMBER: _ClassVar[int]
    number: int
    model: str
    synthetic_dataset: str
    sample_count: int
    evaluation: str
    passed: bool
    policy: str
    synthetic_share: float
    filtered: bool
    best_arm: str
    best_baseline: str
    validation_lift: float
    lift: float
    lift_low: float
    lift_high: float
    macro_f1: float
    baseline_macro_f1: float
    weak_classes: _containers.RepeatedCompositeFieldContainer[LoopWeakClass]
    sentences: _containers.RepeatedScalarFieldContainer[str]
    def __init__(self, number: _Optional[int] = ..., model: _Optional[str] = ..., synthetic_dataset: _Optional[str] = ..., sample_count: _Optional[int] = ..., evaluation: _Optional[str] = ..., passed: bool = ..., policy: _Optional[str] = ..., synthetic_share: _Optional[float] = ..., filtered: bool = ..., best_arm: _Optional[str] = ..., best_baseline: _Optional[str] = ..., validation_lift: _Optional[float] = ..., lift: _Optional[float] = ..., lift_low: _Optional[float] = ..., lift_high: _Optional[float] = ..., macro_f1: _Optional[float] = ..., baseline_macro_f1: _Optional[float] = ..., weak_classes: _Optional[_Iterable[_Union[LoopWeakClass, _Mapping]]] = ..., sentences: _Optional[_Iterable[str]] = ...) -> None: ...

class LoopDecision(_message.Message):
    __slots__ = ("outcome", "model", "promoted", "dataset", "evaluation", "arm", "policy", "sentences")
    OUTCOME_FIELD_NUMBER: _ClassVar[int]
    MODEL_FIELD_NUMBER: _ClassVar[int]
    PROMOTED_FIELD_NUMBER: _ClassVar[int]
    DATASET_FIELD_NUMBER: _ClassVar[int]
    EVALUATION_FIELD_NUMBER: _ClassVar[int]
    ARM_FIELD_NUMBER: _ClassVar[int]
    POLICY_FIELD_NUMBER: _ClassVar[int]
    SENTENCES_FIELD_NUMBER: _ClassVar[int]
    outcome: LoopOutcome
    model: str
    promoted: bool
    dataset: str
    evaluation: str
    arm: str
    policy: str
    sentences: _containers.RepeatedScalarFieldContainer[str]
    def __init__(self, outcome: _Optional[_Union[LoopOutcome, str]] = ..., model: _Optional[str] = ..., promoted: bool = ..., dataset: _Optional[str] = ..., evaluation: _Optional[str] = ..., arm: _Optional[str] = ..., policy: _Optional[str] = ..., sentences: _Optional[_Iterable[str]] = ...) -> None: ...

class Loop(_message.Message):
    __slots__ = ("name", "job", "state", "plan", "dataset", "steps", "trials", "rounds", "skipped", "decision", "artifacts", "spent_s", "create_time", "end_time")
    NAME_FIELD_NUMBER: _ClassVar[int]
    JOB_FIELD_NUMBER: _ClassVar[int]
    STATE_FIELD_NUMBER: _ClassVar[int]
    PLAN_FIELD_NUMBER: _ClassVar[int]
    DATASET_FIELD_NUMBER: _ClassVar[int]
    STEPS_FIELD_NUMBER: _ClassVar[int]
    TRIALS_FIELD_NUMBER: _ClassVar[int]
    ROUNDS_FIELD_NUMBER: _ClassVar[int]
    SKIPPED_FIELD_NUMBER: _ClassVar[int]
    DECISION_FIELD_NUMBER: _ClassVar[int]
    ARTIFACTS_FIELD_NUMBER: _ClassVar[int]
    SPENT_S_FIELD_NUMBER: _ClassVar[int]
    CREATE_TIME_FIELD_NUMBER: _ClassVar[int]
    END_TIME_FIELD_NUMBER: _ClassVar[int]
    name: str
    job: str
    state: _job_pb2.JobState
    plan: _loop_plan_pb2.LoopPlan
    dataset: str
    steps: _containers.RepeatedCompositeFieldContainer[LoopStep]
    trials: _containers.RepeatedCompositeFieldContainer[LoopTrial]
    rounds: _containers.RepeatedCompositeFieldContainer[LoopRound]
    skipped: _containers.RepeatedScalarFieldContainer[str]
    decision: LoopDecision
    artifacts: _containers.RepeatedCompositeFieldContainer[_artifact_pb2.Artifact]
    spent_s: float
    create_time: _timestamp_pb2.Timestamp
    end_time: _timestamp_pb2.Timestamp
    def __init__(self, name: _Optional[str] = ..., job: _Optional[str] = ..., state: _Optional[_Union[_job_pb2.JobState, str]] = ..., plan: _Optional[_Union[_loop_plan_pb2.LoopPlan, _Mapping]] = ..., dataset: _Optional[str] = ..., steps: _Optional[_Iterable[_Union[LoopStep, _Mapping]]] = ..., trials: _Optional[_Iterable[_Union[LoopTrial, _Mapping]]] = ..., rounds: _Optional[_Iterable[_Union[LoopRound, _Mapping]]] = ..., skipped: _Optional[_Iterable[str]] = ..., decision: _Optional[_Union[LoopDecision, _Mapping]] = ..., artifacts: _Optional[_Iterable[_Union[_artifact_pb2.Artifact, _Mapping]]] = ..., spent_s: _Optional[float] = ..., create_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., end_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ...) -> None: ...
