"""What the sampling service tells whoever asks how it is doing: its queue, and the models in memory."""

from __future__ import annotations

from synthmill.runtime.metrics import active_calls
from synthmill.runtime.reporting.servicer import Report
from synthmill.sampling import convert
from synthmill.sampling.admission import Admission
from synthmill.sampling.models import ModelRegistry
from synthmill.v1 import status_pb2

_STREAMS = ("/StreamSamples", "/ModelStreamInfer")


def reporter(models: ModelRegistry, admission: Admission) -> Report:
    """Returns what adds queue and models to a status."""

    async def report(status: status_pb2.ServiceStatus) -> None:
        streams = sum(count for method, count in active_calls().items() if method.endswith(_STREAMS))
        status.gauges.add(name="active_streams", value=streams, unit="calls")
        status.gauges.add(name="queued_samples", value=admission.rows, unit="samples")
        status.gauges.add(name="queued_bytes", value=admission.size_bytes, unit="bytes")
        status.loaded_models.extend(map(convert.to_loaded_model, models.list()))

    return report
