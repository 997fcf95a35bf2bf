"""A plan beside what the other services know: what is missing is filled in, what cannot be is refused by its path."""

from __future__ import annotations

import asyncio
import dataclasses
from collections.abc import Mapping
from typing import Any

import grpc

from synthmill.pipeline.plan import DEFAULT_PARAMETERS, DEFAULT_POLICIES, NONE, Plan
from synthmill.pipeline.ranges import Range
from synthmill.pipeline.splits import require_usable
from synthmill.pipeline.steps.augment import SAVED
from synthmill.runtime.errors import InvalidField, NotFound
from synthmill.runtime.names import POLICIES, parse_name
from synthmill.runtime.structs import from_struct, to_struct, with_integers
from synthmill.v1 import (
    augmentation_service_pb2,
    augmentation_service_pb2_grpc,
    catalog_service_pb2,
    catalog_service_pb2_grpc,
    dataset_pb2,
    evaluation_service_pb2,
    evaluation_service_pb2_grpc,
    training_service_pb2,
    training_service_pb2_grpc,
)

_DEADLINE_S = 10.0
_NUMBERS = ("int", "float")


@dataclasses.dataclass(frozen=True)
class Channels:
    """Channels to the services that are asked."""

    catalog: grpc.aio.Channel
    augmentation: grpc.aio.Channel
    training: grpc.aio.Channel
    evaluation: grpc.aio.Channel


