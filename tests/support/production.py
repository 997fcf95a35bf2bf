"""What a production deployment is, as plain processes on this machine.

Two replicas of what is asked most, on PostgreSQL and a bucket of S3, behind mutual TLS and signed tokens, with quotas
and audit logs.
"""

from __future__ import annotations

import contextlib
import dataclasses
from collections.abc import Iterator
from pathlib import Path

from support.authority import Authority, Issuer
from support.cluster import Cluster
from support.postgres import PostgresServer
from support.s3 import S3Server
from synthmill.client import Client
from synthmill.client.addresses import SERVICES
from synthmill.runtime.credentials import Credentials

REPLICATED = ("catalog", "training", "sampling", "evaluation")
TENANT = "vision"
# What a service asks of others, and so the roles of its own token.
_ROLES = {
    "catalog": [],
    "augmentation": ["trainer"],
    "training": ["trainer"],
    "sampling": ["reader"],
    "evaluation": ["reviewer"],
    "pipeline": ["trainer", "reviewer"],
}


@dataclasses.dataclass(frozen=True)
class Production:
    """A running deployment.

    Attributes:
        cluster: its services; the second replica of one is called "training-2".
        postgres: where they have their databases.
        folder: of what its parts write.
    """

    cluster: Cluster
    postgres: PostgresServer
    folder: Path
    _authority: Authority
    _issuer: Issuer

    def client(self, *roles: str) -> Client:
        """Returns a client with a certificate, and a token with some roles."""
        name = "-".join(roles)
        token = self.folder / f"token-of-{name}"
        if not token.exists():
            self._authority.issue(name)
            token.write_text(self._issuer.token(*roles, sub=name))
        certificate, key = self._authority.paths(name)
        credentials = Credentials(self._authority.ca, certificate, key, str(token))
        addresses = {f"{service}_address": self.cluster.target(service) for service in SERVICES}
        return Client(**addresses, credentials=credentials)

    def stranger(self) -> Client:
        """Returns a client without a certificate."""
        addresses = {f"{service}_address": self.cluster.target(service) for service in SERVICES}
        return Client(**addresses, credentials=Credentials(ca=self._authority.ca))


@contextlib.contextmanager
def running_production(folder: Path, postgres: PostgresServer, s3: S3Server) -> Iterator[Production]:
    """Runs a deployment for the length of a with block."""
    authority, issuer = Authority(folder / "authority"), Issuer(folder / "issuer")
    quotas = folder / "quotas.yaml"
    quotas.write_text(f"{TENANT}: {{rows_per_day: 1000000000}}\nservices: {{}}\n")
    store = f"s3://{s3.make_bucket()}/production"
    cluster = Cluster(folder, allowed_roots=[folder], env=s3.env, store_url=store)
    try:
        for service in SERVICES:
            certificate, key = authority.issue(service)
            token = folder / f"token-of-{service}"
            token.write_text(issuer.token(*_ROLES[service], sub=service, tenant="services"))
            flags = [
                *("--tls-certificate", certificate, "--tls-key", key, "--tls-client-ca", authority.ca),
                *("--ca", authority.ca, "--client-certificate", certificate, "--client-key", key),
                *issuer.flags(),
                *("--token-file", str(token), "--quotas", str(quotas)),
                *("--lease-s", "2", "--heartbeat-s", "0.4"),
            ]
            if service != "sampling":
                flags += ["--database", postgres.create_database()]
            for name in [service, f"{service}-2"][: 1 + (service in REPLICATED)]:
                cluster.add(service, name, [*flags, "--audit", str(folder / "audit" / name)])
        yield Production(cluster, postgres, folder, authority, issuer)
    finally:
        cluster.kill()
