"""Arrays as a model's inputs and targets: names, sizes and types of both sides, said where they differ."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NoReturn

import numpy as np
from numpy.typing import NDArray

from archonnx.compiler.keras.training.data import Array, Data, described
from archonnx.compiler.weights.recipe import numpy_dtype
from archonnx.contract.diagnostics import ArchonnxError, did_you_mean
from archonnx.contract.dims import evaluate, symbols_of
from archonnx.contract.dtypes import DTYPES

if TYPE_CHECKING:
    from archonnx.compiler.graph import Input, LayerGraph, TensorType
    from archonnx.contract.dims import Dim

Index = NDArray[np.int64]
PART = 16 << 20  # bytes of an array that are looked at together


@dataclass(frozen=True, slots=True)
class Column:
    """One input or target of every example. `shape` is what an example has; the array may write it otherwise."""

    name: str
    array: Array
    dtype: str
    shape: tuple[int, ...]

    def rows(self, index: Index | slice) -> Array:
        """Those examples, as the model takes them."""
        part = np.asarray(self.array[index])
        return part.reshape(len(part), *self.shape).astype(numpy_dtype(self.dtype), copy=False)


@dataclass(slots=True)
class Examples:
    """What a model is trained or judged on. `sizes`: the values of its symbols, but for that of the batch."""

    data: Data
    count: int
    inputs: dict[str, Column]
    targets: dict[str, Array]
    sizes: dict[str, int] = field(default_factory=dict)

    def shape_of(self, kind: TensorType) -> tuple[int | None, ...]:
        """The sizes of an output for all examples, None for what these do not tell."""
        known = {**self.sizes, str(kind.shape[0]): self.count}
        return tuple(evaluate(size, known) if symbols_of(size) <= known.keys() else None for size in kind.shape)

    @property
    def unused(self) -> list[str]:
        known = (*self.data.arrays, *self.data.passed_over)
        return [name for name in known if name not in self.inputs and name not in self.targets]


def match(graph: LayerGraph, data: Data, outputs: Sequence[str] | None = None) -> Examples:
    """The arrays that the model takes and is compared with. outputs: those that need targets; None: at least one does.

    Raises ArchonnxError that says what is expected and what was received.
    """
    names = [given.name for given in graph.inputs]
    ends = [output.name for output in graph.outputs]
    for given in graph.inputs:
        if given.name not in data.arrays:
            _missing(data, given.name, f"which the model takes as {given.value.type}", given.optional, [*names, *ends])
    batch = batch_symbol(graph)
    examples = Examples(data, 0, {}, {name: data.arrays[name] for name in ends if name in data.arrays})
    absent = [name for name in (outputs or []) if name not in examples.targets]
    if absent or not examples.targets:
        name = (absent or ends)[0]
        kind = next(output.value.type for output in graph.outputs if output.name == name)
        _missing(data, name, f"the targets of the output {name}, {kind}", False, [*names, *ends])
    counts: dict[str, int] = {}
    for given in graph.inputs:
        examples.inputs[given.name] = _column(given, data, examples.sizes, batch, graph)
        counts[given.name] = len(data.arrays[given.name])
    for name, array in examples.targets.items():
        if not array.ndim:
            raise ArchonnxError(f"{data.said_of(name)}: {name} is one number; an array of targets is expected")
        counts[name] = len(array)
    examples.count = _same_count(data, counts)
    _require(graph, examples, batch)
    return examples


def batch_symbol(graph: LayerGraph) -> str:
    """The symbol of the first axis of every input. ArchonnxError where there is none."""
    if not graph.inputs:
        raise ArchonnxError(f"{graph.name} has no input: there is nothing to learn from")
    found = {given.name: given.value.type for given in graph.inputs}
    first = next(iter(found.values()))
    for name, kind in found.items():
        if not kind.shape or isinstance(kind.shape[0], int) or not str(kind.shape[0]).isidentifier():
            raise ArchonnxError(
                f"the input {name} is {kind}: to train, its first axis counts the examples of a batch; give it a "
                f"symbol: {kind.dtype}[N, {', '.join(map(str, kind.shape[1:]))}]"
            )
        if kind.shape[0] != first.shape[0]:
            raise ArchonnxError(
                f"the inputs {next(iter(found))} and {name} are {first} and {kind}: to train, their first axes are one "
                "symbol, which counts the examples of a batch"
            )
    return str(first.shape[0])


def _column(given: Input, data: Data, sizes: dict[str, int], batch: str, graph: LayerGraph) -> Column:
    array, kind = data.arrays[given.name], given.value.type
    what = f"{data.said_of(given.name)}: {given.name} is {described(array)}, and the model takes {kind}"
    if array.ndim != kind.rank:
        raise ArchonnxError(f"{what}{_mend(given.name, array, kind)}")
    for axis, (size, wanted) in enumerate(zip(array.shape[1:], kind.shape[1:], strict=True), 1):
        expected = _expected(wanted, size, sizes, zeros=_may_be_zero(graph, str(wanted)))
        if expected != size:
            where = f"its axis {axis} is {size}, not {wanted}"
            where += f" = {expected}" if not isinstance(wanted, int) else ""
            raise ArchonnxError(f"{what}: {where}{_mend(given.name, array, kind)}")
    _check_numbers(what, array, kind.dtype)
    return Column(given.name, array, kind.dtype, array.shape[1:])


def _expected(wanted: Dim, size: int, sizes: dict[str, int], zeros: bool) -> int | str:
    """What a size has to be; a symbol that is met first is bound to what it is."""
    if isinstance(wanted, int):
        return wanted
    unknown = symbols_of(wanted) - sizes.keys()
    if not unknown:
        return evaluate(wanted, sizes)
    if str(wanted).isidentifier():
        if size == 0 and not zeros:
            return "1 or more"
        sizes[str(wanted)] = size
    return size  # an expression over what is not known yet is taken as it comes


def _may_be_zero(graph: LayerGraph, symbol: str) -> bool:
    return any(str(requirement.condition).replace(" ", "") == f"{symbol}>=0" for requirement in graph.requirements)


def _mend(name: str, array: Array, kind: TensorType) -> str:
    """What would make the array fit, where it is an axis that lacks or stands elsewhere."""
    sizes = [size if isinstance(size, int) else None for size in kind.shape]

    def fits(shape: tuple[int, ...]) -> bool:
        return len(shape) == len(sizes) and all(w in (None, s) for s, w in zip(shape, sizes, strict=True))

    if fits((*array.shape, 1)):
        return f"; give it a last axis: {name}[..., None]"
    if array.ndim and fits((*array.shape[:1], 1, *array.shape[1:])):
        return f"; give it an axis: {name}[:, None]"
    if array.ndim > 2 and fits((array.shape[0], *array.shape[2:], array.shape[1])):
        return f"; its channels are first: numpy.moveaxis({name}, 1, -1)"
    if array.ndim > 1 and array.shape[-1] == 1 and fits(array.shape[:-1]):
        return f"; take its last axis away: {name}[..., 0]"
    known = [size for size in sizes[1:] if size is not None]
    if array.ndim == 2 and len(known) == len(sizes) - 1 and array.shape[1] == int(np.prod(known)):
        return f"; reshape it: {name}.reshape({', '.join(['-1', *map(str, known)])})"
    return ""


def _check_numbers(what: str, array: Array, dtype: str) -> None:
    """ArchonnxError unless every number of the array is one of the model's type."""
    kind, wanted = array.dtype.kind, DTYPES[dtype].kind
    if wanted == "string" or wanted == "complex" or kind == "c":
        raise ArchonnxError(f"{what}: training takes numbers and booleans")
    if wanted == "bool" and kind != "b":
        raise ArchonnxError(f"{what}: booleans are expected")
    if wanted in ("int", "uint"):
        if kind not in "iub":
            raise ArchonnxError(f"{what}: whole numbers are expected")
        limits = np.iinfo(numpy_dtype(dtype))
        if kind != "b" and (array.dtype.itemsize > limits.bits // 8 or (kind == "i") != (limits.min < 0)):
            for start, part in parts_of(array):
                if part.size and (int(part.min()) < limits.min or int(part.max()) > limits.max):
                    row = start + int(np.argmax(_outside(part, limits.min, limits.max)))
                    raise ArchonnxError(f"{what}: a number of example {row} is outside {limits.min} to {limits.max}")
    if kind in "fV":
        check_finite(what, array)


def check_finite(what: str, array: Array) -> None:
    """ArchonnxError where a number is not one, or infinite."""
    if array.dtype.kind not in "fV":
        return
    for start, part in parts_of(array):
        finite = np.isfinite(part.astype(np.float32) if part.dtype.kind == "V" else part)
        if not finite.all():
            row = start + int(np.argmin(finite.reshape(len(part), -1).all(axis=1)))
            raise ArchonnxError(
                f"{what}: a value of example {row} is not a number, or infinite; take it out or mend it"
            )


def parts_of(array: Array) -> Iterator[tuple[int, Array]]:
    """The array in stretches of examples, each with the number of its first."""
    each = max(1, array.nbytes // max(1, len(array)))
    step = max(1, PART // each)
    for start in range(0, len(array), step):
        yield start, np.asarray(array[start : start + step])


def _outside(part: Array, least: int, most: int) -> NDArray[np.bool_]:
    flat = part.reshape(len(part), -1)
    return np.asarray(((flat < least) | (flat > most)).any(axis=1))


def _same_count(data: Data, counts: Mapping[str, int]) -> int:
    first, count = next(iter(counts.items()))
    for name, other in counts.items():
        if other != count:
            raise ArchonnxError(
                f"{data.said}: {first} has {count:,} examples and {name} {other:,}; each example is one place of the "
                "first axis of every array"
            )
    if count == 0:
        raise ArchonnxError(f"{data.said}: {first} has no examples")
    return count


def _require(graph: LayerGraph, examples: Examples, batch: str) -> None:
    for requirement in graph.requirements:
        names = requirement.condition.symbols()
        if batch in names or not names <= examples.sizes.keys():
            continue
        try:
            holds = requirement.condition.evaluate(examples.sizes)
        except ZeroDivisionError:
            holds = False
        if not holds:
            where = ", ".join(f"{name} = {examples.sizes[name]}" for name in sorted(names))
            raise ArchonnxError(
                f"{examples.data.said}: the model requires {requirement.condition}, and {where} here: "
                f"{requirement.message} ({requirement.place})"
            )


def _missing(data: Data, name: str, what: str, optional: bool, known: Sequence[str]) -> NoReturn:
    others = [other for other in data.arrays if other not in known]
    near = did_you_mean(name, others, 1) or (others if len(others) == 1 else [])
    help = f"rename it, or say {name}=FILE.npz:{near[0]}" if near else f"say where it is: {name}=FILE.npy"
    help = f"give one, or leave it out: --set {name}=None" if optional else help
    raise ArchonnxError(f"{data.said}: there is no array {name}, {what}; there is {data.listed}; {help}")
