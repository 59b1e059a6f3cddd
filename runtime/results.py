"""The results of a call: by name, by position, as attributes; written to .npz, and the top of a score."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, overload

from archonnx.contract.diagnostics import UsageError, did_you_mean

if TYPE_CHECKING:
    import numpy as np


class Results(Mapping[str, Any]):
    """The outputs of one call, in the model's order: `r["boxes"]`, `r.boxes`, `r[0]`; `a, b = r.values()` unpacks
    them."""

    __slots__ = ("_values",)

    def __init__(self, values: Mapping[str, Any]) -> None:
        self._values = dict(values)

    @overload
    def __getitem__(self, key: str) -> Any: ...
    @overload
    def __getitem__(self, key: int) -> Any: ...
    def __getitem__(self, key: str | int) -> Any:
        if isinstance(key, int):
            return list(self._values.values())[key]
        if key not in self._values:
            raise KeyError(self._unknown(key))
        return self._values[key]

    def __getattr__(self, name: str) -> Any:
        if name.startswith("_") or name not in self._values:
            raise AttributeError(name if name.startswith("_") else self._unknown(name), name=name, obj=self)
        return self._values[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._values)

    def __len__(self) -> int:
        return len(self._values)

    def __dir__(self) -> list[str]:
        return [*super().__dir__(), *self._values]

    def __repr__(self) -> str:
        from archonnx.runtime.arrays import describe

        parts = (f"{n}: {describe(v) if hasattr(v, 'dtype') else type(v).__name__}" for n, v in self._values.items())
        return f"Results({', '.join(parts)})"

    def __reduce__(self) -> tuple[type[Results], tuple[dict[str, Any]]]:
        return Results, (self._values,)

    def _unknown(self, name: str) -> str:
        near = did_you_mean(name, list(self._values), 1)
        hint = f"; did you mean {near[0]}?" if near else ""
        return f"there is no output {name}{hint} (the model gives {', '.join(self._values)})"


def save_npz(path: str | os.PathLike[str], results: Mapping[str, Any]) -> None:
    """Write arrays to an .npz file, whole or not at all: the same bytes each time for the same arrays.

    Strings are written as numpy's fixed-width text. Raises OSError; TypeError for a result that is no array.
    """
    import zipfile

    import numpy as np

    from archonnx.contract.files import replacing

    arrays: dict[str, np.ndarray[Any, Any]] = {}
    for name, value in results.items():
        array = np.asarray(value)
        if array.dtype == object:
            if not all(isinstance(item, str) for item in array.flat):
                raise TypeError(f"output {name} is a {type(value).__name__}, not an array: .npz holds arrays only")
            array = array.astype(str)
        elif array.dtype.kind == "V":  # bfloat16 and its kin are not numpy's own: float32 holds every value of theirs
            array = array.astype(np.float32)
        arrays[name] = array
    with replacing(path) as stream, zipfile.ZipFile(stream, "w", zipfile.ZIP_STORED) as archive:
        for name, array in arrays.items():
            member = zipfile.ZipInfo(f"{name}.npy", date_time=(1980, 1, 1, 0, 0, 0))
            with archive.open(member, "w", force_zip64=True) as out:
                np.lib.format.write_array(out, np.ascontiguousarray(array) if array.ndim else array, allow_pickle=False)


def top(
    scores: np.ndarray[Any, Any], k: int, labels: Sequence[str] | None = None
) -> list[list[tuple[int, str, float]]]:
    """The k best of each row, best first, as (index, label, score); equal scores in the order of their index.

    scores: numbers [..., classes]; leading axes become rows. labels: one for each class, else the label is the index.
    NaN comes last. Raises ValueError for scores without axes, or whose last axis does not fit the labels.
    """
    import numpy as np

    if scores.ndim == 0 or scores.dtype.kind not in "fiubV":
        raise ValueError(
            f"the best are taken of numbers along the last axis, not of {scores.dtype}{list(scores.shape)}"
        )
    classes = scores.shape[-1]
    if labels is not None and len(labels) != classes:
        raise ValueError(f"there are {len(labels)} labels for {classes} classes")
    rows = scores.reshape(-1, classes) if scores.size else scores.reshape(0, classes)
    best = []
    for row in rows:
        wide = row.astype(np.float64)
        order = np.lexsort((np.arange(classes), -wide))[: max(k, 0)]
        best.append([(int(i), labels[i] if labels else str(i), float(wide[i])) for i in order])
    return best


def label_count(labels: int, classes: int) -> str:
    """What is wrong with labels that are too few or too many for the scores of a model."""
    mend = f"build it again with a file of {classes:,} lines"
    return f"it carries {labels:,} labels, and its scores are of {classes:,} classes; {mend}"


def scores_of(outputs: Any, labels: list[str] | None) -> np.ndarray[Any, Any]:
    """The scores among the outputs of a call: the only array, else the only one with a place for each label."""
    found: list[Any] = list(outputs.values()) if isinstance(outputs, Mapping) else [outputs]
    if len(found) > 1 and labels is not None:
        found = [array for array in found if getattr(array, "shape", ())[-1:] == (len(labels),)]
    if len(found) != 1 or getattr(found[0], "ndim", 0) == 0 or found[0].dtype.kind not in "fiubV":
        named = f"{', '.join(outputs)} are" if isinstance(outputs, Mapping) else f"{type(outputs).__name__} is"
        raise UsageError(f"the best are taken of one array of scores [..., classes]: {named} none; name it")
    scores: np.ndarray[Any, Any] = found[0]
    return scores
