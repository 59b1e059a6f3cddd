"""Values that users hand over, as the arrays that a model takes: exactly, or not at all.

- Python numbers, strings, booleans and lists of them become the input's dtype where nothing is lost: whole numbers
  where whole numbers are meant and within range, integers in a float only where it holds them exactly; a decimal
  fraction is rounded to the nearest value of a float type, as a literal is anywhere.
- Arrays (numpy's, and whatever offers itself as one, as tensors of PyTorch, TensorFlow and JAX do, on a GPU too) must
  have the input's dtype already. Only what changes no type passes: another byte order, and numpy's several kinds of
  text for a string input.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from archonnx.contract.dtypes import DTYPES
from archonnx.runtime.errors import InputError
from archonnx.runtime.modelfile import Spec

if TYPE_CHECKING:
    import numpy as np

_NUMPY = frozenset(
    "float32 float64 float16 int8 int16 int32 int64 uint8 uint16 uint32 uint64 bool complex64 complex128".split()
)
_ML_DTYPES = {
    "bfloat16": "bfloat16",
    "float8e4m3fn": "float8_e4m3fn",
    "float8e4m3fnuz": "float8_e4m3fnuz",
    "float8e5m2": "float8_e5m2",
    "float8e5m2fnuz": "float8_e5m2fnuz",
    "float4e2m1": "float4_e2m1fn",
    "int4": "int4",
    "uint4": "uint4",
    "float8e8m0": "float8_e8m0fnu",
    "int2": "int2",
    "uint2": "uint2",
}


def numpy_dtype(dtype: str) -> np.dtype[Any]:
    """The numpy dtype of an element type; strings are objects. Raises KeyError for a type that is not known."""
    import numpy as np

    if dtype in _NUMPY:
        return np.dtype(dtype)
    if dtype == "string":
        return np.dtype(object)
    import ml_dtypes

    found: np.dtype[Any] = np.dtype(getattr(ml_dtypes, _ML_DTYPES[dtype]))
    return found


def dtype_name(dtype: np.dtype[Any]) -> str:
    """The element type's name in the language, for a numpy dtype; numpy's own name where it has none."""
    if dtype.kind in "UT":
        return "string"
    name = dtype.newbyteorder("=").name if dtype.kind in "biufc" else dtype.name
    return next((ours for ours, theirs in _ML_DTYPES.items() if theirs == name), name)


def describe(array: np.ndarray[Any, Any]) -> str:
    """What was received, as the language writes types: `float64[1, 224, 224, 3]`."""
    name = "string" if holds_text(array) else dtype_name(array.dtype)
    return f"{name}[{', '.join(map(str, array.shape))}]"


def holds_text(array: Any) -> bool:
    """Whether it is an array of strings, which are Python's own in what a model takes and gives."""
    return array.dtype.kind in "UT" or (array.dtype == object and all(isinstance(item, str) for item in array.flat))


def to_array(spec: Spec, value: Any) -> Any:
    """`value` as an array of the input's dtype, a DeviceArray where it lies on a GPU; its shape is not looked at.
    Raises InputError."""
    import numpy as np

    if spec.dtype not in DTYPES:
        raise InputError(f"input {spec.name}: elements of type {spec.dtype} cannot be given from Python", spec.name)
    if isinstance(value, bool | int | float | complex | str) and not isinstance(value, np.generic):
        return _literal(spec, value, {type(value)})
    if isinstance(value, list | tuple):
        kinds = _leaf_types(value)
        if kinds <= {bool, int, float, complex, str}:
            return _literal(spec, value, kinds)
    return _checked(spec, _as_given(spec, value), value)


def _as_given(spec: Spec, value: Any) -> Any:
    import numpy as np

    if isinstance(value, np.ma.MaskedArray) and np.ma.is_masked(value):
        raise InputError(f"input {spec.name}: the array has masked elements; fill them first: .filled(0)", spec.name)
    if isinstance(value, dict | set | bytes) or value is None:
        raise InputError(f"input {spec.name}: expected {spec.type}, received {type(value).__name__}", spec.name)
    from archonnx.runtime.dlpack import NotTakenError, taken

    try:
        array = taken(value, spec.name if spec.name.isidentifier() else "array")
    except NotTakenError as error:  # a tensor on another device, ragged lists
        kind = type(value).__name__
        raise InputError(f"input {spec.name}: this {kind} cannot be read as an array: {error}", spec.name) from None
    if array.dtype == object and spec.dtype != "string":
        kind = type(value).__name__
        raise InputError(f"input {spec.name}: expected {spec.type}, received {kind}, which is no array", spec.name)
    return array


def _checked(spec: Spec, array: Any, value: Any) -> Any:
    """The array where its dtype is the input's, in this machine's byte order."""
    import numpy as np

    target = numpy_dtype(spec.dtype)
    if spec.dtype == "string":
        if holds_text(array):
            return array.astype(object)
    elif array.dtype == target and not isinstance(array, np.ndarray):  # on a GPU
        return array
    elif array.dtype == target or (array.dtype.kind in "biufc" and array.dtype.newbyteorder("=") == target):
        return array.astype(target, copy=False)
    from archonnx.runtime.pixels import pixel_mend

    how = (isinstance(array, np.ndarray) and pixel_mend(spec, array)) or f"convert it: {mend(spec, value)}"
    raise InputError(f"input {spec.name}: expected {spec.type}, received {describe(array)}; {how}", spec.name)


