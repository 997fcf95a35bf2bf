"""The contract of a kind: everything that Synthmill must know about one sort of data.

The data side (collect, decode, codec) needs NumPy alone. The learning side needs torch, so it is a module of its own
that `Kind.learning` imports when it is first asked for: the catalog and the client never load it.
"""

from __future__ import annotations

import dataclasses
import enum
from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

import numpy as np
import pyarrow as pa

from synthmill.runtime.errors import BadData, FailedPrecondition

if TYPE_CHECKING:
    import torch
    from torch import nn

    from synthmill.kinds.augmentation import Augmentation

PICTURE_MEDIA_TYPE = "image/png"
"""What `Kind.picture` returns, whatever the kind."""

Columns = dict[str, np.ndarray]
"""Records side by side: arrays by column name, all with the same first axis."""

Schema = dict[str, Any]
"""What the kind must know to read its arrays, as JSON: for an image its height, width and channels."""


@dataclasses.dataclass(frozen=True)
class Item:
    """One thing found in a source, not yet decoded.

    Attributes:
        source: its name in reports, a path or a row.
        payload: its content: encoded bytes, or what else the kind's `decode` takes.
        label: class name, or None if the source has none for it.
        split: split the source assigns it to, or None.
        size_bytes: memory that the payload holds; zero if it only points at the content.
    """

    source: str
    payload: Any
    label: str | None = None
    split: str | None = None
    size_bytes: int = 0


class IssueReason(enum.StrEnum):
    """What an import may find; each is an `ImportIssueReason` of the protos without its prefix."""

    CORRUPT = "CORRUPT"
    UNSUPPORTED_FORMAT = "UNSUPPORTED_FORMAT"
    TOO_LARGE = "TOO_LARGE"
    EXACT_DUPLICATE = "EXACT_DUPLICATE"
    NEAR_DUPLICATE = "NEAR_DUPLICATE"
    CROSS_SPLIT_DUPLICATE = "CROSS_SPLIT_DUPLICATE"
    BAD_LABEL = "BAD_LABEL"
    CONFLICTING_LABEL = "CONFLICTING_LABEL"
    UNSAFE_PATH = "UNSAFE_PATH"
    MISSING = "MISSING"
    CROSS_SPLIT_NEAR_DUPLICATE = "CROSS_SPLIT_NEAR_DUPLICATE"


@dataclasses.dataclass(frozen=True)
class Rejection:
    """An item that cannot be used.

    Attributes:
        source: its name.
        reason: why not, as a word.
        detail: why not, as a sentence.
    """

    source: str
    reason: IssueReason
    detail: str


@dataclasses.dataclass(frozen=True)
class Record:
    """A decoded item.

    Attributes:
        columns: its arrays by column name, without a batch axis.
        traits: what conversion has evened out, by name ("source_mode": "RGBA"); an import counts their values.
    """

    columns: Columns
    traits: Mapping[str, str] = dataclasses.field(default_factory=dict)


@dataclasses.dataclass(frozen=True)
class CollectLimits:
    """Bounds on what a source may contain.

    Attributes:
        item_bytes: size of one item.
        total_bytes: size of all items of an archive once unpacked.
        items: number of items.
    """

    item_bytes: int = 64 * 1024 * 1024
    total_bytes: int = 64 * 1024**3
    items: int = 100_000_000


@dataclasses.dataclass(frozen=True)
class HyperParameters:
    """Base of a family's hyper-parameters: a frozen dataclass with defaults.

    Each field carries `metadata` made by `parameter()`. The learning package validates values against it.
    """

    def resolve(self, schema: Schema, record_count: int = 0) -> Self:
        """Replaces the values that leave a choice to the data; the networks take the result.

        Args:
            schema: the kind's schema of the records.
            record_count: number of records to learn from; 0 if it is not known, which counts as few.

        Raises:
            FailedPrecondition: the family cannot learn data of this schema.
        """
        return self


def parameter(
    default: Any,
    description: str,
    *,
    minimum: float | None = None,
    maximum: float | None = None,
    above: float | None = None,
    choices: Sequence[Any] | None = None,
) -> Any:
    """Declares a validated field of a parameters dataclass.

    Args:
        default: value if none is given; its type is the field's.
        description: meaning and unit.
        minimum: least value allowed, inclusive.
        maximum: greatest value allowed, inclusive.
        above: bound that the value must exceed.
        choices: the only values allowed.
    """
    metadata = {"description": description, "minimum": minimum, "maximum": maximum, "above": above, "choices": choices}
    return dataclasses.field(default=default, metadata=metadata)


