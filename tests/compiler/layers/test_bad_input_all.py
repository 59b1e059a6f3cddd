"""Every argument and every input of every layer, given values of every kind: what is said, and where.

Nothing here names a layer: each layer's own example is changed in one argument, or its call is given other inputs.
"""

from __future__ import annotations

import ast
import re
import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pytest

import archonnx
from archonnx.compiler.analysis.layer_facts import example_source
from archonnx.compiler.layers.base import Argument, Layer
from archonnx.compiler.layers.domains import Absent, Anything, DomainError, Ignored
from archonnx.compiler.layers.registry import find_layer, layer_names
from archonnx.contract.diagnostics import CompileError, Diagnostic

LIBRARY = [layer for layer in map(find_layer, layer_names()) if layer is not None]
# As source, and as what a domain gets of it.
VALUES: dict[str, Any] = {
    "0": 0,
    "-1": -1,
    "7": 7,
    "2.5": 2.5,
    "1e300": 1e300,
    '"nonsense"': "nonsense",
    '""': "",
    "None": None,
    "True": True,
    "[]": [],
    "10**30": 10**30,
    "10**1000": 10**1000,
    "2**62": 2**62,
    "[[1, 2], [3]]": [[1, 2], [3]],
    "[0, 0]": [0, 0],
    "[None]": [None],
    "[1] * 7": [1] * 7,
    "[3] * 100000": [3] * 100_000,
    "[[1.5] * 200] * 200": [[1.5] * 200] * 200,
}
HUGE = ("1e300", "2**62")  # what fits is lowered too: sizes that a loop must not run over
ELSEWHERE = ("ReLU()", "Zeros()", "float32", "range(3)", "nowhere")  # no plain values: layers, names, dtypes
SECONDS = 2.0  # of the processor; a model takes a few thousandths
MANY = re.compile(
    r"(?<!- )\b1 (heads|channels|positions|steps|places|elements|filters|inputs|groups|tiles|bins|states)\b"
)
INTERNAL = re.compile(r"POISON|REQUIRED|object at|<class|<archonnx|Traceback|Expr\(|TensorType|Verdict|Ellipsis")


@dataclass(frozen=True)
class Change:
    """A layer's example with one argument changed. `line` and `column` are the value's place."""

    text: str
    line: int
    column: int
    end_line: int


def call_of(text: str, name: str) -> tuple[int, int]:
    """Where the layer's first call stands in a text."""
    found = re.search(rf"(?<![\w.]){name}\(", text)
    assert found is not None, f"the example of {name} does not call it"
    depth, end = 0, found.end() - 1
    while True:
        depth += (text[end] in "([") - (text[end] in ")]")
        end += 1
        if not depth:
            return found.start(), end


def changed(layer: type[Layer], argument: Argument, value: str) -> Change:
    """The layer's example with this argument, written by name, at this value."""
    name, text = layer.__name__, example_source(layer.example)
    start, end = call_of(text, name)
    call = ast.parse(text[start:end], mode="eval").body
    assert isinstance(call, ast.Call)
    given = {n: ast.unparse(v) for n, v in zip(layer.declared, call.args, strict=False)}
    given |= {k.arg or "": ast.unparse(k.value) for k in call.keywords}
    others = [f"{n}={v}" for n, v in given.items() if n != argument.name]
    before = text[:start] + f"{name}({', '.join(others)}{', ' if others else ''}{argument.name}="
    full = before + value + ")" + text[end:]
    return Change(full, before.count("\n") + 1, len(before) - before.rfind("\n"), full.count("\n") + 1)


def found_in(text: str, lowered: bool = False) -> list[Diagnostic]:
    """What compiling says, none where the text is right. Anything but a CompileError is a failure."""
    began = time.process_time()
    try:
        model = archonnx.compile(text=text)
        if lowered:
            model.lower()
        found: list[Diagnostic] = []
    except CompileError as error:
        found = list(error.diagnostics)
        assert found
    assert time.process_time() - began < SECONDS, text
    return found


def read(found: Diagnostic, text: str) -> None:
    """What holds for every message: one line of plain words, with a code and a place in the text."""
    shown = f"{text}\n{found}"
    assert re.fullmatch(r"E\d{4}", found.code), shown
    assert found.place is not None, shown
    assert 1 <= found.place.line <= text.count("\n") + 1, shown
    for said in (found.message, found.help or "", found.label, *(label.text for label in found.labels)):
        assert "\n" not in said, shown
        assert not INTERNAL.search(said), shown
        assert len(said) < 400, shown
        assert not MANY.search(said), shown


def arguments_of(layer: type[Layer]) -> Iterator[Argument]:
    return (a for a in layer.declared.values() if not isinstance(a.domain, Absent | Ignored))


def outside(argument: Argument, value: Any) -> bool:
    try:
        argument.domain.parse(value)
    except DomainError:
        return True
    return False


