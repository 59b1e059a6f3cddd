"""The tables of docs/weights.md from the formats' own lists: `python -m tools.docs.weights`.

What stands between the page's marks is written anew, the text around it is kept. Exits with 1 where --check finds the
page out of date. That the lists are true is tests/compiler/weights/files/test_pairs.py's to show, pair by pair.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

from archonnx.compiler.weights.files.base import Format
from archonnx.compiler.weights.files.formats import formats
from archonnx.contract.dtypes import DTYPES
from tools.docs.pages import write_page

PAGE = Path(__file__).resolve().parents[2] / "docs" / "weights.md"
WRITE = "python -m tools.docs.weights"
START, END = f"<!-- tables: {WRITE} -->", "<!-- end of tables -->"

# Formats of one column: those in several files, old or zipped hold what the first of them holds.
COLUMNS = {
    "safetensors": ("safetensors", "safetensors_index"),
    "NumPy": ("npz",),
    "ONNX": ("onnx_file",),
    "GGUF": ("gguf",),
    "PyTorch": ("torch_zip", "torch_index", "torch_legacy"),
    "Keras": ("keras_legacy", "keras_h5", "keras_weights", "keras_index"),
}
# Types that are spoken of together where all of them are missing.
GROUPS = {
    "float8": ("float8e4m3fn", "float8e4m3fnuz", "float8e5m2", "float8e5m2fnuz", "float8e8m0"),
    "whole numbers of 2 and 4 bits": ("int2", "int4", "uint2", "uint4"),
    "unsigned": ("uint8", "uint16", "uint32", "uint64"),
    "complex": ("complex64", "complex128"),
}


def columns() -> dict[str, Format]:
    """The format that stands for each column. AssertionError where formats of a column differ, or one has none."""
    found = formats()
    assert {name for names in COLUMNS.values() for name in names} == set(found)
    for names in COLUMNS.values():
        assert len({found[name].holds for name in names}) == 1, names
    return {title: found[names[0]] for title, names in COLUMNS.items()}


def generated() -> str:
    """The page as it should be."""
    before, _, rest = PAGE.read_text(encoding="utf-8").partition(START)
    _, end, after = rest.partition(END)
    assert end, f"{PAGE} has lost its marks"
    return f"{before}{START}\n\n{tables()}\n\n{END}{after}"


def tables() -> str:
    """Which types each format holds, and what is lacking from each to each other."""
    forms = columns()
    dtypes = [dtype for dtype in DTYPES if any(dtype in form.holds for form in forms.values())]
    lines = [f"| type | {' | '.join(forms)} |", "|---" * (len(forms) + 1) + "|"]
    for dtype in sorted(dtypes, key=lambda dtype: (DTYPES[dtype].kind, -DTYPES[dtype].bits, dtype)):
        lines.append(f"| {dtype} | {' | '.join('yes' if dtype in form.holds else '' for form in forms.values())} |")
    lines += ["", f"| from \\ to | {' | '.join(forms)} |", "|---" * (len(forms) + 1) + "|"]
    for title, form in forms.items():
        cells = [", ".join(grouped(form.holds - other.holds)) for other in forms.values()]
        lines.append(f"| {title} | {' | '.join(f'no {cell}' if cell else 'all' for cell in cells)} |")
    return "\n".join(lines)


def grouped(missing: frozenset[str]) -> Iterator[str]:
    """Types, those of a group by its name."""
    left = dict.fromkeys(dtype for dtype in DTYPES if dtype in missing and dtype != "string")
    for group, members in GROUPS.items():
        if all(member in left for member in members):
            yield group
            for member in members:
                del left[member]
    yield from left


def main() -> int:
    return write_page(PAGE, generated, WRITE, __doc__)


if __name__ == "__main__":
    sys.exit(main())