class Checking:
    """Checks plans.

    Args:
        channels: to the other services.
    """

    def __init__(self, channels: Channels) -> None:
        self._catalog = catalog_service_pb2_grpc.CatalogServiceStub(channels.catalog)
        self._augmentation = augmentation_service_pb2_grpc.AugmentationServiceStub(channels.augmentation)
        self._training = training_service_pb2_grpc.TrainingServiceStub(channels.training)
        self._evaluation = evaluation_service_pb2_grpc.EvaluationServiceStub(channels.evaluation)

    async def check(self, plan: Plan) -> Plan:
        """Returns a plan with policies and families filled in.

        Raises:
            InvalidField: something is unknown or not allowed; the field is its path in the plan.
            NotFound: there is no such dataset, policy or kind.
            FailedPrecondition: samples cannot be measured against the dataset.
            Unavailable: a service cannot be reached.
        """
        dataset, kind = None, plan.kind
        if plan.dataset:
            ask = catalog_service_pb2.GetDatasetRequest(name=plan.dataset)
            dataset = await self._catalog.GetDataset(ask, timeout=_DEADLINE_S)
            require_usable(dataset)
            kind = dataset.kind
        policies, families, _ = await asyncio.gather(
            self._policies(plan, kind), self._families(plan, kind, dataset), self._check_thresholds(plan)
        )
        return dataclasses.replace(
            plan,
            augment=dataclasses.replace(plan.augment, policies=policies),
            train=dataclasses.replace(plan.train, families=families),
        )

    async def _policies(self, plan: Plan, kind: str) -> tuple[str, ...]:
        known = await self._ready_made(kind)
        if not plan.augment.policies:
            return tuple(name for name in DEFAULT_POLICIES if name.partition("(")[0] in known) or (NONE,)
        for number, name in enumerate(plan.augment.policies):
            await self._check_policy(name, f"augment.policies[{number}]", kind, known)
        return plan.augment.policies

    async def _ready_made(self, kind: str) -> list[str]:
        ask = augmentation_service_pb2.ListReadyMadePoliciesRequest(kind=kind)
        try:
            listed = await self._augmentation.ListReadyMadePolicies(ask, timeout=_DEADLINE_S)
        except NotFound:
            # Records of this kind cannot be augmented.
            return []
        return [policy.name for policy in listed.policies]

    async def _check_policy(self, name: str, path: str, kind: str, known: list[str]) -> None:
        if name == NONE:
            return
        if name.startswith(SAVED):
            parse_name(POLICIES, path, name)
            try:
                ask = catalog_service_pb2.GetPolicyRequest(name=name)
                found = await self._catalog.GetPolicy(ask, timeout=_DEADLINE_S)
            except NotFound as error:
                raise NotFound(f"{path}: {error.message}", field=path, value=name) from None
            if found.kind != kind:
                raise InvalidField(path, f"{found.name}, for {found.kind} records", f"one for {kind} records")
            return
        try:
            # Some are families of policies, such as "rand_augment(3, 12)", and are not listed.
            ask = augmentation_service_pb2.ResolvePolicyRequest(kind=kind, ready_made=name)
            await self._augmentation.ResolvePolicy(ask, timeout=_DEADLINE_S)
        except (NotFound, InvalidField):
            allowed = f"one of {', '.join(known)}, or {SAVED}..." if known else NONE
            raise InvalidField(path, name, allowed) from None

    async def _families(
        self, plan: Plan, kind: str, dataset: dataset_pb2.Dataset | None
    ) -> dict[str, dict[str, Range]]:
        ask = training_service_pb2.ListFamiliesRequest(kind=kind)
        listed = await self._training.ListFamilies(ask, timeout=_DEADLINE_S)
        known = {found.family: {each.name: each for each in found.parameters} for found in listed.families}
        families: dict[str, dict[str, Range]] = {}
        for family, given in (plan.train.families or {family: {} for family in known}).items():
            path = f"train.families.{family}"
            if family not in known:
                raise InvalidField(path, family, "only " + ", ".join(known))
            named = {name: tried for name, tried in DEFAULT_PARAMETERS.items() if name in known[family]}
            families[family] = dict(given or named)
            for name, tried in families[family].items():
                _check_parameter(known[family], name, tried, f"{path}.parameters")
            if dataset is not None:
                await self._check_values(dataset, family, given, f"{path}.parameters")
        return families

    async def _check_values(
        self, dataset: dataset_pb2.Dataset, family: str, given: Mapping[str, Range], path: str
    ) -> None:
        """Lets the training service look at the ends of all ranges; what is allowed there is allowed between them."""
        defaults = await self._resolve(dataset, family, {})
        for name, tried in given.items():
            integer = isinstance(defaults[name], int)
            found = tried.times(defaults[name], integer=integer) if tried.relative else tried
            for value in found.ends:
                try:
                    await self._resolve(dataset, family, {name: value})
                except InvalidField as error:
                    raise InvalidField(f"{path}.{name}", value, error.metadata.get("allowed", "")) from None

    async def _resolve(self, dataset: dataset_pb2.Dataset, family: str, values: Mapping[str, Any]) -> dict[str, Any]:
        request = training_service_pb2.CreateTrainingJobRequest(
            dataset=dataset.name, family=family, parameters=to_struct(dict(values)), validate_only=True
        )
        job = await self._training.CreateTrainingJob(request, timeout=_DEADLINE_S)
        return with_integers(from_struct(job.parameters))["parameters"]

    async def _check_thresholds(self, plan: Plan) -> None:
        ask = evaluation_service_pb2.ListThresholdsRequest()
        listed = await self._evaluation.ListThresholds(ask, timeout=_DEADLINE_S)
        known = [threshold.figure for threshold in listed.thresholds]
        given = plan.evaluate
        for figure, number in given.thresholds.items():
            if figure not in known:
                raise InvalidField(f"evaluate.thresholds.{figure}", number, "only " + ", ".join(known))
        for number, figure in enumerate(given.without_thresholds):
            if figure not in known or figure in given.thresholds:
                allowed = "one of " + ", ".join(known) + ", none that is given a number"
                raise InvalidField(f"evaluate.without_thresholds[{number}]", figure, allowed)


def _check_parameter(known: Mapping[str, training_service_pb2.Parameter], name: str, tried: Range, path: str) -> None:
    if name not in known:
        raise InvalidField(f"{path}.{name}", tried.to_json(), "only " + ", ".join(sorted(known)))
    if known[name].type not in _NUMBERS and (tried.relative or not tried.choices):
        allowed = f"choices, which are no factors: it is {known[name].allowed}"
        raise InvalidField(f"{path}.{name}", tried.to_json(), allowed)
