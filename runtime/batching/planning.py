"""How many rows of a batch run at a time: what was asked for, what memory holds, and what a run was refused."""

from __future__ import annotations

import logging
import os
from collections.abc import Mapping
from typing import Any

from archonnx.contract.diagnostics import MachineError, UsageError
from archonnx.runtime.batching.analysis import Verdict, analyse
from archonnx.runtime.batching.footprint import Footprint, footprint
from archonnx.runtime.batching.memory import WIDEST, free_on
from archonnx.runtime.batching.values import Blame
from archonnx.runtime.contract import Contract
from archonnx.runtime.devicearray import GPU_DEVICES
from archonnx.runtime.modelfile import ModelFile, Spec
from archonnx.runtime.placement import blamed
from archonnx.runtime.skeleton import skeleton
from archonnx.runtime.wire import WireError

log = logging.getLogger("archonnx.runtime")
_SHARE = 2  # of what is free, one part in so many: onnxruntime takes up to twice what it needs, in powers of two
_EASY = 16  # of what is free, the part that is taken without looking again
_GROWN = 2000  # bytes that a run takes for each of its inputs' and outputs', at most but for rare models
ENOUGH = 1 << 30  # bytes for one run on the CPU, past which more rows at a time were not faster
_REMEMBERED = 64
_SPECIMEN = 128  # what open sizes are taken for where nothing has run yet


class Bare:
    """The model without its weights, read when somebody asks: only of the file that was loaded, as it was then.

    source: its path or its bytes; stays: whether the file is there afterwards.
    """

    def __init__(self, source: str | bytes, stays: bool) -> None:
        self._path = os.path.abspath(source) if isinstance(source, str) and stays else None
        self._bytes = None if self._path else skeleton(source)
        self._seen = self._stamp()

    def __call__(self) -> bytes | None:
        """None where the file is another one now."""
        if self._path is None:
            return self._bytes
        try:
            found = skeleton(self._path)
        except (OSError, WireError):
            return None
        return found if self._stamp() == self._seen else None

    def _stamp(self) -> tuple[int, ...]:
        if self._path is None:
            return ()
        try:
            status = os.stat(self._path)
        except OSError:
            return (-1,)
        return status.st_size, status.st_mtime_ns, status.st_ino, status.st_dev


