"""The contract of a kind's augmentation side; what it works with is imported when it is first asked for."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from concurrent.futures import Executor
from typing import Any, Protocol

import numpy as np

from synthmill.kinds.policies.parsing import Described, Policy
from synthmill.kinds.policies.tree import Traced
from synthmill.runtime.errors import FailedPrecondition, SynthmillError


class Augmentation(ABC):
    """The augmentation side of a kind: operations, policies of them, and the engine that applies policies.

    An example is a record with its targets, in a class of the kind's own; arrays by name are what it looks like to
    everybody else.
    """

    operations: Mapping[str, Described]
    """Operations by name, in the order in which users are shown them."""

    ready_made: Mapping[str, Mapping[str, Any]]
    """Policies that come with the kind, by name, as `policy` takes them."""

    @abstractmethod
    def policy(self, given: Any) -> Policy:
        """Checks a policy and fills in its defaults.

        Raises:
            InvalidField: something is missing, unknown or not allowed; the field is its path in the policy.
        """

    @abstractmethod
    def open(
        self,
        policy: Policy,
        pool: Sequence[Any] | None = None,
        executor: Executor | None = None,
        class_count: int | None = None,
        device: Any = None,
    ) -> Augmenter:
        """Makes a policy ready to be applied.

        Args:
            policy: as `policy` returned it.
            pool: examples that others are mixed with: what has a length and is read by position.
            executor: runs records side by side; without one, they run one after the other.
            class_count: length that labels must have; None allows any.
            device: what `open_device` returned; results differ a little from those of the processor.

        Raises:
            FailedPrecondition: the policy mixes records, and there is no pool.
        """

    def open_device(self, wanted: str) -> Any:
        """Returns what does a part of the work beside the processor, or None; says in the log which and why.

        Args:
            wanted: "cpu", "cuda", or "auto", which is CUDA where there is one.

        Raises:
            FailedPrecondition: CUDA is wanted, and the kind or the machine has no use for it.
        """
        if wanted == "cuda":
            raise FailedPrecondition("records of this kind are augmented on the CPU", field="accelerator")
        return None

    @abstractmethod
    def to_example(self, arrays: Mapping[str, np.ndarray]) -> Any:
        """Returns the example that arrays by name say.

        Raises:
            InvalidField: an array is unknown, missing, or not what it should be; the field is its name.
        """

    @abstractmethod
    def to_arrays(self, example: Any) -> dict[str, np.ndarray]:
        """Inverse of `to_example`; what an example does not have is left out."""

    @abstractmethod
    def picture(self, examples: Sequence[Any], captions: Sequence[str], columns: int) -> bytes:
        """Draws examples of any sizes, with their targets, as a captioned grid; returns a PNG file."""


class Augmenter(Protocol):
    """A policy that is ready to be applied, from any number of threads."""

    policy: Policy

    def augment(self, examples: Sequence[Any], index: Sequence[int], seed: int) -> list[Any]:
        """Returns what becomes of examples; each is a function of itself, its index and the seed alone.

        Args:
            examples: none is changed.
            index: of each, in [0, 2^48).
            seed: in [0, 2^64).

        Raises:
            SynthmillError: what `attempt` returns for the first example that cannot be augmented.
        """

    def attempt(self, examples: Sequence[Any], index: Sequence[int], seed: int) -> list[Any | SynthmillError]:
        """Does what `augment` does, and returns errors in the places of the examples that have them."""

    def trace(self, examples: Sequence[Any], index: Sequence[int], seed: int) -> list[list[Traced]]:
        """Returns what happens to examples, without doing it."""
