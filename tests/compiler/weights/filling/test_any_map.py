"""Whatever a map says, it fills the model or is found wrong in words; and filling takes slices of memory, not the file."""

from __future__ import annotations

import tracemalloc
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import archonnx
from archonnx.compiler.weights.files.base import Entry, Tensor
from archonnx.compiler.weights.files.formats import write_tensors
from archonnx.contract.diagnostics import ArchonnxError, CompileError

TEXT = """\
block cell(width):
    Dense(width)
    LayerNormalization()

model Small(heads = 2):
    input x: float32[N, T, 4]
    cell(6)
    cell(6)
    LSTM(6, return_sequences=True)
    h = it -> Bidirectional(GRU(3, return_sequences=True))
    (h, h) -> MultiHeadAttention(heads, 3)
    Conv1D(5, 3)
    output y
"""
SHAPES: dict[str, tuple[int, ...]] = {
    "a": (6, 4),
    "b.weight": (6, 6),
    "b.bias": (6,),
    "c.0": (24, 6),
    "c.1": (24,),
    "d_1.weight": (5, 6, 3),
    "e": (),
    "f": (0, 3),
    "rnn.weight_ih_l0": (24, 6),
    "rnn.weight_hh_l0": (24, 6),
    "rnn.bias_ih_l0": (24,),
    "rnn.bias_hh_l0": (24,),
}
ARRAYS: dict[str, Any] = {name: np.ones(shape, "float32") for name, shape in SHAPES.items()} | {
    "i": np.ones((6, 4), "int64"),
    "h.g": np.ones((4, 6), "float16"),
}

LEFT = st.sampled_from(
    "cell_{i}/dense cell/dense cell_{i}/dense/kernel cell_{k:1..}/dense/bias cell_{i}/layer_normalization lstm lstm/bias "
    "lstm/kernel bidirectional bidirectional/forward_gru/kernel bidirectional/forward_gru multi_head_attention "
    "multi_head_attention/query multi_head_attention/key/kernel conv1d conv1d/kernel cell nothing".split()
)
NUMBER = st.sampled_from("0 1 2 3 -1 i {i} heads heads*2 i+1 i//0 7 1000000000000000 x".split())
NAME = st.sampled_from([*ARRAYS, "b", "c", "rnn", "d_{i}", "c.{i}", "c.{i+1}", "none", '"a"', "{heads}"])


@st.composite
def expressions(draw: st.DrawFn, depth: int = 3) -> str:
    if depth == 0 or draw(st.integers(0, 2)) == 0:
        return draw(NAME)
    inner = expressions(depth=depth - 1)
    form = draw(st.integers(0, 11))
    x, n, m = draw(inner), draw(NUMBER), draw(NUMBER)
    return [
        lambda: f"transpose({x})",
        lambda: f"transpose({x}, {n}, {m})",
        lambda: f"reshape({x}, {n}, {m})",
        lambda: f"{x}[{n}:{m}]",
        lambda: f"{x}[..., {n}]",
        lambda: f"split({x}, {n}, axis={m})[{draw(NUMBER)}]",
        lambda: f"concat({x}, {draw(inner)}, axis={n})",
        lambda: f"stack({x}, {draw(inner)}, axis={n})",
        lambda: f"{x} + {draw(inner)}",
        lambda: f'gates({x}, "ifgo", "iofc", axis={n})',
        lambda: f"unpermute_rotary({x}, {n})",
        lambda: f"{draw(st.sampled_from(['cast', 'as_is']))}({x})",
    ][form]()


LINE = (
    st.builds("{} = {}".format, LEFT, expressions())
    | st.builds("optional {} = {}".format, LEFT, expressions())
    | st.builds("{} {}".format, st.sampled_from(["ignore", "initial", "prefix"]), st.one_of(LEFT, NAME, st.just("*")))
)


