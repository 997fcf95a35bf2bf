"""A deployment as in production: from records to samples through the client alone, and every process killed in turn."""

from __future__ import annotations

import collections
import hashlib
import json
import shutil
import subprocess
import threading
import time
import urllib.parse
import urllib.request
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import numpy as np
import pytest
import yaml

from support.data import digits
from support.postgres import find_programs, running_postgres
from support.processes import free_port, until
from support.production import Production, running_production
from support.studio import TINY, import_digits
from synthmill.client import Client, dataset_spec
from synthmill.runtime.errors import PermissionDenied, Unavailable
from synthmill.runtime.security.audit import verify
from synthmill.v1 import evaluation_pb2, job_pb2

QUICK = {"seeds": 1, "probe_steps": 10, "without_thresholds": ["membership_tpr_1"]}
STREAMED = 40_000
RECORDS = 50
POSTGRES = "postgres"
SOME = ("sampling", "training", POSTGRES)
DOWN_S = 1.0
BETWEEN_S = 1.0


@pytest.fixture(scope="module")
def production(s3_server, tmp_path_factory) -> Iterator[Production]:
    programs = find_programs()
    if programs is None:
        pytest.skip("no PostgreSQL: apt-get install postgresql, or name its programs in SYNTHMILL_POSTGRES_BIN")
    # One of its own, because it is killed.
    with running_postgres(programs) as postgres:
        folder = tmp_path_factory.mktemp("production")
        with running_production(folder, postgres, s3_server) as production:
            yield production


@pytest.fixture(scope="module")
def trainer(production) -> Iterator[Client]:
    with production.client("trainer") as client:
        yield client


@pytest.fixture(scope="module")
def model(trainer, production) -> str:
    """A model version that was trained here."""
    dataset = import_digits(trainer, production.folder)
    job = trainer.training.create_training_job(dataset, "vae", parameters=TINY, seed=1)
    return trainer.jobs.wait(job.name).result


def read(client: Client, model: str, count: int = STREAMED) -> str:
    """Streams samples and returns the digests of their columns' bytes in order."""
    digests, position = collections.defaultdict(hashlib.sha256), 0
    for batch in client.sampling.iter_batches(model, count):
        assert batch.first_index == position
        for name, column in batch.columns.items():
            digests[name].update(column.tobytes())
        position += batch.count
    assert position == count
    return " ".join(f"{name}:{digest.hexdigest()}" for name, digest in sorted(digests.items()))


def test_from_records_to_samples(production, trainer, model):
    with production.client("reviewer") as reviewer, production.client("reader") as reader:
        thresholds = {
            each.figure: 1e6 if each.better == evaluation_pb2.BETTER_LOW else -1e6
            for each in reviewer.evaluation.list_thresholds()
            if each.figure not in QUICK["without_thresholds"]
        }
        job = reviewer.evaluation.create_evaluation_job(model, thresholds=thresholds, **QUICK)
        assert reviewer.jobs.wait(job.name).result.startswith("evaluations/")
        with pytest.raises(PermissionDenied):
            trainer.catalog.promote_model(model)
        reviewer.catalog.promote_model(model)
        with pytest.raises(PermissionDenied):
            reader.sampling.sample(model, 3)
        promoted = model.rpartition("/versions/")[0]
        assert reader.catalog.get_model(promoted).name == model
    assert read(trainer, promoted) == read(trainer, model)


def test_stranger_is_kept_out(production):
    with production.stranger() as stranger, pytest.raises(Unavailable):
        next(iter(stranger.catalog.list_datasets()))


def test_prometheus_sees_every_replica(production, tmp_path):
    program = shutil.which("prometheus")
    if program is None:
        pytest.skip("no Prometheus: apt-get install prometheus")
    targets = [process.metrics for process in production.cluster.services.values()]
    settings = {
        "global": {"scrape_interval": "1s"},
        "rule_files": [str(Path(__file__).resolve().parents[2] / "deploy/prometheus/alerts.yaml")],
        "scrape_configs": [{"job_name": "synthmill", "static_configs": [{"targets": targets}]}],
    }
    (tmp_path / "prometheus.yaml").write_text(yaml.safe_dump(settings))
    address = f"127.0.0.1:{free_port()}"
    command = [program, f"--config.file={tmp_path / 'prometheus.yaml'}", f"--web.listen-address={address}"]
    with (tmp_path / "prometheus.log").open("wb") as log:
        process = subprocess.Popen([*command, f"--storage.tsdb.path={tmp_path / 'data'}"], stdout=log, stderr=log)
    try:
        until(lambda: len(query(address, "up == 1")) == len(targets), timeout_s=60)
        assert query(address, "sum(synthmill_requests_total)")
    finally:
        process.terminate()
        process.wait(20)


