"""How the services are doing, as tables for people."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any

from synthmill.cli.jobs import progress_text
from synthmill.cli.output import table
from synthmill.cli.progress import format_bytes, format_seconds
from synthmill.client import ServiceReport
from synthmill.v1 import job_pb2, status_pb2

Row = Sequence[Any]


def status_text(reports: Sequence[ServiceReport], now_s: float) -> str:
    """Returns the tables of what there is, one after the other.

    Args:
        reports: of all services.
        now_s: time, in seconds since 1970.
    """
    statuses = [report.status for report in reports if report.status is not None]
    parts = [
        table(_SERVICE, [_service(report, now_s) for report in reports]),
        *(f"{report.service} does not serve: {report.error}" for report in reports if report.error),
        *(f"{title}\n{table(header, rows)}" for title, header, rows in _sections(statuses) if rows),
    ]
    return "\n\n".join(parts)


def _sections(statuses: Sequence[status_pb2.ServiceStatus]) -> Iterator[tuple[str, Row, list[Row]]]:
    def each(rows: Callable[[status_pb2.ServiceStatus], list[Row]]) -> list[Row]:
        return [row for status in statuses for row in rows(status)]

    yield "Jobs", ("SERVICE", "TYPE", "PENDING", "WAIT", "RUNNING", "FAILED IN 24 H"), each(_queues)
    running = [_running(job) for status in statuses for job in status.running_jobs]
    yield "Running", ("NAME", "TYPE", "DONE", "RATE", "LEFT", "PHASE"), running
    failed = [(job.name, job.type, job.error.message) for status in statuses for job in status.failed_jobs]
    yield "Failed", ("NAME", "TYPE", "ERROR"), failed
    yield "Counts", ("SERVICE", "WHAT", "HOW MUCH"), each(_gauges)
    yield "Models in memory", ("NAME", "PROVIDER", "CALLS", "MEMORY"), each(_loaded)
    yield "Models promoted", ("NAME",), each(lambda status: [(name,) for name in status.promoted_models])
    yield "GPUs", ("NAME", "MEMORY", "OF", "BUSY", "ID"), _devices(statuses)


_SERVICE = ("SERVICE", "ADDRESS", "STATE", "LATENCY", "VERSION", "UP", "PROCESSES", "MEMORY", "WORKERS")


def _service(report: ServiceReport, now_s: float) -> Row:
    known = (report.service, report.address, report.state, f"{report.latency_s * 1000:.0f} ms")
    status = report.status
    if status is None:
        return (*known, "", "", "", "", "")
    processes = status.processes
    up_s = max(now_s - process.start_time.seconds for process in processes)
    workers = sum(process.worker_bytes for process in processes)
    memory = format_bytes(sum(process.resident_bytes for process in processes))
    return (*known, status.version, _time(up_s), len(processes), memory, format_bytes(workers) if workers else "")


def _queues(status: status_pb2.ServiceStatus) -> list[Row]:
    return [
        (status.service, queue.type, queue.pending, _time(queue.longest_pending_s), queue.running, queue.failed)
        for queue in status.job_queues
    ]


def _running(job: job_pb2.Job) -> Row:
    progress = job.progress
    rate = f"{progress.rate:,.1f} {progress.unit}/s" if progress.rate else ""
    return (job.name, job.type, progress_text(job), rate, _time(progress.eta_s), progress.phase)


def _gauges(status: status_pb2.ServiceStatus) -> list[Row]:
    return [(status.service, gauge.name.replace("_", " "), _amount(gauge)) for gauge in status.gauges if gauge.value]


def _amount(gauge: status_pb2.Gauge) -> str:
    return format_bytes(int(gauge.value)) if gauge.unit == "bytes" else f"{gauge.value:,.0f}"


def _loaded(status: status_pb2.ServiceStatus) -> list[Row]:
    return [
        (loaded.model.name, loaded.provider, loaded.active_calls, format_bytes(loaded.memory_bytes))
        for loaded in status.loaded_models
    ]


def _devices(statuses: Sequence[status_pb2.ServiceStatus]) -> list[Row]:
    """Returns each GPU once, although all services on a machine tell of it."""
    devices = {device.id: device for status in statuses for device in status.devices}
    return [
        (
            device.name,
            format_bytes(device.memory_used_bytes),
            format_bytes(device.memory_total_bytes),
            f"{device.utilization:.0%}" if device.HasField("utilization") else "",
            device.id,
        )
        for device in devices.values()
    ]


def _time(seconds: float) -> str:
    """Returns a time; nothing for none, or one that clocks which differ make of none."""
    return format_seconds(seconds) if seconds > 0 else ""
