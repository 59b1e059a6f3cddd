"""State dictionaries of PyTorch: the names that their pickles use, which tensors are weights, and views of storages.

A checkpoint often holds the state dictionary among other things, as {"model": {...}, "optimizer": {...}}. It is looked
for: a dictionary without tensors of its own gives way to the one that has them. metadata["unwrapped"] says where it
was, metadata["left_out"] what else was there.
"""

from __future__ import annotations

import math
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from archonnx.compiler.weights.files.base import Buffer, Entry, TensorFile, TensorFileError, read_exactly
from archonnx.compiler.weights.files.pickles import Bytes, Forbidden, Named, PickleError, unpickle
from archonnx.compiler.weights.files.windows import fill
from archonnx.compiler.weights.recipe import Array, numpy_dtype
from archonnx.compiler.weights.regions import Box, Shape, boxes, extents, strides
from archonnx.contract.dtypes import DTYPES

# torch's name of a dtype -> its class of storages, where it has one; dtypes without are stored as bytes.
STORAGES = {
    "float64": "DoubleStorage",
    "float32": "FloatStorage",
    "float16": "HalfStorage",
    "bfloat16": "BFloat16Storage",
    "int64": "LongStorage",
    "int32": "IntStorage",
    "int16": "ShortStorage",
    "int8": "CharStorage",
    "uint8": "ByteStorage",
    "bool": "BoolStorage",
}
NEWER = {
    "uint16": "uint16",
    "uint32": "uint32",
    "uint64": "uint64",
    "float8_e4m3fn": "float8e4m3fn",
    "float8_e4m3fnuz": "float8e4m3fnuz",
    "float8_e5m2": "float8e5m2",
    "float8_e5m2fnuz": "float8e5m2fnuz",
    "float8_e8m0fnu": "float8e8m0",
}
HOLDS = frozenset(STORAGES) | frozenset(NEWER.values())
NO_DTYPE = ("complex32", "complex64", "complex128", "qint8", "quint8", "qint32", "quint4x2", "quint2x4", "bits8")
WRAPPERS = ("state_dict", "model_state_dict", "model", "module", "params_ema", "params", "net", "network", "weights")
HELP = "save only the state dictionary: torch.save(model.state_dict(), path)"
MOST_SIZE = 1 << 60


@dataclass(frozen=True, slots=True)
class Storage:
    """A storage: its key in the file, the elements' dtype (None: refused, `why`), their number, and a view's start."""

    key: str
    dtype: str | None
    count: int
    start: int = 0
    why: str = ""


@dataclass(frozen=True, slots=True)
class View:
    """A tensor: a storage's elements from `offset` on, by `steps`."""

    storage: Storage
    dtype: str
    offset: int
    shape: tuple[int, ...]
    steps: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Refused:
    """A tensor that is none of numbers in a storage; `what` it is."""

    what: str


@dataclass(frozen=True, slots=True)
class Other:
    """What a checkpoint holds beside tensors."""

    kind: str


def _view(storage: Any, offset: Any, shape: Any, steps: Any, *rest: Any, dtype: str | None = None) -> View | Refused:
    if not isinstance(storage, Storage):
        raise PickleError("a tensor in it has no storage")
    if storage.dtype is None:
        return Refused(storage.why)
    whole = [offset, *shape, *steps]
    if not all(type(n) is int and 0 <= n < MOST_SIZE for n in whole) or len(shape) != len(steps) or len(shape) > 64:
        raise PickleError("a tensor in it has an offset, a shape or strides that no tensor has")
    size = math.prod(shape)
    if size >= MOST_SIZE:
        raise PickleError(f"a tensor in it has {size} elements")
    bytes_each, dtype = DTYPES[storage.dtype].bits // 8, dtype or storage.dtype
    count = storage.count * bytes_each // (DTYPES[dtype].bits // 8)
    last = offset + sum((n - 1) * step for n, step in zip(shape, steps, strict=True))
    if size and last >= count:
        raise PickleError(f"a tensor of shape {list(shape)} reaches to element {last} of a storage that has {count}")
    start = storage.start * bytes_each // (DTYPES[dtype].bits // 8)
    return View(storage, dtype, start + offset, tuple(shape), tuple(steps))


