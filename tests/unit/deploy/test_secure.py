"""A catalog and a sampling service with what `secure.yaml` tells them, and callers with what was made for them."""

from __future__ import annotations

import os
import re
import shutil
import socket
import ssl
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import onnx
import pytest
from unit.deploy.containers import Container, containers
from unit.graph.generators import dense_generator

from support.cluster import ServiceProcess
from synthmill.client import Client
from synthmill.runtime.addresses import address_variable
from synthmill.runtime.credentials import Credentials
from synthmill.runtime.errors import PermissionDenied, Unauthenticated, Unavailable
from synthmill.runtime.security.audit import verify

MODEL = "dense"
WITHIN_S = 20.0


class World:
    """Starts services as their containers do, with the places of this machine for those that settings name.

    Args:
        made: the folder of all that the scripts make.
        folder: where files go.

    Attributes:
        services: those that run, by name.
    """

    def __init__(self, made: Path, folder: Path) -> None:
        self.made = made
        self._folder = folder
        self.environments: dict[str, dict[str, str]] = {}
        self.services: dict[str, ServiceProcess] = {}

    def start(self, container: Container, secrets: dict[str, dict[str, str]]) -> None:
        """Starts the service of a container; others find it by its name."""
        service = container.service
        identity = self._folder / "identity" / service
        identity.mkdir(parents=True)
        for secret in container.wanted["secrets"]:
            if secret["target"].startswith("/etc/synthmill/identity/"):
                file = secrets[secret["source"]]["file"].removeprefix("./secrets/")
                (identity / Path(secret["target"]).name).symlink_to(self.made / file)
        places = {
            "/etc/synthmill/identity": str(identity),
            "/etc/synthmill/access": str(self.made / "access"),
            "/var/lib/synthmill": str(self._folder / service),
            **{f"{name}:": f"{process.address}#" for name, process in self.services.items()},
        }
        given = {name: value for name, value in container.environment.items() if name.startswith("SYNTHMILL_")}
        for there, here in places.items():
            given = {name: value.replace(there, here).partition("#")[0] for name, value in given.items()}
        flags = ["--host", "127.0.0.1", "--metrics-port", "-1", "--database", "", "--migrate", "start"]
        process = ServiceProcess(service, self._folder / "store", self._folder / f"{service}.log", flags, given)
        process.start()
        self.environments[service] = given
        self.services[service] = process

    def client(self, credentials: Credentials) -> Client:
        """Returns a client that shows what it is given."""
        addresses = {f"{name}_address": process.address for name, process in self.services.items()}
        return Client(**addresses, credentials=credentials)

    def shown(self, token: str, certificate: str = "client") -> Credentials:
        """Returns credentials of what was made; without a name there is none of the kind."""
        pair = [str(self.made / f"{certificate}.{end}") for end in ("pem", "key")] if certificate else ["", ""]
        return Credentials(str(self.made / "ca.pem"), *pair, str(self.made / f"token-{token}") if token else "")

    def audited(self, service: str) -> bytes:
        """Returns a service's audit log."""
        (path,) = (self._folder / service / "audit").iterdir()
        return path.read_bytes()

    def served(self, service: str) -> bytes | None:
        """Returns the certificate that a service shows."""
        context = ssl.create_default_context(cafile=str(self.made / "ca.pem"))
        context.load_cert_chain(self.made / "client.pem", self.made / "client.key")
        context.set_alpn_protocols(["h2"])
        host, _, port = self.services[service].address.partition(":")
        with (
            socket.create_connection((host, int(port))) as plain,
            context.wrap_socket(plain, server_hostname=host) as wrapped,
        ):
            return wrapped.getpeercert(binary_form=True)

    def healthy(self, deploy: Path, service: str, **instead: str) -> bool:
        """Asks for a service's health as its container does."""
        command = [sys.executable, deploy / "images/healthcheck.py", self.services[service].address]
        environment = {**os.environ, **self.environments[service], **instead}
        return subprocess.run(command, env=environment, stdout=subprocess.DEVNULL, check=False).returncode == 0


