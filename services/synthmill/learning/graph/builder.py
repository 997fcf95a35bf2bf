"""Writes ONNX nodes one operator at a time."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import onnx
from onnx import helper, numpy_helper


class GraphBuilder:
    """Collects nodes and constants whose names all begin with one prefix.

    Attributes:
        nodes: the nodes, in an order in which they can run.
        initializers: the constants.
    """

    def __init__(self, prefix: str) -> None:
        self._prefix = prefix
        self._constants: dict[tuple[str, tuple[int, ...], bytes], str] = {}
        self.nodes: list[onnx.NodeProto] = []
        self.initializers: list[onnx.TensorProto] = []

    def constant(self, value: Any, dtype: Any) -> str:
        """Adds a constant, once per value, and returns its name."""
        array = np.asarray(value, dtype=dtype)
        key = (array.dtype.str, array.shape, array.tobytes())
        if key not in self._constants:
            name = f"{self._prefix}/constant_{len(self._constants)}"
            self.initializers.append(numpy_helper.from_array(array, name))
            self._constants[key] = name
        return self._constants[key]

    def add(self, operator: str, *inputs: str, output: str | None = None, **attributes: Any) -> str:
        """Adds a node with one output and returns the output's name."""
        return self.add_many(operator, *inputs, outputs=[output or self._next_name(operator)], **attributes)[0]

    def add_many(self, operator: str, *inputs: str, outputs: int | Sequence[str], **attributes: Any) -> list[str]:
        """Adds a node with several outputs, given by number or by name, and returns their names."""
        name = self._next_name(operator)
        if isinstance(outputs, int):
            outputs = [f"{name}_{position}" for position in range(outputs)]
        self.nodes.append(helper.make_node(operator, inputs, outputs, name=name, **attributes))
        return list(outputs)

    def cast(self, value: str, dtype: Any) -> str:
        """Adds a Cast to a NumPy dtype and returns its output's name."""
        return self.add("Cast", value, to=helper.np_dtype_to_tensor_dtype(np.dtype(dtype)))

    def _next_name(self, operator: str) -> str:
        return f"{self._prefix}/{operator}_{len(self.nodes)}"
