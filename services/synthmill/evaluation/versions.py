"""Finds in the catalog what is to be evaluated, and against what."""

from __future__ import annotations

import grpc

from synthmill.evaluation.request import Version
from synthmill.runtime.errors import InvalidField
from synthmill.runtime.names import DATASETS, parse_name, parse_subject
from synthmill.v1 import catalog_service_pb2 as pb
from synthmill.v1 import catalog_service_pb2_grpc, dataset_pb2, policy_pb2

_DEADLINE_S = 10.0


class Versions:
    """The versions that requests name.

    Args:
        catalog: channel to the catalog service.
    """

    def __init__(self, catalog: grpc.aio.Channel) -> None:
        self._catalog = catalog_service_pb2_grpc.CatalogServiceStub(catalog)

    async def subject(self, name: str) -> Version:
        """Returns the model or dataset version that is to be evaluated.

        Raises:
            InvalidField: this is no name of one.
            NotFound: there is none.
        """
        if parse_subject("subject", name).collection.startswith(f"{DATASETS}/"):
            return await self._dataset(name)
        return await self._catalog.GetModel(pb.GetModelRequest(name=name), timeout=_DEADLINE_S)

    async def reference(self, name: str, subject: Version) -> dataset_pb2.Dataset:
        """Returns the dataset version to evaluate against.

        Args:
            name: as it was asked for; empty means what the subject, if it is a model, was trained on.
            subject: what is to be evaluated.

        Raises:
            InvalidField: this is no name of one, or it is empty and the subject was not trained here.
            NotFound: there is none.
        """
        name = name or getattr(subject, "dataset", "")
        if not name:
            raise InvalidField("against", name, f"a dataset: {subject.name} was not trained on one")
        parse_name(DATASETS, "against", name)
        return await self._dataset(name)

    async def policy(self, name: str) -> policy_pb2.PolicyVersion:
        """Returns a policy version; NotFound if there is none."""
        return await self._catalog.GetPolicy(pb.GetPolicyRequest(name=name), timeout=_DEADLINE_S)

    async def _dataset(self, name: str) -> dataset_pb2.Dataset:
        return await self._catalog.GetDataset(pb.GetDatasetRequest(name=name), timeout=_DEADLINE_S)
