"""PyTorch's layout of weights: what torch's own modules were given in the tables of cases, and the way back, bit by bit."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from keras_harness import Case
from layer_cases import CASES, TORCH_CASES
from torch_harness import TorchCase

import archonnx
from archonnx.compiler.layers.base import Layer
from archonnx.compiler.recipes import Constant, Evaluation
from archonnx.compiler.weights.layouts.base import Layout
from archonnx.compiler.weights.layouts.torch import LAYOUT
from archonnx.compiler.weights.recipe import Recipe, numpy_dtype

Array = np.ndarray[Any, Any]
# States that are not the weights alone, in their own dtype: what they hold is beside the point here.
OTHER_STATES = ("np.ones", "astype", "reverse_embeddings")
WITH_STATE = [
    case
    for case in TORCH_CASES
    if case.state and not any(word in text for text in case.state.values() for word in OTHER_STATES)
]


def layers(case: Case) -> list[Layer]:
    model = archonnx.compile(text=case.text(), **({"opset": case.opset} if case.opset else {}))
    return [node.layer for node in model.graph.nodes if node.layer.weights]


def drawn(layer: Layer) -> dict[str, Recipe]:
    """Random numbers as its weights, infinity and -0 among them."""
    rng = np.random.default_rng(3)
    made: dict[str, Recipe] = {}
    for name, weight in layer.weights.items():
        numbers = np.atleast_1d(rng.normal(size=weight.shape) * 10).astype(numpy_dtype(weight.dtype))
        numbers.reshape(-1)[:2] = (-0.0, np.inf)[: numbers.size] if weight.dtype.startswith("float") else 0
        made[name] = Constant(numbers.reshape(weight.shape), weight.dtype)
    return made


def whole(recipe: Recipe) -> Array:
    return recipe.whole(Evaluation(0)).reshape(recipe.shape)


def bits(array: Array) -> bytes:
    return np.ascontiguousarray(array).tobytes()


def same_there_and_back(layout: Layout, layer: Layer) -> None:
    ours = drawn(layer)
    theirs = layout.write(layer, ours)
    names = layout.names(layer)
    assert {name for name, needed in names.items() if needed} <= theirs.keys() <= names.keys()
    back = layout.read(layer, {name: Constant(whole(recipe)) for name, recipe in theirs.items()})
    assert back.keys() == layer.weights.keys()
    for name, recipe in back.items():
        assert (recipe.dtype, recipe.shape) == (ours[name].dtype, ours[name].shape), name
        found, expected = whole(recipe), whole(ours[name])
        if any("bias_hh" in theirs_name for theirs_name in theirs) and name.endswith("bias"):
            assert np.array_equal(found, expected, equal_nan=True)  # a sum with 0, which turns -0 into 0
        else:
            assert bits(found) == bits(expected), name


@pytest.mark.parametrize("case", WITH_STATE, ids=[case.id for case in WITH_STATE])
def test_it_is_what_modules_of_pytorch_take(case: TorchCase) -> None:
    """The state that the tables give to PyTorch's own modules, of the same names where the module is one of them."""
    (layer,) = layers(case)
    ours = drawn(layer)
    weights = {name: whole(recipe) for name, recipe in ours.items()}
    with np.errstate(invalid="ignore"):  # 0 * infinity in what stands for zeros
        expected = {name: np.array(eval(text, {"w": weights, "np": np})) for name, text in case.state.items()}
    found = {name: whole(recipe) for name, recipe in LAYOUT.write(layer, ours).items()}
    found.pop("num_batches_tracked", None)
    if not case.module.startswith("nn.") or "Sequential" in case.module:  # several modules: `0.weight` for `weight`
        assert sorted(map(bits, found.values())) == sorted(map(bits, expected.values()))
        return
    for name, array in expected.items():
        if case.state[name].startswith("0 *"):
            assert not np.any(found[name])
            continue
        assert bits(found[name].reshape(array.shape)) == bits(array), name
    assert found.keys() == expected.keys()


def sampled() -> list[Case]:
    """A case of each layer with each set of names that its weights have."""
    return [case for case in CASES if case.opset is None and not case.before]


