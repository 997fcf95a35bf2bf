"""A PostgreSQL server of its own, where there is one on the machine: Debian's package, or SYNTHMILL_POSTGRES_BIN."""

from __future__ import annotations

import contextlib
import itertools
import os
import pwd
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import psycopg

from support.processes import free_port

_WITHIN_S = 60
_OWNER = "nobody"
_numbers = itertools.count(1)


def find_programs() -> Path | None:
    """Returns the folder of PostgreSQL's programs, None if there are none."""
    named = os.environ.get("SYNTHMILL_POSTGRES_BIN")
    found = [Path(named)] if named else sorted(Path("/usr/lib/postgresql").glob("*/bin"), reverse=True)
    if not found and (program := shutil.which("postgres")):
        found = [Path(program).parent]
    return found[0] if found else None


class PostgresServer:
    """A running server; every database that it lends is new.

    Args:
        port: on the loopback interface.
        data: its folder.
        start: starts it again.
    """

    def __init__(self, port: int, data: Path, start: Callable[[], object]) -> None:
        self._port = port
        self._data = data
        self._start = start

    def create_database(self) -> str:
        """Returns the SQLAlchemy URL of a new database."""
        name = f"synthmill_{next(_numbers)}"
        with psycopg.connect(self._url("postgres"), autocommit=True) as connection:
            connection.execute(f"CREATE DATABASE {name}")
        return self._url(name)

    def kill(self) -> None:
        """Ends it without any warning; those of its processes that serve connections notice by themselves."""
        os.kill(int((self._data / "postmaster.pid").read_text().split()[0]), signal.SIGKILL)

    def restart(self) -> None:
        """Starts it again once nothing is left of it."""
        deadline = time.monotonic() + _WITHIN_S
        while True:
            try:
                self._start()
                return
            except subprocess.CalledProcessError:
                if time.monotonic() > deadline:
                    raise
                time.sleep(0.2)

    def _url(self, name: str) -> str:
        return f"postgresql://synthmill@127.0.0.1:{self._port}/{name}"


@contextlib.contextmanager
def running_postgres(programs: Path) -> Iterator[PostgresServer]:
    """Runs a server for the length of a with block.

    Args:
        programs: as `find_programs` returns them.
    """
    with tempfile.TemporaryDirectory(prefix="postgres-") as name:
        folder = Path(name)
        # It refuses to run as root.
        as_owner = []
        if os.geteuid() == 0:
            os.chown(folder, pwd.getpwnam(_OWNER).pw_uid, -1)
            # Not by `user` of subprocess, which then forks: gRPC begins its threads again in the child, which now and
            # then dies of it before it has become another program.
            as_owner = ["setpriv", f"--reuid={_OWNER}", "--clear-groups"]
        run = partial(subprocess.run, cwd=folder, check=True, stdout=subprocess.DEVNULL, timeout=_WITHIN_S)
        initdb = [*as_owner, programs / "initdb", "--pgdata", folder / "data", "--username", "synthmill"]
        run([*initdb, "--auth", "trust", "--no-sync", "--encoding", "UTF8", "--locale", "C"])
        port = free_port()
        # What a test writes need not outlive the machine.
        settings = f"-p {port} -c listen_addresses=127.0.0.1 -c unix_socket_directories= -c fsync=off"
        control = [*as_owner, programs / "pg_ctl", "--pgdata", folder / "data", "--wait"]
        start = partial(run, [*control, "--log", folder / "log", "--options", settings, "start"])
        start()
        try:
            yield PostgresServer(port, folder / "data", start)
        finally:
            run([*control, "--mode", "immediate", "stop"])
