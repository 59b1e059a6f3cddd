"""Weights with an operator folded into them: float64's result rounded once, in slices of any size, as resolved."""

from __future__ import annotations

from typing import Any

import ml_dtypes
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from archonnx.compiler.graph import Weight
from archonnx.compiler.recipes import Constant, Draw, Evaluation, NormFactor, Recipe, Scaled, Shifted
from archonnx.compiler.weights.initializers import resolve
from archonnx.compiler.weights.resolving import resolved
from archonnx.contract.diagnostics import Place

EVALUATION = Evaluation(5)


def draw(path: str, *shape: int, dtype: str = "float32") -> Draw:
    initializer = "random_uniform" if path == "variance" else "random_normal"
    return Draw(Weight(path, dtype, shape, resolve(initializer), True, Place("example.arch", 1, 1, 1, 2)))


def wide(recipe: Recipe) -> Any:
    return recipe.whole(EVALUATION).astype(np.float64)


def streamed(recipe: Recipe, slice_bytes: int) -> bytes:
    return b"".join(map(bytes, recipe.iter_bytes(Evaluation(5, slice_bytes=slice_bytes))))


@given(
    st.lists(st.integers(1, 5), min_size=1, max_size=4),
    st.integers(0, 3),
    st.sampled_from(["float32", "float16", "bfloat16", "float64"]),
    st.booleans(),
    st.sampled_from([4, 8, 64, 1 << 24]),
    st.randoms(use_true_random=False),
)
def test_a_scaled_tensor_is_what_float64_gives(
    shape: list[int], axis: int, dtype: str, scale: bool, slice_bytes: int, random: Any
) -> None:
    axis %= len(shape)
    size = shape[axis]
    gamma = draw("gamma", size, dtype=dtype) if scale else None
    factor = NormFactor(gamma, draw("variance", size, dtype=dtype), 0.25)
    recipe: Recipe = Scaled(draw("kernel", *shape, dtype=dtype), axis, factor)
    numbers = (1.0 if gamma is None else wide(gamma)) / np.sqrt(wide(factor.variance) + 0.25)
    behind = [1] * (len(shape) - axis - 1)
    array = (wide(draw("kernel", *shape, dtype=dtype)) * numbers.reshape(-1, *behind)).astype(
        getattr(ml_dtypes, dtype) if dtype == "bfloat16" else dtype
    )
    order = random.sample(range(len(shape)), len(shape))
    for made, wanted in (
        (recipe, array),
        (recipe.transpose(order), array.transpose(order)),
        (recipe.reshape((-1,)), array.reshape(-1)),
        (recipe.reshape((1, *shape, 1)), array.reshape(1, *shape, 1)),
        (recipe[..., : shape[-1] - 1], array[..., : shape[-1] - 1]),
    ):
        assert streamed(made, slice_bytes) == np.ascontiguousarray(wanted).tobytes()
        assert made.whole(EVALUATION).tobytes() == np.ascontiguousarray(wanted).tobytes()


def test_the_factor_stays_the_last_thing_done() -> None:
    """Slices of a kernel are then slices of its source, whatever the layout pass does to it."""
    factor = NormFactor(None, draw("variance", 8), 0.0)
    dense = Scaled(draw("kernel", 12, 8), 1, factor)
    moved = dense.reshape((2, 6, 8)).transpose((1, 0, 2)).reshape((12, 8))
    assert isinstance(moved, Scaled)
    assert moved.axis == 1
    merged = dense.reshape((96,))
    assert not isinstance(merged, Scaled), "an axis that is merged with others takes no vector"


@pytest.mark.parametrize("bias", [False, True])
@pytest.mark.parametrize("beta", [False, True])
def test_what_is_added_is_what_float64_gives(bias: bool, beta: bool) -> None:
    first, last = (draw("bias", 7) if bias else None), (draw("beta", 7) if beta else None)
    mean, factor = draw("mean", 7), NormFactor(draw("gamma", 7), draw("variance", 7), 1e-3)
    recipe = Shifted(first, mean, factor, last)
    wanted = ((wide(first) if first else 0.0) - wide(mean)) * wide(factor) + (wide(last) if last else 0.0)
    np.testing.assert_array_equal(recipe.whole(EVALUATION), wanted.astype(np.float32))
    assert streamed(recipe, 8) == wanted.astype(np.float32).tobytes()
    assert recipe.main is (first or last or mean)


def test_given_weights_take_the_place_of_drawn_ones() -> None:
    rng = np.random.default_rng(2)
    arrays = {
        name: rng.uniform(0.5, 2, shape).astype(np.float32)
        for name, shape in (("kernel", (3, 7)), ("bias", 7), ("mean", 7), ("gamma", 7), ("variance", 7), ("beta", 7))
    }
    held = {name: Constant(array) for name, array in arrays.items()}
    factor = NormFactor(draw("gamma", 7), draw("variance", 7), 1e-3)
    for recipe in (
        Scaled(draw("kernel", 3, 7), 1, factor),
        Shifted(draw("bias", 7), draw("mean", 7), factor, draw("beta", 7)),
        Shifted(None, draw("mean", 7), NormFactor(None, draw("variance", 7), 1e-3), draw("beta", 7)),
        Shifted(None, draw("mean", 7), factor, None),
    ):
        found = resolved(recipe, held)
        assert found.is_literal
        assert found.key() != recipe.key()
        np.testing.assert_array_equal(found.whole(EVALUATION), recipe.whole(Evaluation(0, held)))


def test_keys_tell_what_differs() -> None:
    gamma, variance, mean, beta = (draw(name, 4) for name in ("gamma", "variance", "mean", "beta"))
    factors = [NormFactor(gamma, variance, 0.1), NormFactor(None, variance, 0.1), NormFactor(gamma, variance, 0.2)]
    recipes = [
        *factors,
        *(Scaled(draw("kernel", 4, 4), axis, factor) for factor in factors for axis in (0, 1)),
        Shifted(None, mean, factors[0], beta),
        Shifted(beta, mean, factors[0], None),
        Shifted(None, mean, factors[0], None),
    ]
    assert len({recipe.key() for recipe in recipes}) == len(recipes)


def test_a_variance_below_zero_is_no_number_and_no_warning() -> None:
    factor = NormFactor(None, Constant(np.float32([-1.0, 0.0, 4.0])), 0.0)
    np.testing.assert_array_equal(factor.whole(EVALUATION), [np.nan, np.inf, 0.5])
    with pytest.raises(ValueError, match="a factor of shape"):
        Scaled(draw("kernel", 3, 2), 1, factor)
