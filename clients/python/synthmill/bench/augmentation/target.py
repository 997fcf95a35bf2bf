"""What is measured: a policy behind a service, and the records that it is applied to."""

from __future__ import annotations

import base64
import dataclasses
import itertools
from pathlib import Path
from typing import TYPE_CHECKING, Any

from synthmill.bench.augmentation.options import Options
from synthmill.bench.augmentation.records import (
    IMAGE,
    Columns,
    make_records,
    read_records,
    rows,
    save_records,
    with_shares,
)
from synthmill.runtime.errors import InvalidField
from synthmill.v1 import policy_pb2

if TYPE_CHECKING:
    from synthmill.client import Client

_KIND = "image"
# Not every record is mixed, and a mixture that fails is to be known before anything is measured.
_TRIED = 16


@dataclasses.dataclass(frozen=True)
class Target:
    """A policy that an augmentation service has applied to some records.

    Attributes:
        address: "host:port" of the service.
        policy: the policy, every default written out.
        digest: of the policy.
        records: to augment.
        dataset: version that they are of; empty if they were made.
        pool: dataset version that records are mixed with; empty if there is none.
    """

    address: str
    policy: policy_pb2.Policy
    digest: str
    records: Columns
    dataset: str = ""
    pool: str = ""

    @property
    def shape(self) -> tuple[int, ...]:
        """Shape of an image."""
        return self.records[IMAGE].shape[1:]

    def to_task(self, folder: Path) -> Task:
        """Writes the records to a file in a folder, and returns what loads are to do with them."""
        path = folder / "records.npz"
        save_records(path, self.records)
        policy = base64.b64encode(self.policy.SerializeToString()).decode()
        return Task(self.address, policy, self.pool, str(path))


@dataclasses.dataclass(frozen=True)
class Task:
    """What a load does to which records, as it travels to the load's process.

    Attributes:
        address: "host:port" of the service.
        policy: the serialised policy, in base64.
        pool: dataset version that records are mixed with; empty if there is none.
        records: path of the file with the records.
    """

    address: str
    policy: str
    pool: str
    records: str

    def read_policy(self) -> policy_pb2.Policy:
        """Returns the policy."""
        return policy_pb2.Policy.FromString(base64.b64decode(self.policy))

    def how(self) -> dict[str, Any]:
        """Returns the arguments of the client's methods that augment."""
        return {"policy": self.read_policy(), "kind": _KIND, "pool": self.pool}


def find_target(client: Client, policy: str, options: Options) -> Target:
    """Has the service augment some records, so that what is wrong with a measurement is known before it.

    Args:
        client: where the services are.
        policy: path of a YAML file, or the name of a policy.
        options: what to augment.

    Raises:
        InvalidField: the policy or a record is not allowed.
        NotFound: there is no such policy or dataset.
        FailedPrecondition: the policy mixes records, and there is no pool.
    """
    resolved = client.augmentation.resolve_policy(policy, kind=_KIND)
    dataset = client.catalog.get_dataset(options.dataset) if options.dataset else None
    if dataset is not None and dataset.kind != _KIND:
        raise InvalidField("--dataset", f"{dataset.name}, of the kind {dataset.kind}", f"a dataset of {_KIND} records")
    pool = client.catalog.get_dataset(options.pool) if options.pool else None
    records = make_records(options.shape) if dataset is None else read_records(client, dataset)
    target = Target(
        address=client.addresses["augmentation"],
        policy=resolved.policy,
        digest=resolved.digest,
        records=with_shares(records, 0 if pool is None else len(pool.labels)),
        dataset="" if dataset is None else dataset.name,
        pool="" if pool is None else pool.name,
    )
    tried = list(itertools.islice(rows(target.records), _TRIED))
    client.augmentation.augment_records(tried, target.policy, kind=_KIND, pool=target.pool)
    return target