def query(address: str, expression: str) -> list:
    """Asks Prometheus; nothing while it does not answer yet."""
    url = f"http://{address}/api/v1/query?{urllib.parse.urlencode({'query': expression})}"
    try:
        with urllib.request.urlopen(url, timeout=10) as answer:
            return json.load(answer)["data"]["result"]
    except OSError:
        return []


class Load:
    """Users who go on working while processes are killed: they stream, import and train.

    Attributes:
        streams: digests of what was streamed.
        datasets: of what was imported, the class counts that were sent.
        jobs: training jobs that were acknowledged.
        errors: what a user was told beside.
    """

    def __init__(self, production: Production, model: str) -> None:
        self.streams: list[str] = []
        self.datasets: dict[str, list[int]] = {}
        self.jobs: list[str] = []
        self.errors: list[Exception] = []
        self._stop = threading.Event()
        self._production, self._model = production, model
        users = [self._stream, self._stream, self._import, self._train]
        self._threads = [threading.Thread(target=self._work, args=(user,)) for user in users]

    def __enter__(self) -> Load:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_error: object) -> None:
        self._stop.set()
        for thread in self._threads:
            thread.join()

    def _work(self, user: Callable[[Client], None]) -> None:
        with self._production.client("trainer") as client:
            while not self._stop.is_set():
                try:
                    user(client)
                except Unavailable:
                    # Nothing was acknowledged, and the user asks again.
                    time.sleep(0.2)
                except Exception as error:
                    self.errors.append(error)

    def _stream(self, client: Client) -> None:
        self.streams.append(read(client, self._model))

    def _import(self, client: Client) -> None:
        images, labels = digits()
        first = len(self.datasets) % 20 * RECORDS
        chosen, name = slice(first, first + RECORDS), f"load-{time.monotonic_ns()}"
        source = self._production.folder / f"{name}.npz"
        np.savez(source, x=images[chosen], y=labels[chosen])
        spec = dataset_spec(name, "image", license="CC-BY-4.0", origin="scikit-learn")
        dataset = client.jobs.wait(client.catalog.import_dataset(spec, str(source)).name).result
        self.datasets[dataset] = np.bincount(labels[chosen], minlength=10).tolist()

    def _train(self, client: Client) -> None:
        job = client.training.create_training_job("datasets/digits", "vae", parameters=TINY, seed=len(self.jobs))
        self.jobs.append(job.name)
        client.jobs.wait(job.name)


def kill_in_turn(production: Production, names: Sequence[str]) -> None:
    """Kills processes and starts each again, one after the other."""
    for name in names:
        process = production.postgres if name == POSTGRES else production.cluster.services[name]
        process.kill()
        time.sleep(DOWN_S)
        process.restart()
        time.sleep(BETWEEN_S)


@pytest.mark.timeout(900)
@pytest.mark.parametrize("share", ["some", pytest.param("all", marks=pytest.mark.slow)])
def test_nothing_acknowledged_is_lost(production, trainer, model, share):
    killed = SOME if share == "some" else [*production.cluster.services, POSTGRES]
    expected = read(trainer, model)
    with Load(production, model) as load:
        kill_in_turn(production, killed)
        until(lambda: load.streams and load.datasets and load.jobs, timeout_s=120)
    assert not load.errors
    assert set(load.streams) == {expected}
    for dataset, counts in load.datasets.items():
        found = trainer.catalog.get_dataset(dataset)
        assert np.sum([split.class_counts for split in found.splits], axis=0).tolist() == counts, dataset
    ended = [trainer.jobs.wait(job) for job in load.jobs]
    assert {job.state for job in ended} == {job_pb2.JOB_STATE_SUCCEEDED}
    for log in (production.folder / "audit").rglob("*.jsonl"):
        assert not verify(log.read_bytes()).fault
    print(
        f"\n  {len(killed)} processes killed under load: {len(load.streams)} streams of {STREAMED:,} samples with the"
        f" same bytes, {len(load.datasets)} datasets and {len(load.jobs)} training jobs acknowledged, none lost"
    )