class Planner:
    """What is known of a model's batch. May be used from several threads: what two find at once is the same.

    axes: input -> the axis of its rows; asked: the most rows of a run, or the numbers that a run has one of, None where
    it is left to us; light: bytes of inputs that need no thought.
    """

    def __init__(
        self,
        model: ModelFile,
        contract: Contract,
        axes: Mapping[str, int],
        bare: Bare,
        device: str,
        asked: int | tuple[int, ...] | None = None,
    ) -> None:
        self.model, self.axes, self.asked = model, dict(axes), asked
        self.outputs: list[Spec] = model.outputs
        self.specs = [*model.inputs, *model.outputs]
        self._contract, self._bare, self._device = contract, bare, device
        self._inputs = {spec.name: spec for spec in [*contract.inputs, *contract.overridable]}
        self._verdicts: dict[frozenset[str], Verdict] = {}
        self._footprints: dict[Any, Footprint | None] = {}
        self._refused: dict[Any, int] = {}  # rows that a run may have since one of more found no memory
        self._easy: dict[Any, int] = {}  # rows that took little of what was free
        self._told: set[str] = set()
        self.light = self._light()

    def verdict(self, given: Mapping[str, Any]) -> Verdict:
        """Whether the rows of calls with these inputs may run apart."""
        key = frozenset(given)
        found = self._verdicts.get(key)
        if found is None:
            found = self._verdicts[key] = self._judged(key)
        return found

    def _judged(self, given: frozenset[str]) -> Verdict:
        left_out = [name for name in self.axes if name not in given]
        if any(spec.kind != "tensor" for spec in self.specs) or left_out:
            what = f"input {left_out[0]} is left out" if left_out else "it takes or gives sequences or maps"
            return Verdict({}, Blame("", "", what))
        bare = self._bare()
        if bare is None:
            return Verdict({}, Blame("", "", "its file has changed since it was loaded, or is gone"))
        return analyse(bare, self.axes, self._contract.symbols.sizes, given)

    def why_not(self, blame: Blame) -> str:
        """The node that forbids it, with its line of the source, and why."""
        return blamed(self.model, blame)

    def check_asked(self) -> None:
        """That the rows run apart, where numbers of rows were asked for. Raises UsageError that names the node."""
        why = None if self.asked is None else self.whole()
        if why is not None:
            raise UsageError(f"batch={self.asked}: the batch of {self.model.path} stays whole: {why}")

    def whole(self) -> str | None:
        """Why a batch stays whole, where all inputs are given that must be; None where its rows run apart."""
        given = [name for name, spec in self._inputs.items() if name in self.axes or not spec.optional]
        blame = self.verdict(dict.fromkeys(given)).blame
        return None if blame is None else self.why_not(blame)

    def fitting(self, feeds: Mapping[str, Any], rows: int) -> int:
        """How many rows of this call fit into one run, by what is free now."""
        key = self._key(feeds)
        most = self._refused.get(key, rows)
        if rows <= min(most, self._easy.get(key, 0)):
            return rows
        if key not in self._footprints:
            if len(self._footprints) >= _REMEMBERED:
                self._footprints.clear()
                self._easy.clear()
            self._footprints[key] = self._footprint(feeds)
        found = self._footprints[key]
        if found is None:
            return most
        free = free_on(self._device)
        limits = [most]
        if free is not None and found.row:
            limits.append((free // _SHARE - found.fixed) // found.row)
        if self._device in GPU_DEVICES:
            limits.append(WIDEST // max(1, found.widest))
        elif found.row:
            limits.append((ENOUGH - found.fixed) // found.row)
        fits = max(1, min(limits))
        if free is not None and fits >= rows and found.bytes(rows) * _EASY <= free:
            self._easy[key] = rows
        if fits < rows and fits < most:
            self._tell_of(found, feeds, rows, fits, free)
        return fits

    def halve(self, feeds: Mapping[str, Any], rows: int) -> None:
        """Remember that so many rows were too many, and say so."""
        half = -(-rows // 2)
        key = self._key(feeds)
        if len(self._refused) >= _REMEMBERED:
            self._refused.clear()
        if self._refused.get(key, rows) > half:
            self._refused[key] = half
            log.warning(
                "%s: there was not enough memory for %d rows at once: they run %d at a time",
                self.model.path,
                rows,
                half,
            )

    def refusal(self, feeds: Mapping[str, Any], error: Exception) -> Exception:
        """The error of a run that is too large and stays whole, with the reason why it does."""
        blame = self.verdict(feeds).blame
        if blame is None or not isinstance(error, MachineError):
            return error
        return type(error)(f"{error}; its rows do not run apart: {self.why_not(blame)}")

    def _key(self, feeds: Mapping[str, Any]) -> tuple[Any, ...]:
        """The shapes of a call without its rows."""
        found: list[Any] = []
        for name, array in feeds.items():
            axis, shape = self.axes.get(name), array.shape
            found += (name, shape if axis is None else shape[:axis] + shape[axis + 1 :])
        return tuple(found)

    def _light(self) -> int:
        """Bytes of inputs at which no model takes more memory than there is, but for rare ones."""
        free = free_on(self._device)
        space = (ENOUGH if free is None else free) // _SHARE
        takes = sum(map(_bytes, self._contract.inputs)) or 1
        gives = sum(map(_bytes, self.outputs))
        return int(space / max(_GROWN, 4 * gives / takes))

    def _footprint(self, feeds: Mapping[str, Any]) -> Footprint | None:
        """None where the model does not tell."""
        from archonnx.runtime.work import symbols_of

        bare = self._bare()
        if bare is None:
            return None
        sizes: dict[str, int] = {}
        rows: list[str] = []
        for name, array in feeds.items():
            shape = self._inputs[name].shape if name in self._inputs else None
            for axis, size in enumerate(shape or ()):
                place = f"{name}.{axis}"
                if self.axes.get(name) == axis:
                    rows += [place] if size is None else [place, str(size)]
                elif not isinstance(size, int):
                    sizes[place] = array.shape[axis]
                    if isinstance(size, str) and symbols_of(size) == {size}:
                        sizes[size] = array.shape[axis]
        found = footprint(bare, sizes, rows)
        return found if found.row else None

    def _tell_of(self, found: Footprint, feeds: Mapping[str, Any], rows: int, fits: int, free: int | None) -> None:
        """Once for each way it goes: that a call runs in parts, or that it cannot."""
        blame = self.verdict(feeds).blame
        needs = f"about {found.bytes(rows) / 2**30:.1f} GiB"
        if blame is None:
            line = f"runs of up to {fits} rows, as {rows} at once would take {needs}"
            if "parts" not in self._told:
                log.info("%s: %s", self.model.path, line)
            self._told.add("parts")
        elif free is not None and found.bytes(rows) > free and "whole" not in self._told:
            self._told.add("whole")
            what = f"{rows} rows may take {needs}, {free / 2**30:.1f} GiB are free, and they do not run apart"
            log.warning("%s: %s: %s", self.model.path, what, self.why_not(blame))


def _bytes(spec: Spec) -> int:
    """What a value of this type takes where open sizes are usual ones."""
    from archonnx.contract.dtypes import DTYPES

    bits = DTYPES[spec.dtype].bits if spec.dtype in DTYPES else 0
    count = bits
    for size in spec.shape or ():
        count *= size if isinstance(size, int) else _SPECIMEN
    return count // 8
