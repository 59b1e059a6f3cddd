"""Runs one line of a model through archonnx and onnxruntime, and the same line, read as Python, through Keras.

A case is a constructor's call as both write it, and the types of its inputs. Weights are drawn once, from a wide
distribution so that no term vanishes, and given to both sides. Where sizes are symbols, the one compiled model is run
at two sets of them.
"""

from __future__ import annotations

import os
import re
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

os.environ.setdefault("KERAS_BACKEND", "tensorflow")
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

Array = np.ndarray[Any, Any]

TOLERANCE = 1e-5
SIZES = {"N": 2, "T": 5, "S": 4, "H": 9, "W": 7, "D": 5}
OTHER_SIZES = {"N": 3, "T": 8, "S": 6, "H": 12, "W": 11, "D": 6}

# What tables of cases name often.
IMAGE = ("float32[N, 9, 8, 6]",)
FIRST = ("float32[N, 6, 9, 8]",)
OPEN = ("float32[N, H, W, 6]",)
STEPS = ("float32[N, 10, 6]",)
VOLUME = ("float32[N, 5, 6, 7, 4]",)
VECTOR = ("float32[N, 6]",)


@dataclass(frozen=True)
class Case:
    """`call` is written as in Keras; `inputs` are types of the language; `low` and `high` bound the inputs' values.

    flow      what stands left of the arrow, where it is not x0 or (x0, x1, ...): `(x0, attention_mask=x1)`
    theirs    Keras' constructor, where `call` has arguments that Keras takes elsewhere
    apply     Keras' application over `layer`, `x0`, ... and `keras`, where it is not layer(x0) or layer([x0, x1, ...])
    before    a layer applied to x0 first on both sides, to set a mask
    results   how many results are compared
    sizes     values of symbols, where those of SIZES do not fit; `again` those of a second run, None for none
    """

    call: str
    inputs: tuple[str, ...] = VECTOR
    low: float = -2.0
    high: float = 2.0
    require: tuple[str, ...] = ()
    opset: int | None = None
    tolerance: float = TOLERANCE
    before: str = ""
    flow: str = ""
    theirs: str = ""
    apply: str = ""
    results: int = 1
    sizes: dict[str, int] = field(default_factory=dict)
    again: dict[str, int] | None = field(default_factory=dict)

    @property
    def layer(self) -> str:
        return self.call.partition("(")[0]

    @property
    def id(self) -> str:
        opset = f"-opset{self.opset}" if self.opset else ""
        sizes = "".join(f"-{name}{size}" for name, size in self.sizes.items())
        flow = f"-{self.flow}" if self.flow else ""
        return f"{self.before}{self.call}-{'-'.join(self.inputs)}{flow}{sizes}{opset}".replace(" ", "")

    def text(self) -> str:
        """The model's source."""
        lines = ["model Case():"]
        lines += [f"    input x{i}: {kind}" for i, kind in enumerate(self.inputs)]
        lines += [f"    require {condition}" for condition in self.require]
        names = ", ".join(f"x{i}" for i in range(len(self.inputs)))
        flow = self.flow or (f"({names})" if len(self.inputs) > 1 else names)
        if self.before:
            lines.append(f"    x0 = x0 -> {self.before}")
        results = ", ".join(f"y{i}" for i in range(self.results))
        lines.append(f"    {f'({results})' if self.results > 1 else results} = {flow} -> {self.call}")
        lines += [f"    output y{i}" for i in range(self.results)]
        return "\n".join(lines) + "\n"

    def runs(self) -> list[dict[str, int]]:
        """The values of the symbols of each run. Where a case says its sizes, a second run changes the batch alone."""
        first = SIZES | self.sizes
        if self.again is None or not re.search(r"[A-Z]", "".join(kind.partition("[")[2] for kind in self.inputs)):
            return [first]
        second = {"N": 3} if self.sizes else OTHER_SIZES
        return [first, first | second | self.again]


def each(calls: str, inputs: tuple[str, ...], **options: Any) -> list[Case]:
    """A case for each line."""
    return [Case(line.strip(), inputs, **options) for line in calls.strip().splitlines()]


