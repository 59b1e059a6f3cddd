"""Drawn numbers: the same bytes everywhere, any slice alone, and the distributions that were asked for."""

from __future__ import annotations

import hashlib
import json
import math
import os
import subprocess
import sys
from statistics import NormalDist
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from archonnx.compiler.graph import Weight
from archonnx.compiler.recipes import Draw, Evaluation
from archonnx.compiler.weights.initializers import from_call, resolve
from archonnx.compiler.weights.normal import logarithm, quantile
from archonnx.compiler.weights.philox import BitStream
from archonnx.contract.diagnostics import Place

PLACE = Place("example.arch", 1, 1, 1, 2)

# SHA-256 of the bytes drawn with seed 7 for the weight block/kernel: no machine and no version may change them.
GOLDEN = {
    ("glorot_uniform", (3, 3, 40, 50)): "c68506404077c6da1f1bb8d4c997791ee652043bd7bc7acf57232cc13dc5e83f",
    ("truncated_normal", (90, 1000)): "079c2c863a820f2d934450dca18d445675f01bb9078221b510e2eb5491e59872",
    ("random_normal", (90, 1000)): "94f7da02f89775695de5885c90c890fa0c4bf55282d9048ce6ab0c46902a7aa0",
    ("he_normal", (5, 5, 7, 11)): "e20647525d3e9908aeac3da6c9ff2ec86d322b7c83212776a8b83d7101f1e26f",
    ("random_uniform", (7,)): "8fbe6c68c7e4f323657cb9c9960281aef2dd31545ae795acf5d799a00cadb3d9",
    ("orthogonal", (40, 130)): "de79cb663f78ff273b0793ac40442f6255051978b8f4d6a05765f1bcc68ee839",
    ("orthogonal", (3, 3, 16, 24)): "f3ef95adf3c1f36a14bce8f37f5558b838d1a1c9551ac21292b4f214df765186",
    ("identity", (4, 6)): "ad5b651d23cb52204fdacf8cd615efbb94b32cd27d0af64398e56274c6ab61a8",
}


def draw(initializer: Any, shape: tuple[int, ...], dtype: str = "float32", path: str = "block/kernel") -> Draw:
    return Draw(Weight(path, dtype, shape, resolve(initializer), True, PLACE))


def numbers(initializer: Any, shape: tuple[int, ...], seed: int = 7, **more: Any) -> NDArray[Any]:
    return draw(initializer, shape, **more).whole(Evaluation(seed))


def hashes() -> list[str]:
    return [hashlib.sha256(numbers(name, shape).astype("<f4").tobytes()).hexdigest() for name, shape in GOLDEN]


def test_the_bytes_are_what_they_always_were() -> None:
    assert hashes() == list(GOLDEN.values())


def test_the_bytes_do_not_depend_on_the_processor() -> None:
    """Without the vector instructions that numpy and BLAS would choose here, and with another order of hashing."""
    from numpy._core import _multiarray_umath as umath  # numpy's own list of what it chooses between

    features = [f for f in umath.__cpu_dispatch__ if umath.__cpu_features__.get(f)]
    env = {**os.environ, "PYTHONHASHSEED": "123", "OPENBLAS_CORETYPE": "Nehalem", "OPENBLAS_NUM_THREADS": "1"}
    env["PYTHONPATH"] = os.pathsep.join(sys.path)
    env["NPY_DISABLE_CPU_FEATURES"] = " ".join(features)
    code = f"import json, runpy; print(json.dumps(runpy.run_path({__file__!r})['hashes']()))"
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, env=env, check=True)
    assert json.loads(ran.stdout) == list(GOLDEN.values())


def test_seed_path_and_nothing_else_decide() -> None:
    first = numbers("glorot_uniform", (50, 50))
    assert np.array_equal(first, numbers("glorot_uniform", (50, 50)))
    assert not np.array_equal(first, numbers("glorot_uniform", (50, 50), seed=8))
    assert not np.array_equal(first, numbers("glorot_uniform", (50, 50), path="other/kernel"))
    own = from_call("GlorotUniform", (), {"seed": 3})
    assert np.array_equal(numbers(own, (50, 50), seed=1), numbers(own, (50, 50), seed=2))
    assert np.array_equal(numbers(own, (50, 50)), numbers("glorot_uniform", (50, 50), seed=3))
    assert np.array_equal(numbers("he_normal", (9, 9), dtype="float16"), numbers("he_normal", (9, 9)).astype("float16"))


