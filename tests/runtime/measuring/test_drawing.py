"""Inputs drawn for a model: sizes that it allows, values that it takes."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest

from archonnx.contract import metadata as keys
from archonnx.contract.diagnostics import UsageError
from archonnx.runtime.contract import Contract
from archonnx.runtime.errors import InputError
from archonnx.runtime.measuring.drawing import inputs_of
from archonnx.runtime.modelfile import ModelFile, Spec, read_model


@pytest.fixture
def contract(make: Any) -> Any:
    """`contract(inputs, metadata=...)`: of a model with these inputs."""

    def made(inputs: Any, **options: Any) -> Contract:
        return Contract(
            read_model(make(inputs, "Identity" if len(inputs) == 1 else "Sum", **options).SerializeToString())
        )

    return made


def shapes(found: tuple[dict[str, Any], Any]) -> dict[str, tuple[int, ...]]:
    return {name: array.shape for name, array in found[0].items()}


def test_the_batch_is_that_of_the_first_axis(contract: Any) -> None:
    model = contract({"image": ("float32", ["N", 3, "H", "W"])})
    found, sizes = inputs_of("m.onnx", model, {}, batch=4)
    assert found["image"].shape == (4, 3, 224, 224)
    assert found["image"].dtype == np.float32
    assert 0 <= found["image"].min() < found["image"].max() < 1
    assert (sizes.batch, sizes.chosen) == (4, {"H": 224, "W": 224})
    found, sizes = inputs_of("m.onnx", model, {}, bind={"H": 32, "W": 64})
    assert (found["image"].shape, sizes.batch, sizes.chosen) == ((1, 3, 32, 64), 1, {})


def test_axes_without_names(contract: Any) -> None:
    model = contract({"a": ("int64", [None, None]), "b": ("int64", [None, 7])})
    found = inputs_of("m.onnx", model, {}, batch=3)
    assert shapes(found) == {"a": (3, 128), "b": (3, 7)}
    assert found[1].chosen == {"a.1": 128}
    found = inputs_of("m.onnx", model, {"b": np.zeros((5, 7), np.int64)})
    assert shapes(found) == {"a": (5, 128), "b": (5, 7)}


def test_the_batch_of_a_state_stands_behind_its_layers(contract: Any) -> None:
    model = contract({"x": ("float32", [None, None]), "state": ("float32", [2, None, 128])})
    assert shapes(inputs_of("m.onnx", model, {}, batch=3, bind={"x.1": 576})) == {"x": (3, 576), "state": (2, 3, 128)}
    found = inputs_of("m.onnx", model, {}, bind={"x.1": 576, "state.1": 7})
    assert shapes(found) == {"x": (1, 576), "state": (2, 7, 128)}
    assert found[1].chosen == {}


def test_the_same_seed_draws_the_same(contract: Any) -> None:
    model = contract({"x": ("float32", ["N", 6])})
    one, same, other = (inputs_of("m.onnx", model, {}, seed=seed)[0]["x"] for seed in (1, 1, 2))
    assert np.array_equal(one, same)
    assert not np.array_equal(one, other)


@pytest.mark.parametrize(
    "dtype", ["float16", "bfloat16", "float64", "uint8", "int8", "int32", "bool", "string", "complex64"]
)
def test_every_type_is_drawn_as_itself(dtype: str, contract: Any) -> None:
    found = inputs_of("m.onnx", contract({"x": (dtype, [50])}), {})[0]["x"]
    assert found.dtype.name == ("object" if dtype == "string" else dtype)
    if dtype == "uint8":
        assert found.max() > 1


def test_tokens_are_of_the_vocabulary_and_masks_all_ones(contract: Any) -> None:
    data = {keys.VERSION: "1", keys.TOKENS: json.dumps({"ids": {"size": 3, "masked": True}})}
    model = contract({"ids": ("int64", ["N", "T"]), "attention_mask": ("int64", ["N", "T"])}, metadata=data)
    found, sizes = inputs_of("m.onnx", model, {}, batch=8)
    assert set(np.unique(found["ids"])) == {1, 2}
    assert set(np.unique(found["attention_mask"])) == {1}
    assert sizes.chosen == {"T": 128}


def test_sizes_are_looked_for_until_they_are_allowed(contract: Any) -> None:
    required = [{"condition": "T <= 50"}, {"condition": "S == 2*T + 1"}]
    data = {keys.VERSION: "1", keys.REQUIRES: json.dumps(required)}
    model = contract({"x": ("float32", ["N", "T"]), "y": ("float32", ["N", "S", "2*T"])}, metadata=data)
    found, sizes = inputs_of("m.onnx", model, {}, bind={"S": 17})
    assert shapes((found, sizes)) == {"x": (1, 8), "y": (1, 17, 16)}
    with pytest.raises(UsageError, match=r"m\.onnx: no sizes of T were found that it allows beside S = 16; give other"):
        inputs_of("m.onnx", model, {}, bind={"S": 16})
    with pytest.raises(InputError, match="requires T <= 50, received T = 60"):
        inputs_of("m.onnx", model, {}, bind={"T": 60, "S": 121})


def test_rows_of_given_arrays_fill_the_batch(contract: Any) -> None:
    model = contract({"x": ("float32", ["N", 2])})
    rows = np.array([[1, 2], [3, 4], [5, 6]], np.float32)
    assert inputs_of("m.onnx", model, {"x": rows})[1].batch == 3
    assert inputs_of("m.onnx", model, {"x": rows}, batch=2)[0]["x"].tolist() == [[1, 2], [3, 4]]
    assert inputs_of("m.onnx", model, {"x": rows}, batch=4)[0]["x"].tolist() == [[1, 2], [3, 4], [5, 6], [1, 2]]
    with pytest.raises(InputError, match="axis 1 is 2, not 3"):
        inputs_of("m.onnx", model, {"x": np.zeros((1, 3), np.float32)})


def test_a_batch_that_is_fixed_stays(contract: Any) -> None:
    fixed = contract({"x": ("float32", [2, 3])})
    assert inputs_of("m.onnx", fixed, {}, batch=2)[1].batch == 2
    with pytest.raises(UsageError, match=r"--batch 16: m\.onnx cannot: its batch is fixed at 2"):
        inputs_of("m.onnx", fixed, {}, batch=16)
    scalar = contract({"x": ("float32", [])})
    assert inputs_of("m.onnx", scalar, {})[1].batch == 1
    with pytest.raises(UsageError, match="no input of it has an axis of examples"):
        inputs_of("m.onnx", scalar, {}, batch=16)


def test_what_cannot_be_drawn_is_asked_for(contract: Any) -> None:
    reason = r"m\.onnx: no float32\[\.\.\.\] can be drawn for x: give examples of it \(--data FILE\.npz, or data=\)"
    with pytest.raises(UsageError, match=reason):
        inputs_of("m.onnx", contract({"x": ("float32", None)}), {})
    reason = r"m\.onnx: no no type\[N\] can be drawn for x: give examples of it"
    with pytest.raises(UsageError, match=reason):
        inputs_of("m.onnx", Contract(ModelFile("m.onnx", inputs=[Spec("x", "no type", ("N",))])), {})


def test_sequences_are_given_and_not_drawn() -> None:
    inputs = [Spec("s", "float32", ("N", 3), kind="sequence"), Spec("x", "float32", ("N", 3))]
    model = Contract(ModelFile("m.onnx", inputs=inputs))
    reason = r"no sequence\(float32\[N, 3\]\) can be drawn for s: give examples of it \(--input, or calls as data=\)"
    with pytest.raises(UsageError, match=reason):
        inputs_of("m.onnx", model, {})
    given = [np.zeros((1, 3), np.float32), np.zeros((2, 3), np.float32)]
    found, sizes = inputs_of("m.onnx", model, {"s": given}, batch=4)
    assert [each.shape for each in found["s"]] == [(1, 3), (2, 3)]
    assert found["x"].shape == (4, 3)
    assert sizes.batch == 4
