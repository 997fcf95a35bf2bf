"""What a user of torch does, as a program of its own: whether forking works depends on what a process did before.

Argument: addresses of the services as JSON. Prints what each way of reading gave, as JSON.
"""

from __future__ import annotations

import itertools
import json
import sys

from synthmill.client import Client, SampleDataset, SampleStream

LENGTH, BATCH = 103, 10


def main() -> None:
    """Reads the same samples in several ways."""
    addresses = {f"{service}_address": address for service, address in json.loads(sys.argv[1]).items()}
    client = Client(**addresses)
    # A process that has called already is the hard case: a fork of it has gRPC's state but not its threads.
    client.sampling.sample("pets", 3)
    dataset = SampleDataset(client, "pets", LENGTH, seed=5)
    stream = SampleStream(client, "pets", LENGTH, seed=5)
    from torch.utils.data import DataLoader

    found = {"epochs": epochs(client)}
    for name, source, workers, method, shuffle in (
        ("map", dataset, 0, None, False),
        ("map, shuffled, 2 forked workers", dataset, 2, "fork", True),
        ("map, 2 spawned workers", dataset, 2, "spawn", False),
        ("iterable", stream, 0, None, None),
        ("iterable, 2 forked workers", stream, 2, "fork", None),
    ):
        options = {"num_workers": workers, "multiprocessing_context": method, "timeout": 30 if workers else 0}
        loader = DataLoader(source, BATCH, shuffle=shuffle, **options)
        pairs = (zip(batch["label"].tolist(), batch["image"].flatten(1).tolist(), strict=True) for batch in loader)
        found[name] = sorted(itertools.chain.from_iterable(pairs))
    print(json.dumps(found))


def epochs(client: Client) -> dict[str, list[list[int]]]:
    """Returns, for each way of reading in workers, the sums of the pixels of each sample, by epoch."""
    from torch.utils.data import DataLoader

    found = {}
    for source, method, persistent in (
        (SampleDataset, "fork", False),
        (SampleDataset, "fork", True),
        (SampleDataset, "spawn", True),
        (SampleStream, "fork", True),
    ):
        dataset = source(client, "pets", LENGTH, seed=5)
        options = {"num_workers": 2, "multiprocessing_context": method, "timeout": 30}
        loader = DataLoader(dataset, BATCH, persistent_workers=persistent, **options)
        read = []
        for epoch in range(3):
            dataset.set_epoch(epoch)
            read.append(sorted(int(total) for batch in loader for total in batch["image"].flatten(1).sum(dim=1)))
        found[f"{source.__name__}, {method}, {'persistent' if persistent else 'new'}"] = read
    return found


if __name__ == "__main__":
    main()