def _newer(storage: Any, offset: Any, shape: Any, steps: Any, grad: Any, hooks: Any, dtype: Any, *rest: Any) -> Any:
    if not isinstance(dtype, Named) or not isinstance(dtype.meaning, str):
        return Refused(f"a tensor of {dtype.name if isinstance(dtype, Named) else 'an unknown dtype'}")
    return _view(storage, offset, shape, steps, dtype=dtype.meaning)


def _typed(function: Any, kind: Any, arguments: Any, *state: Any) -> Any:
    """A tensor with attributes or of a class of its own: the tensor alone."""
    if not isinstance(function, Named) or function.name not in TENSORS or type(arguments) is not tuple:
        raise PickleError("a tensor in it is made by a call that is not one of PyTorch's")
    return function.meaning(*arguments)


def _refused(what: str) -> Callable[..., Refused]:
    return lambda *arguments: Refused(what)


def _other(kind: str) -> Callable[..., Other]:
    return lambda *arguments: Other(kind)


def _pairs(items: Any = ()) -> dict[Any, Any]:
    return {k: v for k, v in items if isinstance(k, str | int)}


TENSORS: dict[str, Any] = {
    "torch._utils._rebuild_tensor": _view,
    "torch._utils._rebuild_tensor_v2": _view,
    "torch._utils._rebuild_tensor_v3": _newer,
    "torch._utils._rebuild_parameter": lambda data, *rest: data,
    "torch._utils._rebuild_parameter_with_state": lambda data, *rest: data,
    "torch._tensor._rebuild_from_type_v2": _typed,
    "torch._utils._rebuild_qtensor": _refused("a quantized tensor"),
    "torch._utils._rebuild_sparse_tensor": _refused("a sparse tensor"),
    "torch._utils._rebuild_nested_tensor": _refused("a nested tensor"),
    "torch._utils._rebuild_meta_tensor_no_storage": _refused("a tensor without data, of the device meta"),
}
CALLS: dict[str, Any] = {
    **TENSORS,
    "collections.OrderedDict": _pairs,
    "collections.Counter": lambda items=(): {},
    "collections.defaultdict": lambda *arguments: {},
    "torch.Size": lambda items=(): tuple(items) if type(items) in (tuple, list) else (),
    "torch.device": _other("a device"),
    "torch.serialization._get_layout": _other("a layout"),
    "_codecs.encode": _other("bytes"),
    "builtins.set": _other("a set"),
    "builtins.frozenset": _other("a set"),
    "builtins.bytearray": _other("bytes"),
    "builtins.complex": _other("a complex number"),
    "numpy.dtype": _other("a dtype"),
    **{f"numpy.{c}.multiarray.scalar": _other("a number of numpy") for c in ("core", "_core")},
    **{f"numpy.{c}.multiarray._reconstruct": _other("an array of numpy") for c in ("core", "_core")},
    "argparse.Namespace": _other("a Namespace"),
    "torch.storage.TypedStorage": _other("a storage"),
}
# Old files write storages' classes with their module, newer ones torch's alone.
NAMES: dict[str, Any] = {
    **CALLS,
    **{f"torch.{m}{s}": d for d, s in STORAGES.items() for m in ("", "cuda.")},
    **{f"torch.{m}{s}": s for s in ("ComplexFloatStorage", "ComplexDoubleStorage") for m in ("", "cuda.")},
    **{f"torch.{s}": s for s in ("QInt8Storage", "QUInt8Storage", "QInt32Storage", "QUInt4x2Storage")},
    "torch.storage.UntypedStorage": "uint8",
    "torch.UntypedStorage": "uint8",
    **{f"torch.{d}": d for d in STORAGES},
    **{f"torch.{theirs}": ours for theirs, ours in NEWER.items()},
    **{f"torch.{d}": None for d in NO_DTYPE},
    **{f"torch.per_{k}": None for k in ("tensor_affine", "tensor_symmetric", "channel_affine", "channel_symmetric")},
    "torch.Tensor": None,
    "torch._tensor.Tensor": None,
    "torch.nn.parameter.Parameter": None,
    "torch.nn.parameter.Buffer": None,
    "numpy.ndarray": None,
    "builtins.int": None,
    "builtins.dict": None,
    "builtins.list": None,
}
CALLABLE = frozenset(CALLS)


