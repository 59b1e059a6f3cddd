"""`archonnx layers [NAME]`: which layers and tensor functions there are, and what each takes."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import TYPE_CHECKING

import click

from archonnx.cli import complete, operator_page
from archonnx.cli.console import out, styled
from archonnx.cli.options import color_option, format_option, warn
from archonnx.contract.diagnostics import CompileError, Diagnostic, UsageError, did_you_mean

if TYPE_CHECKING:
    from archonnx.compiler.layers.base import Layer, LayerError


@click.command()
@click.argument("name", required=False, shell_complete=complete.layers)
@format_option("text", "json")
@color_option
def layers(name: str | None, format: str) -> int:
    """List the layers there are, or describe one.

    With a NAME: what it computes, its arguments in their order, with what values each takes and its default, its
    inputs, the ONNX operators it becomes, its counterparts in Keras and PyTorch, and an example with its shapes and
    weights. Tensor functions (softmax, concat) are known too, and so are the layers of other packages, and ONNX's own
    operators, written onnx.Gather; `onnx` alone lists those.

    \b
    Examples:
      archonnx layers
      archonnx layers Conv2D
      archonnx layers Conv2D --format json
      archonnx layers onnx.Gather
    """
    if name is None:
        _list(format)
        return 0
    if name == "onnx" or name.startswith(operator_page.PREFIX):
        operator_page.show_operator(name, format)
        return 0
    from archonnx.compiler.analysis.layer_facts import layer_facts

    short = name.removeprefix("tf.").removeprefix("keras.").removeprefix("layers.")
    kind = _find(short)
    facts = layer_facts(short, kind)
    if format == "json":
        out(json.dumps(facts, indent=2, ensure_ascii=False))
    else:
        from archonnx.cli.layer_page import page

        out(page(facts))
    if kind.package is None:
        from archonnx.compiler.layers import plugins

        warn([_diagnostic(error) for error in plugins.shadowed(sorted({kind.__name__, short}))], {})
    return 0


def documented() -> Iterator[tuple[str, str]]:
    """Every layer and function of the library with the first line of its documentation, layers first, each sorted."""
    from archonnx.compiler.analysis.layer_facts import documentation
    from archonnx.compiler.layers import registry

    found = [(n, registry.find_layer(n)) for n in registry.layer_names()]
    found += [(n, registry.find_function(n)) for n in registry.function_names()]
    return ((n, documentation(kind).partition("\n")[0]) for n, kind in found if kind is not None)


def _find(name: str) -> type[Layer]:
    """The layer or function of that name. UsageError where there is none, CompileError where its package is broken."""
    from archonnx.compiler.layers import plugins, registry
    from archonnx.compiler.layers.base import LayerError

    try:
        found = registry.find_layer(name) or registry.find_function(name)
    except LayerError as error:
        raise CompileError([_diagnostic(error)]) from error
    if found is None:
        theirs = plugins.plugin_names(registry.library_names())
        near = did_you_mean(name, [*registry.layer_names(), *theirs, *registry.function_names()])
        hint = f"did you mean {', '.join(near)}?" if near else "`archonnx layers` lists them"
        if name in registry.NOT_OFFERED:
            hint = f"Keras' {name} {registry.NOT_OFFERED[name]}"
        raise UsageError(f"there is no layer or tensor function {name}; {hint}")
    return found


def _list(format: str) -> None:
    """The library's layers and functions, then those of other packages; what is wrong with one goes to stderr."""
    ours = list(documented())
    theirs, wrong = _of_packages()
    if format == "json":
        found = [{"name": n, "documentation": text, "package": None} for n, text in ours]
        found += [{"name": n, "documentation": text, "package": package} for n, text, package in theirs]
        out(json.dumps(found, indent=2, ensure_ascii=False))
    else:
        width = max((len(n) for n, *_ in (*ours, *theirs)), default=0)
        _rows([pair for pair in ours if pair[0][0].isupper()], width)
        out()
        _rows([pair for pair in ours if not pair[0][0].isupper()], width)
        for package in dict.fromkeys(package for _, _, package in theirs):
            out(f"\nFrom the package {package}:")
            _rows([(n, text) for n, text, of in theirs if of == package], width)
    warn(wrong, {})


def _rows(found: list[tuple[str, str]], width: int) -> None:
    for name, text in found:
        out(f"{styled(name.ljust(width), 'bold')}  {text}".rstrip())


def _of_packages() -> tuple[list[tuple[str, str, str]], list[Diagnostic]]:
    """Layers of other packages, name, documentation and package, by package; and what is wrong with the others."""
    from archonnx.compiler.analysis.layer_facts import documentation
    from archonnx.compiler.layers import plugins, registry
    from archonnx.compiler.layers.base import LayerError

    found: list[tuple[str, str, str]] = []
    library = registry.library_names()
    wrong = [_diagnostic(error) for error in plugins.shadowed(library)]
    for name in plugins.plugin_names(library):
        try:
            kind = plugins.find_plugin(name)
        except LayerError as error:
            wrong.append(_diagnostic(error))
            continue
        assert kind is not None
        assert kind.package is not None
        found.append((name, documentation(kind).partition("\n")[0], kind.package))
    return sorted(found, key=lambda row: (row[2], row[0])), wrong


def _diagnostic(error: LayerError) -> Diagnostic:
    return Diagnostic(error.code, error.message, help=error.help)