def random_inputs(case: Case, sizes: Mapping[str, int] = SIZES) -> list[Array]:
    """Arrays of the inputs' types, the same on every run."""
    rng = np.random.default_rng(7)
    made = []
    for kind in case.inputs:
        dtype, _, rest = kind.partition("[")
        shape = [eval(d, dict(sizes)) for d in rest.rstrip("]").split(",") if d.strip()]
        if dtype == "bool":
            made.append(rng.random(shape) < 0.6)
        elif dtype.startswith("float"):
            made.append(rng.uniform(case.low, case.high, shape).astype(dtype))
        else:
            made.append(rng.integers(max(0, int(case.low)), int(case.high) + 1, shape).astype(dtype))
    return made


class Ours:
    """A case compiled, with weights drawn. `weights` are arrays in Keras' layout by `layer/name` below the layer."""

    def __init__(self, case: Case) -> None:
        import onnxruntime

        import archonnx
        from archonnx.compiler.recipes import Draw, Evaluation
        from archonnx.compiler.weights.initializers import resolve

        self.case = case
        self.model = archonnx.compile(text=case.text(), **({"opset": case.opset} if case.opset else {}))
        self.weights: dict[str, Array] = {}
        self.before: dict[str, Array] = {}
        self.trainable = self.other = 0
        first = self.model.graph.nodes[0].path if case.before else None
        for number, weight in enumerate(self.model.graph.weights(), 1):
            owner, _, local = weight.path.partition("/")
            rng = np.random.default_rng(number)
            if weight.dtype.startswith("float"):
                drawn = rng.uniform(0.5, 1.5, weight.shape) if "variance" in local else rng.uniform(-1, 1, weight.shape)
                weight.initializer = resolve(drawn.tolist())
            array = Draw(weight).whole(Evaluation(0)).reshape(weight.shape)
            if owner == first:
                self.before[local] = array
                continue
            self.weights[local] = array
            if weight.trainable:
                self.trainable += weight.size
            else:
                self.other += weight.size
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "case.onnx"
            self.model.save(path)
            assert "Loop" not in operators(path), "a Loop runs its body node by node: Scan, or one operator"
            options = onnxruntime.SessionOptions()
            options.intra_op_num_threads = 1
            options.log_severity_level = 3
            self.session = onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])

    def run(self, arrays: Sequence[Array], sizes: Mapping[str, int]) -> list[Array]:
        """The results, each of the shape that was announced."""
        feeds = dict(zip([f"x{i}" for i in range(len(arrays))], arrays, strict=True))
        asked = {given.name for given in self.session.get_inputs()}
        values: list[Array] = self.session.run(None, {name: a for name, a in feeds.items() if name in asked})
        for value, output in zip(values, self.model.graph.outputs, strict=True):
            for size, dim in zip(value.shape, output.value.type.shape, strict=True):
                if isinstance(dim, int) or dim.symbols() <= sizes.keys():
                    expected = dim if isinstance(dim, int) else dim.evaluate(sizes)
                    assert size == expected, f"executed {value.shape}, inferred {output.value.type}"
        return values


def operators(path: Path) -> set[str]:
    """The types of the operators in a file, those inside the bodies of others too."""
    import onnx

    graphs, found = [onnx.load(path, load_external_data=False).graph], set()
    for graph in graphs:
        for node in graph.node:
            found.add(node.op_type)
            graphs += [attribute.g for attribute in node.attribute if attribute.HasField("g")]
    return found


