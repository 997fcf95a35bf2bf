"""One status of a service that several processes serve."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from synthmill.runtime.processes.siblings import Shared
from synthmill.v1 import sampling_service_pb2, status_pb2


def models_together(models: Iterable[sampling_service_pb2.LoadedModel]) -> list[sampling_service_pb2.LoadedModel]:
    """Returns each version in memory once, with the calls that use it and the memory it takes in all processes.

    Should processes run it on different providers, it is there once for each: their samples may differ in bits.
    """
    known: dict[tuple[str, str], sampling_service_pb2.LoadedModel] = {}
    for loaded in models:
        key = loaded.model.name, loaded.provider
        if key in known:
            known[key].active_calls += loaded.active_calls
            known[key].memory_bytes += loaded.memory_bytes
        else:
            known[key] = sampling_service_pb2.LoadedModel()
            known[key].CopyFrom(loaded)
    return list(known.values())


def status_together(answers: Sequence[status_pb2.ServiceStatus]) -> status_pb2.ServiceStatus:
    """Returns the status of the service: what is of a process is there of all, what is of the whole is there once."""
    together = status_pb2.ServiceStatus()
    together.CopyFrom(answers[0])
    for field in ("processes", "gauges", "loaded_models"):
        together.ClearField(field)
    processes = (process for answer in answers for process in answer.processes)
    together.processes.extend(sorted(processes, key=lambda process: process.number))
    together.gauges.extend(_added_up(gauge for answer in answers for gauge in answer.gauges))
    together.loaded_models.extend(models_together(loaded for answer in answers for loaded in answer.loaded_models))
    return together


def _added_up(gauges: Iterable[status_pb2.Gauge]) -> list[status_pb2.Gauge]:
    known: dict[str, status_pb2.Gauge] = {}
    for gauge in gauges:
        known.setdefault(gauge.name, status_pb2.Gauge(name=gauge.name, unit=gauge.unit)).value += gauge.value
    return list(known.values())


SHARED = {"GetStatus": Shared(status_pb2.ServiceStatus, status_together)}
