"""The databases that init.sh makes, in a real PostgreSQL, and services that begin as Compose has them begin."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest
from sqlalchemy import make_url
from unit.deploy.containers import WITH_DATABASE, containers

from support.postgres import find_programs, running_postgres
from support.s3 import running_s3

WITHIN_S = 60


@pytest.fixture(scope="module")
def made(deploy, tmp_path_factory):
    """Address of a server of its own after init.sh, and the folder of its secrets."""
    programs = find_programs()
    if programs is None:
        pytest.skip("no PostgreSQL: apt-get install postgresql, or name its programs in SYNTHMILL_POSTGRES_BIN")
    secrets = tmp_path_factory.mktemp("secrets")
    subprocess.run([deploy.path / "make_secrets.sh", secrets], check=True)
    with running_postgres(programs) as server:
        url = make_url(server.create_database())
        environment = {
            **os.environ,
            "PATH": f"{programs}{os.pathsep}{os.environ['PATH']}",
            "PGHOST": url.host,
            "PGPORT": str(url.port),
            "POSTGRES_USER": url.username,
            "SECRETS_FOLDER": str(secrets),
        }
        script = deploy.path / "postgres/init.sh"
        done = subprocess.run([script], env=environment, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
        yield url, secrets


def connect(made, user: str, database: str) -> psycopg.Connection:
    url, _ = made
    return psycopg.connect(host=url.host, port=url.port, user=user, dbname=database)


@pytest.mark.parametrize("service", WITH_DATABASE)
def test_a_service_has_its_own_database_and_enters_no_other(made, service):
    with connect(made, service, service) as connection:
        connection.execute("CREATE TABLE kept (number integer)")
    for other in {*WITH_DATABASE, "postgres"} - {service}:
        with pytest.raises(psycopg.OperationalError, match="permission denied"):
            connect(made, service, other)


@pytest.mark.parametrize("service", WITH_DATABASE)
def test_a_service_has_the_password_of_its_file(made, service):
    with connect(made, made[0].username, "postgres") as connection:
        found = connection.execute("SELECT rolpassword FROM pg_authid WHERE rolname = %s", [service]).fetchone()
    assert found[0].startswith("SCRAM-SHA-256$")


@pytest.fixture
def world(made, deploy, tmp_path):
    """What the containers of Compose would run here, as processes."""
    with running_s3(tmp_path) as store:
        yield World(deploy, made, store.endpoint, tmp_path)


class World:
    """Starts what containers start, with their variables, on this machine.

    Args:
        deploy: the folder `deploy`.
        made: server of PostgreSQL, and secrets.
        store: URL of a server of S3's protocol.
        folder: where files go.
    """

    def __init__(self, deploy, made, store: str, folder: Path) -> None:
        self._deploy = deploy
        self._url, self._secrets = made
        self._store = store
        self._folder = folder
        self._containers = containers(deploy, "compose-cpu")
        self.addresses: dict[str, str] = {}

    def once(self, name: str, service: str) -> None:
        """Runs a one-shot, which has the image of a service."""
        command = self._deploy.compose["services"][name]["command"]
        command = [part.replace("/opt/synthmill/libexec", str(self._images)) for part in command]
        environment = self._environment(service)
        done = subprocess.run(
            [self._entrypoint, *command], env=environment, capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, done.stderr

    def refused(self, service: str) -> str:
        """Runs a service that is to end by itself with status 2, and returns why."""
        done = subprocess.run(
            [self._entrypoint], env=self._environment(service), capture_output=True, text=True, timeout=WITHIN_S
        )
        assert done.returncode == 2
        return done.stderr

    @contextlib.contextmanager
    def running(self, service: str) -> Iterator[None]:
        """Runs a service for the length of a with block; others find it there."""
        environment = self._environment(service)
        log = (self._folder / f"{service}.log").open("wb")
        with log, subprocess.Popen([self._entrypoint], env=environment, stdout=subprocess.PIPE, stderr=log) as process:
            try:
                self.addresses[service] = json.loads(process.stdout.readline())["address"]
                yield
            finally:
                process.send_signal(signal.SIGTERM)
                assert process.wait(WITHIN_S) == 0

    @property
    def healthcheck(self) -> Path:
        """The script that asks for health."""
        return self._images / "healthcheck.py"

    @property
    def _entrypoint(self) -> Path:
        return self._images / "entrypoint.sh"

    @property
    def _images(self) -> Path:
        return self._deploy.path / "images"

    def _environment(self, service: str) -> dict[str, str]:
        """Returns the variables of a container, with the places of this machine for those that it names."""
        secrets = self._folder / "secrets" / service
        secrets.mkdir(parents=True, exist_ok=True)
        for secret in self._containers[service].wanted["secrets"]:
            made = (self._secrets / secret["source"]).read_text()
            (secrets / secret["target"].rpartition("/")[2]).write_text(made)
        given = dict(self._containers[service].environment)
        for name, value in given.items():
            if name.endswith("_ADDRESS"):
                given[name] = self.addresses.get(value.partition(":")[0], "127.0.0.1:1")
        given["SYNTHMILL_DATABASE"] = given["SYNTHMILL_DATABASE"].replace(
            "@postgres/", f"@{self._url.host}:{self._url.port}/"
        )
        return {
            **given,
            "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
            "HOME": str(self._folder),
            "SERVICE": service,
            "SECRETS_FOLDER": str(secrets),
            "AWS_ENDPOINT_URL": self._store,
            "SYNTHMILL_LOCAL": str(self._folder / "local" / service),
            "SYNTHMILL_HOST": "127.0.0.1",
            "SYNTHMILL_PORT": "0",
            "SYNTHMILL_METRICS_PORT": "0",
        }


def test_services_begin_once_their_databases_are_up_to_date(world):
    assert "catalog" in world.refused("catalog")
    world.once("make-bucket", "catalog")
    for service in ("catalog", "pipeline"):
        # A second time it finds nothing to do.
        for _ in range(2):
            world.once(f"migrate-{service}", service)
    with world.running("catalog"), world.running("pipeline"):
        for service in ("catalog", "pipeline"):
            healthcheck = [sys.executable, world.healthcheck, world.addresses[service]]
            assert subprocess.run(healthcheck, stdout=subprocess.DEVNULL, check=False).returncode == 0