@pytest.fixture(scope="module")
def small() -> archonnx.CompiledModel:
    return archonnx.compile(text=TEXT)


@settings(max_examples=150)
@given(layout=st.sampled_from(["torch", "keras", "onnx", "none"]), lines=st.lists(LINE, max_size=6), rest=st.booleans())
def test_any_map_fills_or_is_found_wrong(
    small: archonnx.CompiledModel, tmp_path_factory: pytest.TempPathFactory, layout: str, lines: list[str], rest: bool
) -> None:
    path = tmp_path_factory.mktemp("m") / "x.map"
    path.write_text("\n".join([f"layout {layout}", *lines, *(["initial *", "ignore *"] if rest else [])]))
    try:
        values = small.with_weights(ARRAYS, map=path).values()
    except CompileError as error:
        assert all(d.message and "\n" not in d.message for d in error.diagnostics)
        return
    except ArchonnxError as error:
        assert str(error)
        return
    assert {name: array.shape for name, array in values.items()} == {w.path: w.shape for w in small.graph.weights()}


@settings(max_examples=60)
@given(expression=expressions(), layout=st.sampled_from(["torch", "keras", "onnx", "none"]))
def test_a_weight_gets_its_own_shape_and_type_or_the_rule_is_wrong(
    small: archonnx.CompiledModel, tmp_path_factory: pytest.TempPathFactory, expression: str, layout: str
) -> None:
    path = tmp_path_factory.mktemp("m") / "x.map"
    others = [p for p in (w.path for w in small.graph.weights()) if p != "cell/dense/kernel"]
    lines = [f"layout {layout}", f"cell/dense/kernel = {expression}", "ignore *", *(f"initial {p}" for p in others)]
    path.write_text("\n".join(lines))
    try:
        found = small.with_weights(ARRAYS, map=path).values()["cell/dense/kernel"]
    except CompileError as error:
        assert {d.place.line for d in error.diagnostics if d.place} == {2}
        return
    assert found.shape == (4, 6)
    assert found.dtype == np.float32


WIDE = 3000


@pytest.mark.parametrize(("threads", "most"), [(1, 65_000_000), (2, 100_000_000)])
def test_filling_takes_slices_of_memory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, threads: int, most: int
) -> None:
    """A file of 108 MB whose kernels have to be turned, read and written."""
    monkeypatch.setattr("archonnx.compiler.weights.ahead.processors", lambda: threads)
    rng = np.random.default_rng(0)
    arrays = {f"{n}.weight": rng.normal(size=(WIDE, WIDE)).astype("float32") for n in range(3)}
    tensors = {
        name: Tensor(Entry("float32", array.shape), lambda a=array: iter([a.reshape(-1)]))
        for name, array in arrays.items()
    }
    write_tensors(tmp_path / "w.safetensors", tensors, {})
    expected = {name: array[:2].copy() for name, array in arrays.items()}
    del arrays, tensors
    lines = "".join(f"    Dense({WIDE}, use_bias=False)\n" for _ in range(3))
    model = archonnx.compile(text=f"model A():\n    input x: float32[N, {WIDE}]\n{lines}    output y\n")
    (tmp_path / "x.map").write_text("layout torch\ndense_{i} = {i}\n")
    tracemalloc.start()
    try:
        filled = model.with_weights(tmp_path / "w.safetensors", map=tmp_path / "x.map")
        read = tracemalloc.get_traced_memory()[1]
        filled.save(tmp_path / "m.onnx")
        written = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert read < 5_000_000, "only headers are read before the model is saved"
    # Less than the file: of each thread a slice of 16 MiB and what it is turned from, and the slice that is written.
    assert written < most
    for n in range(3):
        kernel = model.with_weights(tmp_path / "m.onnx").given[f"dense{f'_{n}' if n else ''}/kernel"]
        found = kernel[:, :2].whole(filled.evaluation())
        np.testing.assert_array_equal(found.T, expected[f"{n}.weight"])
