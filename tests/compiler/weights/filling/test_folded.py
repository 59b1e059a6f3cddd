"""Our own files with normalizations folded into kernels, read back as weights: they compute the same, and are written
as they were."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime
import pytest
from hypothesis import given
from hypothesis import strategies as st

import archonnx
from archonnx.compiler.graph import Weight
from archonnx.compiler.recipes import Constant, Draw, Evaluation, NormFactor, Scaled, numpy_dtype
from archonnx.compiler.weights.filling import WeightsError, fill
from archonnx.compiler.weights.filling.undoing import undone
from archonnx.compiler.weights.initializers import resolve
from archonnx.contract.diagnostics import Place

TEXT = """
block unit(filters):
    Conv2D(filters, 3, use_bias=False)
    BatchNormalization()

model A():
    input image: float32[N, 9, 10, 3]
    a = image -> unit(4) -> ReLU()
    b = a -> DepthwiseConv2D(3, depth_multiplier=2) -> BatchNormalization(scale=False) -> BatchNormalization()
    c = b -> Conv2D(6, 3, groups=2, strides=2, use_bias=False) -> BatchNormalization(center=False, epsilon=1e-5)
    d = c -> ReLU() -> Conv2DTranspose(5, 2, strides=2) -> BatchNormalization()
    e = d -> Dense(7) -> BatchNormalization() -> ReLU()
    f = e -> Dense(7, use_bias=False) -> BatchNormalization(scale=False, center=False)
    output y = f -> Flatten() -> Dense(8, activation="relu") -> Dense(6) -> BatchNormalization()
    output z = d -> SeparableConv2D(3, 2) -> BatchNormalization()
"""
NORMS = 9


def with_random_weights(text: str) -> archonnx.CompiledModel:
    model = archonnx.compile(text=text)
    rng = np.random.default_rng(1)
    drawn = {
        w.path: rng.uniform(0.1, 3, w.shape) if "variance" in w.path else rng.normal(0, 0.5, w.shape)
        for w in model.graph.weights()
    }
    return model.with_weights({path: array.astype(np.float32) for path, array in drawn.items()})


def results(path: Path) -> list[Any]:
    options = onnxruntime.SessionOptions()
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    session = onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])
    image = np.random.default_rng(0).standard_normal((2, 9, 10, 3)).astype(np.float32)
    return list(session.run(None, {"image": image}))


def assert_near(found: list[Any], wanted: list[Any]) -> None:
    for one, other in zip(found, wanted, strict=True):
        assert np.abs(one - other).max() <= 5e-6 * np.abs(other).max()


def kinds(path: Path) -> list[str]:
    return [node.op_type for node in onnx.load(path).graph.node]


def test_every_level_computes_the_same(tmp_path: Path) -> None:
    model = with_random_weights(TEXT)
    for level in (0, 1, 2):
        model.save(tmp_path / f"{level}.onnx", optimization=level)  # type: ignore[arg-type]
    assert "BatchNormalization" not in kinds(tmp_path / "2.onnx")
    assert kinds(tmp_path / "1.onnx").count("BatchNormalization") == NORMS
    wanted = results(tmp_path / "0.onnx")
    assert_near(results(tmp_path / "1.onnx"), wanted)
    assert_near(results(tmp_path / "2.onnx"), wanted)


def test_a_folded_file_is_read_back_as_what_computes_the_same(tmp_path: Path) -> None:
    model = with_random_weights(TEXT)
    model.save(tmp_path / "once.onnx")
    found = fill(archonnx.compile(text=TEXT), tmp_path / "once.onnx")
    (told,) = found.notes
    assert told.startswith(f"{NORMS} BatchNormalization are folded into kernels there")
    again = archonnx.compile(text=TEXT).with_given(found.given)
    values = again.values()
    for path, array in values.items():
        if path.endswith("/gamma"):
            assert (array == 1).all(), path
    again.save(tmp_path / "twice.onnx")
    again.save(tmp_path / "plain.onnx", optimization=1)
    assert (tmp_path / "twice.onnx").read_bytes() == (tmp_path / "once.onnx").read_bytes()
    assert_near(results(tmp_path / "plain.onnx"), results(tmp_path / "once.onnx"))


@given(
    st.floats(0, 1, exclude_max=True),
    st.sampled_from(["float32", "float16", "bfloat16", "float64"]),
    st.integers(0, 99),
)
def test_a_norm_at_rest_changes_no_bit_of_a_kernel(epsilon: float, dtype: str, seed: int) -> None:
    def draw(path: str, *shape: int) -> Draw:
        return Draw(Weight(path, dtype, shape, resolve("ones"), True, Place("a.arch", 1, 1, 1, 1)))

    written = Scaled(draw("kernel", 4, 64), 0, NormFactor(draw("gamma", 4), draw("variance", 4), epsilon))
    kernel = np.random.default_rng(seed).normal(size=(4, 64)).astype(numpy_dtype(dtype))
    found = {weight.path: recipe for weight, _, recipe in undone(written, Constant(kernel, dtype))}
    assert written.whole(Evaluation(0, found)).tobytes() == kernel.tobytes()


@pytest.mark.parametrize("level", [0, 1])
def test_a_file_of_another_level_is_read_exactly(level: Any, tmp_path: Path) -> None:
    model = with_random_weights(TEXT)
    model.save(tmp_path / "m.onnx", optimization=level)
    found = archonnx.compile(text=TEXT).with_weights(tmp_path / "m.onnx").values()
    for path, array in model.values().items():
        np.testing.assert_array_equal(found[path], array, err_msg=path)


def test_a_file_from_before_there_were_levels_is_read(tmp_path: Path) -> None:
    model = with_random_weights(TEXT)
    model.save(tmp_path / "m.onnx", optimization=1)
    proto = onnx.load(tmp_path / "m.onnx")
    kept = [prop for prop in proto.metadata_props if prop.key != "archonnx.optimization"]
    del proto.metadata_props[:]
    proto.metadata_props.extend(kept)
    onnx.save(proto, tmp_path / "old.onnx")
    found = archonnx.compile(text=TEXT).with_weights(tmp_path / "old.onnx").values()
    np.testing.assert_array_equal(found["dense/kernel"], model.values()["dense/kernel"])


def test_half_of_a_folded_pair_is_not_filled(tmp_path: Path) -> None:
    """A kernel that holds the normalization, beside one that is drawn, would be wrong."""
    with_random_weights(TEXT).save(tmp_path / "m.onnx")
    model = archonnx.compile(text=TEXT)
    with pytest.raises(
        WeightsError, match=r"dense/kernel:folded holds batch_normalization_\d+ too, which is not filled"
    ):
        model.with_weights(tmp_path / "m.onnx", scope="dense")


def test_matrices_in_few_bits_are_read_with_what_is_folded_into_them(tmp_path: Path) -> None:
    text = """
