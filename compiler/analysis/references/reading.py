"""Reads a file of references: one JSON object, the name of a model -> what is known of it.

    {"ResNet50": {
        "source": "keras 3.15.0 applications.ResNet50, counted by tools/reference/keras.py",
        "parameters": {"total": 25636712, "trainable": 25583592, "non_trainable": 53120},
        "macs": {"value": 3857973248, "counts": "convolutions and dense layers"},
        "layers": [["conv1_pad", "ZeroPadding2D", [null, 230, 230, 3], 0], ...]},
     "ResNet50Classifier": {"same_as": "ResNet50"}}

`without_statistics` among the parameters leaves out the moving statistics of batch normalization, as PyTorch's
`parameters()` does. `macs` may `bind` the model's symbols; `summary` names a summary text beside the file in place of
`layers`; `published` are rounded figures, `"13B"`, compared within a share.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, NoReturn

from archonnx.compiler.analysis.reference import ReferenceRow
from archonnx.compiler.analysis.references.located import Fault, Located, items, parse
from archonnx.contract.diagnostics import Diagnostic, Place, did_you_mean
from archonnx.contract.render import printable

ENDING = ".reference.json"
COUNTS = ("total", "trainable", "non_trainable", "without_statistics")
KEYS = ("source", "parameters", "macs", "layers", "summary", "published", "notes")
ROUNDED = re.compile(r"(\d+(?:\.\d+)?)([kMGBT]?)")  # B is what papers write for G
POWERS = {"": 1, "k": 10**3, "M": 10**6, "G": 10**9, "B": 10**9, "T": 10**12}


@dataclass(frozen=True, slots=True)
class Figure:
    """A number and where it stands."""

    value: int
    place: Place


@dataclass(frozen=True, slots=True)
class Rounded:
    """A figure as it was published, `13B`, and by what share another may be off it."""

    text: str
    value: float
    within: float
    place: Place


@dataclass(frozen=True, slots=True)
class Macs:
    """Multiply-accumulates of `batch` samples. counts: of which layers; bind: the sizes of the model's symbols."""

    figure: Figure
    batch: int
    counts: str
    bind: Mapping[str, int]
    symbols: Mapping[str, Place]


@dataclass(frozen=True, slots=True)
class Reference:
    """What is known of one model. `parameters` by the names of COUNTS; `published` by `parameters` and `flops`.

    layers: each with its line. summary: a file's name. same_as: the model
    whose reference this is, None for one of its own.
    """

    model: str
    source: str
    place: Place
    parameters: Mapping[str, Figure] = field(default_factory=dict)
    macs: Macs | None = None
    layers: tuple[ReferenceRow, ...] = ()
    layers_place: Place | None = None
    summary: str | None = None
    summary_place: Place | None = None
    published: Mapping[str, Rounded] = field(default_factory=dict)
    notes: tuple[str, ...] = ()
    same_as: str | None = None

    @property
    def peer(self) -> str:
        """What it was counted of, without what counted it."""
        return self.source.partition(",")[0]

    @property
    def count(self) -> int | None:
        """How many parameters there are in all, as far as it is known exactly."""
        found = self.parameters.get("total") or self.parameters.get("without_statistics")
        return None if found is None else found.value


@dataclass(frozen=True, slots=True)
class References:
    """A file of references, as far as it could be read; `text` is what its places point into."""

    name: str
    text: str
    models: Mapping[str, Reference]
    places: Mapping[str, Place]
    diagnostics: tuple[Diagnostic, ...]


def beside(file: Path) -> Path:
    """Where the references of an architecture file are."""
    return file.with_name(file.stem + ENDING)


def read_references(path: Path) -> References:
    """Read a file of references; what is wrong with it is in the result's diagnostics. Raises OSError."""
    return parse_references(path.read_bytes(), str(path))


def parse_references(data: bytes, name: str) -> References:
    """Read references out of a file's bytes."""
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        message = f"byte {error.start} is not UTF-8: a reference is JSON, saved as UTF-8 text"
        wrong = Diagnostic("E1100", message, Place(name, line, 1, line, 1), help="save it anew")
        return References(name, data.decode("utf-8", "replace"), {}, {}, (wrong,))
    try:
        whole = parse(text, name)
        if not isinstance(whole.value, dict):
            message = "a reference is one object: the name of a model, and what is known of it"
            raise Fault(Diagnostic("E1101", message, whole.place, help='{"Small": {"source": ..., "parameters": ...}}'))
    except Fault as fault:
        return References(name, text, {}, {}, (fault.diagnostic,))
    found: dict[str, Reference] = {}
    wrong_ones: list[Diagnostic] = []
    for model, entry in whole.members.items():
        try:
            found[model] = _Entry(text, model, entry, whole.keys[model]).reference()
        except Fault as fault:
            wrong_ones.append(fault.diagnostic)
    for model, one in list(found.items()):
        if one.same_as is None:
            continue
        meant = found.get(one.same_as)
        if meant is None or meant.same_as is not None:
            del found[model]
            if meant is not None or one.same_as not in whole.members:  # else it is told already
                wrong_ones.append(_astray(one, meant, [n for n, other in found.items() if other.same_as is None]))
        else:
            found[model] = _alike(one, meant)
    return References(name, text, found, dict(whole.keys), tuple(wrong_ones))


