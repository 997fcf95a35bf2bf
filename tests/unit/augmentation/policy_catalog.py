"""A catalog that knows policies alone, in memory."""

from __future__ import annotations

from typing import Any

from synthmill.runtime.errors import NotFound
from synthmill.v1 import catalog_service_pb2 as pb
from synthmill.v1 import catalog_service_pb2_grpc, policy_pb2


class PolicyCatalog(catalog_service_pb2_grpc.CatalogServiceServicer):
    """Policies.

    Attributes:
        versions: by name, in the order in which they were published.
        asked: names that were asked for.
    """

    def __init__(self) -> None:
        self.versions: dict[str, policy_pb2.PolicyVersion] = {}
        self.asked: list[str] = []

    async def PublishPolicy(self, request: pb.PublishPolicyRequest, context: Any) -> policy_pb2.PolicyVersion:
        name = f"policies/{request.policy}/versions/{len(self.versions) + 1}"
        self.versions[name] = request.version
        self.versions[name].name = name
        return self.versions[name]

    async def GetPolicy(self, request: pb.GetPolicyRequest, context: Any) -> policy_pb2.PolicyVersion:
        self.asked.append(request.name)
        name = request.name
        found = [item for known, item in self.versions.items() if name in (known, known.rpartition("/versions/")[0])]
        if not found:
            raise NotFound(f"name: there is no {name}", field="name", value=name)
        return found[-1]