def storage_of(kind: Any, key: Any, count: Any) -> Storage:
    """The storage that a persistent id speaks of."""
    if type(key) is not str or type(count) is not int or not 0 <= count < MOST_SIZE:
        raise PickleError("its pickle names a storage whose key or length no storage has")
    if not isinstance(kind, Named) or not isinstance(kind.meaning, str):
        raise PickleError("its pickle names a storage of no known class")
    if kind.meaning in DTYPES:
        return Storage(key, kind.meaning, count)
    why = "a tensor of complex numbers" if kind.meaning.startswith("Complex") else "a quantized tensor"
    return Storage(key, None, count, why=why)


def read_pickle(path: Path, source: Bytes, storage: Callable[[Any], Any]) -> Any:
    """What a pickle of PyTorch holds, tensors as View or Refused. Errors: TensorFileError."""
    try:
        return unpickle(source, NAMES, CALLABLE, storage)
    except Forbidden as error:
        if error.name == "torch.storage._load_from_bytes":
            what = "it was written by pickle instead of torch.save, so its tensors cannot be read slice by slice"
            raise TensorFileError(path, what, help="load it and write it by torch.save") from error
        what = f"its pickle asks for {error.name}, which no state dictionary needs; nothing of it was run"
        raise TensorFileError(path, what, help=HELP) from error
    except PickleError as error:
        raise TensorFileError(path, str(error)) from error


class _Search:
    """Which parts of a checkpoint hold tensors. A pickle may hold the same dictionary many times, or itself."""

    def __init__(self, path: Path) -> None:
        self.path, self.known, self.steps = path, dict[int, bool](), 0

    def has_tensors(self, value: Any, depth: int = 0) -> bool:
        if isinstance(value, View | Refused):
            return True
        if not isinstance(value, dict | list | tuple) or depth > 40:
            return False
        if id(value) not in self.known:
            self.known[id(value)] = False  # a dictionary within itself
            inside = value.values() if isinstance(value, dict) else value
            self.known[id(value)] = any(self.has_tensors(v, depth + 1) for v in inside)
        return self.known[id(value)]

    def flat(self, value: Any, prefix: str, left: list[str], depth: int = 0) -> Iterator[tuple[str, View | Refused]]:
        """Tensors by name, those of dictionaries within joined by dots; `left` gets the names of all else."""
        pairs = value.items() if isinstance(value, dict) else enumerate(value)
        for key, inside in pairs:
            self.steps += 1
            if self.steps > 2_000_000 or depth > 40:
                raise TensorFileError(self.path, "its dictionaries hold each other without end", help=HELP)
            name = prefix + str(key)
            if isinstance(inside, View | Refused):
                yield name, inside
            elif self.has_tensors(inside):
                yield from self.flat(inside, name + ".", left, depth + 1)
            elif not (isinstance(inside, dict | list | tuple) and not inside):
                left.append(name)


