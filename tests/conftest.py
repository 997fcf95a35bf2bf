"""What failed tests tell beyond their own output, and servers of databases and buckets for those that want one."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from support.cluster import running_services
from support.postgres import PostgresServer, find_programs, running_postgres
from support.s3 import S3Server, running_s3


@pytest.fixture(scope="session")
def postgres() -> Iterator[PostgresServer]:
    """A PostgreSQL server; without one on the machine, what asks for it is skipped."""
    programs = find_programs()
    if programs is None:
        pytest.skip("no PostgreSQL: apt-get install postgresql, or name its programs in SYNTHMILL_POSTGRES_BIN")
    with running_postgres(programs) as server:
        yield server


@pytest.fixture(scope="session")
def s3_server(tmp_path_factory) -> Iterator[S3Server]:
    """A server of S3's protocol, for a test that hands its environment to other processes."""
    with running_s3(tmp_path_factory.mktemp("s3")) as server:
        yield server


@pytest.fixture
def s3(s3_server, monkeypatch) -> S3Server:
    """The server of S3's protocol, which this process's environment names."""
    for name, value in s3_server.env.items():
        monkeypatch.setenv(name, value)
    return s3_server


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item, call):
    """Adds the ends of the logs of the services that are running."""
    report = yield
    if report.failed:
        for service in running_services():
            report.sections.append((f"log of {service.service} at {service.address}", service.log_tail()))
    return report
