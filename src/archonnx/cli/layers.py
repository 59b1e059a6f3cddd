"""`archonnx layers [NAME]`: which layers and tensor functions there are, and what each takes."""

from __future__ import annotations

import inspect
import json
import textwrap
from typing import TYPE_CHECKING, Any

import click

from archonnx.cli import complete
from archonnx.cli.console import out, styled
from archonnx.cli.options import color_option, format_option
from archonnx.contract.diagnostics import UsageError, did_you_mean

if TYPE_CHECKING:
    from archonnx.compiler.layers.base import Layer

WIDTH = 100  # columns that a signature may take


@click.command()
@click.argument("name", required=False, shell_complete=complete.layers)
@format_option("text", "json")
@color_option
def layers(name: str | None, format: str) -> int:
    """List the layers there are, or describe one.

    With a NAME: its arguments in their order, with what values each takes and its default, its inputs, the ONNX
    operators it becomes, and its counterparts in Keras and PyTorch. Tensor functions (softmax, concat) are known too.

    \b
    Examples:
      archonnx layers
      archonnx layers Conv2D
      archonnx layers Conv2D --format json
    """
    from archonnx.compiler.layers import registry

    if name is None:
        _list(format)
        return 0
    short = name.removeprefix("tf.").removeprefix("keras.").removeprefix("layers.")
    found = registry.find_layer(short) or registry.find_function(short)
    if found is None:
        known = [*registry.layer_names(), *registry.function_names()]
        near = did_you_mean(short, known)
        hint = f"did you mean {', '.join(near)}?" if near else "`archonnx layers` lists them"
        raise UsageError(f"there is no layer or tensor function {short}; {hint}")
    facts = described(short, found)
    out(json.dumps(facts, indent=2) if format == "json" else _page(facts))
    return 0


def documented() -> list[tuple[str, str]]:
    """Every layer and function with the first sentence of its documentation, layers first, each sorted."""
    from archonnx.compiler.layers import registry

    found = [(n, registry.find_layer(n)) for n in registry.layer_names()]
    found += [(n, registry.find_function(n)) for n in registry.function_names()]
    return [(n, _documentation(kind).partition("\n")[0]) for n, kind in found if kind is not None]


def described(name: str, kind: type[Layer]) -> dict[str, Any]:
    """What is known of a layer, as plain data. `ignored` are arguments that Keras takes for training alone."""
    from archonnx.compiler.layers.domains import Ignored

    return {
        "name": name,
        "documentation": _documentation(kind),
        "arguments": [
            {
                "name": argument.name,
                "type": argument.domain.describe(),
                "required": argument.required,
                "default": None if argument.required else _literal(argument.default),
                "documentation": argument.doc,
            }
            for argument in kind.declared.values()
            if not isinstance(argument.domain, Ignored)
        ],
        "ignored": [a.name for a in kind.declared.values() if isinstance(a.domain, Ignored)],
        "inputs": list(kind.inputs),
        "onnx": list(kind.onnx),
        "keras": kind.keras,
        "torch": kind.torch,
        "example": inspect.cleandoc(kind.example) if kind.example else None,
    }


def _documentation(kind: type[Layer]) -> str:
    return inspect.cleandoc(kind.__doc__ or "")


def _literal(value: Any) -> str:
    """A default as an architecture file writes it."""
    if isinstance(value, str):
        return json.dumps(value, ensure_ascii=False)
    if isinstance(value, bool | int | float | tuple | list) or value is None:
        return repr(value)
    return str(value)


def _list(format: str) -> None:
    found = documented()
    if format == "json":
        out(json.dumps([{"name": n, "documentation": text} for n, text in found], indent=2))
        return
    width = max((len(n) for n, _ in found), default=0)
    functions = False
    for name, text in found:
        if not functions and not name[0].isupper():
            functions = True
            out()
        out(f"{styled(name.ljust(width), 'bold')}  {text}")


def _page(facts: dict[str, Any]) -> str:
    arguments = ", ".join(a["name"] if a["required"] else f"{a['name']}={a['default']}" for a in facts["arguments"])
    call = textwrap.wrap(f"{facts['name']}({arguments})", WIDTH, subsequent_indent="    ", break_long_words=False)
    lines = [styled("\n".join(call), "bold"), "", facts["documentation"]]
    if facts["arguments"]:
        lines += ["", styled("Arguments", "cyan")]
        for a in facts["arguments"]:
            need = "required" if a["required"] else f"default {a['default']}"
            lines.append(f"  {styled(a['name'], 'bold')}: {a['type']}; {need}")
            lines.append(f"      {a['documentation']}")
        if facts["ignored"]:
            lines.append(f"  Taken from Keras' calls, for training alone: {', '.join(facts['ignored'])}.")
        if facts["name"][0].isupper():
            lines.append("  Every layer also takes name= and trainable=.")
    lines += ["", f"{styled('Inputs', 'cyan')}: {', '.join(_input(i) for i in facts['inputs'])}"]
    for title, key in (("ONNX", "onnx"), ("Keras", "keras"), ("PyTorch", "torch")):
        if facts[key]:
            text = ", ".join(facts[key]) if isinstance(facts[key], list) else str(facts[key])
            lines.append(f"{styled(title, 'cyan')}: {text}")
    if facts["example"]:
        lines += ["", styled("Example", "cyan"), *(f"  {line}" for line in facts["example"].splitlines())]
    return "\n".join(lines)


def _input(name: str) -> str:
    if name.endswith("?"):
        return f"{name[:-1]} (may be left out)"
    return f"{name[1:]} (one or more)" if name.startswith("*") else name