@pytest.mark.parametrize("layer", LIBRARY, ids=lambda layer: layer.__name__)
def test_a_value_outside_its_domain_is_told_at_the_argument(layer: type[Layer]) -> None:
    for argument in arguments_of(layer):
        for source, value in VALUES.items():
            change = changed(layer, argument, source)
            is_outside = outside(argument, value)
            found = found_in(change.text, lowered=source in HUGE and not is_outside)
            for diagnostic in found:
                read(diagnostic, change.text)
            if not is_outside:
                continue
            assert len(found) == 1, change.text
            place, message = found[0].place, found[0].message
            assert place is not None
            assert (place.line, place.column) == (change.line, change.column), found[0]
            told = argument.domain.describe()
            assert message.startswith(f"{argument.name} of {layer.__name__} is {told}, got "), message


@pytest.mark.parametrize("layer", LIBRARY, ids=lambda layer: layer.__name__)
def test_what_is_no_plain_value_is_told_at_the_argument(layer: type[Layer]) -> None:
    for argument in arguments_of(layer):
        if isinstance(argument.domain, Anything):
            continue
        for source in ELSEWHERE:
            change = changed(layer, argument, source)
            for diagnostic in found_in(change.text):
                read(diagnostic, change.text)
                if diagnostic.code in ("E0201", "E0403"):
                    assert diagnostic.place is not None
                    assert (diagnostic.place.line, diagnostic.place.column) == (change.line, change.column)


# Of every rank, of every kind, with sizes that are symbols and sizes that are small.
TYPES = (
    "float32[]",
    "float32[N]",
    "float32[4]",
    "float32[N, 4]",
    "float32[N, C]",
    "float32[N, 4, 5]",
    "float32[N, T, C]",
    "float32[N, 8, 8, 3]",
    "float32[N, H, W, C]",
    "float32[N, 1, 1, 1]",
    "float32[N, 6, 6, 6, 2]",
    "float32[N, D, H, W, C]",
    "float32[N, 2, 3, 4, 5, 6]",
    "string[N, 8, 8, 3]",
    "bool[N, 8, 8, 3]",
    "uint8[N, 8, 8, 3]",
    "int64[N, 4]",
    "string[N, 10, 6]",
    "bool[N, 10, 6]",
    "int32[N, 10, 6]",
    "complex64[N, 10, 6]",
)


def applied(layer: type[Layer], kind: str, count: int) -> str:
    """The call of the layer's example, applied to so many inputs of a type, below the blocks that the example has."""
    text = example_source(layer.example)
    start, end = call_of(text, layer.__name__)
    blocks = text[: text.index("model ")] if "block " in text else ""
    names = [f"x{i}" for i in range(count)]
    lines = ["model A():", *(f"    input {name}: {kind}" for name in names)]
    flow = names[0] if count == 1 else f"({', '.join(names)})"
    return blocks + "\n".join([*lines, f"    y = {flow} -> {text[start:end]}", "    output y"]) + "\n"


@pytest.mark.parametrize("layer", LIBRARY, ids=lambda layer: layer.__name__)
def test_inputs_of_every_type_and_number_are_taken_or_told(layer: type[Layer]) -> None:
    several = len(layer.inputs) > 1 or layer.inputs[0].startswith("*")
    for kind in TYPES:
        for count in (1, 2, 3, 4) if several else (1,):
            text = applied(layer, kind, count)
            for diagnostic in found_in(text, lowered=True):
                read(diagnostic, text)


@pytest.mark.parametrize("layer", LIBRARY, ids=lambda layer: layer.__name__)
def test_more_inputs_than_there_are_is_told_with_their_number(layer: type[Layer]) -> None:
    if any(name.startswith("*") for name in layer.inputs):
        return
    most = len(layer.inputs)
    text = applied(layer, "float32[N, 8, 8, 3]", most + 1)
    (found,) = found_in(text)
    assert found.code == "E0604"
    assert f" takes {most} input{'s' if most > 1 else ''}, got {most + 1}" in found.message
    assert found.help


@pytest.mark.parametrize("layer", [x for x in LIBRARY if x.keras is not None], ids=lambda layer: layer.__name__)
def test_a_call_pasted_from_keras_is_the_plain_one(layer: type[Layer]) -> None:
    """With Keras' prefix, and a comma behind the last argument and behind the line."""
    text = example_source(layer.example)
    start, end = call_of(text, layer.__name__)
    plain = str(archonnx.compile(text=text).summary())
    call, line_end = text[start:end], text.index("\n", end)
    for prefix in ("keras.layers.", "tf.keras.layers.", "layers."):
        pasted = prefix + call if call.endswith("()") else f"{prefix}{call[:-1]},)"
        behind = "," if end == line_end else ""
        source = text[:start] + pasted + text[end:line_end] + behind + text[line_end:]
        assert str(archonnx.compile(text=source).summary()) == plain
