"""Settings of a service, read once: flag, else environment, else file, else default."""

from __future__ import annotations

import argparse
import dataclasses
import math
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar, Self, TypeVar

import yaml

from synthmill.runtime.addresses import DEFAULT_BASE_PORT, DEFAULT_HOST, PORT_OFFSETS, default_address
from synthmill.runtime.credentials import Credentials
from synthmill.runtime.errors import InvalidField

C = TypeVar("C", bound="ServiceConfig")

PREFIX = "SYNTHMILL_"
LOG_LEVELS = ("debug", "info", "warning", "error")
MAX_PROCESSES = 256
MIB = 1024 * 1024
DEFAULT_LOCAL_FOLDER = "synthmill-local"
DEFAULT_CACHE_MB = 20_000

_SWITCH = {"true": True, "on": True, "false": False, "off": False}

ALGORITHMS = ("RS256", "ES256", "EdDSA")
"""Of signed tokens. Those with a shared secret are not among them: every service could then make tokens itself."""

_TOGETHER = (
    ("tls_certificate", "tls_key"),
    ("tls_key", "tls_certificate"),
    ("tls_client_ca", "tls_certificate"),
)

START, NEVER, ONLY = "start", "never", "only"
"""When a service brings its database up to date."""


def setting(default: Any, text: str) -> Any:
    """Declares a setting with its default and its line of help."""
    return dataclasses.field(default=default, metadata={"help": text})


@dataclasses.dataclass(frozen=True)
class ServiceConfig:
    """Settings that every service has; a service's own come in a subclass."""

    service: ClassVar[str]
    packages: ClassVar[tuple[str, ...]] = ("synthmill.runtime.jobs",)
    """Those with tables in its database."""

    host: str = setting(DEFAULT_HOST, "address to listen on")
    port: int = setting(
        -1, f"port to listen on; 0 means any free one, -1 {DEFAULT_BASE_PORT} plus the service's offset"
    )
    store: str = setting("synthmill-store", "folder, s3://BUCKET/PREFIX or fsspec URL that holds the object store")
    local: str = setting("", "local folder for databases and scratch files; empty means the store, if it is a folder")
    cache_mb: int = setting(
        DEFAULT_CACHE_MB, "what local copies of a remote store's files may take in the local folder, in MiB"
    )
    database: str = setting("", "SQLAlchemy URL; empty means an SQLite file of the service's own in the local folder")
    migrate: str = setting(
        START,
        "when the database is brought up to date: start, never (one that is not is refused), or only (and then the "
        "service ends)",
    )
    metrics_port: int = setting(0, "port of the Prometheus endpoint; 0 means any free one, -1 none")
    log_level: str = setting("info", "least level that is logged: " + ", ".join(LOG_LEVELS))
    max_message_bytes: int = setting(4 * MIB, "largest message that is sent or received, in bytes")
    max_concurrent_streams: int = setting(1000, "calls that one connection may have open at a time")
    max_connection_age_s: float = setting(
        0.0, "how long a connection lasts before its client looks for replicas again, in seconds; 0 means for ever"
    )
    drain_grace_s: float = setting(10.0, "how long calls in flight may take to end at shutdown, in seconds")
    catalog_address: str = setting(default_address("catalog"), "where the catalog service listens")
    lease_s: float = setting(6.0, "how long a job's worker may be silent before another takes over, in seconds")
    heartbeat_s: float = setting(1.5, "how often a worker renews its lease, in seconds")
    max_attempts: int = setting(5, "workers a job may lose one after the other without getting on")

    tls_certificate: str = setting("", "PEM file with the certificate to listen with; empty means plain text")
    tls_key: str = setting("", "PEM file with its key")
    tls_client_ca: str = setting("", "PEM file with the authorities that callers' certificates must come from")
    insecure: bool = setting(False, "whether plain text may be spoken on an address that others reach")
    tokens: str = setting("", "YAML file with tokens that are let in, by their digests")
    jwt_keys: str = setting("", "JSON Web Key Set whose signed tokens are let in")
    jwt_issuer: str = setting("", "issuer that signed tokens must have")
    jwt_audience: str = setting("", "audience that signed tokens must have")
    jwt_algorithm: str = setting("RS256", "algorithm that tokens must be signed with: " + ", ".join(ALGORITHMS))
    quotas: str = setting("", "YAML file with the tenants that are served, and what each may take in a day")
    audit: str = setting("", "folder for the log of calls that change something; empty means none is kept")
    ca: str = setting("", "PEM file, or system, with the authorities of other services; empty means plain text")
    client_certificate: str = setting("", "PEM file with the certificate to show to other services")
    client_key: str = setting("", "PEM file with its key")
    token_file: str = setting("", "file with the token to show to other services")

    def __post_init__(self) -> None:
        for name, low, high in (
            ("port", -1, 65535),
            ("metrics_port", -1, 65535),
            ("cache_mb", 0, 2**40),
            ("max_message_bytes", MIB, 2**31 - 1),
            ("max_concurrent_streams", 1, 2**31 - 1),
            ("max_connection_age_s", 0, 86400),
            ("drain_grace_s", 0, 3600),
            ("lease_s", 0.1, 3600),
            ("heartbeat_s", 0.01, self.lease_s / 2),
            ("max_attempts", 1, 1000),
        ):
            if not low <= getattr(self, name) <= high:
                raise InvalidField(name, getattr(self, name), f"{low} to {high}")
        for name, words in (
            ("log_level", LOG_LEVELS),
            ("migrate", (START, NEVER, ONLY)),
            ("jwt_algorithm", ALGORITHMS),
        ):
            if getattr(self, name) not in words:
                raise InvalidField(name, getattr(self, name), "one of " + ", ".join(words))
        for name, needed in _TOGETHER:
            if getattr(self, name) and not getattr(self, needed):
                raise InvalidField(needed, "", f"a file, because {name} is given")

    @property
    def credentials(self) -> Credentials:
        """What it shows to other services."""
        return Credentials(self.ca, self.client_certificate, self.client_key, self.token_file)

    @property
    def listen_port(self) -> int:
        """Port to bind; 0 means any."""
        return DEFAULT_BASE_PORT + PORT_OFFSETS[self.service] if self.port == -1 else self.port

    @property
    def folder(self) -> Path:
        """Local folder for databases and scratch files."""
        return Path(self.local or (DEFAULT_LOCAL_FOLDER if "://" in self.store else self.store)).absolute()

    @property
    def store_url(self) -> str:
        """Where the objects are: a local path or a URL."""
        root = self.store if "://" in self.store else str(Path(self.store).absolute())
        return f"{root.rstrip('/')}/objects"

    @property
    def database_url(self) -> str:
        """SQLAlchemy URL of the service's database."""
        return self.database or f"sqlite:///{self.folder / self.service}.db"

    @property
    def cache_folder(self) -> Path:
        """Folder for local copies of a remote store's files, shared by the services that have the same local folder."""
        return self.folder / "cache"

    @property
    def scratch(self) -> Path:
        """Folder for files that need not outlive their job."""
        return self.folder / "scratch" / self.service


