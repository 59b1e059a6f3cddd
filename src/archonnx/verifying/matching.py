"""A file that others made, as a side: its inputs and outputs found by name, else by order and type, and its values.

Axes are moved where an image's channels stand elsewhere, and whole numbers are cast where widths differ; both are said.
"""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Mapping, Sequence
from itertools import permutations
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

from archonnx.contract.agreement import error
from archonnx.contract.diagnostics import ArchonnxError
from archonnx.verifying.agreement import compare
from archonnx.verifying.divergence import Divergence
from archonnx.verifying.sides import FailedError, FileSide, call, load

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from archonnx.compiler.graph import LayerGraph, TensorType
    from archonnx.runtime.modelfile import Spec

    Array: TypeAlias = NDArray[Any]

MOST_AXES = 5
WEIGHTS = "its weights may be others: --weights takes them from a file, an .onnx too"


class OtherError(ArchonnxError):
    """A file that cannot be compared with: its inputs or outputs are others."""


class Other(FileSide):
    """Any ONNX file. `notes` say how it was matched; `fixed` are symbols that it knows one value of."""

    loose = True

    def __init__(self, path: Path, graph: LayerGraph) -> None:
        super().__init__(path.name, str(path), path)
        self.graph = graph
        self.notes: list[str] = []
        self.fixed: dict[str, int] = {}
        inputs = [(given.name, given.value.type) for given in graph.inputs]
        outputs = [(output.name, output.value.type) for output in graph.outputs]
        self.inputs = self._matched("input", inputs, self.session.inputs)
        self.outputs = self._matched("output", outputs, self.session.outputs)
        self.moved = {name: _channels_moved(kind, self.inputs[name]) for name, kind in inputs if name in self.inputs}
        for name, axes in self.moved.items():
            if axes is not None:
                self.notes.append(f"{path.name} has the channels of {name} elsewhere: its axes are moved for it")
        for name, kind in inputs:
            self._fix(name, kind)

    def _matched(self, what: str, ours: Sequence[tuple[str, TensorType]], theirs: Sequence[Spec]) -> dict[str, Spec]:
        """Their input or output for each of ours."""
        by_name = {spec.name: spec for spec in theirs}
        if all(name in by_name for name, _ in ours):
            return {name: by_name[name] for name, _ in ours}
        said = f"{self.path} has the {what}s {_listed(theirs)}, the model {', '.join(f'{n}: {k}' for n, k in ours)}"
        if len(ours) != len(theirs):
            raise OtherError(f"{said}: name them alike, or compare models with as many {what}s")
        for (name, kind), spec in zip(ours, theirs, strict=True):
            if spec.shape is not None and len(spec.shape) != kind.rank:
                raise OtherError(
                    f"{said}: taken in order, {name} and {spec.name} have {kind.rank} and {len(spec.shape)} axes"
                )
        pairs = ", ".join(f"{name} = {spec.name}" for (name, _), spec in zip(ours, theirs, strict=True))
        self.notes.append(f"{what}s are matched by order, as their names differ: {pairs}")
        return {name: spec for (name, _), spec in zip(ours, theirs, strict=True)}

    def _fix(self, name: str, kind: TensorType) -> None:
        shape = self.inputs[name].shape
        if shape is None:
            return
        order = self.moved[name] or tuple(range(kind.rank))
        for axis, size in zip(order, shape, strict=True):
            ours = kind.shape[axis]
            if isinstance(size, int) and not isinstance(ours, int) and str(ours) in ours.symbols():
                self.fixed.setdefault(str(ours), size)

    def _fed(self, feeds: Mapping[str, Array]) -> dict[str, Array]:
        """The arrays as their inputs take them."""
        import numpy as np

        from archonnx.compiler.recipes import numpy_dtype

        made = {}
        for name, array in feeds.items():
            spec = self.inputs[name]
            axes = self.moved[name]
            turned = array if axes is None else np.ascontiguousarray(array.transpose(axes))
            made[spec.name] = turned.astype(numpy_dtype(spec.dtype)) if spec.dtype else turned
        return made

    def run(self, feeds: Mapping[str, Array]) -> list[Array]:
        found = call(self.session, self._fed(feeds), self.title)
        return [found[self.outputs[output.name].name] for output in self.graph.outputs]

    def values(self, feeds: Mapping[str, Array]) -> dict[str, Array]:
        """Every tensor that it computes, by its own name."""
        import onnx

        assert self.path is not None
        model = onnx.load(self.path, load_external_data=False)
        shown = {value.name for value in model.graph.output}
        names = [name for node in model.graph.node for name in node.output if name and name not in shown]
        model.graph.output.extend(onnx.ValueInfoProto(name=name) for name in names)
        with tempfile.TemporaryDirectory(prefix="archonnx-") as folder:
            for data in {e.value for i in model.graph.initializer for e in i.external_data if e.key == "location"}:
                _brought(self.path.parent / data, Path(folder) / data)
            probed = Path(folder) / "probed.onnx"
            onnx.save(model, probed)
            with load(probed, self.title) as session:
                return call(session, self._fed(feeds), self.title)


