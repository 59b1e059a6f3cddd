"""What is known of a layer, as plain data: what `archonnx layers NAME` prints and docs/layers.md is made of.

Shapes and weights are those of the layer's own example, which is compiled for them.
"""

from __future__ import annotations

import inspect
import json
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from archonnx.compiler.graph import LayerGraph, Node
    from archonnx.compiler.layers.base import Argument, Layer

WHOLE = ("model ", "block ", "def ", "defaults ", "from ")  # how an example that is a whole file begins
ERRORS = Path(__file__).resolve().parent.parent / "layers" / "errors.json"


def layer_facts(name: str, kind: type[Layer]) -> dict[str, Any]:
    """Everything that is known of a layer or tensor function.

    `ignored` are arguments that Keras takes for training alone, `refused` those that are taken with one value only, as
    they would change the layer in a way that is not offered. `applied` is None where there is no example, else
    the types of what goes in and comes out in the example, and the weights.
    """
    from archonnx.compiler.layers.domains import Absent, Ignored

    return {
        "name": name,
        "package": kind.package,
        "documentation": documentation(kind),
        "formula": inspect.cleandoc(kind.formula) or None,
        "arguments": [_argument(a) for a in kind.declared.values() if not isinstance(a.domain, Ignored | Absent)],
        "ignored": [a.name for a in kind.declared.values() if isinstance(a.domain, Ignored)],
        "refused": [
            {"name": a.name, "only": _literal(a.domain.absent), "reason": a.domain.reason}
            for a in kind.declared.values()
            if isinstance(a.domain, Absent)
        ],
        "inputs": list(kind.inputs),
        "masking": kind.masking,
        "onnx": list(kind.onnx),
        "keras": kind.keras,
        "torch": kind.torch,
        "example": inspect.cleandoc(kind.example) or None,
        "applied": _applied(name, kind) if kind.example else None,
        "errors": measured()["layers"].get(name) if kind.package is None else None,
    }


def signature(facts: dict[str, Any]) -> str:
    """`Dense(units, activation=None, ...)`, without the arguments that are ignored or refused."""
    arguments = ", ".join(a["name"] if a["required"] else f"{a['name']}={a['default']}" for a in facts["arguments"])
    return f"{facts['name']}({arguments})"


def documentation(kind: type[Layer]) -> str:
    """The class's documentation; its first line is what the layer means."""
    return inspect.cleandoc(kind.__doc__ or "")


def example_source(example: str) -> str:
    """An example as a file: lines of a body get a model around them."""
    text = inspect.cleandoc(example)
    if text.startswith(WHOLE):
        return text + "\n"
    return "model Example():\n" + "".join(f"    {line}\n" if line else "\n" for line in text.splitlines())


def applications(graph: LayerGraph, name: str) -> list[Node]:
    """The nodes of a graph that apply a layer of that name."""
    return [node for node in graph.nodes if type(node.layer).__name__ == name]


@cache
def measured() -> dict[str, Any]:
    """The largest errors seen against Keras and PyTorch, as `python -m tools.docs.layers --measure` wrote them.

    {"peers": {"keras": "3.15.0", ...}, "layers": {"Dense": {"keras": {"cases": 23, "error": 2e-07}, ...}}}
    """
    if not ERRORS.is_file():
        return {"peers": {}, "layers": {}}
    found: dict[str, Any] = json.loads(ERRORS.read_text(encoding="utf-8"))
    return found


def _argument(argument: Argument) -> dict[str, Any]:
    return {
        "name": argument.name,
        "type": argument.domain.describe(),
        "required": argument.required,
        "default": None if argument.required else _literal(argument.default),
        "documentation": argument.doc,
    }


def _literal(value: Any) -> str:
    """A default as an architecture file writes it."""
    if isinstance(value, str):
        return json.dumps(value, ensure_ascii=False)
    if isinstance(value, bool | int | float | tuple | list) or value is None:
        return repr(value)
    return str(value)


def _applied(name: str, kind: type[Layer]) -> dict[str, Any] | None:
    """What the layer makes of its inputs in its example; None where it only stands inside another layer there."""
    from archonnx.compiler.artifact import compile_text

    graph = compile_text(example_source(kind.example)).graph
    nodes = applications(graph, kind.__name__)
    if not nodes:
        return None
    node = nodes[0]
    inputs = tuple(None if value is None else value.type for value in node.inputs)
    return {
        "inputs": [str(type) for type in inputs if type is not None],
        "outputs": [str(value.type) for value in node.outputs],
        "weights": [
            {"name": name, "type": f"{w.dtype}{list(w.shape)}", "trainable": w.trainable}
            for name, w in node.layer.weights.items()
        ],
        "macs": str(node.layer.macs(inputs, tuple(value.type for value in node.outputs))),
    }