def test_the_way_back_gives_the_same_bits() -> None:
    """Of every layer that any case writes with weights, once for each form of them."""
    seen: set[Any] = set()
    for case in (*sampled(), *TORCH_CASES):
        if case.layer in ("Activation",):
            continue
        for layer in layers(case):
            form = (layer.type_name, tuple((name, len(w.shape)) for name, w in layer.weights.items()))
            if form not in seen:
                seen.add(form)
                same_there_and_back(LAYOUT, layer)
    kinds = {kind for kind, _ in seen}
    assert {"Dense", "Conv2D", "Bidirectional", "MultiHeadAttention", "TimeDistributed", "BatchNormalization"} <= kinds


def only(text: str) -> Layer:
    model = archonnx.compile(text=text)
    return next(node.layer for node in model.graph.nodes if node.layer.weights)


def test_biases_of_a_recurrent_layer_are_added() -> None:
    layer = only("model M():\n    input x: float32[N, T, 3]\n    output y = x -> LSTM(2)\n")
    theirs = LAYOUT.write(layer, drawn(layer))
    theirs["bias_ih_l0"], theirs["bias_hh_l0"] = Constant(np.full(8, 2.0, np.float32)), Constant(np.ones(8, np.float32))
    assert np.array_equal(whole(LAYOUT.read(layer, theirs)["bias"]), np.full(8, 3.0))


def test_one_weight_alone() -> None:
    layer = only("model M():\n    input x: float32[N, 3]\n    output y = x -> Dense(2)\n")
    weight = np.arange(6, dtype=np.float32).reshape(2, 3)
    assert np.array_equal(whole(LAYOUT.one(layer, "kernel", Constant(weight))), weight.T)
    with pytest.raises(ValueError, match=r"what is given has the shape \[3, 2\], expected \[2, 3\]"):
        LAYOUT.one(layer, "kernel", Constant(weight.T))


def test_a_convolution_of_one_place_fills_a_product() -> None:
    layer = only("model M():\n    input x: float32[N, 3]\n    output y = x -> Dense(2, use_bias=False)\n")
    weight = np.arange(6, dtype=np.float32).reshape(2, 3)
    found = LAYOUT.read(layer, {"weight": Constant(weight[:, :, None, None])})
    assert np.array_equal(whole(found["kernel"]), weight.T)


def test_what_is_missing_is_named() -> None:
    layer = only("model M():\n    input x: float32[N, 3]\n    output y = x -> Dense(2)\n")
    with pytest.raises(ValueError, match=r"^there is no weight$"):
        LAYOUT.read(layer, {})
    attention = only("model M():\n    input x: float32[N, T, 6]\n    output y = (x, x) -> MultiHeadAttention(2, 3)\n")
    given = {
        name: recipe for name, recipe in LAYOUT.write(attention, drawn(attention)).items() if "in_proj" not in name
    }
    with pytest.raises(ValueError, match=r"^there is neither in_proj_weight, in_proj_bias nor q_proj_weight, "):
        LAYOUT.read(attention, given)


@pytest.mark.parametrize("form", ["in_proj_weight", "q_proj_weight", "q_proj.weight"])
def test_every_form_of_the_projections_is_read(form: str) -> None:
    layer = only("model M():\n    input x: float32[N, T, 6]\n    output y = (x, x) -> MultiHeadAttention(2, 3)\n")
    ours = drawn(layer)
    theirs = {name: whole(recipe) for name, recipe in LAYOUT.write(layer, ours).items()}
    parts = dict(zip("qkv", np.split(theirs.pop("in_proj_weight"), 3), strict=True))
    if form == "in_proj_weight":
        theirs[form] = np.concatenate(list(parts.values()))
    elif form == "q_proj_weight":
        theirs |= {f"{letter}_proj_weight": part for letter, part in parts.items()}
    else:
        biases = np.split(theirs.pop("in_proj_bias"), 3)
        theirs |= {f"{letter}_proj.weight": part for letter, part in parts.items()}
        theirs |= {f"{letter}_proj.bias": part for letter, part in zip("qkv", biases, strict=True)}
    back = LAYOUT.read(layer, {name: Constant(array) for name, array in theirs.items()})
    for name, recipe in back.items():
        assert bits(whole(recipe)) == bits(whole(ours[name])), name
