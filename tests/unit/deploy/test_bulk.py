"""The pods of the bulk Job, run one after the other as processes, write what was asked for, once."""

from __future__ import annotations

import json
import subprocess
import sys

import onnx
import pyarrow.parquet
import pytest
from unit.deploy.containers import expanded, variables_of
from unit.graph.generators import dense_generator

from support.studio import client_of, running_services
from synthmill.client.addresses import SERVICES
from synthmill.runtime.addresses import address_variable

PARTS = 3
COUNT = 500


@pytest.fixture
def job(deploy) -> dict:
    (job,) = [resource for resource in deploy.kustomizations["kubernetes/bulk"] if resource["kind"] == "Job"]
    return job


def test_parts_are_the_completions(job):
    assert job["spec"]["completionMode"] == "Indexed"
    (container,) = job["spec"]["template"]["spec"]["containers"]
    variables = {variable["name"]: variable.get("value") for variable in container["env"]}
    assert int(variables["PARTS"]) == job["spec"]["completions"]
    assert job["spec"]["parallelism"] <= job["spec"]["completions"]


def test_it_knows_where_the_services_are(job, deploy):
    (container,) = job["spec"]["template"]["spec"]["containers"]
    (source,) = container["envFrom"]
    maps = {
        resource["metadata"]["name"]: resource["data"]
        for resource in deploy.kustomizations["kubernetes/base"]
        if resource["kind"] == "ConfigMap"
    }
    known = variables_of({"envFrom": [source]}, maps)
    assert {address_variable(service) for service in SERVICES} <= known.keys()
    assert job["spec"]["template"]["metadata"]["labels"]["synthmill-client"] == "true"


def test_its_pods_write_the_whole_range(job, tmp_path):
    (container,) = job["spec"]["template"]["spec"]["containers"]
    onnx.save(dense_generator(size=8, finished=False), tmp_path / "dense.onnx")
    with running_services(tmp_path, "catalog", "sampling") as cluster:
        with client_of(cluster) as client:
            imported = client.catalog.import_model("dense", tmp_path / "dense.onnx", kind="image")
            client.jobs.wait(imported.name)
        for index in range(PARTS):
            variables = {"MODEL": "dense", "COUNT": str(COUNT), "PARTS": str(PARTS), "JOB_COMPLETION_INDEX": str(index)}
            arguments = [expanded(argument, variables) for argument in container["args"]]
            arguments = [argument.replace("=/samples/", f"={tmp_path}/samples/") for argument in arguments]
            addresses = [f"--address={name}={service.address}" for name, service in cluster.services.items()]
            command = [sys.executable, "-m", "synthmill.cli", *arguments[1:], *addresses]
            done = subprocess.run(command, capture_output=True, text=True, check=False)
            assert done.returncode == 0, done.stderr
    written = tmp_path / "samples/dense"
    assert json.loads((written / "manifest.json").read_text())["row_count"] == COUNT
    assert sum(pyarrow.parquet.read_metadata(path).num_rows for path in written.glob("*.parquet")) == COUNT
