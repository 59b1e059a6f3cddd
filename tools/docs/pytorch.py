"""The tables of docs/pytorch.md, from what to_torch makes of each layer's example: `python -m tools.docs.pytorch`.

What stands between the page's marks is written anew, the text around it is kept. Exits with 1 where --check finds the
page out of date. That the modules compute the same is tests/conformance/test_to_torch.py's to show, case by case.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from tools.docs.pages import write_page

PAGE = Path(__file__).resolve().parents[2] / "docs" / "pytorch.md"
WRITE = "python -m tools.docs.pytorch"
START, END = f"<!-- tables: {WRITE} -->", "<!-- end of tables -->"


@dataclass(frozen=True)
class Row:
    """A layer, the module that its example becomes ("" where it is refused), and the tensors below that module."""

    layer: str
    module: str
    tensors: tuple[str, ...]
    own: bool  # whether the module is one of ours


def rows() -> list[Row]:
    """What becomes of every layer of the library."""
    import archonnx
    from archonnx.compiler.analysis.layer_facts import example_source
    from archonnx.compiler.keras.refusals import NoCounterpartError
    from archonnx.compiler.layers.registry import find_layer, layer_names
    from archonnx.compiler.torch.program import below
    from archonnx.compiler.weights.layouts.torch import module_name

    found = []
    for name in layer_names():
        layer = find_layer(name)
        assert layer is not None
        model = archonnx.compile(text=example_source(layer.example))
        path = next(node.path for node in model.graph.nodes if node.type_name == name)
        try:
            module = below(archonnx.to_torch(model), module_name(path))
        except NoCounterpartError:
            found.append(Row(name, "", (), False))
            continue
        own = type(module).__module__.startswith("archonnx")
        kind = type(module).__name__
        found.append(Row(name, "" if kind == "Computed" else kind, tuple(module.state_dict()), own))
    return found


def generated() -> str:
    """The page as it should be."""
    before, _, rest = PAGE.read_text(encoding="utf-8").partition(START)
    _, end, after = rest.partition(END)
    assert end, f"{PAGE} has lost its marks"
    return f"{before}{START}\n\n{tables()}\n\n{END}{after}"


def tables() -> str:
    """The layers with modules of PyTorch, those of ours, those by operators, and those that are refused."""
    found = rows()
    theirs = [row for row in found if row.module and not row.own]
    ours = [row for row in found if row.own]
    refused = [row.layer for row in found if not row.own and not row.module]
    lines = ["| layer | module | tensors |", "|---|---|---|"]
    lines += [f"| {layers} | {modules} | {names} |" for layers, modules, names in _grouped(theirs)]
    lines += ["", "Modules of ours hold the tensors of these; where PyTorch has names for such, they have these:", ""]
    lines += ["| layer | tensors |", "|---|---|"]
    lines += [f"| {layers} | {names} |" for layers, _, names in _grouped([row for row in ours if row.tensors])]
    lines += [
        "",
        f"These are modules of ours without tensors: {', '.join(row.layer for row in ours if not row.tensors)}.",
    ]
    lines += ["", f"Refused, as they act in training only, and there are no modules like them: {', '.join(refused)}."]
    return "\n".join(lines)


def _grouped(found: Sequence[Row]) -> Iterator[tuple[str, str, str]]:
    """Layers, modules, tensors; those of one, two and three axes together."""
    groups: dict[tuple[str, ...], list[Row]] = {}
    for row in found:
        groups.setdefault((re.sub(r"\d", "", row.layer), re.sub(r"\d", "", row.module), *row.tensors), []).append(row)
    for group in groups.values():
        modules = ", ".join(f"`nn.{row.module}`" for row in group)
        yield ", ".join(row.layer for row in group), modules, _names(group[0])


def _names(row: Row) -> str:
    return ", ".join(f"`{name}`" for name in row.tensors)


def main() -> int:
    return write_page(PAGE, generated, WRITE, __doc__)


if __name__ == "__main__":
    sys.exit(main())
