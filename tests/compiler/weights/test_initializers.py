"""Initializers against Keras' names, arguments, units and distributions, and what they say of mistakes."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from importlib.util import find_spec
from typing import Any

import pytest

from archonnx.compiler.weights.elements import Fill, Normal, Uniform, Values
from archonnx.compiler.weights.initializers import (
    CLASSES,
    Initializer,
    InitializerError,
    compute_fans,
    from_call,
    resolve,
)

SHAPES = [(), (7,), (3, 5), (3, 4, 5), (3, 3, 8, 16), (2, 3, 4, 5, 6), (0, 4), (1, 1)]

# Run under Keras: what its initializers ask their random generator for.
KERAS = """
import json, sys
import keras
from keras.src.initializers import random_initializers as module
asked = []
class Recorder:
    def __getattr__(self, name):
        def call(shape, **kwargs):
            asked.append([name, {k: v for k, v in kwargs.items() if k not in ("seed", "dtype")}])
        return call
rows = []
original = module.random
for name, kwargs, shape in json.load(sys.stdin):
    initializer = getattr(keras.initializers, name)(**kwargs)
    module.random = Recorder()
    initializer(tuple(shape))
    module.random = original
    rows.append([asked.pop(), list(module.compute_fans(tuple(shape)))])
print(json.dumps(rows))
"""


def test_names_are_spelt_as_in_keras() -> None:
    for name, cls in CLASSES.items():
        assert type(resolve(name)) is cls
    assert resolve("glorot_uniform") == resolve("GlorotUniform") == from_call("GlorotUniform")
    assert type(resolve("zero")) is CLASSES["Zeros"]
    assert type(resolve("normal")) is CLASSES["RandomNormal"]
    assert type(resolve("OrthogonalInitializer")) is CLASSES["Orthogonal"]
    assert type(resolve(None)) is CLASSES["GlorotUniform"]
    made = from_call("HeNormal", [3])
    assert resolve(made) is made


@pytest.mark.skipif(find_spec("keras") is None, reason="Keras is not installed")
def test_units_and_distributions_are_those_of_keras() -> None:
    cases: list[tuple[str, dict[str, Any], tuple[int, ...]]] = []
    names = ["GlorotUniform", "GlorotNormal", "HeUniform", "HeNormal", "LecunUniform", "LecunNormal"]
    for shape in SHAPES:
        cases += [(name, {}, shape) for name in names]
        cases.append(("RandomNormal", {"mean": 0.5, "stddev": 2.0}, shape))
        cases.append(("TruncatedNormal", {}, shape))
        cases.append(("RandomUniform", {"minval": -1.0, "maxval": 3.0}, shape))
        for mode in ("fan_in", "fan_out", "fan_avg"):
            for distribution in ("normal", "untruncated_normal", "uniform"):
                cases.append(("VarianceScaling", {"scale": 0.3, "mode": mode, "distribution": distribution}, shape))
    cases.append(("GlorotUniform", {"input_axes": [0, 1], "output_axes": [2]}, (3, 4, 5)))
    ran = subprocess.run(
        [sys.executable, "-c", KERAS],
        input=json.dumps(cases),
        capture_output=True,
        text=True,
        check=True,
        env={**os.environ, "CUDA_VISIBLE_DEVICES": "", "KERAS_BACKEND": "tensorflow"},
    )
    for (name, kwargs, shape), ((asked, theirs), fans) in zip(cases, json.loads(ran.stdout), strict=True):
        assert compute_fans(shape) == tuple(fans)
        elements = from_call(name, (), kwargs).elements(shape)
        if asked == "uniform":
            assert elements == Uniform(theirs["minval"], theirs["maxval"]), (name, kwargs, shape)
        else:
            expected = Normal(theirs["mean"], theirs["stddev"], truncated=asked == "truncated_normal")
            assert elements == expected, (name, kwargs, shape)


def test_nested_lists_are_their_own_values() -> None:
    literal = resolve([[1, 2.5], (3, True)])
    literal.check((2, 2), "float32")
    assert literal.elements((2, 2)) == Values((1, 2.5, 3, True))
    resolve(4).check((), "int64")
    resolve([[], []]).check((2, 0), "float32")
    assert from_call("Constant", [3]).elements((9,)) == Fill(3)


def test_initializers_print_as_the_call_that_makes_them() -> None:
    assert str(from_call("TruncatedNormal", (), {"stddev": 0.02})) == "TruncatedNormal(stddev=0.02)"
    assert str(resolve("zeros")) == "Zeros()"
    assert str(from_call("GlorotUniform", (), {"seed": 3})) == "GlorotUniform(seed=3)"
    assert str(resolve([[1], [2]])) == "numbers of shape [2, 1]"


def refused(make: Any) -> InitializerError:
    with pytest.raises(InitializerError) as caught:
        make()
    return caught.value


@pytest.mark.parametrize(
    ("value", "code", "message", "help"),
    [
        ("glorot_unifrom", "E0701", 'there is no initializer "glorot_unifrom"', "did you mean glorot_uniform?"),
        ("GlorotUnifrom", "E0701", 'there is no initializer "GlorotUnifrom"', "did you mean GlorotUniform?"),
        ("stft", "E0701", "STFT", None),
        (object(), "E0701", "got a object", "such as"),
        ([1, "x"], "E0701", 'got "x"', "such as"),
        ([[1], [2, 3]], "E0702", "differ in length at depth 2", None),
        ([[1], 2], "E0702", "differ in length at depth 2", None),
    ],
)
def test_what_is_no_initializer_is_refused(value: Any, code: str, message: str, help: str | None) -> None:
    error = refused(lambda: resolve(value))
    assert error.code == code
    assert message in error.message
    assert (help or "") in (error.help or "")


@pytest.mark.parametrize(
    ("name", "args", "kwargs", "message"),
    [
        ("Zeros", [1], {}, "Zeros takes no arguments, got 1"),
        ("HeNormal", [], {"stdev": 1}, "HeNormal has no argument stdev"),
        ("RandomNormal", [0.0], {"mean": 1.0}, "RandomNormal is given mean twice"),
        ("TruncatedNormal", [], {"stddev": -1}, "stddev of TruncatedNormal is a number of at least 0, got -1"),
        (
            "TruncatedNormal",
            [],
            {"stddev": float("inf")},
            "stddev of TruncatedNormal is a number of at least 0, got inf",
        ),
        ("TruncatedNormal", [], {"stddev": 10**400}, "stddev of TruncatedNormal is a number"),
        ("TruncatedNormal", [], {"mean": True}, "mean of TruncatedNormal is a number, got True"),
        ("RandomUniform", [2, 1], {}, "maxval of RandomUniform is a number of at least 2, got 1"),
        ("VarianceScaling", [0], {}, "scale of VarianceScaling is a number above 0, got 0"),
        ("VarianceScaling", [], {"mode": "fan_on"}, 'mode of VarianceScaling is one of "fan_in"'),
        ("VarianceScaling", [], {"distribution": 3}, "distribution of VarianceScaling is one of"),
        ("GlorotUniform", [], {"seed": 1.5}, "seed of GlorotUniform is a whole number or None, got 1.5"),
        ("GlorotUniform", [], {"input_axes": 0}, "input_axes of GlorotUniform is a list of axes or None, got 0"),
        ("Constant", ["a"], {}, 'value of Constant is a number, got "a"'),
    ],
)
def test_wrong_arguments_are_refused(name: str, args: list[Any], kwargs: dict[str, Any], message: str) -> None:
    error = refused(lambda: from_call(name, args, kwargs))
    assert error.code == "E0703"
    assert error.message.startswith(message)


@pytest.mark.parametrize(
    ("initializer", "shape", "dtype", "code", "message"),
    [
        (resolve([1, 2]), (3,), "float32", "E0702", "the numbers have the shape [2], and the weight [3]"),
        (resolve(1), (3,), "float32", "E0702", "the numbers have the shape [], and the weight [3]"),
        (resolve([300]), (1,), "uint8", "E0704", "300 does not fit uint8, which holds 0 to 255"),
        (resolve([0.5]), (1,), "int32", "E0704", "0.5 is no whole number, and the weight is int32"),
        (resolve([float("nan")]), (1,), "int32", "E0704", "nan is no whole number, and the weight is int32"),
        (resolve([2]), (1,), "bool", "E0704", "2 is no element of a bool weight"),
        (resolve("glorot_uniform"), (2, 2), "int64", "E0704", "GlorotUniform draws fractions, and the weight is int64"),
        (resolve("identity"), (2, 2, 2), "float32", "E0704", "Identity makes a matrix"),
        (from_call("Identity", [0.5]), (2, 2), "int8", "E0704", "0.5 is no whole number"),
        (resolve("orthogonal"), (4,), "float32", "E0704", "Orthogonal needs two axes or more"),
        (from_call("HeNormal", [None, [5], [0]]), (2, 2), "float32", "E0704", "input_axes says axis 5"),
    ],
)
def test_what_does_not_fit_its_weight_is_refused(
    initializer: Initializer, shape: tuple[int, ...], dtype: str, code: str, message: str
) -> None:
    error = refused(lambda: initializer.check(shape, dtype))
    assert error.code == code
    assert error.message.startswith(message)


def test_loading_initializers_loads_no_numpy() -> None:
    code = "import sys; from archonnx.compiler.weights import initializers; sys.exit('numpy' in sys.modules)"
    env = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    assert subprocess.run([sys.executable, "-c", code], env=env).returncode == 0
