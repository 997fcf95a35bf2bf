"""A model changes version again and again, forward and back, while it is in use: no call fails, no stream is mixed."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

import pytest
from unit.graph.generators import dense_generator

from support.studio import client_of, running_services
from synthmill.client import Client

MODEL = "swapped"
# A version is believed for a moment only, and the one that is not promoted has to leave: each swap loads a graph.
FLAGS = ["--fresh-s", "0.02", "--max-models", "1"]
STREAMED = 30_000


@pytest.fixture(scope="module")
def cluster(tmp_path_factory):
    with running_services(tmp_path_factory.mktemp("swap"), "catalog", "sampling", flags={"sampling": FLAGS}) as cluster:
        yield cluster


@pytest.fixture(scope="module")
def versions(cluster, tmp_path_factory) -> list[str]:
    """Two versions of one model."""
    client, folder, made = client_of(cluster), tmp_path_factory.mktemp("graphs"), []
    for latent in (8, 16):
        path = folder / f"{latent}.onnx"
        path.write_bytes(dense_generator(latent, finished=False).SerializeToString())
        made.append(client.jobs.wait(client.catalog.import_model(MODEL, path, kind="image").name).result)
    return made


@pytest.mark.parametrize("swaps", [20, pytest.param(100, marks=pytest.mark.slow)])
def test_no_call_fails_and_no_stream_is_mixed(cluster, versions, swaps):
    stop, failures, seen = threading.Event(), [], set()

    def keep(ask: Callable[[Client], None]) -> None:
        with client_of(cluster) as client:
            while not stop.is_set():
                try:
                    ask(client)
                except Exception as error:
                    failures.append(error)

    def ask_for_few(client: Client) -> None:
        seen.add(client.sampling.sample(MODEL, 3).model_digest)

    def stream(client: Client) -> None:
        digests = {batch.model_digest for batch in client.sampling.iter_batches(MODEL, STREAMED)}
        if len(digests) != 1:
            failures.append(AssertionError(f"one stream of {len(digests)} versions"))

    users = [threading.Thread(target=keep, args=(ask,)) for ask in (ask_for_few, ask_for_few, stream)]
    for user in users:
        user.start()
    client = client_of(cluster)
    for swap in range(swaps):
        client.catalog.promote_model(versions[swap % 2], override_reason="this test")
        time.sleep(0.1)
    stop.set()
    for user in users:
        user.join()
    assert not failures
    assert seen == {client.catalog.get_model(version).digest for version in versions}


def test_the_promoted_version_is_the_one_that_serves(cluster, versions):
    client = client_of(cluster)
    for version in (*versions, versions[0]):
        client.catalog.promote_model(version, override_reason="this test")
        assert client.sampling.load_model(f"models/{MODEL}").model.name == version
        assert client.sampling.sample(MODEL, 1).model == version
