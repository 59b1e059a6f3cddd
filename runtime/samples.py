"""Data that a user hands over to measure a model on: the inputs of some calls, checked before anything is measured.

A mapping, an array and an .npz file hold examples: where the model's first axis counts them, each becomes a call of
its own. A list of mappings holds calls, which are taken as they are.
"""

from __future__ import annotations

import os
import zipfile
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, TypeAlias

from archonnx.contract.diagnostics import UsageError
from archonnx.runtime.errors import InputError
from archonnx.runtime.modelfile import Spec

if TYPE_CHECKING:
    import numpy as np

    from archonnx.runtime.contract import Contract

Data: TypeAlias = "str | os.PathLike[str] | Mapping[str, Any] | Sequence[Mapping[str, Any]] | np.ndarray[Any, Any]"
Sample: TypeAlias = "dict[str, Any]"
_EXAMPLES = frozenset({"n", "b", "bs"})  # what a first axis of examples is called, beside what says "batch"
_NAMELESS = ("unk_", "?", "dynamicdimension", "p2o.dynamicdimension")  # what exporters call an axis without a name


def read_samples(data: Data, contract: Contract) -> list[Sample]:
    """The calls that `data` stands for, at least one: arrays by input name, checked as a call checks them.

    data: the path of an .npz file, arrays by input name, a list of such mappings, or the array of the only input.

    Raises UsageError where it is none of these, holds no example, or a NaN or an infinity (the text names input and
    row, and counts them); InputError where an array does not fit the model or the file is damaged, OSError for a file
    that cannot be read.
    """
    if isinstance(data, str | os.PathLike):
        found = _examples(_read_npz(os.fspath(data), contract), contract, os.fspath(data))
    elif isinstance(data, Mapping):
        found = _examples(data, contract, "data")
    elif isinstance(data, list | tuple) and data and all(isinstance(item, Mapping) for item in data):
        found = []
        for number, call in enumerate(data):
            found.append(_checked(call, contract, f"data[{number}]"))
            _check_numbers(found[-1], f"data[{number}]")
        return found
    elif hasattr(data, "__array__"):
        inputs = [spec for spec in contract.inputs if not spec.optional]
        if len(inputs) != 1:
            takes = ", ".join(map(str, contract.inputs)) or "none"
            raise UsageError(f"data: one array was given, and the model's inputs are {takes}: give a mapping by name")
        found = _examples({inputs[0].name: data}, contract, "data")
    else:
        what = "an empty list" if isinstance(data, list | tuple) and not data else type(data).__name__
        takes = "the path of an .npz file, arrays by input name, a list of such mappings, or one array"
        raise UsageError(f"data: expected {takes}; received {what}")
    return found


def _read_npz(path: str, contract: Contract) -> dict[str, Any]:
    """The arrays of a file that have an input's name; those without names, in order, where it has such alone."""
    import numpy as np

    if not path.lower().endswith(".npz"):
        raise UsageError(f"data {path}: expected an .npz file of arrays called as the inputs are")
    try:
        with open(path, "rb") as stream, np.load(stream, allow_pickle=False) as archive:
            names = list(archive.files)
            wanted = {name: name for name in names if contract.takes(name)}
            if not wanted and all(name == f"arr_{place}" for place, name in enumerate(names)):
                wanted = {spec.name: name for spec, name in zip(contract.inputs, names, strict=False)}
            if not wanted:
                takes = ", ".join(map(str, contract.inputs)) or "none"
                raise UsageError(f"data {path} holds {', '.join(names) or 'nothing'}; the model's inputs are {takes}")
            return {name: archive[key] for name, key in wanted.items()}
    except (zipfile.BadZipFile, EOFError, ValueError, KeyError) as error:
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        if "allow_pickle" not in reason:
            raise InputError(f"data {path}: this is no .npz file, or a damaged one: {reason}") from None
        if not zipfile.is_zipfile(path):  # numpy takes it for a pickle, which could run any code
            raise InputError(f"data {path}: this is no .npz file, or a damaged one") from None
        reason = "it holds Python objects, which are refused: reading them could run any code"
        raise InputError(f"data {path}: {reason}; save numbers or fixed-width text instead") from None


