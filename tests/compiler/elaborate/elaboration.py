"""What the tests of elaboration share: a source in, its graph or its diagnostics out."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from archonnx.compiler.artifact import compile_text
from archonnx.compiler.graph import LayerGraph
from archonnx.contract.diagnostics import CompileError, Diagnostic

HEAD = "model A():\n    input x: float32[N, 3]\n"


def body(*lines: str, head: str = HEAD) -> str:
    """A model of these lines, over `x: float32[N, 3]` unless another head is given."""
    return head + "".join(f"    {line}\n" for line in lines)


def graph(text: str, model: str | None = None, root: Path | None = None, **parameters: Any) -> LayerGraph:
    """The layer graph of a source that has nothing to complain of."""
    made = compile_text(text, name="example.arch", model=model, root=root, parameters=parameters)
    assert made.diagnostics == ()
    return made.graph


def shape(text: str, output: int = 0, **parameters: Any) -> str:
    """The type of an output, as a message writes it."""
    return str(graph(text, **parameters).outputs[output].value.type)


def paths(made: LayerGraph) -> list[str]:
    """The names of all applications, in order; those of constants are left out."""
    return [n.name for n in made.nodes if n.type_name != "constant"]


def found(text: str, model: str | None = None, root: Path | None = None, **parameters: Any) -> list[Diagnostic]:
    """Everything that is said of a source, warnings too."""
    try:
        made = compile_text(text, name="example.arch", model=model, root=root, parameters=parameters)
    except CompileError as error:
        return list(error.diagnostics)
    return list(made.diagnostics)


def codes(text: str, model: str | None = None, root: Path | None = None, **parameters: Any) -> list[str]:
    return [d.code for d in found(text, model, root, **parameters)]


def only(text: str, code: str, root: Path | None = None) -> Diagnostic:
    """The one diagnostic of a source, which is of this code."""
    (one,) = found(text, root=root)
    assert one.code == code, str(one)
    return one


def pointed(text: str, diagnostic: Diagnostic) -> str:
    """The words that a diagnostic points at, all on one line."""
    place = diagnostic.place
    assert place is not None
    assert place.line == place.end_line
    return text.splitlines()[place.line - 1][place.column - 1 : place.end_column - 1]
