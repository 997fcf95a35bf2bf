"""When a process traces, and what it says if it cannot."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from support.collector import without_packages
from support.toys import DEADLINE_S, Toy
from synthmill.runtime.errors import InvalidField
from synthmill.runtime.tracing.setting_up import is_wanted

ENDPOINT = {"OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:1"}


@pytest.mark.parametrize(
    ("environ", "expected"),
    [
        ({}, False),
        ({"OTEL_SERVICE_NAME": "mine"}, False),
        ({"OTEL_EXPORTER_OTLP_ENDPOINT": ""}, False),
        (ENDPOINT, True),
        ({"OTEL_EXPORTER_OTLP_TRACES_ENDPOINT": "http://127.0.0.1:1"}, True),
        ({"OTEL_TRACES_EXPORTER": "otlp"}, True),
        (ENDPOINT | {"OTEL_EXPORTER_OTLP_PROTOCOL": "grpc"}, True),
        (ENDPOINT | {"OTEL_TRACES_EXPORTER": "none"}, False),
        (ENDPOINT | {"OTEL_SDK_DISABLED": "true"}, False),
        ({"OTEL_EXPORTER_OTLP_PROTOCOL": "http/protobuf"}, False),
    ],
)
def test_traces_are_sent_where_the_environment_says(environ, expected):
    assert is_wanted(environ) == expected


@pytest.mark.parametrize(
    ("environ", "field"),
    [
        ({"OTEL_TRACES_EXPORTER": "zipkin"}, "OTEL_TRACES_EXPORTER"),
        (ENDPOINT | {"OTEL_EXPORTER_OTLP_PROTOCOL": "http/protobuf"}, "OTEL_EXPORTER_OTLP_PROTOCOL"),
        (ENDPOINT | {"OTEL_EXPORTER_OTLP_TRACES_PROTOCOL": "http/json"}, "OTEL_EXPORTER_OTLP_TRACES_PROTOCOL"),
    ],
)
def test_what_there_is_no_support_for_is_refused(environ, field):
    with pytest.raises(InvalidField) as caught:
        is_wanted(environ)
    assert caught.value.metadata["field"] == field


def test_service_that_cannot_trace_as_asked_does_not_start(tmp_path):
    said = refusal(tmp_path, ENDPOINT | {"OTEL_EXPORTER_OTLP_PROTOCOL": "http/protobuf"})
    assert "OTEL_EXPORTER_OTLP_PROTOCOL" in said


def test_service_without_the_extra_does_not_start_and_names_it(tmp_path):
    said = refusal(tmp_path, ENDPOINT | without_packages(tmp_path))
    assert "OTEL_EXPORTER_OTLP_ENDPOINT" in said
    assert "pip install 'synthmill[tracing]'" in said


def refusal(folder: Path, env: dict[str, str]) -> str:
    """Returns what a service says that does not start."""
    toy = Toy(folder, env=env)
    assert toy.process.wait(DEADLINE_S) == 2
    toy.process.stdout.close()
    return toy.log.read_text()


def test_service_may_be_given_another_name(collector):
    program = (
        "from synthmill.runtime.tracing.setting_up import set_up_tracing, shut_down\n"
        "from synthmill.runtime.tracing.work import work_span\n"
        "set_up_tracing('catalog')\n"
        "with work_span('a', {}, {}): pass\n"
        "shut_down()\n"
    )
    env = {**os.environ, **collector.env, "OTEL_SERVICE_NAME": "mine"}
    subprocess.run([sys.executable, "-c", program], env=env, check=True)
    assert [span.service for span in collector.spans()] == ["mine"]
