"""What samples give away of the training records: copies, and who was among them."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import torch

from synthmill.kinds.base import Columns
from synthmill.learning.data import count_records, load
from synthmill.learning.evaluate.comparison import LEAST_OF_CLASS, Comparison, Draw, draw_sides, labels_of
from synthmill.learning.evaluate.findings import Better, Distribution, Figure, Group, Picture
from synthmill.learning.evaluate.inputs import all_vectors, vectors
from synthmill.learning.evaluate.intervals import by_resampling, of_share
from synthmill.learning.evaluate.membership import measure_membership
from synthmill.learning.evaluate.nearness import Nearness, measure_nearness
from synthmill.learning.evaluate.neighbours import find_nearest
from synthmill.learning.task import LABEL, CheckCallback

_BINS = 40
# Of the records, this share may be beyond the last bin, and is counted there.
_FAR = 0.005
_SUSPECTS, _NEIGHBOURS = 8, 5


def measure_memorisation(
    comparison: Comparison, train: Columns, held_out: Columns, samples: Columns, check: CheckCallback
) -> tuple[list[Figure], list[Distribution], list[tuple[Picture, bytes]]]:
    """Compares samples with all training records, beside what held-out records get in their place.

    Args:
        comparison: kind, schema, labels, seed and device.
        train: real records that the generator has learned from, at least two, with labels where there are classes.
        held_out: real records that it has not, the same.
        samples: synthetic records, the same.
        check: called between blocks; raises to stop.

    Returns:
        Figures, distributions of distances, and pictures with their PNG files.

    Raises:
        FailedPrecondition: there are too few records or samples.
    """
    sides = draw_sides(comparison, held_out, samples)
    parts = (sides.real, sides.other, sides.samples)
    x = torch.cat([all_vectors(comparison, part, check) for part in parts])
    found, count = measure_nearness(comparison, x, train, check), len(x) // len(parts)
    usual, other, made = (found[start : start + count] for start in range(0, len(x), count))
    label = labels_of(comparison, sides.samples)
    suspicion = made.suspicion(usual)
    figures = [
        _nearest_ratio(comparison.generator(Draw.MEDIANS), usual, other, made),
        _authenticity(made.authentic, other.authentic, _by_class(comparison, label, made.authentic)),
        _near_copy_share(suspicion < 1, other.suspicion(usual) < 1, _by_class(comparison, label, suspicion < 1)),
        *measure_membership(comparison, train, sides.other, sides.real, samples, check),
    ]
    suspects = np.argsort(suspicion, kind="stable")[:_SUSPECTS]
    picture = _show(comparison, train, load(sides.samples, suspects), suspicion[suspects], check)
    return figures, [_distribution(made, usual, other)], [picture]


def _nearest_ratio(generator: np.random.Generator, usual: Nearness, other: Nearness, made: Nearness) -> Figure:
    def ratio(found: np.ndarray, expected: np.ndarray) -> dict[str, float]:
        median = float(np.median(expected))
        return {"ratio": float(np.median(found)) / median if median else 1.0}

    measured, real = (
        by_resampling(ratio, (each.distance, usual.distance), generator)["ratio"] for each in (made, other)
    )
    meaning = (
        "Median distance of samples to their nearest training record, divided by that of real held-out records, from 0 "
        "up: far below 1, samples are nearer to training records than real records are."
    )
    return Figure("nearest_ratio", Group.MEMORISATION, "Nearest-record ratio", meaning, Better.HIGH, measured, real)


def _authenticity(measured: np.ndarray, real: np.ndarray, by_class: Mapping[str, float]) -> Figure:
    meaning = (
        "Share of samples that are no nearer to their nearest training record than the training record nearest to that "
        "one, in [0, 1]."
    )
    shares = (of_share(measured), of_share(real))
    return Figure("authenticity", Group.MEMORISATION, "Authenticity", meaning, Better.HIGH, *shares, by_class)


def _near_copy_share(measured: np.ndarray, real: np.ndarray, by_class: Mapping[str, float]) -> Figure:
    meaning = (
        "Share of samples that are nearer to a training record than 99 % of real held-out records are, both in "
        "distance and in proportion to the second nearest, or the same; in [0, 1]."
    )
    shares = (of_share(measured), of_share(real))
    return Figure("near_copy_share", Group.MEMORISATION, "Near copies", meaning, Better.LOW, *shares, by_class)


def _by_class(comparison: Comparison, label: np.ndarray, hits: np.ndarray) -> dict[str, float]:
    groups = {name: hits[label == position] for position, name in enumerate(comparison.labels)}
    return {name: float(group.mean()) for name, group in groups.items() if len(group) >= LEAST_OF_CLASS}


def _distribution(made: Nearness, *real: Nearness) -> Distribution:
    sets = {"samples": made.distance, "held-out records": np.concatenate([each.distance for each in real])}
    end = max(float(np.quantile(distance, 1 - _FAR)) for distance in sets.values()) or 1.0
    edges = np.linspace(0.0, end, _BINS + 1)
    shares = {
        name: (np.histogram(distance.clip(max=end), edges)[0] / len(distance)).tolist()
        for name, distance in sets.items()
    }
    return Distribution(
        "Distance to the nearest training record", "Euclidean, of network inputs", edges.tolist(), shares
    )


def _show(
    comparison: Comparison, train: Columns, suspects: Columns, suspicion: np.ndarray, check: CheckCallback
) -> tuple[Picture, bytes]:
    """Draws the most suspicious samples, each before its nearest training records."""
    nearest = find_nearest(all_vectors(comparison, suspects, check), vectors(comparison, train, check), _NEIGHBOURS)
    shown = min(_NEIGHBOURS, count_records(train))
    rows, distances = (each[:, :shown].cpu().numpy() for each in (nearest.row, nearest.distance))
    records = load(train, rows.ravel())
    places = np.arange(rows.size).reshape(rows.shape) + len(rows)
    order = np.concatenate([np.arange(len(rows))[:, None], places], axis=1).ravel()
    columns = comparison.kind.columns(comparison.schema)
    grid = {name: np.concatenate([suspects[name], records[name]])[order] for name in columns}
    names = [comparison.labels[label] for label in suspects[LABEL]] if comparison.labels else ["sample"] * len(rows)
    captions = [
        text
        for name, found in zip(names, distances.tolist(), strict=True)
        for text in (name, *(f"{distance:.3g}" for distance in found))
    ]
    png = comparison.kind.picture(grid, comparison.schema, captions, shown + 1)
    caption = (
        f"The {len(rows)} samples that are most like copies, each before its nearest training records and their "
        f"distances. Near copies among them: {int((suspicion < 1).sum())}."
    )
    return Picture("nearest-records", "Samples and the training records nearest to them", caption), png
