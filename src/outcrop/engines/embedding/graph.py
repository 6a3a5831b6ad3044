"""The ONNX graph of a BERT sentence encoder, from its safetensors: token ids in, one unit vector out.

One text a run (batch 1, no padding, hence no mask): a vector then depends on its own text alone, also where int8
activations take their scale from what runs together, and on CPUs batches are no faster. The operators of the
`com.microsoft` domain are ONNX Runtime's fused ones.
"""

from __future__ import annotations

import json
import struct
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Tensors = Mapping[str, NDArray[np.float32]]

Precision = Literal["int8", "fp32"]

HEADS = 12
MAX_TOKENS = 256
EPSILON = 1e-12
FUSED = "com.microsoft"

WEIGHT_LIMIT = 63
"""int8 weights use seven bits: x86 without VNNI adds pairs of products in 16 bits, which eight would overflow."""


def read_safetensors(path: Path) -> dict[str, NDArray[np.float32]]:
    """The float32 tensors of a file: eight bytes of header length, a JSON header, then the raw numbers.

    Raises ValueError if it is not such a file."""
    raw = path.read_bytes()
    try:
        (length,) = struct.unpack_from("<Q", raw)
        if 8 + length > len(raw):
            raise ValueError("it ends within its header")
        header = json.loads(raw[8 : 8 + length])
        tensors = {}
        for name, entry in header.items():
            if name != "__metadata__" and entry["dtype"] == "F32":
                start, end = entry["data_offsets"]
                data = raw[8 + length + start : 8 + length + end]
                tensors[name] = np.frombuffer(data, dtype="<f4").reshape(entry["shape"])
    except (struct.error, ValueError, KeyError, TypeError, AttributeError) as error:
        raise ValueError(f"{path} is not a safetensors file: {error}") from None
    return tensors


def bert_graph(tensors: Tensors, precision: Precision) -> bytes:
    """The serialized model. Input `ids`: int32 (1, tokens) with [CLS] and [SEP], at most 256. Output `vector`:
    float32 (1, hidden), the mean over all tokens, of length 1; and `states`: float32 (1, tokens, hidden), each token in
    its context, of length 1."""
    graph = _Graph(_Quantized() if precision == "int8" else _Exact())
    before = "embeddings.LayerNorm"
    x = graph.embeddings(tensors)
    layer = 0
    while f"encoder.layer.{layer}.output.dense.weight" in tensors:
        x = graph.layer(tensors, f"encoder.layer.{layer}", before, x)
        before = f"encoder.layer.{layer}.output.LayerNorm"
        layer += 1
    mean = graph.node("ReduceMean", [x, graph.constant(np.array([1]))], keepdims=0)
    graph.node("LpNormalization", [mean], output="vector", axis=-1, p=2)
    graph.node("LpNormalization", [x], output="states", axis=-1, p=2)
    return graph.serialize(hidden=len(tensors["embeddings.LayerNorm.weight"]))


class _Graph:
    """Nodes and constants, collected in order. Methods answer the name of the value that they add."""

    def __init__(self, matmuls: _Exact | _Quantized) -> None:
        self._matmuls = matmuls
        self._nodes: list[Any] = []
        self._constants: list[Any] = []

    def constant(self, value: NDArray[Any]) -> str:
        name = f"c{len(self._constants)}"
        self._constants.append(numpy_helper.from_array(np.ascontiguousarray(value), name))
        return name

    def nodes(
        self, operator: str, inputs: list[str], outputs: int, fused: bool = False, **attributes: Any
    ) -> list[str]:
        names = [f"v{len(self._nodes)}_{number}" for number in range(outputs)]
        self._add(operator, inputs, names, fused, attributes)
        return names

    def node(
        self, operator: str, inputs: list[str], *, output: str = "", fused: bool = False, **attributes: Any
    ) -> str:
        name = output or f"v{len(self._nodes)}"
        self._add(operator, inputs, [name], fused, attributes)
        return name

    def _add(
        self, operator: str, inputs: list[str], outputs: list[str], fused: bool, attributes: dict[str, Any]
    ) -> None:
        domain = FUSED if fused else ""
        self._nodes.append(helper.make_node(operator, inputs, outputs, domain=domain, **attributes))

    def embeddings(self, tensors: Tensors) -> str:
        # Every token is of type 0, so the type's row is part of the position's.
        places = tensors["embeddings.position_embeddings.weight"][:MAX_TOKENS]
        places = places + tensors["embeddings.token_type_embeddings.weight"][0]
        norm = [self.constant(tensors[f"embeddings.LayerNorm.{part}"]) for part in ("weight", "bias")]
        words = self._matmuls.words(self, tensors["embeddings.word_embeddings.weight"])
        zero = self.constant(np.array([0]))
        length = self.node("Shape", ["ids"], start=1, end=2)
        place = self.node("Slice", [self.constant(places), zero, length, zero])
        place = self.node("Unsqueeze", [place, zero])
        return self.node("LayerNormalization", [self.node("Add", [words, place]), *norm], epsilon=EPSILON)

    def layer(self, tensors: Tensors, at: str, before: str, x: str) -> str:
        """One transformer layer; `before` names the layer norm that made `x`."""
        query_key_value = [f"{at}.attention.self.{part}" for part in ("query", "key", "value")]
        weight = np.concatenate([tensors[f"{part}.weight"].T for part in query_key_value], axis=1)
        bias = np.concatenate([tensors[f"{part}.bias"] for part in query_key_value])
        attended = self._matmuls.attention(self, x, weight, bias, norm_range(tensors, before))
        projected = self._matmuls.linear(self, attended, tensors[f"{at}.attention.output.dense.weight"].T)
        x = self._add_and_norm(tensors, f"{at}.attention.output", x, projected)

        middle = f"{at}.attention.output.LayerNorm"
        wide = self._matmuls.linear(self, x, tensors[f"{at}.intermediate.dense.weight"].T, norm_range(tensors, middle))
        bias_name = self.constant(tensors[f"{at}.intermediate.dense.bias"])
        wide = self.node("BiasGelu", [wide, bias_name], fused=True)
        narrow = self._matmuls.linear(
            self, wide, tensors[f"{at}.output.dense.weight"].T, gelu_range(tensors, middle, f"{at}.intermediate.dense")
        )
        return self._add_and_norm(tensors, f"{at}.output", x, narrow)

    def _add_and_norm(self, tensors: Tensors, at: str, x: str, change: str) -> str:
        names = ("LayerNorm.weight", "LayerNorm.bias", "dense.bias")
        parts = [self.constant(tensors[f"{at}.{name}"]) for name in names]
        return self.node("SkipLayerNormalization", [x, change, *parts], fused=True, epsilon=EPSILON)

    def serialize(self, hidden: int) -> bytes:
        ids = helper.make_tensor_value_info("ids", TensorProto.INT32, [1, "tokens"])
        vector = helper.make_tensor_value_info("vector", TensorProto.FLOAT, [1, hidden])
        states = helper.make_tensor_value_info("states", TensorProto.FLOAT, [1, "tokens", hidden])
        graph = helper.make_graph(self._nodes, "encoder", [ids], [vector, states], self._constants)
        opsets = [helper.make_opsetid("", 18), helper.make_opsetid(FUSED, 1)]
        model: onnx.ModelProto = helper.make_model(graph, opset_imports=opsets, ir_version=9, producer_name="outcrop")
        content: bytes = model.SerializeToString()
        return content