class Theirs:
    """The same in Keras, with the weights of ours."""

    def __init__(self, case: Case, weights: Mapping[str, Array], before: Mapping[str, Array]) -> None:
        import keras

        keras.utils.clear_session(free_memory=False)  # names count from the first again: `dense`, not `dense_7`
        self.case, self.weights, self.weights_before = case, weights, before
        names = dict(vars(keras.layers)) | {"keras": keras, "float32": "float32"}
        call = case.theirs or case.call
        # TensorFlow convolves channels-first on some processors only: Keras is given the channels last, which is what
        # the argument means.
        self.turned = "Conv" in case.layer and "channels_first" in call
        self.layer: Any = eval(call.replace("channels_first", "channels_last") if self.turned else call, names)
        self.first: Any = eval(case.before, names) if case.before else None
        self.built = False

    def run(self, arrays: Sequence[Array]) -> list[Array]:
        import keras

        xs: list[Any] = [
            keras.ops.convert_to_tensor(np.moveaxis(a, self._channels(a), -1) if self.turned and a.ndim > 2 else a)
            for a in arrays
        ]
        if self.first is not None:
            raw = xs[0]
            xs[0] = self.first(raw)
            if not self.built:
                _assign(self.first, self.weights_before)
                xs[0] = self.first(raw)
        if not self.built:
            self._build(xs)
            self.built = True
            if self.first is not None:
                xs[0] = self.first(raw)  # MultiHeadAttention takes the mask off its inputs
        value = self._applied(xs)
        values = list(value) if isinstance(value, (list, tuple)) else [value]
        found = [np.asarray(keras.ops.convert_to_numpy(v)) for v in values[: self.case.results]]
        return [np.moveaxis(v, -1, self._channels(v)) if self.turned and v.ndim > 2 else v for v in found]

    def _channels(self, array: Array) -> int:
        """Where the channels are: behind the batch, or behind the steps where these are ConvLSTM's."""
        steps = re.fullmatch(r"ConvLSTM(\d)D", self.case.layer)
        return array.ndim - 1 - int(steps[1]) if steps else 1

    def _applied(self, xs: Sequence[Any]) -> Any:
        import keras

        names = {f"x{i}": x for i, x in enumerate(xs)} | {"layer": self.layer, "keras": keras}
        if self.case.apply:
            return eval(self.case.apply, names)
        return self.layer(list(xs) if len(xs) > 1 else xs[0])

    def _build(self, xs: Sequence[Any]) -> None:
        if self.case.apply:
            self._applied(xs)
        else:
            shapes = [tuple(x.shape) for x in xs]
            self.layer.build(shapes if len(shapes) > 1 else shapes[0])
        _assign(self.layer, self.weights)

    def sizes(self) -> tuple[int, int]:
        """The numbers of trainable and of other parameters."""
        parts = (self.layer.trainable_weights, self.layer.non_trainable_weights)
        trainable, other = (sum(int(np.prod(v.shape)) for v in part) for part in parts)
        return trainable, other


def _assign(layer: Any, weights: Mapping[str, Array]) -> None:
    found = {v.path.partition("/")[2]: v for v in layer.weights}
    if found.keys() != weights.keys():
        found = {local_name(v.path): v for v in layer.weights}
    assert sorted(found) == sorted(weights), f"Keras has the weights {sorted(found)}, we {sorted(weights)}"
    for name, variable in found.items():
        assert tuple(variable.shape) == weights[name].shape, name
        variable.assign(weights[name])
    if hasattr(layer, "finalize_state"):
        layer.finalize_state()


def local_name(path: str) -> str:
    """Keras' path of a variable below its layer; the cell inside a recurrent layer is no layer of ours."""
    return "/".join(part for part in path.split("/")[1:] if not re.search(r"_cell(_\d+)?$", part))


def compare(case: Case) -> float:
    """Runs both sides and gives the largest error; fails where shapes, dtypes or parameters differ."""
    ours = Ours(case)
    theirs = Theirs(case, ours.weights, ours.before)
    worst = 0.0
    for sizes in case.runs():
        arrays = random_inputs(case, sizes)
        found, expected = ours.run(arrays, sizes), theirs.run(arrays)
        assert len(found) == len(expected) == case.results
        for y, reference in zip(found, expected, strict=True):
            assert y.shape == reference.shape
            assert y.dtype == reference.dtype
            worst = max(worst, error(y, reference))
    assert (ours.trainable, ours.other) == theirs.sizes()
    return worst


def error(y: Array, reference: Array) -> float:
    """The project's one definition: max|y - ref| / max(1e-6, max|ref|). What is no finite number must agree exactly."""
    y, reference = y.astype(np.float64), reference.astype(np.float64)
    if not reference.size:
        return 0.0
    finite = np.isfinite(reference)
    if not np.array_equal(np.where(finite, 0.0, y), np.where(finite, 0.0, reference), equal_nan=True):
        return float("inf")
    y, reference = np.where(finite, y, 0.0), np.where(finite, reference, 0.0)
    return float(np.max(np.abs(y - reference)) / max(1e-6, float(np.max(np.abs(reference)))))