@pytest.fixture(scope="module")
def world(deploy, made, tmp_path_factory) -> Iterator[World]:
    folder = tmp_path_factory.mktemp("secure")
    found = containers(deploy, "compose-secure-cpu")
    world = World(Path(shutil.copytree(made, folder / "secrets")), folder)
    try:
        for service in ("catalog", "sampling"):
            world.start(found[service], deploy.compositions["compose/secure.yaml"]["secrets"])
        onnx.save(dense_generator(size=8, finished=False), folder / "dense.onnx")
        with world.client(world.shown("admin")) as client:
            client.jobs.wait(client.catalog.import_model(MODEL, folder / "dense.onnx", kind="image").name)
        yield world
    finally:
        for process in world.services.values():
            process.stop()


def test_whoever_shows_certificate_and_token_gets_samples(world):
    """The sampling service asks the catalog for the model, with a certificate and a token of its own."""
    with world.client(world.shown("bulk")) as client:
        batch = client.sampling.sample(MODEL, count=4)
        assert {len(column) for column in batch.columns.values()} == {4}


def test_a_token_may_do_what_it_is_for_and_no_more(world):
    with world.client(world.shown("bulk")) as client, pytest.raises(PermissionDenied):
        client.catalog.delete_model(f"models/{MODEL}/versions/1")
    with world.client(world.shown("sampling", certificate="sampling")) as client:
        assert client.catalog.get_model(MODEL).name == f"models/{MODEL}/versions/1"
        with pytest.raises(PermissionDenied):
            client.sampling.sample(MODEL, count=1)


@pytest.mark.parametrize(
    ("token", "certificate", "error"), [("", "client", Unauthenticated), ("admin", "", Unavailable)]
)
def test_strangers_are_refused(world, token, certificate, error):
    with world.client(world.shown(token, certificate)) as client, pytest.raises(error):
        client.catalog.get_model(MODEL)


def test_plain_text_is_refused(world):
    with world.client(Credentials()) as client, pytest.raises(Unavailable):
        client.catalog.get_model(MODEL)


@pytest.mark.parametrize("service", ["catalog", "sampling"])
def test_a_container_finds_its_service_healthy(world, deploy, service):
    assert world.healthy(deploy.path, service)
    assert not world.healthy(deploy.path, service, SYNTHMILL_CLIENT_CERTIFICATE="", SYNTHMILL_CLIENT_KEY="")


def test_what_was_asked_to_change_is_written_down(world):
    log = world.audited("catalog")
    assert b"ImportModel" in log
    assert b'"subject": "admin"' in log
    assert not verify(log).fault


def test_the_guide_points_the_command_line_at_them(world, deploy):
    text = (deploy.path / "compose/README.md").read_text()
    exported = dict(re.findall(r"^export (\w+)=deploy/compose/secrets/(\S+)$", text, re.MULTILINE))
    assert len(exported) == 4
    variables = {name: str(world.made / file) for name, file in exported.items()}
    addresses = {address_variable(service): process.address for service, process in world.services.items()}
    command = [sys.executable, "-m", "synthmill.cli", "models", "list"]
    environment = {**os.environ, **variables, **addresses}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    assert MODEL in done.stdout


def test_a_certificate_that_is_made_again_is_shown(world, deploy):
    before = world.served("catalog")
    (world.made / "catalog.key").write_text("")
    done = subprocess.run([deploy.path / "make_certificates.sh", world.made], stdout=subprocess.PIPE, check=True)
    assert done.stdout == b"catalog.pem\n"
    deadline = time.monotonic() + WITHIN_S
    while world.served("catalog") == before:
        assert time.monotonic() < deadline
        time.sleep(0.2)
    with world.client(world.shown("admin")) as client:
        assert client.catalog.get_model(MODEL).name == f"models/{MODEL}/versions/1"