@dataclasses.dataclass(frozen=True)
class ProcessesConfig(ServiceConfig):
    """Settings of a service that several processes may serve together."""

    processes: int = setting(1, "processes that serve together behind the one port; 0 means one per core")

    def __post_init__(self) -> None:
        super().__post_init__()
        if not 0 <= self.processes <= MAX_PROCESSES:
            raise InvalidField("processes", self.processes, f"0 to {MAX_PROCESSES}")

    @property
    def process_count(self) -> int:
        """Number of processes that serve."""
        return self.processes or os.cpu_count() or 1

    def share(self, number: int) -> Self:
        """Returns the settings of one of the processes.

        Args:
            number: which one, from 0.
        """
        return dataclasses.replace(self, processes=1)

    def part(self, total: int, number: int) -> int:
        """Returns what a process gets of something that there is `total` of; at least 1."""
        return max(1, total // self.process_count + (number < total % self.process_count))


def load_config(cls: type[C], argv: Sequence[str], environ: Mapping[str, str]) -> C:
    """Reads a service's settings; `--help` prints them all and exits.

    Args:
        cls: the service's settings.
        argv: flags, without the program's name.
        environ: environment variables; a setting's is SYNTHMILL_ and its name in capitals.

    Raises:
        InvalidField: an unknown or malformed setting; the field is the flag, the variable or the key in the file.
    """
    fields = {field.name: field for field in dataclasses.fields(cls)}
    flags = vars(_parser(cls).parse_args(argv))
    path = flags.pop("config") or environ.get(f"{PREFIX}CONFIG", "")
    values = _from_file(path, fields) if path else {}
    for name, field in fields.items():
        variable = PREFIX + name.upper()
        if variable in environ:
            values[name] = _convert(field, environ[variable], variable)
        if flags[name] is not None:
            values[name] = _convert(field, flags[name], "--" + name.replace("_", "-"))
    return cls(**values)


def to_flags(config: ServiceConfig) -> list[str]:
    """Returns the flags that make the same settings again, for a worker process."""
    flags = []
    for field in dataclasses.fields(config):
        flags += ["--" + field.name.replace("_", "-"), str(getattr(config, field.name))]
    return flags


def _parser(cls: type[ServiceConfig]) -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog=f"python -m synthmill.{cls.service}", allow_abbrev=False)
    parser.add_argument("--config", default="", help="YAML file of settings by name")
    for field in dataclasses.fields(cls):
        text = f"{field.metadata['help']} (default: {field.default!r})".replace("%", "%%")
        parser.add_argument("--" + field.name.replace("_", "-"), help=text, metavar=type(field.default).__name__)
    return parser


def _from_file(path: str, fields: Mapping[str, dataclasses.Field]) -> dict[str, Any]:
    try:
        content = yaml.safe_load(Path(path).read_text()) or {}
    except (OSError, yaml.YAMLError) as error:
        raise InvalidField("--config", path, f"a readable YAML file ({error})") from error
    if not isinstance(content, dict):
        raise InvalidField("--config", path, "a mapping of settings")
    unknown = sorted(map(str, content.keys() - fields.keys()))
    if unknown:
        raise InvalidField(f"{path}: {unknown[0]}", content.get(unknown[0]), "only " + ", ".join(sorted(fields)))
    return {name: _convert(fields[name], value, f"{path}: {name}") for name, value in content.items()}


def _convert(field: dataclasses.Field, value: Any, source: str) -> Any:
    wanted = type(field.default)
    try:
        if wanted is bool:
            return _SWITCH[str(value).lower()]
        converted = wanted(value)
        if isinstance(value, bool) or (wanted is float and not math.isfinite(converted)):
            raise ValueError
    except (KeyError, ValueError, TypeError):
        words = {bool: "true or false", int: "an integer", float: "a finite number", str: "text"}
        raise InvalidField(source, value, words[wanted]) from None
    return converted
