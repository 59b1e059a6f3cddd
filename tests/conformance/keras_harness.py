"""Runs one line of a model through archonnx and onnxruntime, and the same line, read as Python, through Keras.

A case is a constructor's call as both write it, and the types of its inputs. Weights are drawn once, from a wide
distribution so that no term vanishes, and given to both sides.
"""

from __future__ import annotations

import os
import tempfile
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

os.environ.setdefault("KERAS_BACKEND", "tensorflow")
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

TOLERANCE = 1e-5
SIZES = {"N": 2, "T": 5, "S": 4, "H": 9, "W": 7, "D": 5}


@dataclass(frozen=True)
class Case:
    """`call` is written as in Keras; `inputs` are types of the language; `low` and `high` bound the inputs' values."""

    call: str
    inputs: tuple[str, ...] = ("float32[N, 6]",)
    low: float = -2.0
    high: float = 2.0
    require: tuple[str, ...] = ()
    opset: int | None = None
    tolerance: float = TOLERANCE
    before: str = ""  # a layer applied first on both sides, to set a mask
    sizes: dict[str, int] = field(default_factory=dict)

    @property
    def layer(self) -> str:
        return self.call.partition("(")[0]

    @property
    def id(self) -> str:
        opset = f"-opset{self.opset}" if self.opset else ""
        return f"{self.before}{self.call}-{'-'.join(self.inputs)}{opset}".replace(" ", "")

    def text(self) -> str:
        """The model's source."""
        lines = ["model Case():"]
        lines += [f"    input x{i}: {kind}" for i, kind in enumerate(self.inputs)]
        lines += [f"    require {condition}" for condition in self.require]
        names = ", ".join(f"x{i}" for i in range(len(self.inputs)))
        flow = f"({names})" if len(self.inputs) > 1 else names
        if self.before:
            flow = f"{flow} -> {self.before}"
        lines += [f"    y = {flow} -> {self.call}", "    output y"]
        return "\n".join(lines) + "\n"


@dataclass
class Outcome:
    """What one side computed."""

    value: np.ndarray[Any, Any]
    trainable: int
    other: int


def random_inputs(case: Case) -> list[np.ndarray[Any, Any]]:
    """Arrays of the inputs' types, the same on every run."""
    rng = np.random.default_rng(7)
    made = []
    for kind in case.inputs:
        dtype, _, rest = kind.partition("[")
        sizes = SIZES | case.sizes
        shape = [eval(d, dict(sizes)) for d in rest.rstrip("]").split(",") if d.strip()]
        if dtype == "bool":
            made.append(rng.random(shape) < 0.6)
        elif dtype.startswith("float"):
            made.append(rng.uniform(case.low, case.high, shape).astype(dtype))
        else:
            made.append(rng.integers(max(0, int(case.low)), int(case.high) + 1, shape).astype(dtype))
    return made


def run_archonnx(case: Case, arrays: list[np.ndarray[Any, Any]]) -> tuple[Outcome, dict[str, np.ndarray[Any, Any]]]:
    """The result, and the weights by local name in Keras' layout."""
    import onnxruntime

    import archonnx
    from archonnx.compiler.recipes import Draw, Evaluation
    from archonnx.compiler.weights.initializers import resolve

    model = archonnx.compile(text=case.text(), **({"opset": case.opset} if case.opset else {}))
    weights: dict[str, np.ndarray[Any, Any]] = {}
    counts = {True: 0, False: 0}
    for weight in model.graph.weights():
        local = weight.path.rsplit("/", 1)[1]
        rng = np.random.default_rng(len(weights) + 1)
        if weight.dtype.startswith("float"):
            drawn = rng.uniform(0.5, 1.5, weight.shape) if "variance" in local else rng.uniform(-1, 1, weight.shape)
            weight.initializer = resolve(drawn.tolist())
        counts[weight.trainable] += weight.size
        weights[local] = Draw(weight).whole(Evaluation(0)).reshape(weight.shape)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "case.onnx"
        model.save(path)
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = 1
        session = onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])
        feeds = {given.name: array for given, array in zip(session.get_inputs(), arrays, strict=True)}
        value = session.run(None, feeds)[0]
    announced = [
        d if isinstance(d, int) else d.evaluate(SIZES | case.sizes) for d in model.graph.outputs[0].value.type.shape
    ]
    assert list(value.shape) == announced, f"executed {value.shape}, inferred {announced}"
    return Outcome(value, counts[True], counts[False]), weights


def run_keras(case: Case, arrays: list[np.ndarray[Any, Any]], weights: dict[str, np.ndarray[Any, Any]]) -> Outcome:
    """The same in Keras."""
    import keras

    layer = eval(case.call, vars(keras.layers) | {"float32": "float32"})
    given: Any = [keras.ops.convert_to_tensor(a) for a in arrays]
    if case.before:
        given = [eval(case.before, dict(vars(keras.layers)))(g) for g in given]
    given = given if len(given) > 1 else given[0]
    layer.build([tuple(g.shape) for g in given] if isinstance(given, list) else tuple(given.shape))
    names = [v.name for v in layer.weights]
    assert sorted(names) == sorted(weights), f"Keras has the weights {names}"
    for variable in layer.weights:
        assert tuple(variable.shape) == weights[variable.name].shape, variable.name
        variable.assign(weights[variable.name])
    if hasattr(layer, "finalize_state"):
        layer.finalize_state()
    value = keras.ops.convert_to_numpy(layer(given))
    sizes = [
        sum(int(np.prod(v.shape)) for v in part) for part in (layer.trainable_weights, layer.non_trainable_weights)
    ]
    return Outcome(value, sizes[0], sizes[1])


def error(y: np.ndarray[Any, Any], reference: np.ndarray[Any, Any]) -> float:
    """The project's one definition: max|y - ref| / max(1e-6, max|ref|)."""
    y, reference = y.astype(np.float64), reference.astype(np.float64)
    if not reference.size:
        return 0.0
    return float(np.max(np.abs(y - reference)) / max(1e-6, float(np.max(np.abs(reference)))))