class Kind(ABC):
    """One sort of data."""

    name: str
    """Its word on the wire: "image", ..."""

    import_parameters: type
    """Frozen dataclass of `parameter()` fields: what an import may be told, such as height and width."""

    learning_module: str
    """Dotted name of the module whose `LEARNING` is the kind's learning side."""

    augmentation_module: str = ""
    """Dotted name of the module whose `AUGMENTATION` is the kind's augmentation side; empty if it has none."""

    hyper_parameters: Mapping[str, type[HyperParameters]]
    """Hyper-parameters by family ("gan", "vae"); importable without torch."""

    @abstractmethod
    def collect(self, source: Path, label_from: str, limits: CollectLimits) -> Iterator[Item | Rejection]:
        """Finds the items of a source, in a fixed order, reading as lazily as the format allows.

        Args:
            source: local folder or file.
            label_from: where labels come from; empty means what the source suggests.
            limits: bounds on what is read.

        Raises:
            BadData: the source as a whole cannot be used.
            InvalidField: `label_from` does not fit the source.
            ResourceExhausted: the source as a whole is over a limit.
        """

    @abstractmethod
    def resolve_schema(self, parameters: Any, items: Sequence[Item]) -> Schema:
        """Fixes the schema from the import parameters and, for what they leave open, the first items.

        Raises:
            BadData: no item of the sample can be read.
        """

    @abstractmethod
    def columns(self, schema: Schema) -> dict[str, tuple[np.dtype, tuple[int, ...]]]:
        """Returns dtype and shape of each column of one record, without the label."""

    @abstractmethod
    def decode(self, item: Item, schema: Schema, parameters: Any) -> Record | Rejection:
        """Turns an item into a record, or says why it cannot; safe to call from several threads."""

    @abstractmethod
    def fingerprint(self, batch: Columns) -> np.ndarray:
        """Returns a uint64 [N] perceptual hash: near-identical records differ in few bits."""

    near_duplicate_bits: int
    """Fingerprints that differ in at most this many bits make a pair worth comparing; negative means none does."""

    @abstractmethod
    def nearly_equal(self, first: Columns, second: Columns) -> np.ndarray:
        """Compares records pair by pair and returns bool [N]: whether a person would call them the same."""

    @abstractmethod
    def statistics(self, schema: Schema, batches: Iterable[Columns]) -> dict[str, Any]:
        """Returns figures over all records as JSON, in one pass."""

    @abstractmethod
    def to_table(self, batch: Columns, schema: Schema, labels: Sequence[str] = ()) -> pa.Table:
        """Encodes records for Parquet, with the metadata that `datasets.load_dataset` understands.

        Args:
            batch: the kind's columns, and any further columns of numbers (N,), such as "label".
            labels: class names, which make "label" a column of classes.
        """

    @abstractmethod
    def from_table(self, table: pa.Table, schema: Schema) -> Columns:
        """Inverse of `to_table`.

        Raises:
            BadData: a record does not fit the schema.
        """

    @abstractmethod
    def to_files(self, record: Columns, schema: Schema) -> dict[str, bytes]:
        """Encodes one record (no batch axis) as files by extension, for folders and WebDataset: {"png": ...}."""

    def read_file(self, data: bytes) -> Columns:
        """Decodes a file as people have it, whatever its size, to the columns of one record (no batch axis).

        Raises:
            InvalidField: the bytes are no such file, or too much once decoded; the field is "encoded".
            FailedPrecondition: records of this kind do not come as files.
        """
        raise FailedPrecondition(f"records of the kind {self.name!r} do not come as files")

    def schema_of(self, record: Columns) -> Schema:
        """Returns the schema of records such as this one (no batch axis).

        Raises:
            FailedPrecondition: this kind's records cannot be made by augmentation.
        """
        raise FailedPrecondition(f"records of the kind {self.name!r} cannot be augmented")

    @abstractmethod
    def picture(self, batch: Columns, schema: Schema, captions: Sequence[str], columns: int) -> bytes:
        """Draws records as a captioned grid.

        Args:
            captions: a short text per record, or empty for none.
            columns: records in a row of the grid.

        Returns:
            A PNG file.
        """

    def learning(self) -> Learning:
        """Returns the kind's learning side, importing torch."""
        import importlib

        return importlib.import_module(self.learning_module).LEARNING

    def augmentation(self) -> Augmentation:
        """Returns the kind's augmentation side, importing what it works with.

        Raises:
            FailedPrecondition: the kind has none.
        """
        import importlib

        if not self.augmentation_module:
            raise FailedPrecondition(f"records of the kind {self.name!r} cannot be augmented")
        return importlib.import_module(self.augmentation_module).AUGMENTATION


