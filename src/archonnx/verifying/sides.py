"""What is compared: each side gives the model's outputs for an input, and the results of its layers.

Ours        our graph, in onnxruntime
Route       the graph that Keras and tf2onnx make, in onnxruntime
Prediction  the model of Keras, called
Other       any file with the same inputs and outputs, in onnxruntime
"""

from __future__ import annotations

import sys
import tempfile
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

from archonnx.contract.diagnostics import ArchonnxError

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from archonnx.compiler.artifact import CompiledModel
    from archonnx.compiler.graph import Value
    from archonnx.compiler.ir import OperatorGraph
    from archonnx.runtime.session import Session

    Array: TypeAlias = NDArray[Any]
    Feeds: TypeAlias = Mapping[str, Array]


class FailedError(ArchonnxError):
    """A side that does not run on an input: one line."""


class Side(ABC):
    """One way to run the model. `name` stands in tables, `title` in sentences; `path` is its file, where it has one.

    `loose`: its values have names of their own, or axes in another order, and are looked for.
    """

    name: str
    title: str
    path: Path | None = None
    loose: bool = False

    @abstractmethod
    def run(self, feeds: Feeds) -> list[Array]:
        """The outputs in the model's order. Errors: FailedError."""

    @abstractmethod
    def values(self, feeds: Feeds) -> dict[str, Array]:
        """The results of layers by the names of the layer graph's values, as far as this side has them."""

    def close(self) -> None:  # noqa: B027 (a side that holds nothing needs none)
        """Let go of what is held."""

    @property
    def size(self) -> int | None:
        """Bytes of the file and of the data beside it."""
        if self.path is None:
            return None
        return sum(p.stat().st_size for p in [self.path, *self.path.parent.glob(f"{self.path.stem}.*.data")])


class FileSide(Side):
    """A side that is an ONNX file."""

    def __init__(self, name: str, title: str, path: Path) -> None:
        self.name, self.title, self.path = name, title, path
        self._session: Session | None = None

    @property
    def session(self) -> Session:
        """The loaded file."""
        if self._session is None:
            self._session = load(self.path, self.title)
        return self._session

    def run(self, feeds: Feeds) -> list[Array]:
        return list(call(self.session, feeds, self.title).values())

    def close(self) -> None:
        if self._session is not None:
            self._session.close()
            self._session = None


class Ours(FileSide):
    """Our graph. `passes` False in `values` looks at the operators as layers wrote them."""

    def __init__(self, model: CompiledModel, path: Path, seed: int) -> None:
        super().__init__("archonnx", "archonnx's graph", path)
        self.model, self.seed = model, seed

    def values(self, feeds: Feeds, *, passes: bool = True) -> dict[str, Array]:
        from archonnx.compiler import saving
        from archonnx.compiler.lowering.lower import lower

        graph = lower(
            self.model.graph, opset=self.model.opset, optimization=2 if passes else 0, sources=self.model.sources
        )
        held = _held(graph)
        names = {tensor.name: (value, tensor.permutation) for value, tensor in held.items()}
        shown = {name for name, _ in graph.outputs}
        graph.outputs += [(t.name, t) for t in held.values() if t.name not in shown]
        given, facts = self.model.given, self.model.graph.facts
        with tempfile.TemporaryDirectory(prefix="archonnx-") as folder:
            path = Path(folder) / "probed.onnx"
            saving.save(graph, path, seed=self.seed, given=given, facts=facts, sources=self.model.sources)
            with load(path, self.title) as session:
                found = call(session, feeds, self.title)
        return {value: _turned(found[name], order) for name, (value, order) in names.items() if name in found}


class Route(FileSide):
    """The second route's graph."""

    def __init__(self, model: CompiledModel, path: Path, seed: int) -> None:
        super().__init__("via keras", "the graph that Keras and tf2onnx make", path)
        self.model, self.seed = model, seed
        self.graph: OperatorGraph | None = None  # once it is made

    def values(self, feeds: Feeds) -> dict[str, Array]:
        from archonnx.compiler.keras.route import saving as route

        wanted = probed_values(self.model)
        if not wanted:
            return {}
        probes = [route.Probe(value, f"value_{number}") for number, value in enumerate(wanted)]
        graph = route.route(self.model, seed=self.seed, probes=probes)
        with tempfile.TemporaryDirectory(prefix="archonnx-") as folder:
            path = Path(folder) / "probed.onnx"
            route.write(self.model, graph, path, seed=self.seed)
            with load(path, self.title) as session:
                found = call(session, feeds, self.title)
        named = {value.name: f"value_{number}" for number, value in enumerate(wanted)}
        return {value: found[name] for value, name in named.items() if name in found}


