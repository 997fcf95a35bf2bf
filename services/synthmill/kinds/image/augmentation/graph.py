"""An ONNX graph that sees a batch of images through projective maps and mixes their channels, all in one pass.

Its inputs, of n images:

- `image`, uint8 (n, H, W, channels), of at least two pixels a side: GridSample measures in half distances between the
  first pixel and the last;
- `inverse`, float32 (n, 3, 3), see `inverse_maps`;
- `rows` and `columns`, float32 (h, 1, 1) and (w, 1): 0, 1, 2, ..., which say how large the results are;
- `mix`, float32 (n, channels, channels + 1), of levels in [0, 255];
- `fill`, float32 (1,), the level outside, where the border is constant.

Its output is `result`, uint8 (n, h, w, channels). The size of the results comes as the numbers of their rows and
columns so that no shape is computed in the graph: on a GPU that is done by the CPU, and the graph would wait for it.

Sums are written out as Mul and Add, though matrix products are meant: those take other kernels for other numbers of
images, whose rounding differs, and a result must not depend on what else is in its batch.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt
import onnx
from onnx import TensorProto, helper, numpy_helper

PADDINGS: Mapping[str, str] = {"constant": "zeros", "reflect": "reflection", "replicate": "border"}
"""Borders that GridSample knows, by the name a policy gives them; "reflection" leaves out the edge, as align_corners
says that it lies in the middle of the last pixels."""

# GridSample of this opset is in every ONNX Runtime that has it for CUDA; of a later one, not in those before it.
_OPSET, _IR_VERSION = 18, 8
# In half sides of the image: far outside, and within what GridSample can still count.
_FAR = float(1 << 16)


def inverse_maps(inverse: npt.ArrayLike, size: tuple[int, int]) -> np.ndarray:
    """Returns what the graph takes for `inverse`: maps to [-1, 1] from the first pixel to the last, float32 (n, 3, 3).

    Args:
        inverse: from columns and rows of the results to those of the images, float64 (n, 3, 3).
        size: height and width of the images.
    """
    height, width = size
    onto = np.array([[2 / (width - 1), 0, -1], [0, 2 / (height - 1), -1], [0, 0, 1]])
    return (onto @ inverse).astype(np.float32)


def build_graph(border: str, channels: int) -> bytes:
    """Returns the graph as an ONNX file.

    Args:
        border: of `PADDINGS`.
        channels: 1 or 3.
    """
    nodes = _Nodes()
    pixels = nodes.add("Cast", nodes.add("Transpose", "image", perm=[0, 3, 1, 2]), to=TensorProto.FLOAT)
    is_constant = PADDINGS[border] == "zeros"
    if is_constant:
        pixels = nodes.add("Sub", pixels, "fill")
    seen = nodes.add(
        "GridSample", pixels, _add_places(nodes), mode="bilinear", padding_mode=PADDINGS[border], align_corners=1
    )
    if is_constant:
        seen = nodes.add("Add", seen, "fill")
    levels = nodes.add("Round", _add_mix(nodes, seen, channels))
    levels = nodes.add("Clip", levels, nodes.constant(0, np.float32), nodes.constant(255, np.float32))
    # The conversion first: a transposition moves bytes, the fewer the better.
    nodes.add("Transpose", nodes.add("Cast", levels, to=TensorProto.UINT8), output="result", perm=[0, 2, 3, 1])
    inputs = [
        helper.make_tensor_value_info("image", TensorProto.UINT8, ["n", "source_height", "source_width", channels]),
        helper.make_tensor_value_info("inverse", TensorProto.FLOAT, ["n", 3, 3]),
        helper.make_tensor_value_info("rows", TensorProto.FLOAT, ["height", 1, 1]),
        helper.make_tensor_value_info("columns", TensorProto.FLOAT, ["width", 1]),
        helper.make_tensor_value_info("mix", TensorProto.FLOAT, ["n", channels, channels + 1]),
        helper.make_tensor_value_info("fill", TensorProto.FLOAT, [1]),
    ]
    result = helper.make_tensor_value_info("result", TensorProto.UINT8, ["n", "height", "width", channels])
    graph = helper.make_graph(nodes.nodes, "augmentation", inputs, [result], nodes.initializers)
    opsets = [helper.make_opsetid("", _OPSET)]
    model = helper.make_model(graph, opset_imports=opsets, ir_version=_IR_VERSION, producer_name="synthmill")
    onnx.checker.check_model(model, full_check=True)
    return model.SerializeToString()


class _Nodes:
    """Nodes and constants, in an order in which they can run."""

    def __init__(self) -> None:
        self.nodes: list[onnx.NodeProto] = []
        self.initializers: list[onnx.TensorProto] = []

    def constant(self, value: Any, dtype: Any) -> str:
        """Adds a constant and returns its name."""
        name = f"constant_{len(self.initializers)}"
        self.initializers.append(numpy_helper.from_array(np.asarray(value, dtype), name))
        return name

    def add(self, operator: str, *inputs: str, output: str | None = None, **attributes: Any) -> str:
        """Adds a node with one output and returns the output's name."""
        output = output or f"{operator}_{len(self.nodes)}"
        self.nodes.append(helper.make_node(operator, inputs, [output], **attributes))
        return output

    def split(self, value: str, axis: int, sizes: list[int]) -> list[str]:
        """Adds a Split and returns the names of its outputs."""
        outputs = [f"Split_{len(self.nodes)}_{position}" for position in range(len(sizes))]
        self.nodes.append(helper.make_node("Split", [value, self.constant(sizes, np.int64)], outputs, axis=axis))
        return outputs


def _add_places(nodes: _Nodes) -> str:
    """Adds where each pixel of the results lies in the images, (n, h, w, 2) as x, y."""
    by_column, by_row, shift = (
        nodes.add("Reshape", part, nodes.constant([-1, 1, 1, 3], np.int64))
        for part in nodes.split("inverse", 2, [1, 1, 1])
    )
    down = nodes.add("Add", nodes.add("Mul", by_row, "rows"), shift)
    places = nodes.add("Add", nodes.add("Mul", by_column, "columns"), down)
    places, scale = nodes.split(places, 3, [2, 1])
    # On the horizon itself nothing is seen; anything but a division by zero will do.
    one, zero = (nodes.constant(value, np.float32) for value in (1, 0))
    scale = nodes.add("Where", nodes.add("Equal", scale, zero), one, scale)
    limits = (nodes.constant(limit, np.float32) for limit in (-_FAR, _FAR))
    return nodes.add("Clip", nodes.add("Div", places, scale), *limits)


def _add_mix(nodes: _Nodes, pixels: str, channels: int) -> str:
    """Adds the sum of channels, each by its column of `mix`, and of the last column; all (n, channels, h, w)."""
    columns = nodes.split(nodes.add("Unsqueeze", "mix", nodes.constant([3], np.int64)), 2, [1] * (channels + 1))
    planes = nodes.split(pixels, 1, [1] * channels)
    terms = [nodes.add("Mul", plane, column) for plane, column in zip(planes, columns, strict=False)]
    total = terms[0]
    for term in [*terms[1:], columns[-1]]:
        total = nodes.add("Add", total, term)
    return total