def weights_of(path: Path, value: Any) -> tuple[dict[str, View], dict[str, str]]:
    """The tensors of a checkpoint by name, and metadata: where they were, and what was left out."""
    search, way, left = _Search(path), list[str](), list[str]()
    if isinstance(value, View | Refused) or not search.has_tensors(value):
        kind = "a single tensor" if isinstance(value, View | Refused) else "no tensors"
        if isinstance(value, dict) and not value:
            return {}, {}
        raise TensorFileError(path, f"it holds {kind}, where a state dictionary is due", help=HELP)
    while isinstance(value, dict) and not any(isinstance(v, View | Refused) for v in value.values()):
        inner = [k for k, v in value.items() if search.has_tensors(v) and isinstance(v, dict)]
        chosen = next((k for k in WRAPPERS if k in inner), inner[0] if len(inner) == 1 else None)
        if chosen is None or len(way) > 40:
            break
        left += [".".join((*way, str(k))) for k in value if k != chosen]
        way.append(str(chosen))
        value = value[chosen]
    views: dict[str, View] = {}
    for name, tensor in search.flat(value, "", left):
        if isinstance(tensor, Refused):
            what = f'"{name}" is {tensor.what}; archonnx reads real numbers stored element by element'
            raise TensorFileError(path, what, help="convert it with PyTorch and save it anew, or leave it out")
        if name in views:
            raise TensorFileError(path, f'two tensors in it are named "{name}"')
        views[name] = tensor
    metadata = {"unwrapped": ".".join(way)} if way else {}
    if left:
        metadata["left_out"] = ", ".join(left[:100])
    return views, metadata


class TorchFile(TensorFile):
    """Tensors as views of storages that lie uncompressed in one file, each from a byte of its own on."""

    shared = True

    def __init__(
        self,
        format: str,
        path: Path,
        views: Mapping[str, View],
        places: Mapping[str, int],
        metadata: Mapping[str, str],
        *,
        swap: bool = False,
    ) -> None:
        self.format, self.path, self.metadata = format, path, metadata
        self.views, self.places, self.swap = views, places, swap
        self.entries = {name: Entry(v.dtype, v.shape) for name, v in views.items()}
        self.file = os.open(path, os.O_RDONLY)
        self._buffer = Buffer()

    def close(self) -> None:
        if self.file >= 0:
            os.close(self.file)
        self.file = -1

    def read(self, name: str, start: int, length: int) -> Array:
        view = self.views[name]
        if not length:
            return np.empty(0, numpy_dtype(view.dtype))
        if contiguous(view):
            return self._stretch(view, view.offset + start, length)
        return self._gather(view, start, length)

    def _stretch(self, view: View, start: int, length: int) -> Array:
        """Elements of a storage that lie one after another."""
        dtype = numpy_dtype(view.dtype)
        at = self.places[view.storage.key] + start * dtype.itemsize
        return self._elements(view, read_exactly(self.file, at, length * dtype.itemsize, self.path))

    def _window(self, view: View, start: int, length: int) -> Array:
        """The same, in memory that the next window is read into."""
        size = numpy_dtype(view.dtype).itemsize
        at = self.places[view.storage.key] + start * size
        return self._elements(view, self._buffer.read(self.file, at, length * size, self.path))

    def _elements(self, view: View, data: bytes | memoryview) -> Array:
        if view.dtype == "bool":
            flags: Array = np.frombuffer(data, np.uint8) != 0
            return flags
        flat = np.frombuffer(data, numpy_dtype(view.dtype))
        return flat.byteswap() if self.swap and flat.itemsize > 1 else flat

    def _gather(self, view: View, start: int, length: int) -> Array:
        """Elements of a view in row-major order."""
        out = np.empty(length, numpy_dtype(view.dtype))
        at = 0
        for box in boxes(view.shape, start, start + length):
            part = out[at : at + math.prod(extents(box))].reshape(extents(box))
            self._fill(part, view, view.steps, box)
            at += part.size
        return out

    def box(self, name: str, shape: Shape, box: Box) -> Array:
        view = self.views[name]
        if shape != view.shape and not contiguous(view):
            return super().box(name, shape, box)
        out = np.empty(extents(box), numpy_dtype(view.dtype))
        self._fill(out, view, view.steps if shape == view.shape else strides(shape), box)
        return out

    def _fill(self, out: Array, view: View, steps: Sequence[int], box: Box) -> None:
        first = sum(low * step for (low, _), step in zip(box, steps, strict=True))
        fill(out, steps, view.offset + first, lambda start, length: self._window(view, start, length))


def contiguous(view: View) -> bool:
    """Whether the elements lie in row-major order without gaps. An axis of one element has any stride."""
    due = zip(view.shape, view.steps, strides(view.shape), strict=True)
    return math.prod(view.shape) == 0 or all(n == 1 or step == expected for n, step, expected in due)