class Prediction(Side):
    """The model of Keras, called with arrays."""

    name, title = "keras", "Keras' own prediction"

    def __init__(self, model: CompiledModel, seed: int) -> None:
        from archonnx.compiler.keras.building import build

        self.model = model
        with _unremarked():
            self.built = build(model, model.evaluation(seed))

    def run(self, feeds: Feeds) -> list[Array]:
        return self._called(self.built.model, feeds)

    def values(self, feeds: Feeds) -> dict[str, Array]:
        import keras
        import numpy as np

        held = {value.name: self.built.tensors[id(value)] for value in probed_values(self.model)}
        # A number of the source, and what is computed of such alone, is no part of Keras' model but an array.
        found = {name: np.asarray(tensor) for name, tensor in held.items() if not keras.backend.is_keras_tensor(tensor)}
        names = [name for name in held if name not in found]
        if not names:
            return found
        made = self._called(keras.Model(self.built.model.inputs, [held[name] for name in names]), feeds)
        return {**found, **dict(zip(names, made, strict=True))}

    def parameters(self) -> int:
        """What Keras counts."""
        return int(self.built.model.count_params())

    def _called(self, model: Any, feeds: Feeds) -> list[Array]:
        import keras
        import numpy as np

        tensors = [keras.ops.convert_to_tensor(array) for array in feeds.values()]
        with _told(self.title), _unremarked():
            made = model(tensors if len(tensors) > 1 else tensors[0], training=False)
            flat = list(made.values()) if isinstance(made, dict) else made if isinstance(made, list | tuple) else [made]
            return [np.asarray(keras.ops.convert_to_numpy(one)) for one in flat]


class TorchPrediction(Side):
    """The module of PyTorch, called."""

    name, title = "pytorch", "PyTorch's prediction"

    def __init__(self, model: CompiledModel, seed: int) -> None:
        from archonnx.compiler.torch.building import to_torch

        self.model, self.seed = model, seed
        self.module = to_torch(model, seed).eval()

    def run(self, feeds: Feeds) -> list[Array]:
        return self._called(self.module, feeds)

    def values(self, feeds: Feeds) -> dict[str, Array]:
        from archonnx.compiler.graph import Output
        from archonnx.compiler.torch.building import to_torch

        wanted = probed_values(self.model)
        if not wanted:
            return {}
        outputs = [Output(f"value_{number}", value) for number, value in enumerate(wanted)]
        probed = replace(self.model, graph=replace(self.model.graph, outputs=outputs))
        found = self._called(to_torch(probed, self.seed).eval(), feeds)
        return {value.name: array for value, array in zip(wanted, found, strict=True)}

    def _called(self, module: Any, feeds: Feeds) -> list[Array]:
        import torch

        tensors = [torch.from_numpy(array.copy()) for array in feeds.values()]
        with _told(self.title), torch.no_grad():
            made = module(*tensors)
            return [one.numpy() for one in (made.values() if isinstance(made, dict) else [made])]

    def parameters(self) -> int:
        """What `parameters()` holds."""
        return sum(one.numel() for one in self.module.parameters())


def probed_values(model: CompiledModel) -> list[Value]:
    """The results of layers, in the order of the graph, each once."""
    found = {value.name: value for node in model.graph.nodes for value in node.outputs}
    return list(found.values())


def load(path: Path | None, title: str) -> Session:
    """A session on the CPU. `title` stands for it in messages. Errors: FailedError."""
    from archonnx.runtime import loading

    assert path is not None
    with _told(title, str(path)):
        return loading.load(path, device="cpu", cache="off")  # what is looked at is the file


def call(session: Session, feeds: Feeds, title: str) -> dict[str, Array]:
    """All results by name; inputs that the file does not have are left out. Errors: FailedError."""
    asked = {spec.name for spec in session.inputs}
    with _told(title, session.path):
        found, _ = session.run_with_timing({name: array for name, array in feeds.items() if name in asked})
    return dict(found)


def timed(sides: Sequence[FileSide], feeds: Feeds, patience: float, clock: Callable[[], float]) -> dict[str, float]:
    """Seconds of one run of each, the median; they take turns, so that what disturbs one disturbs all."""
    from statistics import median

    spent: dict[str, list[float]] = {side.name: [] for side in sides}
    for side in sides:
        side.run(feeds)  # the first run allocates
    began = clock()
    while not spent[sides[0].name] or (clock() - began < patience and len(spent[sides[0].name]) < 50):
        for side in sides:
            before = clock()
            side.run(feeds)
            spent[side.name].append(clock() - before)
    return {name: median(times) for name, times in spent.items()}


@contextmanager
def _unremarked() -> Iterator[None]:
    """Without Keras' remarks on masks and shapes, which are not what is asked for."""
    import warnings

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


@contextmanager
def _told(what: str, path: str = "") -> Iterator[None]:
    """Failures of a run as one line that names the side, by its title rather than by a path that is soon gone."""
    try:
        yield
    except FailedError:
        raise
    except _kinds() as failure:
        lines = [line.strip() for line in str(failure).splitlines() if line.strip()]
        told = lines[0].removeprefix(f"{path}: ") if lines else type(failure).__name__
        raise FailedError(f"{what} fails: {told}") from failure


def _kinds() -> tuple[type[Exception], ...]:
    """What a run may raise: TensorFlow's own errors too, where it is loaded."""
    plain = (ArchonnxError, ValueError, TypeError, RuntimeError, LookupError)
    tensorflow = sys.modules.get("tensorflow")
    return plain if tensorflow is None else (*plain, tensorflow.errors.OpError)


def _held(graph: OperatorGraph) -> dict[str, Any]:
    """The tensor that holds each value of the layer graph, its own order of axes rather than another."""
    found: dict[str, Any] = {}
    for operator in graph.operators:
        for tensor in operator.outputs:
            value = tensor.stands_for
            if value is None or not tensor.name or (value in found and found[value].permutation is None):
                continue
            if value not in found or tensor.permutation is None:
                found[value] = tensor
    return found


def _turned(array: Array, order: tuple[int, ...] | None) -> Array:
    """An array whose axis i is axis order[i] of the value, in the value's own order."""
    if order is None:
        return array
    import numpy as np

    return array.transpose(np.argsort(order))