class _Exact:
    """Matrix products in float32."""

    def words(self, graph: _Graph, table: NDArray[np.float32]) -> str:
        return graph.node("Gather", [graph.constant(table), "ids"])

    def linear(
        self, graph: _Graph, x: str, weight: NDArray[np.float32], expected: NDArray[np.float32] | None = None
    ) -> str:
        return graph.node("MatMul", [x, graph.constant(weight)])

    def attention(
        self,
        graph: _Graph,
        x: str,
        weight: NDArray[np.float32],
        bias: NDArray[np.float32],
        expected: NDArray[np.float32],
    ) -> str:
        inputs = [x, graph.constant(weight), graph.constant(bias)]
        return graph.node("Attention", inputs, fused=True, num_heads=HEADS)


class _Quantized:
    """Matrix products in int8: weights with a scale per output column, activations with one scale per run.

    One scale for all columns of an activation is coarse, since a few columns are far larger than the rest. So each
    column is divided by its expected range and the weight's row multiplied by it, which leaves the product as it was
    and makes the rounding finer.
    """

    def words(self, graph: _Graph, table: NDArray[np.float32]) -> str:
        scale = np.abs(table).max(axis=1, keepdims=True) / 127
        rounded = np.rint(table / scale).astype(np.int8)
        whole = graph.node("Cast", [graph.node("Gather", [graph.constant(rounded), "ids"])], to=TensorProto.FLOAT)
        scales = graph.node("Gather", [graph.constant(scale.astype(np.float32)), "ids"])
        return graph.node("Mul", [whole, scales])

    def linear(
        self, graph: _Graph, x: str, weight: NDArray[np.float32], expected: NDArray[np.float32] | None = None
    ) -> str:
        if expected is not None:
            x, weight = self._balance(graph, x, weight, expected)
        return graph.node("DynamicQuantizeMatMul", [x, *_per_column(graph, weight)], fused=True)

    def attention(
        self,
        graph: _Graph,
        x: str,
        weight: NDArray[np.float32],
        bias: NDArray[np.float32],
        expected: NDArray[np.float32],
    ) -> str:
        x, weight = self._balance(graph, x, weight, expected)
        rounded, scale, zero = _per_column(graph, weight)
        x, x_scale, x_zero = graph.nodes("DynamicQuantizeLinear", [x], 3)
        inputs = [x, rounded, graph.constant(bias), x_scale, scale, "", x_zero, zero]
        return graph.node("QAttention", inputs, fused=True, num_heads=HEADS)

    def _balance(
        self, graph: _Graph, x: str, weight: NDArray[np.float32], expected: NDArray[np.float32]
    ) -> tuple[str, NDArray[np.float32]]:
        return graph.node("Mul", [x, graph.constant(1 / expected)]), weight * expected[:, None]


def _per_column(graph: _Graph, weight: NDArray[np.float32]) -> list[str]:
    scale = (np.abs(weight).max(axis=0) / WEIGHT_LIMIT).astype(np.float32)
    rounded = np.rint(weight / scale).astype(np.int8)
    return [graph.constant(rounded), graph.constant(scale), graph.constant(np.zeros(len(scale), np.int8))]


def norm_range(tensors: Tensors, norm: str) -> NDArray[np.float32]:
    """How large each column of a layer norm's output gets: three standard deviations around its mean."""
    reach: NDArray[np.float32] = 3 * np.abs(tensors[f"{norm}.weight"]) + np.abs(tensors[f"{norm}.bias"])
    return reach


def gelu_range(tensors: Tensors, norm: str, dense: str) -> NDArray[np.float32]:
    """The same for `gelu(dense(norm))`: four deviations of a sum over independent columns; gelu's minimum is -0.17."""
    weight = tensors[f"{dense}.weight"]
    mean = tensors[f"{dense}.bias"] + weight @ tensors[f"{norm}.bias"]
    deviation = np.linalg.norm(weight * tensors[f"{norm}.weight"], axis=1)
    reach: NDArray[np.float32] = np.maximum(mean + 4 * deviation, np.float32(0.17))
    return reach