model B():
    input image: float32[N, 9, 10, 3]
    image -> Flatten() -> Dense(96, activation="relu") -> Dense(64) -> BatchNormalization()
    output y
"""
    model = with_random_weights(text)
    model.save(tmp_path / "once.onnx", weight_bits=8)
    again = archonnx.compile(text=text).with_weights(tmp_path / "once.onnx")
    again.save(tmp_path / "plain.onnx", optimization=1)
    model.save(tmp_path / "exact.onnx", optimization=0)
    found, wanted = results(tmp_path / "plain.onnx"), results(tmp_path / "exact.onnx")
    assert np.abs(found[0] - wanted[0]).max() <= 0.02 * np.abs(wanted[0]).max()


@pytest.mark.parametrize(
    ("bias", "roles"), [("+ b", "(y, g, b, b, v)"), ("+ b", "(y, v, m, m, v)"), ("", "(y, v, g, g, v)")]
)
def test_a_weight_in_two_places_of_a_normalization_is_read_back(bias: str, roles: str, tmp_path: Path) -> None:
    """One number cannot be both the bias and the mean, or both the variance and gamma, of a normalization at rest."""
    ranges = {
        "b": '"random_normal"',
        "g": "RandomUniform(0.5, 2.0)",
        "m": "[2.0, 1, 0, 1]",
        "v": "RandomUniform(0.5, 2)",
    }
    used = [f"    weight {name}: [4] = {ranges[name]}" for name in ranges if name in bias + roles]
    lines = [
        "model A():",
        "    input image: float32[N, 9, 10, 3]",
        '    weight k: [3, 4] = "random_normal"',
        *used,
        "    x = image -> GlobalAveragePooling2D()",
        f"    y = x @ k {bias}",
        f"    z = {roles} -> onnx.BatchNormalization()",
        "    output z",
    ]
    text = "\n".join(lines)
    archonnx.compile(text=text).save(tmp_path / "once.onnx", seed=3)
    archonnx.compile(text=text).with_weights(tmp_path / "once.onnx").save(tmp_path / "again.onnx", optimization=0)
    (wanted,), (found,) = results(tmp_path / "once.onnx"), results(tmp_path / "again.onnx")
    np.testing.assert_allclose(found, wanted, rtol=1e-5, atol=1e-6)


def test_a_file_without_the_normalization_is_refused_without_an_idle_hint(tmp_path: Path) -> None:
    text = "model A():\n    input image: float32[N, 8]\n    Dense(4)\n    output y\n"
    archonnx.compile(text=text).save(tmp_path / "m.onnx")
    folding = archonnx.compile(text=text.replace("Dense(4)", "Dense(4)\n    BatchNormalization()"))
    with pytest.raises(WeightsError, match=r"missing: dense/kernel, float32\[8, 4\]\n"):
        folding.with_weights(tmp_path / "m.onnx")