@pytest.mark.parametrize("name", ["glorot_uniform", "truncated_normal", "zeros", "orthogonal", "identity"])
def test_any_slice_can_be_read_alone(name: str) -> None:
    recipe = draw(name, (37, 61))
    whole = recipe.whole(Evaluation(7)).reshape(-1)
    for start, stop in ((0, 1), (5, 5), (7, 9), (8, 1000), (2255, 2257), (0, 2257)):
        assert np.array_equal(recipe.read(Evaluation(7), start, stop), whole[start:stop])
    starts = np.array([0, 3, 9, 300, 1500, 1502])
    runs = recipe.gather(Evaluation(7), starts, 17).reshape(len(starts), 17)
    assert np.array_equal(runs, np.stack([whole[s : s + 17] for s in starts]))


def test_runs_far_apart_are_those_of_the_whole_stream() -> None:
    stream = BitStream(0, "a")
    whole = stream.read(0, 2_200_000)
    starts = np.array([1, 100, 5000, 5010, 1_000_000, 1_000_700, 2_100_000])
    for length in (1, 13, 4000):
        assert np.array_equal(stream.gather(starts, length), np.concatenate([whole[s : s + length] for s in starts]))


def cdf_distance(values: NDArray[Any], cdf: Any) -> float:
    """Kolmogorov and Smirnov's distance times sqrt(n): above 1.95 with probability 0.001."""
    ordered = np.sort(values.astype(np.float64).reshape(-1))
    expected = np.array([cdf(x) for x in ordered.tolist()])
    steps = np.arange(len(ordered) + 1) / len(ordered)
    return float(max(np.abs(expected - steps[:-1]).max(), np.abs(expected - steps[1:]).max()) * math.sqrt(len(ordered)))


def test_uniform_numbers_are_uniform() -> None:
    limit = math.sqrt(6 / (200 + 300))
    values = numbers("glorot_uniform", (200, 300))
    assert np.abs(values).max() <= limit
    assert cdf_distance(values, lambda x: (x + limit) / (2 * limit)) < 1.95
    shifted = numbers(from_call("RandomUniform", [1, 3]), (60000,))
    assert cdf_distance(shifted, lambda x: (x - 1) / 2) < 1.95


def test_normal_numbers_are_normal() -> None:
    values = numbers(from_call("RandomNormal", [0.5, 2.0]), (60000,))
    assert cdf_distance(values, NormalDist(0.5, 2.0).cdf) < 1.95
    assert abs(values).max() > 2.0 * 3.5


def test_truncated_numbers_are_cut_at_two_and_keep_keras_deviation() -> None:
    values = numbers("he_normal", (300, 200))
    stddev = math.sqrt(2 / 300) / 0.87962566103423978
    standard = NormalDist(0, stddev)
    low, high = standard.cdf(-2 * stddev), standard.cdf(2 * stddev)
    assert abs(values).max() <= 2 * stddev * (1 + 1e-7)
    assert cdf_distance(values, lambda x: (standard.cdf(x) - low) / (high - low)) < 1.95
    assert values.std() == pytest.approx(math.sqrt(2 / 300), rel=0.01)


def test_neighbours_and_weights_are_independent() -> None:
    values = numbers("random_normal", (100000,))
    for lag in (1, 7, 8, 64):
        assert abs(np.corrcoef(values[:-lag], values[lag:])[0, 1]) < 0.015
    assert abs(np.corrcoef(values, numbers("random_normal", (100000,), path="b"))[0, 1]) < 0.015


def test_quantiles_are_within_rounding() -> None:
    ps = np.concatenate([np.linspace(0.001, 0.999, 999), 2.0 ** -np.arange(2, 34)])
    expected = np.array([NormalDist().inv_cdf(p) for p in ps.tolist()])
    assert np.allclose(quantile(ps - 0.5), expected, rtol=1e-12, atol=1e-15)
    xs = np.concatenate([np.linspace(1e-9, 1, 1000), 2.0 ** np.arange(-40, 40), np.linspace(0.7, 1.42, 999)])
    assert np.allclose(logarithm(xs), [math.log(x) for x in xs.tolist()], rtol=1e-15, atol=2e-16)


def test_fills_and_identities() -> None:
    assert np.array_equal(numbers("ones", (2, 3), dtype="int32"), np.ones((2, 3), np.int32))
    assert np.array_equal(numbers(from_call("Constant", [2**62 + 1]), (2,), dtype="int64"), [2**62 + 1] * 2)
    for shape in ((3, 5), (5, 3), (4, 4), (1, 1), (0, 3)):
        assert np.array_equal(numbers(from_call("Identity", [2]), shape), 2 * np.eye(*shape, dtype=np.float32))
    assert np.array_equal(numbers([[1, 2], [3, 4.5]], (2, 2)), np.array([[1, 2], [3, 4.5]], np.float32))
    assert numbers("glorot_uniform", (0, 4)).shape == (0, 4)
    assert numbers("orthogonal", (0, 4)).shape == (0, 4)
