"""The main job on real input: from a folder of real digits to a stream of synthetic ones, measured."""

from __future__ import annotations

import json
import shutil
import time
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
from measure import Labelled, accuracy
from pictures import draw
from PIL import Image
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn
from sklearn.datasets import load_digits

from services import running_services
from synthmill.client import Client, dataset_spec
from synthmill.kinds.registry import get_kind
from synthmill.runtime.structs import from_struct
from synthmill.v1 import dataset_pb2, job_pb2

OUT = Path("demo-out")
SAMPLES = 100_000
SEED = 1
PROBE_SAMPLES = 10_000

console = Console(highlight=False)


def main() -> None:
    """Runs the demo."""
    shutil.rmtree(OUT, ignore_errors=True)
    source = write_digits(OUT / "digits")
    console.rule("services")
    with running_services(OUT / "store", allowed_root=OUT) as client:
        console.rule("import")
        dataset = import_dataset(client, source)
        console.rule("train")
        model, train_s = train(client, dataset)
        console.rule("sample")
        rows_per_s = stream(client, model)
        console.rule("measure")
        report(client, dataset, {"model": model, "train_s": round(train_s, 1), "samples_per_s": round(rows_per_s)})


def write_digits(folder: Path) -> Path:
    """Writes scikit-learn's digits as PNG files, a folder per class, as a user would bring them."""
    bunch = load_digits()
    images = np.round(bunch.images * (255 / bunch.images.max())).astype(np.uint8)
    for position, (image, label) in enumerate(zip(images, bunch.target, strict=True)):
        path = folder / str(label) / f"{position:04d}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(image).save(path)
    return folder


def import_dataset(client: Client, source: Path) -> dataset_pb2.Dataset:
    """Imports a folder and tells what was found."""
    spec = dataset_spec("digits", "image", license="CC-BY-4.0", origin="scikit-learn: load_digits (UCI)")
    job = follow(client, client.catalog.import_dataset(spec, str(source.absolute())))
    dataset = client.catalog.get_dataset(job.result)
    splits = ", ".join(f"{split.record_count} {split.name}" for split in dataset.splits)
    console.print(f"{dataset.name}: {splits}; {dataset.report.dropped_count} dropped")
    return dataset


def train(client: Client, dataset: dataset_pb2.Dataset) -> tuple[str, float]:
    """Trains a conditional GAN; returns the model version and the time it took, in seconds."""
    began = time.perf_counter()
    job = follow(client, client.training.create_training_job(dataset.name, "gan", seed=SEED))
    model = client.catalog.get_model(job.result)
    difference = from_struct(model.metrics)["export_max_difference"]
    console.print(f"{model.name}: sampler graph checked against PyTorch, largest difference {difference:g}")
    return model.name, time.perf_counter() - began


def stream(client: Client, model: str) -> float:
    """Streams samples into Parquet and returns how many arrive per second."""
    client.sampling.sample(model, 1)
    began = time.perf_counter()
    with Progress(*Progress.get_default_columns(), console=console) as bars:
        bar = bars.add_task("samples", total=SAMPLES)
        client.write_samples(
            model,
            OUT / "samples",
            SAMPLES,
            format="parquet",
            seed=SEED,
            on_progress=lambda now: bars.update(bar, completed=now.done),
        )
    rate = SAMPLES / (time.perf_counter() - began)
    console.print(f"{SAMPLES:,} labelled samples in {OUT / 'samples'}: {rate:,.0f} per second, Parquet included")
    return rate


def report(client: Client, dataset: dataset_pb2.Dataset, figures: dict) -> None:
    """Draws real above synthetic, measures both, and writes the figures down."""
    real, test = (read_split(client, dataset.name, split) for split in ("train", "test"))
    synthetic = read_samples(dataset)
    draw(real, synthetic, dataset.labels, OUT / "digits.png")
    on_real, on_synthetic = accuracy(real, test), accuracy(synthetic.first(PROBE_SAMPLES), test)
    ratio = on_synthetic / on_real
    console.print(f"trained on real, tested on real:      {on_real:.4f}")
    console.print(f"trained on synthetic, tested on real: {on_synthetic:.4f}, {ratio:.3f} of it")
    console.print(f"real above synthetic: {OUT / 'digits.png'}")
    figures |= {"accuracy_real": on_real, "accuracy_synthetic": on_synthetic, "ratio": ratio}
    (OUT / "figures.json").write_text(json.dumps(figures, indent=2))


def read_split(client: Client, name: str, split: str) -> Labelled:
    """Reads a split from the catalog."""
    batches = list(client.catalog.read_records(name, split=split))
    return Labelled(*(np.concatenate([batch[column] for batch in batches]) for column in ("image", "label")))


def read_samples(dataset: dataset_pb2.Dataset) -> Labelled:
    """Reads the first samples back from Parquet, as any other program would."""
    path = next(iter(sorted((OUT / "samples").glob("**/*.parquet"))))
    table = pq.read_table(path).slice(0, PROBE_SAMPLES)
    images = get_kind("image").from_table(table, from_struct(dataset.schema))["image"]
    return Labelled(images, table["label"].to_numpy().astype(np.int64))


def follow(client: Client, job: job_pb2.Job) -> job_pb2.Job:
    """Waits for a job behind a progress bar."""
    columns = (TextColumn("{task.description:<12}"), BarColumn(), TextColumn("{task.fields[figures]}"))
    with Progress(*columns, TimeRemainingColumn(), console=console) as bars:
        bar = bars.add_task(job.type, total=None, figures="")

        def show(event: job_pb2.JobEvent) -> None:
            progress = event.progress
            if event.HasField("progress"):
                figures = f"{progress.done}/{progress.total or '?'} {progress.unit}, {progress.rate:.0f}/s"
                total = progress.total or None
                bars.update(bar, description=progress.phase, completed=progress.done, total=total, figures=figures)

        return client.jobs.wait(job.name, on_event=show)


if __name__ == "__main__":
    main()
