"""Inputs to measure a model on: arrays drawn at random, within what the model takes; rows of given ones repeated."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from archonnx.contract.dtypes import DTYPES
from archonnx.runtime.arrays import numpy_dtype
from archonnx.runtime.measuring.sizes import Sizes, batch_axis, check_batch, counts_examples, sizes_of, undrawn
from archonnx.runtime.modelfile import Spec

if TYPE_CHECKING:
    import numpy as np

    from archonnx.runtime.contract import Contract


def inputs_of(
    path: str,
    contract: Contract,
    given: Mapping[str, Any],
    *,
    batch: int | None = None,
    bind: Mapping[str, int] | None = None,
    seed: int = 0,
) -> tuple[dict[str, Any], Sizes]:
    """The inputs of a call, checked: the given ones, their rows repeated or cut to the batch, and drawn ones.

    Raises UsageError where an input cannot be drawn, InputError where a given one does not fit.
    """
    import numpy as np

    axis = batch_axis([spec for spec in contract.inputs if not spec.optional])
    check_batch(path, axis, batch)
    specs = {spec.name: spec for spec in [*contract.inputs, *contract.overridable]}
    arrays = {name: _of_batch(specs[name], value, axis, batch) for name, value in given.items()}
    shapes = {name: np.shape(array) for name, array in arrays.items() if specs[name].kind in ("tensor", "optional")}
    if shapes:
        contract.check({name: arrays[name] for name in shapes})  # ranks and types, before sizes are taken from them
    sizes = sizes_of(path, contract, shapes, batch, bind, arrays.keys() - shapes)
    random = np.random.default_rng(seed)
    for name, shape in sizes.shapes.items():
        arrays[name] = drawn(specs[name], shape, contract, random, path)
    return contract.check(contract.names((), arrays)), sizes


def _of_batch(spec: Spec, value: Any, axis: str | int | None, batch: int | None) -> Any:
    import numpy as np

    if batch is None or spec.kind not in ("tensor", "optional") or not counts_examples(spec.shape, axis):
        return value
    if np.ndim(value) == 0 or not len(value):
        return value
    return np.ascontiguousarray(np.asarray(value)[np.arange(batch) % len(value)])


def drawn(
    spec: Spec, shape: tuple[int, ...], contract: Contract, random: np.random.Generator, path: str
) -> np.ndarray[Any, Any]:
    """Fractions of 1 for floats, numbers of the vocabulary for tokens, bytes for pictures, else 0 and 1; a mask is
    all ones. Raises UsageError for a type that nothing is drawn of, in the name of the model's path."""
    import numpy as np

    kind = DTYPES[spec.dtype].kind if spec.dtype in DTYPES else ""
    if kind == "string":
        return np.full(shape, "a", object)
    if spec.name in contract.tokens:
        tokens = contract.tokens[spec.name]
        least = 1 if tokens.masked and tokens.size > 1 else 0  # 0 would fill up, and not be seen
        return random.integers(least, tokens.size, shape).astype(numpy_dtype(spec.dtype))
    if "mask" in spec.name.lower():
        return np.ones(shape, numpy_dtype(spec.dtype))
    if kind in ("float", "complex"):
        single = random.random(shape, np.float32) if kind == "float" else random.random(shape)
        return single.astype(numpy_dtype(spec.dtype))
    if kind in ("int", "uint", "bool"):
        return random.integers(0, 256 if spec.dtype == "uint8" else 2, shape).astype(numpy_dtype(spec.dtype))
    raise undrawn(spec, path)
