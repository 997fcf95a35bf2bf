"""A catalog of the models that a file lists, and nothing else: `python -m bench.model_catalog --models FILE`.

It serves graphs that no import makes, such as those with their own noise, and needs no database.
"""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path
from typing import ClassVar

import grpc
from google.protobuf import json_format

from synthmill.runtime.config import ServiceConfig, setting
from synthmill.runtime.drain import Drain
from synthmill.runtime.errors import NotFound
from synthmill.runtime.service import Assembly, Mount, run_service
from synthmill.v1 import catalog_service_pb2 as pb
from synthmill.v1 import catalog_service_pb2_grpc, model_pb2


@dataclasses.dataclass(frozen=True)
class CatalogConfig(ServiceConfig):
    """Settings of the catalog."""

    service: ClassVar[str] = "catalog"

    models: str = setting("", "JSON file of the models by name")


class ModelCatalog(catalog_service_pb2_grpc.CatalogServiceServicer):
    """Tells of models."""

    def __init__(self, models: dict[str, model_pb2.Model]) -> None:
        self._models = models

    async def GetModel(self, request: pb.GetModelRequest, context: grpc.aio.ServicerContext) -> model_pb2.Model:
        if request.name not in self._models:
            raise NotFound(f"no {request.name!r}", name=request.name)
        return self._models[request.name]


def write_models(path: Path, models: dict[str, model_pb2.Model]) -> None:
    """Writes the file that a catalog is to tell."""
    path.write_text(json.dumps({name: json_format.MessageToDict(model) for name, model in models.items()}))


def build(config: CatalogConfig, drain: Drain) -> Assembly:
    """Puts the catalog together."""
    told = json.loads(Path(config.models).read_text())
    models = {name: json_format.ParseDict(model, model_pb2.Model()) for name, model in told.items()}
    add = catalog_service_pb2_grpc.add_CatalogServiceServicer_to_server
    return Assembly([Mount("synthmill.v1.CatalogService", add, ModelCatalog(models))])


if __name__ == "__main__":
    run_service(CatalogConfig, build)