def locate_in(
    graph: LayerGraph, ours: Mapping[str, Array], theirs: Mapping[str, Array], tolerance: float
) -> Divergence | str:
    """The first layer whose result the other file does not have.

    Where most results have namesakes there, these are compared. Else each is looked for among all that it computes:
    the layer named is the first whose result, and whose followers' results, are nowhere.
    """
    names = [value.name for node in graph.nodes for value in node.outputs if value.name in ours]
    namesakes = {name: theirs[name] for name in names if name in theirs}
    if namesakes and 2 * len(namesakes) >= len(names):
        found = _by_name(graph, ours, namesakes, tolerance)
        if found is not None:
            return found
    matched = {name for name in names if _somewhere(ours[name], theirs.values(), tolerance)}
    followed: set[str] = set()  # values that lead to one that is matched
    for node in reversed(graph.nodes):
        if any(value.name in matched or value.name in followed for value in node.outputs):
            followed.update(value.name for value in node.inputs if value is not None)
    for node in graph.nodes:
        seen = [value.name for value in node.outputs if value.name in ours]
        if seen and not node.layer.hidden and not any(name in matched or name in followed for name in seen):
            why = f"{len(matched)} of {len(names)} results were found there by what they hold"
            nearest = min(_nearest(ours[name], theirs.values()) for name in seen)
            return Divergence(node, compare_error(nearest), 0.0 if not matched else tolerance, (), why)
    return "every layer's result is found there: what is done with them at the end differs"


def compare_error(far: float) -> Any:
    """The difference of a result to the nearest of theirs."""
    from archonnx.verifying.agreement import Difference

    said = "" if far < float("inf") else "nothing of its size is computed there"
    return Difference(far, said)


def _by_name(
    graph: LayerGraph, ours: Mapping[str, Array], theirs: Mapping[str, Array], tolerance: float
) -> Divergence | None:
    worst = 0.0
    unseen: list[str] = []
    for node in graph.nodes:
        known = [value.name for value in node.outputs if value.name in theirs]
        if not known and not node.layer.hidden:
            unseen.append(node.name)
        for name in known:
            difference = compare(theirs[name], ours[name], typed=False)
            nearest = _nearest(ours[name], [theirs[name]], tolerance) if difference.error > tolerance else 0.0
            if nearest > tolerance:
                if difference.said and nearest < float("inf"):  # the same sizes, in another order of axes
                    difference = compare_error(nearest)
                return Divergence(node, difference, worst, tuple(unseen), WEIGHTS if node.layer.weights else "")
            worst = max(worst, min(difference.error, tolerance))
    return None


def _somewhere(array: Array, others: Any, tolerance: float) -> bool:
    return _nearest(array, others, tolerance) <= tolerance


def _nearest(array: Array, others: Any, enough: float = 0.0) -> float:
    """The smallest error to any of these in any order of axes; infinite where none has the size."""
    best = float("inf")
    for other in others:
        if getattr(other, "size", None) != array.size or sorted(other.shape) != sorted(array.shape):
            continue
        for axes in permutations(range(array.ndim)) if 1 < array.ndim <= MOST_AXES else [tuple(range(array.ndim))]:
            if tuple(array.shape[axis] for axis in axes) == other.shape:
                best = min(best, error(other, array.transpose(axes)))
                if best <= enough:
                    return best
    return best


def _channels_moved(kind: TensorType, spec: Spec) -> tuple[int, ...] | None:
    """The order of our axes that theirs are, where the known sizes fit only with the channels moved."""
    if spec.shape is None or kind.rank < 3:
        return None

    def fits(order: tuple[int, ...]) -> bool:
        assert spec.shape is not None
        pairs = [(kind.shape[axis], size) for axis, size in zip(order, spec.shape, strict=True)]
        return all(not isinstance(a, int) or not isinstance(b, int) or a == b for a, b in pairs)

    plain = tuple(range(kind.rank))
    forward, back = (0, kind.rank - 1, *plain[1:-1]), (0, *plain[2:], 1)
    if fits(plain):
        return None
    return next((order for order in (forward, back) if fits(order)), None)


def _listed(specs: Sequence[Spec]) -> str:
    return ", ".join(map(str, specs)) or "none"


def _brought(source: Path, target: Path) -> None:
    """A file's data beside a copy of its model: a link, or a copy where the disk is another."""
    target.parent.mkdir(parents=True, exist_ok=True)
    try:
        os.link(source, target)
    except OSError:
        shutil.copyfile(source, target)


__all__ = ["FailedError", "Other", "OtherError", "locate_in"]