def _examples(data: Mapping[str, Any], contract: Contract, said: str) -> list[Sample]:
    """One call an example, where the model's inputs have an axis of them, else the whole as one call."""
    import numpy as np

    specs = {spec.name: spec for spec in [*contract.inputs, *contract.overridable]}
    arrays = {name: np.asarray(v) if _array_like(v) else v for name, v in contract.names((), data).items()}
    rows = {name: rows for name, array in arrays.items() if (rows := _rows(specs[name], array)) is not None}
    if not rows:
        found = _checked(arrays, contract, said)
        _check_numbers(found, said)
        return [found]
    counts = {name: len(arrays[name]) // step for name, (step, _) in rows.items()}
    if len(set(counts.values())) > 1:
        told = ", ".join(f"{name} {count:,}" for name, count in counts.items())
        raise InputError(f"{said}: its arrays hold different numbers of examples: {told}")
    count = next(iter(counts.values()))
    if count == 0:
        raise UsageError(f"{said}: it holds no example: {next(iter(counts))} has no rows")
    _check_numbers({name: array for name, array in arrays.items() if isinstance(array, np.ndarray)}, said)
    calls = []
    for place in range(count):
        call = dict(arrays)
        for name, (step, drop) in rows.items():
            call[name] = arrays[name][place] if drop else arrays[name][place * step : (place + 1) * step]
        calls.append(_checked(call, contract, f"{said}, example {place}" if count > 1 else said))
    return calls


def _array_like(value: Any) -> bool:
    return hasattr(value, "__array__") and not isinstance(value, str | bytes)


def _rows(spec: Spec, array: Any) -> tuple[int, bool] | None:
    """How many rows of an array make one example, and whether its first axis is not the model's own; None where it
    holds no examples that could be told apart."""
    import numpy as np

    shape = spec.shape
    if not isinstance(array, np.ndarray) or spec.kind != "tensor" or shape is None:
        return None
    if array.ndim == len(shape) + 1:  # a stack of whole calls
        return 1, True
    if array.ndim != len(shape) or not shape:
        return None
    first = shape[0]
    if isinstance(first, int):
        return (first, False) if first and len(array) > first and len(array) % first == 0 else None
    return (1, False) if counts_examples(first) and array.ndim > 1 else None


def counts_examples(axis: str | int | None) -> bool:
    """Whether a first axis is one of examples, as far as its name tells: `N`, `batch_size`, or none at all."""
    if not isinstance(axis, str):
        return axis is None
    name = axis.lower()
    return not name or name in _EXAMPLES or "batch" in name or name.startswith(_NAMELESS)


def _checked(call: Mapping[str, Any], contract: Contract, said: str) -> Sample:
    try:
        return contract.check(contract.names((), call))
    except InputError as error:
        raise InputError(f"{said}: {error}", error.input) from None


def _check_numbers(call: Mapping[str, Any], said: str) -> None:
    """Refuse what no error can be measured on. Raises UsageError."""
    import numpy as np

    for name, array in call.items():
        if not isinstance(array, np.ndarray) or array.dtype.kind not in "fcV":
            continue
        finite = np.isfinite(array.astype(np.float32) if array.dtype.kind == "V" else array)
        if finite.all():
            continue
        wrong = ~finite
        rows = np.flatnonzero(wrong.reshape(len(array), -1).any(axis=1)) if array.ndim > 1 else np.flatnonzero(wrong)
        where = f"row {rows[0]}" if array.ndim else "its value"
        more = f", and {len(rows) - 1:,} more rows" if len(rows) > 1 else ""
        kinds = "NaN" if np.isnan(array.astype(np.float64)[wrong]).all() else "infinite or NaN"
        count = int(wrong.sum())
        raise UsageError(
            f"{said}: input {name} holds {count:,} number{'' if count == 1 else 's'} that "
            f"{'is' if count == 1 else 'are'} {kinds} ({where}{more}): nothing can be measured on them; leave them out"
        )