def _astray(one: Reference, meant: Reference | None, known: list[str]) -> Diagnostic:
    shown = printable(one.same_as or "")
    if meant is not None:
        message = f"{shown} itself is only the same as {printable(meant.same_as or '')}"
        return Diagnostic("E1102", message, one.place, help=f"name {printable(meant.same_as or '')} here")
    near = did_you_mean(shown, known)
    help = f"did you mean {near[0]}?" if near else "name a model of this file that has figures of its own"
    return Diagnostic("E1102", f"there is no reference of {shown} in this file", one.place, help=help)


def _alike(one: Reference, meant: Reference) -> Reference:
    """The figures of `meant` for another model. Layers are not: a model that is more than another has more of them."""
    macs = meant.macs
    if macs is not None and one.macs is not None:
        bind, symbols = {**macs.bind, **one.macs.bind}, {**macs.symbols, **one.macs.symbols}
        macs = replace(macs, bind=bind, symbols=symbols)
    return Reference(
        one.model,
        meant.source,
        one.place,
        meant.parameters,
        macs,
        published=meant.published,
        notes=one.notes,
        same_as=one.same_as,
    )


class _Entry:
    """Reads what is known of one model."""

    def __init__(self, text: str, model: str, entry: Located, key: Place) -> None:
        self.text, self.model, self.entry, self.key = text, model, entry, key

    def reference(self) -> Reference:
        entry = self._object(self.entry, f"what is known of {printable(self.model)}")
        if "same_as" in entry.members:
            self._known(entry, ("same_as", "bind", "notes"), "beside same_as")
            same = entry.members["same_as"]
            bind, symbols = self._bind(entry)
            macs = Macs(Figure(0, same.place), 1, "", bind, symbols)  # whose figure is yet to be found
            return Reference(
                self.model, "", same.place, {}, macs, notes=self._notes(entry), same_as=self._string(same, "same_as")
            )
        self._known(entry, KEYS, "of a reference")
        if "source" not in entry.members:
            self._fail("the source is missing: what the figures were counted of", self.key, '"source": "..."')
        layers = entry.members.get("layers")
        summary = entry.members.get("summary")
        if layers is not None and summary is not None:
            self._fail("layers and a summary are given: one of them is compared", entry.keys["summary"], "keep one")
        if not entry.members.keys() & {"parameters", "macs", "layers", "summary", "published"}:
            self._fail("there is nothing to compare with", self.key, '"parameters": {"total": 650}')
        return Reference(
            self.model,
            self._string(entry.members["source"], "source"),
            self.key,
            self._parameters(entry),
            self._macs(entry),
            () if layers is None else tuple(self._rows(layers)),
            entry.keys.get("layers"),
            None if summary is None else self._file(summary),
            None if summary is None else summary.place,
            self._published(entry),
            self._notes(entry),
        )

    def _parameters(self, entry: Located) -> dict[str, Figure]:
        if "parameters" not in entry.members:
            return {}
        found = self._object(entry.members["parameters"], "parameters")
        self._known(found, COUNTS, "of parameters")
        if not found.members:
            self._fail("no count of parameters is given", found.place, '"parameters": {"total": 650}')
        return {name: Figure(self._count(one, name), one.place) for name, one in found.members.items()}

    def _macs(self, entry: Located) -> Macs | None:
        if "macs" not in entry.members:
            return None
        found = self._object(entry.members["macs"], "macs")
        self._known(found, ("value", "batch", "counts", "bind"), "of macs")
        if "value" not in found.members:
            self._fail("the value is missing: the multiply-accumulates", found.place, '"macs": {"value": 640}')
        value, batch, counts = (found.members.get(key) for key in ("value", "batch", "counts"))
        assert value is not None
        return Macs(
            Figure(self._count(value, "value"), value.place),
            1 if batch is None else self._count(batch, "batch", 1),
            "" if counts is None else self._string(counts, "counts"),
            *self._bind(found),
        )

    def _bind(self, found: Located) -> tuple[dict[str, int], dict[str, Place]]:
        if "bind" not in found.members:
            return {}, {}
        bind = self._object(found.members["bind"], "bind")
        return {name: self._count(one, name) for name, one in bind.members.items()}, dict(bind.keys)

    def _published(self, entry: Located) -> dict[str, Rounded]:
        if "published" not in entry.members:
            return {}
        found = self._object(entry.members["published"], "published")
        self._known(found, ("parameters", "flops", "within"), "of published")
        within = found.members.get("within")
        share = 0.0 if within is None else within.value
        if within is not None and (isinstance(share, bool) or not isinstance(share, int | float) or not 0 < share < 1):
            self._fail("within is a share, between 0 and 1", within.place, '"within": 0.02 allows two in a hundred')
        figures = {}
        for name in ("parameters", "flops"):
            if (one := found.members.get(name)) is None:
                continue
            text = self._string(one, name)
            read = ROUNDED.fullmatch(text)
            if read is None:
                self._fail(f"{name} is a rounded figure", one.place, '"13B" or "8.7G": a number, and k, M, G, B or T')
            figures[name] = Rounded(text, float(read[1]) * POWERS[read[2]], float(share), one.place)
        return figures

    def _rows(self, layers: Located) -> list[ReferenceRow]:
        if not isinstance(layers.value, list):
            self._fail(f"layers is a list of rows, got {_kind(layers.value)}", layers.place, ROW)
        rows = []
        for number, place in enumerate(items(self.text, layers)):
            read = _row(layers.value[number], place.line)
            if isinstance(read, str):
                self._fail(f"row {number + 1} of the layers: {read}", place, ROW)
            rows.append(read)
        return rows

    def _file(self, found: Located) -> str:
        name = self._string(found, "summary")
        if Path(name).name != name:
            self._fail("a summary is the name of a file beside this one", found.place, '"summary": "small.summary.txt"')
        return name

    def _notes(self, entry: Located) -> tuple[str, ...]:
        found = entry.members.get("notes")
        if found is None:
            return ()
        if not isinstance(found.value, list) or not all(isinstance(n, str) and n.strip() for n in found.value):
            self._fail("notes is a list of sentences", found.place, '"notes": ["..."]')
        return tuple(printable(note) for note in found.value)

    def _object(self, found: Located, what: str) -> Located:
        if not isinstance(found.value, dict):
            self._fail(f"{what} is an object, got {_kind(found.value)}", found.place, "{...}")
        return found

    def _string(self, found: Located, name: str) -> str:
        if not isinstance(found.value, str) or not found.value.strip():
            self._fail(f"{name} is a text, got {_kind(found.value)}", found.place, f'"{name}": "..."')
        return printable(found.value)

    def _count(self, found: Located, name: str, least: int = 0) -> int:
        value = found.value
        if isinstance(value, bool) or not isinstance(value, int) or value < least:
            got = value if isinstance(value, int | float) and not isinstance(value, bool) else _kind(value)
            message = f"{printable(name)} is a whole number, {least} or more, got {got}"
            self._fail(message, found.place, "figures are exact: 25636712, not 25.6M; `published` takes rounded ones")
        return value

    def _known(self, found: Located, known: tuple[str, ...], where: str) -> None:
        for name in found.members:
            if name not in known:
                near = did_you_mean(name, known)
                help = f"did you mean {near[0]}?" if near else f"there are {', '.join(known)}"
                self._fail(f'there is no key "{printable(name)}" {where}', found.keys[name], help)

    def _fail(self, message: str, place: Place, help: str) -> NoReturn:
        raise Fault(Diagnostic("E1101", message, place, help=help))