def mend(spec: Spec, value: Any = None) -> str:
    """The expression that gives an array the input's dtype. value: the array, where it may be another library's."""
    name = spec.name if spec.name.isidentifier() else "array"
    if type(value).__module__ == "torch":
        return f"{name}.to(torch.{_ML_DTYPES.get(spec.dtype, spec.dtype)})"
    if spec.dtype == "string":
        return f"{name}.astype(str)"
    if spec.dtype in _ML_DTYPES:
        return f"{name}.astype(ml_dtypes.{_ML_DTYPES[spec.dtype]})"
    return f'{name}.astype("{spec.dtype}")'


def _leaf_types(value: list[Any] | tuple[Any, ...]) -> set[type]:
    """The types of the innermost items of nested lists."""
    found: set[type] = set()
    pending: list[Any] = [value]
    while pending:
        for item in pending.pop():
            if isinstance(item, list | tuple):
                pending.append(item)
            else:
                found.add(type(item))
    return found


_ACCEPTS: dict[str, tuple[set[type], str]] = {
    "bool": ({bool}, "True or False"),
    "string": ({str}, "strings"),
    "int": ({int, float}, "whole numbers"),
    "uint": ({int, float}, "whole numbers"),
    "float": ({int, float}, "numbers"),
    "complex": ({int, float, complex}, "numbers"),
}


def _literal(spec: Spec, value: Any, kinds: set[type]) -> np.ndarray[Any, Any]:
    import numpy as np

    dtype = DTYPES[spec.dtype]
    accepted, words = _ACCEPTS[dtype.kind]
    if kinds - accepted:
        odd = _first(value, lambda item: type(item) not in accepted)
        raise InputError(f"input {spec.name}: expected {words} ({spec.type}), received {_shown(odd)}", spec.name)
    target = numpy_dtype(spec.dtype)
    try:
        if dtype.kind in ("bool", "string"):
            return np.array(value, dtype=target) if dtype.kind == "bool" else _strings(value)
        if dtype.kind in ("int", "uint"):
            return _integers(spec, value, kinds, target)
        return _floats(spec, value, kinds, target)
    except ValueError as error:
        if isinstance(error, InputError):
            raise
        raise InputError(f"input {spec.name}: the lists are ragged: rows of different lengths", spec.name) from None


def _strings(value: Any) -> np.ndarray[Any, Any]:
    import numpy as np

    return np.array(value, dtype=str).astype(object) if not _has_null(value) else np.array(value, dtype=object)


def _has_null(value: Any) -> bool:
    """Whether a string holds a zero character, which numpy's fixed-width text would cut at the end."""
    return _first(value, lambda item: isinstance(item, str) and item.endswith("\0")) is not None


def _integers(spec: Spec, value: Any, kinds: set[type], target: np.dtype[Any]) -> np.ndarray[Any, Any]:
    import numpy as np

    if float in kinds:
        broken = _first(value, lambda item: isinstance(item, float) and not item.is_integer())
        if broken is not None:
            message = f"input {spec.name}: expected whole numbers ({spec.type}), received {_shown(broken)}"
            raise InputError(message, spec.name)
        value = _deep(value, int)
    dtype = DTYPES[spec.dtype]
    low, high = (
        (-(1 << dtype.bits - 1), (1 << dtype.bits - 1) - 1) if dtype.kind == "int" else (0, (1 << dtype.bits) - 1)
    )
    outside = _first(value, lambda item: not low <= item <= high)
    if outside is not None:
        message = f"input {spec.name}: {_shown(outside)} does not fit {spec.dtype}, which holds {low} to {high}"
        raise InputError(message, spec.name)
    return np.array(value, dtype=target)


def _floats(spec: Spec, value: Any, kinds: set[type], target: np.dtype[Any]) -> np.ndarray[Any, Any]:
    import numpy as np

    wide = np.dtype(np.complex128 if target.kind == "c" else np.float64)
    try:
        exact = np.array(value, dtype=wide)
    except OverflowError:
        raise InputError(f"input {spec.name}: a number is too large for {spec.dtype}", spec.name) from None
    with np.errstate(over="ignore"):
        array = exact.astype(target)
    back = array.astype(wide)
    overflown = np.isfinite(exact) & ~np.isfinite(back)
    if overflown.any():
        worst = exact[overflown].ravel()[0]
        raise InputError(f"input {spec.name}: {worst:g} does not fit {spec.dtype}", spec.name)
    if int in kinds:
        flat = iter(back.ravel().tolist())
        lost = _first(value, lambda item: next(flat) != item and isinstance(item, int))
        if lost is not None:
            message = (
                f"input {spec.name}: {spec.dtype} does not hold {lost} exactly; write {lost}.0 if the nearest will do"
            )
            raise InputError(message, spec.name)
    return array


def _shown(item: Any) -> str:
    """A value in a message: short, text in quotes."""
    text = repr(item)
    return text if len(text) <= 40 else f"{text[:20]}...{text[-10:]}"


def _first(value: Any, wanted: Any) -> Any:
    """The first innermost item of nested lists, in order, for which `wanted` holds, else None."""
    pending = [value]
    while pending:
        item = pending.pop()
        if isinstance(item, list | tuple):
            pending.extend(reversed(item))
        elif wanted(item):
            return item
    return None


def _deep(value: Any, function: Any) -> Any:
    """`function` of every innermost item; numpy allows 64 axes, so that recursion stays shallow for what it takes."""
    return [_deep(item, function) for item in value] if isinstance(value, list | tuple) else function(value)