class Learning(ABC):
    """The learning side of a kind: networks, objectives' kind-dependent parts, and decoding inside the graph."""

    augment_draws: int
    """Uniform numbers per record that `augment` needs."""

    @abstractmethod
    def to_input(self, batch: Mapping[str, torch.Tensor]) -> torch.Tensor:
        """Turns stored columns (already tensors on the device) into the networks' float input, (B, ...)."""

    @abstractmethod
    def generator(self, schema: Schema, label_count: int, parameters: HyperParameters) -> nn.Module:
        """Builds G: forward(z (B, latent), label (B,) int64 or None) -> network output, as `to_input` gives it."""

    @abstractmethod
    def discriminator(self, schema: Schema, label_count: int, parameters: HyperParameters) -> nn.Module:
        """Builds D: forward(x, label or None) -> logits (B,)."""

    @abstractmethod
    def encoder(self, schema: Schema, label_count: int, parameters: HyperParameters) -> nn.Module:
        """Builds a VAE's encoder: forward(x, label or None) -> (mean, log variance), each (B, latent)."""

    @abstractmethod
    def reconstruction(self, output: torch.Tensor, target: torch.Tensor) -> torch.Tensor:
        """Returns -log p(target | output) per record up to a constant, (B,), in nats."""

    @abstractmethod
    def augment(self, x: torch.Tensor, policy: str, draws: torch.Tensor) -> torch.Tensor:
        """Applies a differentiable augmentation to network inputs (DiffAugment, arXiv 2006.10738).

        Args:
            x: (B, ...) real or generated network inputs.
            policy: names joined by "+"; "none" changes nothing.
            draws: (B, `augment_draws`) uniform numbers in [0, 1) that decide the parameters.
        """

    @abstractmethod
    def decode(self, output: torch.Tensor) -> dict[str, torch.Tensor]:
        """Turns network output into finished columns (image: uint8 (B, H, W, C)); traced into the sampler graph."""

    @abstractmethod
    def probe(self, schema: Schema, label_count: int) -> nn.Module:
        """Builds the small classifier that utility is measured with: forward(x as `to_input` gives it) -> (B, labels).

        It learns in a minute on a CPU: two sets of samples are told apart by what it has learned, not by how well. Its
        `layers(x)` are what each of its layers makes of x, float tensors (B, ...), the logits last.
        """

    def restore_generator(
        self, schema: Schema, label_count: int, parameters: HyperParameters, weights: Mapping[str, torch.Tensor]
    ) -> nn.Module:
        """Builds G again from its weights, which may lack channels that were pruned; on the CPU, for evaluation.

        Raises:
            BadData: the weights are those of another network.
        """
        generator = self.generator(schema, label_count, parameters)
        load_weights(generator, weights)
        return generator.eval()

    def channel_scores(self, weights: Mapping[str, torch.Tensor]) -> dict[str, torch.Tensor]:
        """Returns how much each channel of G contributes, (channels,) by group of channels that belong together.

        Args:
            weights: of G, as in its `state_dict`.

        Raises:
            FailedPrecondition: channels of this kind's networks cannot be removed.
        """
        raise FailedPrecondition("the networks of this kind of data cannot be pruned")

    def keep_channels(
        self, weights: Mapping[str, torch.Tensor], kept: Mapping[str, torch.Tensor]
    ) -> dict[str, torch.Tensor]:
        """Returns the weights of G without the channels that are not kept.

        Args:
            weights: of G.
            kept: positions of channels, int64, ascending, for every group of `channel_scores`.

        Raises:
            FailedPrecondition: channels of this kind's networks cannot be removed.
        """
        raise FailedPrecondition("the networks of this kind of data cannot be pruned")


def load_weights(module: nn.Module, weights: Mapping[str, torch.Tensor]) -> None:
    """Gives a module its weights, all of them and no others.

    Raises:
        BadData: they do not fit.
    """
    try:
        module.load_state_dict(dict(weights))
    except RuntimeError as error:
        raise BadData(f"the weights do not fit the network: {error}") from None