ROW = 'a row is ["fc1", "Dense", [null, 10], 650]: name, type, output shape, parameters'


def _row(row: Any, line: int) -> ReferenceRow | str:
    """A row of layers as data, or what is wrong with it."""
    if not isinstance(row, list) or len(row) != 4:
        return f"four things are expected, got {len(row) if isinstance(row, list) else _kind(row)}"
    name, kind, shape, parameters = row
    if not (isinstance(name, str) and isinstance(kind, str) and kind):
        return "the name and the type are texts"
    if not isinstance(shape, list):
        return f"the output shape is a list, got {_kind(shape)}"
    shapes = shape if shape and all(isinstance(one, list) for one in shape) else [shape]
    if not all(n is None or (isinstance(n, int) and not isinstance(n, bool)) for one in shapes for n in one):
        return "the output shape holds numbers, and null for the batch"
    if isinstance(parameters, bool) or not isinstance(parameters, int) or parameters < 0:
        return "the parameters are a whole number, 0 or more"
    return ReferenceRow(printable(name), printable(kind), tuple(tuple(one) for one in shapes), parameters, line=line)


def _kind(value: Any) -> str:
    names = {dict: "an object", list: "a list", str: "a text", bool: "a truth value", type(None): "null"}
    return names.get(type(value), "a number") if value != "" else "an empty text"
