"""The graph against BERT written out in NumPy (float64), on a small model with random weights."""

import json
import math
import struct

import numpy as np
import onnxruntime
import pytest

from outcrop.engines.embedding.graph import bert_graph, read_safetensors

HIDDEN, WIDE, LAYERS, WORDS, HEADS = 48, 192, 3, 200, 12


@pytest.fixture(scope="module")
def tensors():
    random = np.random.default_rng(7)

    def normal(*shape, scale=0.2, mean=0.0):
        return (mean + scale * random.standard_normal(shape)).astype(np.float32)

    def norm(at):
        return {f"{at}.LayerNorm.weight": normal(HIDDEN, mean=1), f"{at}.LayerNorm.bias": normal(HIDDEN)}

    def dense(at, before, after):
        return {f"{at}.weight": normal(after, before), f"{at}.bias": normal(after)}

    tensors = {
        "embeddings.word_embeddings.weight": normal(WORDS, HIDDEN),
        "embeddings.position_embeddings.weight": normal(512, HIDDEN),
        "embeddings.token_type_embeddings.weight": normal(2, HIDDEN),
        **norm("embeddings"),
    }
    for layer in range(LAYERS):
        at = f"encoder.layer.{layer}"
        for part in ("query", "key", "value"):
            tensors |= dense(f"{at}.attention.self.{part}", HIDDEN, HIDDEN)
        tensors |= dense(f"{at}.attention.output.dense", HIDDEN, HIDDEN) | norm(f"{at}.attention.output")
        tensors |= dense(f"{at}.intermediate.dense", HIDDEN, WIDE)
        tensors |= dense(f"{at}.output.dense", WIDE, HIDDEN) | norm(f"{at}.output")
    return tensors


def bert(tensors, ids):
    tensors = {name: value.astype(np.float64) for name, value in tensors.items()}

    def norm(at, x):
        x = (x - x.mean(-1, keepdims=True)) / np.sqrt(x.var(-1, keepdims=True) + 1e-12)
        return x * tensors[f"{at}.LayerNorm.weight"] + tensors[f"{at}.LayerNorm.bias"]

    def dense(at, x):
        return x @ tensors[f"{at}.weight"].T + tensors[f"{at}.bias"]

    x = tensors["embeddings.word_embeddings.weight"][ids] + tensors["embeddings.token_type_embeddings.weight"][0]
    x = norm("embeddings", x + tensors["embeddings.position_embeddings.weight"][: len(ids)])
    for layer in range(LAYERS):
        at = f"encoder.layer.{layer}"
        query, key, value = (
            dense(f"{at}.attention.self.{part}", x).reshape(len(ids), HEADS, -1).transpose(1, 0, 2)
            for part in ("query", "key", "value")
        )
        weight = np.exp(query @ key.transpose(0, 2, 1) / math.sqrt(HIDDEN / HEADS))
        attended = (weight / weight.sum(-1, keepdims=True) @ value).transpose(1, 0, 2).reshape(len(ids), HIDDEN)
        x = norm(f"{at}.attention.output", x + dense(f"{at}.attention.output.dense", attended))
        wide = dense(f"{at}.intermediate.dense", x)
        wide = wide * (1 + np.vectorize(math.erf)(wide / math.sqrt(2))) / 2
        x = norm(f"{at}.output", x + dense(f"{at}.output.dense", wide))
    mean = x.mean(0)
    return mean / np.linalg.norm(mean)


def run(graph, ids):
    session = onnxruntime.InferenceSession(graph, providers=["CPUExecutionProvider"])
    return session.run(None, {"ids": np.array([ids], np.int32)})[0][0]


@pytest.mark.parametrize(("precision", "least"), [("fp32", 0.999999), ("int8", 0.99)])
@pytest.mark.parametrize("length", [2, 17, 256])
def test_graph_computes_bert(tensors, precision, least, length):
    ids = np.random.default_rng(length).integers(0, WORDS, length)
    vector = run(bert_graph(tensors, precision), ids)
    assert vector @ bert(tensors, ids) > least
    assert np.linalg.norm(vector) == pytest.approx(1, abs=1e-5)


def test_read_safetensors(tmp_path):
    first, second = np.arange(6, dtype="<f4").reshape(2, 3), np.array([7.5], "<f4")
    header = json.dumps(
        {
            "__metadata__": {"format": "pt"},
            "first": {"dtype": "F32", "shape": [2, 3], "data_offsets": [0, 24]},
            "positions": {"dtype": "I64", "shape": [1], "data_offsets": [24, 32]},
            "second": {"dtype": "F32", "shape": [1], "data_offsets": [32, 36]},
        }
    ).encode()
    path = tmp_path / "model.safetensors"
    path.write_bytes(struct.pack("<Q", len(header)) + header + first.tobytes() + bytes(8) + second.tobytes())
    tensors = read_safetensors(path)
    assert sorted(tensors) == ["first", "second"]
    np.testing.assert_array_equal(tensors["first"], first)
    np.testing.assert_array_equal(tensors["second"], second)


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"abc",
        struct.pack("<Q", 1 << 60) + b"{}",
        struct.pack("<Q", 2) + b"[]",
        struct.pack("<Q", 9) + b'{"a": 12}',
        struct.pack("<Q", 58) + b'{"a":{"dtype":"F32","shape":[4],"data_offsets":[ 0, 160]}}',
    ],
)
def test_read_safetensors_refuses_what_is_none(tmp_path, content):
    path = tmp_path / "model.safetensors"
    path.write_bytes(content)
    with pytest.raises(ValueError, match="is not a safetensors file"):
        read_safetensors(path)
