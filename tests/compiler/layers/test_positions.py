"""Layers of tokens and positions: what no other library is at hand for, and what is said of bad arguments and inputs."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from onnxruntime import InferenceSession

import archonnx
from archonnx.contract.diagnostics import CompileError, Diagnostic

Array = np.ndarray[Any, Any]


def compiled(*lines: str, **options: Any) -> Any:
    return archonnx.compile(text="\n    ".join(["model A():", *lines]) + "\n", **options)


def diagnose(*lines: str) -> Diagnostic:
    with pytest.raises(CompileError) as caught:
        compiled(*lines)
    (found,) = caught.value.diagnostics
    return found


def run(model: Any, folder: Path, **inputs: Array) -> list[Array]:
    model.save(folder / "a.onnx")
    found: list[Array] = InferenceSession(folder / "a.onnx", providers=["CPUExecutionProvider"]).run(None, inputs)
    return found


TIED = """input tokens: int32[N, T]
    embed = ReversibleEmbedding(50, 8{})
    x = tokens -> embed
    output logits = (x, reverse=True) -> embed"""


def test_a_tied_table_lies_once_in_the_file(tmp_path: Path) -> None:
    model = compiled(TIED.format(""))
    (table,) = model.graph.weights()
    assert table.shape == (50, 8)
    assert [o.type for o in model.lower().operators if o.type in ("Gather", "Gemm", "Transpose")] == ["Gather", "Gemm"]
    rows = np.random.default_rng(1).uniform(-1, 1, (50, 8)).astype(np.float32)
    from archonnx.compiler.weights.initializers import resolve

    table.initializer = resolve(rows.tolist())
    tokens = np.array([[3, 49, 0], [7, 7, 1]], np.int32)
    (logits,) = run(model, tmp_path, tokens=tokens)
    assert np.allclose(logits, rows[tokens] @ rows.T, atol=1e-5)


def test_the_way_back_may_have_weights_of_its_own() -> None:
    model = compiled(TIED.format(", tie_weights=False"))
    assert [(w.path, w.shape) for w in model.graph.weights()] == [
        ("embed/embeddings", (50, 8)),
        ("embed/reverse_embeddings", (8, 50)),
    ]
    assert str(model.graph.macs()) == "400*N*T"


def test_the_mask_is_the_lookups_and_the_way_back_has_none() -> None:
    model = compiled(TIED.format(", mask_zero=True"))
    lookup, back = (node for node in model.graph.nodes if node.type_name == "ReversibleEmbedding")
    assert lookup.outputs[0].mask is lookup.outputs[1]
    assert len(back.outputs) == 1
    assert back.outputs[0].mask is None


REVERSIBLE = [
    ("input x: float32[N, 7]", "(x, reverse=True) -> ReversibleEmbedding(50, 8)", "E0308", "takes vectors of 8, its"),
    ("input x: float32[N, D]", "(x, reverse=True) -> ReversibleEmbedding(50, 8)", "E0308", "takes vectors of 8, its"),
    (
        "input x: bool[N, 8]",
        "(x, reverse=True) -> ReversibleEmbedding(50, 8)",
        "E0303",
        "needs numbers, got bool[N, 8]",
    ),
    ("input x: float32[]", "(x, reverse=True) -> ReversibleEmbedding(50, 8)", "E0302", "needs at least 1 axis"),
    ("input x: bool[N, 8]", "ReversibleEmbedding(50, 8)", "E0303", "needs whole numbers, got bool[N, 8]"),
    (
        "input x: float32[N, 8]",
        "(x, reverse=1) -> ReversibleEmbedding(50, 8)",
        "E0403",
        "reverse of ReversibleEmbedding",
    ),
    ("input x: float32[N, 8]", "(x, x) -> ReversibleEmbedding(50, 8)", "E0403", "is True or False, got float32[N, 8]"),
    ("input x: float32[N, 8]", "(None, True) -> ReversibleEmbedding(50, 8)", "E0604", "needs its input inputs"),
    ("input x: float32[N, 8]", "(x, back=True) -> ReversibleEmbedding(50, 8)", "E0604", "has no input back"),
    ("input x: float32[N, 8]", "(x, True, x) -> ReversibleEmbedding(50, 8)", "E0604", "takes 2 inputs, got 3"),
    ("input x: int32[N]", "ReversibleEmbedding(0, 8)", "E0403", "input_dim of ReversibleEmbedding is a whole number"),
    ("input x: int32[N]", "ReversibleEmbedding(9, -1)", "E0403", "output_dim of ReversibleEmbedding is a whole number"),
    ("input x: int32[N]", "ReversibleEmbedding(9, 2, 1)", "E0403", "tie_weights of ReversibleEmbedding is True or"),
    ("input x: int32[N]", "ReversibleEmbedding(9, 2, logit_soft_cap=0)", "E0403", "logit_soft_cap of"),
    ("input x: int32[N]", 'ReversibleEmbedding(9, 2, reverse_dtype="int8")', "E0403", "reverse_dtype of"),
    ("input x: int32[N]", "ReversibleEmbedding(9)", "E0401", "needs the argument output_dim"),
]


@pytest.mark.parametrize(("given", "line", "code", "message"), REVERSIBLE, ids=[f"{r[1]}-{r[0]}" for r in REVERSIBLE])
def test_reversible_embedding_says_what_is_wrong(given: str, line: str, code: str, message: str) -> None:
    found = diagnose(given, line)
    assert (found.code, message) == (code, message if message in found.message else found.message)
