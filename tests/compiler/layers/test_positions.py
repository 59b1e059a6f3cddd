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


def rotated(x: Array, positions: Array, *, base: float = 10000.0, interleaved: bool = False) -> Array:
    """Pairs of the last axis as complex numbers, turned, in double precision. x: [batch, steps, heads, features]."""
    half = x.shape[-1] // 2
    angle = positions[..., :, None, None] * base ** (-np.arange(half) / half)
    pairs = (x[..., ::2], x[..., 1::2]) if interleaved else (x[..., :half], x[..., half:])
    turned = (pairs[0] + 1j * pairs[1].astype(np.float64)) * np.exp(1j * angle)
    return np.stack([turned.real, turned.imag], -1 if interleaved else -2).reshape(x.shape)


def uniform(*shape: int) -> Array:
    return np.random.default_rng(sum(shape)).uniform(-1, 1, shape).astype(np.float32)


@pytest.mark.parametrize("number", range(40))
def test_turns_along_any_axes(number: int, tmp_path: Path) -> None:
    """Shapes, axes, operator set and arguments drawn at random; axes that weights do not span are left open or not."""
    rng = np.random.default_rng(number)
    rank = int(rng.integers(3, 6))
    steps, features = (int(a) for a in rng.permutation(np.arange(1, rank))[:2])
    if number % 2:
        steps, features = int(rng.integers(1, min(rank - 1, 3))), rank - 1  # as ONNX's operator takes them
    sizes = [int(rng.integers(1, 5)) for _ in range(rank)]
    sizes[features] = 2 * int(rng.integers(1, 6)) if rng.random() < 0.5 else int(rng.integers(2, 11))
    turned = 2 * int(rng.integers(1, sizes[features] // 2 + 1))
    whole = turned == sizes[features] and rng.random() < 0.5
    interleaved, negative, given = (bool(rng.integers(2)) for _ in range(3))
    x = rng.uniform(-1, 1, sizes).astype(np.float32)
    ids = rng.integers(0, 99, (sizes[0], sizes[steps]) if rng.random() < 0.5 else sizes[steps]).astype(np.int64)
    names = [d if a == features or rng.random() < 0.5 else "NABCD"[a] for a, d in enumerate(sizes)]
    line = f"RotaryEmbedding(sequence_axis={steps - rank * negative}, feature_axis={features - rank * negative}"
    line += (
        f", interleaved={interleaved}{'' if whole else f', rotary_dim={turned}'}{'' if given else ', start_index=5'})"
    )
    shape = ", ".join(map(str, names))
    lines = [f"input x: float32[{shape}]"]
    if given:
        ids_shape = [names[0], names[steps]] if ids.ndim == 2 else [names[steps]]
        lines.append(f"input ids: int64[{', '.join(map(str, ids_shape))}]")
    lines.append(f"{'(x, position_ids=ids)' if given else 'x'} -> {line}")
    opset = int(rng.choice([17, 20, 23, 24]))
    (y,) = run(compiled(*lines, opset=opset), tmp_path, x=x, **({"ids": ids} if given else {}))
    moved = np.moveaxis(x, (steps, features), (1, -1)).reshape(sizes[0], sizes[steps], -1, sizes[features])
    positions = ids if given else np.arange(5, 5 + sizes[steps])
    base = rotated(moved[..., :turned], positions, interleaved=interleaved)
    expected = np.concatenate([base, moved[..., turned:]], -1)
    expected = expected.reshape(np.moveaxis(x, (steps, features), (1, -1)).shape)
    assert np.max(np.abs(y - np.moveaxis(expected, (1, -1), (steps, features)))) < 1e-6


@pytest.mark.parametrize("opset", [None, 23])
@pytest.mark.parametrize("interleaved", [False, True])
def test_turns_rightly_a_million_steps_on(opset: int | None, interleaved: bool, tmp_path: Path) -> None:
    """float32 angles would be wrong in the first digit here."""
    line = f"x -> RotaryEmbedding(start_index=1000000, interleaved={interleaved})"
    x = uniform(2, 5, 3, 8)
    (y,) = run(compiled("input x: float32[N, T, 3, 8]", line, opset=opset), tmp_path, x=x)
    assert np.max(np.abs(y - rotated(x, np.arange(1_000_000, 1_000_005), interleaved=interleaved))) < 1e-6


@pytest.mark.parametrize("opset", [None, 23])
@pytest.mark.parametrize("layer", ["RotaryEmbedding({})", "SinePositionEncoding({})", "PositionEmbedding(16, {})"])
def test_step_by_step_gives_what_all_at_once_gives(layer: str, opset: int | None, tmp_path: Path) -> None:
    """A step of a decoder: what went before tells where it stands, nothing at first."""
    x = uniform(2, 7, 8)
    table = ', initializer="ones"' if layer.startswith("Pos") else ""
    bound = ["require P >= 0", "require P + 1 <= 16"]
    whole = compiled("input x: float32[N, 7, 8]", layer.format("start_index=0" + table), opset=opset)
    (expected,) = run(whole, tmp_path, x=x)
    lines = ["input x: float32[N, 1, 8]", "input past: float32[N, P, 8]", *bound]
    lines += [f"y = x -> {layer.format('start_index=P' + table)}", "present = concat([past, x], axis=1)"]
    model = compiled(*lines, "output y", "output present", opset=opset)
    past = np.zeros((2, 0, 8), np.float32)
    for step in range(7):
        y, past = run(model, tmp_path, x=x[:, step : step + 1], past=past)
        assert np.allclose(y, expected[:, step : step + 1], atol=1e-6)


DECODER = """model Whole():
    input tokens: int32[N, T]
    embed = ReversibleEmbedding(20, 12)
    x = tokens -> embed
    q = x -> EinsumDense("btc,chd->bthd", (None, 2, 6), name="query") -> RotaryEmbedding()
    k = x -> EinsumDense("btc,chd->bthd", (None, 2, 6), name="key") -> RotaryEmbedding()
    v = x -> EinsumDense("btc,chd->bthd", (None, 2, 6), name="value")
    scores = einsum("bqhd,bkhd->bhqk", q, k)
    later = arange(T)[:, None] < arange(T)
    y = einsum("bhqk,bkhd->bqhd", softmax(where(later, -1e9, scores)), v)
    y = x + (y -> EinsumDense("bthd,hdc->btc", (None, 12), name="back"))
    output logits = (y, reverse=True) -> embed

model Step():
    input tokens: int32[N, 1]
    input keys: float32[N, P, 2, 6]
    input values: float32[N, P, 2, 6]
    require P >= 0
    embed = ReversibleEmbedding(20, 12)
    x = tokens -> embed
    q = x -> EinsumDense("btc,chd->bthd", (None, 2, 6), name="query") -> RotaryEmbedding(start_index=P)
    k = x -> EinsumDense("btc,chd->bthd", (None, 2, 6), name="key") -> RotaryEmbedding(start_index=P)
    v = x -> EinsumDense("btc,chd->bthd", (None, 2, 6), name="value")
    k = concat([keys, k], axis=1)
    v = concat([values, v], axis=1)
    y = einsum("bhqk,bkhd->bqhd", softmax(einsum("bqhd,bkhd->bhqk", q, k)), v)
    y = x + (y -> EinsumDense("bthd,hdc->btc", (None, 12), name="back"))
    output logits = (y, reverse=True) -> embed
    output state keys = k
    output state values = v
"""


@pytest.mark.parametrize("opset", [None, 23])
def test_a_decoder_that_turns_its_keys_and_keeps_them(opset: int | None, tmp_path: Path) -> None:
    tokens = np.random.default_rng(3).integers(0, 20, (2, 9)).astype(np.int32)
    (expected,) = run(archonnx.compile(text=DECODER, model="Whole", opset=opset), tmp_path, tokens=tokens)
    step = archonnx.compile(text=DECODER, model="Step", opset=opset)
    step.save(tmp_path / "step.onnx")
    session = InferenceSession(tmp_path / "step.onnx", providers=["CPUExecutionProvider"])
    keys = values = np.zeros((2, 0, 2, 6), np.float32)
    for place in range(9):
        given = {"tokens": tokens[:, place : place + 1], "keys": keys, "values": values}
        logits, keys, values = session.run(None, given)
        assert np.max(np.abs(logits - expected[:, place : place + 1])) <= 1e-5 * np.max(np.abs(expected))


@pytest.mark.parametrize(
    ("kind", "line"),
    [
        ("float32[N, T, 3, 8]", "RotaryEmbedding()"),
        ("float32[N, T, 3, 8]", "RotaryEmbedding(interleaved=True)"),
        ("float32[N, T, 3, 8]", "RotaryEmbedding(rotary_dim=4)"),
        ("float32[N, 3, T, 8]", "RotaryEmbedding(sequence_axis=2)"),
        ("float32[N, 3, T, 8]", "RotaryEmbedding(sequence_axis=2, rotary_dim=6, interleaved=True)"),
        ("float32[N, T, 8]", "RotaryEmbedding()"),
    ],
)
@pytest.mark.parametrize("with_ids", [False, True])
def test_the_operator_is_what_the_standard_says(kind: str, line: str, with_ids: bool, tmp_path: Path) -> None:
    """onnx's reference evaluator, onnxruntime and the form that is spelled out agree."""
    import onnx
    from onnx.reference import ReferenceEvaluator

    shape = [{"N": 2, "T": 5}.get(d, d) for d in kind[8:-1].split(", ")]
    x = uniform(*map(int, shape))
    ids = {"ids": np.random.default_rng(5).integers(0, 50, (2, 5))} if with_ids else {}
    lines = [f"input x: {kind}", *(["input ids: int64[N, T]"] if with_ids else [])]
    lines.append(f"{'(x, position_ids=ids)' if with_ids else 'x'} -> {line}")
    (spelled,) = run(compiled(*lines), tmp_path, x=x, **ids)
    one = compiled(*lines, opset=23)
    assert [o.type for o in one.lower().operators].count("RotaryEmbedding") == 1
    (y,) = run(one, tmp_path, x=x, **ids)
    (standard,) = ReferenceEvaluator(onnx.load(tmp_path / "a.onnx")).run(None, {"x": x, **ids})
    assert np.max(np.abs(spelled - y)) < 1e-6
    assert np.max(np.abs(standard - y)) < 1e-6


def test_positions_may_be_written_out(tmp_path: Path) -> None:
    x = uniform(2, 3, 2, 8)
    for given, ids in (("[7, 0, 2]", [7, 0, 2]), ("[[7, 0, 2]]", [[7, 0, 2]]), ("[0.5, 1.5, 2]", [0.5, 1.5, 2])):
        (y,) = run(compiled("input x: float32[N, 3, 2, 8]", f"(x, {given}) -> RotaryEmbedding()"), tmp_path, x=x)
        assert np.max(np.abs(y - rotated(x, np.array(ids)))) < 1e-6
    (y,) = run(compiled("input x: float32[N, 3, 2, 8]", "(x, None) -> RotaryEmbedding()"), tmp_path, x=x)
    assert np.max(np.abs(y - rotated(x, np.arange(3)))) < 1e-6


def test_frequencies_are_the_nearest_doubles() -> None:
    """Whole powers are exact to the last bit, and products of frequencies come out within one."""
    from archonnx.compiler.layers.positions import frequencies

    assert frequencies(10000, [(0, 8), (2, 8), (4, 8), (6, 8)]) == [1.0, 0.1, 0.01, 0.001]
    assert frequencies(2.0, [(1, 2), (1, 1), (3, 1)]) == [0.5**0.5, 0.5, 0.125]
    assert frequencies(500000.0, [(1, 1)]) == [1 / 500000.0]


def test_the_longest_sequence_is_required_of_every_call(tmp_path: Path) -> None:
    from archonnx.runtime.errors import InputError

    compiled("input x: float32[N, T, 6]", "require T <= 9", "PositionEmbedding(9)").save(tmp_path / "a.onnx")
    model = archonnx.load(tmp_path / "a.onnx")
    model(np.zeros((1, 9, 6), np.float32))
    with pytest.raises(InputError, match="T <= 9"):
        model(np.zeros((1, 10, 6), np.float32))


X = "input x: float32[N, 12, 6]"
OPEN = "input x: float32[N, T, 6]"
HEADS = "input x: float32[N, 12, 4, 8]"
ROPE_IDS = "(x, position_ids=p) -> RotaryEmbedding()"
POSITIONS: list[tuple[list[str], str, str, str, str]] = [
    ([X], "PositionEmbedding(11)", "E0327", "has 11 positions, and float32[N, 12, 6] has 12 steps", "=12, or hierarch"),
    ([X], "PositionEmbedding(14, start_index=3)", "E0327", "12 steps from position 3 on", "sequence_length=15"),
    ([X], "PositionEmbedding(3, hierarchical_alpha=0.4)", "E0327", "has 9 positions", "write sequence_length=4"),
    ([OPEN], "PositionEmbedding(11)", "E0309", "whether T positions are at most 11", "state it: require T <= 11"),
    ([OPEN], "PositionEmbedding(11, start_index=2)", "E0309", "whether T + 2 positions are", "require T + 2 <= 11"),
    ([X], "PositionEmbedding(0)", "E0403", "sequence_length of PositionEmbedding is a whole number, at least 1", ""),
    ([X], "PositionEmbedding(12.5)", "E0403", "sequence_length of PositionEmbedding is a whole number", ""),
    ([X], "PositionEmbedding()", "E0401", "PositionEmbedding needs the argument sequence_length", ""),
    ([X], "PositionEmbedding(12, start_index=-1)", "E0403", "start_index of PositionEmbedding is", ""),
    ([X], "PositionEmbedding(12, hierarchical_alpha=1)", "E0403", "hierarchical_alpha of PositionEmbedding is", ""),
    ([X], 'PositionEmbedding(12, "glorot_unifrom")', "E0701", "glorot_unifrom", "did you mean"),
    (["input x: float32[N]"], "PositionEmbedding(12)", "E0302", "needs at least 2 axes, got float32[N]", ""),
    (["input x: float32[N, 12, D]"], "PositionEmbedding(12)", "E0301", "needs a known last axis", "give the axis"),
    (["input x: string[N, 12, 4]"], "PositionEmbedding(12)", "E0303", "PositionEmbedding needs numbers", ""),
    (
        [X, "input p: float32[N, 12]"],
        "(x, p) -> PositionEmbedding(12)",
        "E0303",
        "are whole numbers, got float32[N",
        "",
    ),
    ([X, "input p: int32[N, 11]"], "(x, p) -> PositionEmbedding(12)", "E0308", "do not fit", ""),
    ([X, "input p: int32[S]"], "(x, p) -> PositionEmbedding(12)", "E0309", "whether 12 and S are", "require 12 == S"),
    ([X, "input p: int32[M, 12]"], "(x, p) -> PositionEmbedding(12)", "E0309", "whether N and M are equal", "require"),
    ([X, "input p: int32[N, 12, 1]"], "(x, p) -> PositionEmbedding(12)", "E0302", "are [steps] or [batch, steps]", ""),
    (
        ["input x: float32[12, 6]", "input p: int32[12, 12]"],
        "(x, p) -> PositionEmbedding(12)",
        "E0302",
        "are [steps], got",
        "",
    ),
    (
        [X, "input p: int32[12]"],
        "(x, p) -> PositionEmbedding(12, start_index=1)",
        "E0329",
        "stand twice",
        "leave start",
    ),
    ([X], "(x, [0.5] * 12) -> PositionEmbedding(12)", "E0303", "are whole numbers, got float32[12]", ""),
    ([X], "(x, 3) -> PositionEmbedding(12)", "E0302", "are [steps] or [batch, steps], got int64[]", ""),
    ([X], "(x, [0, 1]) -> PositionEmbedding(12)", "E0308", "do not fit", ""),
    ([X], "(x, x, x) -> PositionEmbedding(12)", "E0604", "PositionEmbedding takes 2 inputs, got 3", ""),
    ([X], "(x, positions=x) -> PositionEmbedding(12)", "E0604", "has no input positions", "did you mean position_ids?"),
    ([X], "SinePositionEncoding(0)", "E0403", "max_wavelength of SinePositionEncoding is a number, above 0", ""),
    ([X], "SinePositionEncoding(start_index=1.5)", "E0403", "start_index of SinePositionEncoding is", ""),
    (["input x: float32[N, 12, D]"], "SinePositionEncoding()", "E0301", "needs a known last axis", ""),
    (["input x: float32[6]"], "SinePositionEncoding()", "E0302", "needs at least 2 axes", ""),
    ([X, "input p: bool[N, 12]"], "(x, p) -> SinePositionEncoding()", "E0303", "are numbers, got bool[N, 12]", ""),
    (["input x: float32[N, 12, 7]"], "RotaryEmbedding()", "E0328", "pairs of features, and", "rotary_dim=6"),
    (
        ["input x: float32[N, 12, 1]"],
        "RotaryEmbedding()",
        "E0328",
        "pairs of features, and float32[N, 12, 1] has 1",
        "",
    ),
    ([HEADS], "RotaryEmbedding(rotary_dim=5)", "E0328", "even and at most the 8 features of", ""),
    ([HEADS], "RotaryEmbedding(rotary_dim=10)", "E0328", "even and at most the 8 features of", ""),
    ([HEADS], "RotaryEmbedding(rotary_dim=0)", "E0403", "rotary_dim of RotaryEmbedding is", ""),
    ([HEADS], "RotaryEmbedding(interleaved=1)", "E0403", "interleaved of RotaryEmbedding is True or False", ""),
    ([HEADS], "RotaryEmbedding(-2)", "E0403", "max_wavelength of RotaryEmbedding is a number, above 0", ""),
    ([HEADS], "RotaryEmbedding(scaling_factor=0)", "E0403", "scaling_factor of RotaryEmbedding is", ""),
    ([HEADS], "RotaryEmbedding(sequence_axis=4)", "E0311", "is given axis 4, its input", ""),
    ([HEADS], "RotaryEmbedding(feature_axis=-5)", "E0311", "is given axis -5, its input", ""),
    ([HEADS], "RotaryEmbedding(sequence_axis=0)", "E0311", "turns no axis 0, the batch", ""),
    ([HEADS], "RotaryEmbedding(feature_axis=-4)", "E0311", "turns no axis 0, the batch", ""),
    ([HEADS], "RotaryEmbedding(sequence_axis=-1)", "E0311", "an axis of steps and another of features, got 3", ""),
    (["input x: float32[N, 12]"], "RotaryEmbedding()", "E0302", "needs at least 3 axes, got float32[N, 12]", ""),
    (["input x: float32[N, T, D]"], "RotaryEmbedding()", "E0301", "needs a known last axis", ""),
    (["input x: string[N, 12, 4]"], "RotaryEmbedding()", "E0303", "RotaryEmbedding needs numbers", ""),
    ([HEADS], "RotaryEmbedding(low_freq_factor=1)", "E0329", "and high_freq_factor is left out", ""),
    ([HEADS], "RotaryEmbedding(high_freq_factor=4, old_context_len=9)", "E0329", "and low_freq_factor is left out", ""),
    (
        [HEADS],
        "RotaryEmbedding(low_freq_factor=4, high_freq_factor=4, old_context_len=9)",
        "E0329",
        "high_freq_factor of RotaryEmbedding is above low_freq_factor, 4, got 4",
        "",
    ),
    ([HEADS, "input p: int32[N, 4]"], ROPE_IDS, "E0308", "RotaryEmbedding got shapes that do not fit", ""),
    ([HEADS, "input p: string[N, 12]"], ROPE_IDS, "E0303", "position_ids of RotaryEmbedding are numbers", ""),
    ([HEADS, "input p: int32[N, 12, 4]"], ROPE_IDS, "E0302", "are [steps] or [batch, steps], got int32[N, 12, 4]", ""),
]


@pytest.mark.parametrize(
    ("given", "line", "code", "message", "help"), POSITIONS, ids=[f"{p[1]}-{'-'.join(p[0])}" for p in POSITIONS]
)
def test_position_layers_say_what_is_wrong(given: list[str], line: str, code: str, message: str, help: str) -> None:
    found = diagnose(*given, line)
    assert (found.code, message) == (code, message if message in found.message else found.message)
    assert help in (found.help or "")


@pytest.mark.parametrize("line", ["PositionEmbedding(11)", "PositionEmbedding(11, start_index=2)"])
def test_the_mend_that_is_offered_mends(line: str) -> None:
    help = diagnose(OPEN, line).help
    assert help is not None
    compiled(OPEN, help.removeprefix("state it: "), line)


@pytest.mark.parametrize("layer", ["PositionEmbedding(12)", "SinePositionEncoding()"])
def test_the_mask_of_tokens_outlives_the_sum_with_their_positions(layer: str) -> None:
    """Keras' Add keeps a mask only where all its inputs have one."""
    lines = ["input t: int32[N, 12]", "x = t -> Embedding(9, 4, mask_zero=True)", f"y = (x, x -> {layer}) -> Add()"]
    model = compiled(*lines, "output y", "output m = mask(y -> RotaryEmbedding())")
    assert str(model.graph.outputs[1].value.type) == "bool[N, 12]"
