"""A command as the beginning of a trace."""

from __future__ import annotations

import os
import subprocess
import sys

from support.collector import running_collector, without_packages

COMMAND = [sys.executable, "-m", "synthmill.cli"]
ENDPOINT = "OTEL_EXPORTER_OTLP_ENDPOINT"


def run(*arguments: str, env: dict[str, str]) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, **env}
    return subprocess.run([*COMMAND, *arguments], capture_output=True, text=True, env=environment, check=True)


def test_command_is_a_span_and_its_name_has_nothing_of_its_arguments(services):
    with running_collector() as collector:
        run("models", "show", "pets", env=collector.env)
        spans = collector.spans()
    (root,) = [span for span in spans if not span.parent]
    assert (root.service, root.name, root.kind) == ("synthmill-cli", "synthmill models", "INTERNAL")
    (call,) = [span for span in spans if span.parent == root.id]
    assert (call.name, call.kind) == ("synthmill.v1.CatalogService/GetModel", "CLIENT")


def test_command_without_the_extra_says_so_and_does_what_it_was_asked_to(services, tmp_path):
    done = run("status", env={ENDPOINT: "http://127.0.0.1:1", **without_packages(tmp_path)})
    assert done.stdout.count(" SERVING ") == 6
    assert f"no traces: {ENDPOINT}" in done.stderr
    assert "synthmill[tracing]" in done.stderr
