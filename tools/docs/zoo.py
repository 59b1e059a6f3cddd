"""docs/zoo.md from the references and models/measured.json: `python -m tools.docs.zoo`.

With --measure every model is built without its weights and, where it has a peer that fits the machine, run beside it
with the same random weights; what comes out is written to models/measured.json. Names behind it measure these models
alone, and --changed those of which something is missing. Exits with 1 where a model differs from its peer, or where
--check finds the page out of date.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from typing import Any

from archonnx.cli.check_table import macs_text
from archonnx.cli.console import Steps
from archonnx.compiler.analysis.references.reading import Reference, read_references
from archonnx.contract.diagnostics import CompileError
from tools.docs import zoo_measuring
from tools.reference.parts import ENDINGS
from tools.reference.writing import MODELS, ROOT, path_of

PAGE = ROOT / "docs" / "zoo.md"
WRITE = "python -m tools.docs.zoo"
MEASURE = "python -m tools.docs.zoo --changed"
NOT_RUN = "—"

INTRODUCTION = """\
# The zoo: every model that ships, in figures

**This page is generated** by `{write}` from the references beside the models
([references.md](references.md)) and from what was measured. `archonnx zoo` lists the files, `archonnx zoo NAME` shows
one, `zoo:NAME` stands wherever a command takes an architecture file, and `archonnx check models/` holds every model
against its reference: all figures of parameters and MACs below are others' and are those of our models, to the digit.

- **parameters**: all numbers that are trained or measured in training, as Keras counts. PyTorch's `parameters()` leaves
  out the moving statistics of batch normalization.
- **MACs**: multiply-accumulates of one sample, of convolutions, dense layers and matrix products; floating-point
  operations are twice as many. Where sizes are open, for those that are named.
- **size**: of the built file with float32 weights, in powers of a thousand, from its layout.
- **build**: seconds of processor time to compile, lower, check and write all but the weights
  (`archonnx build --weights none`), on {machine}. Weights are copied or drawn as fast as disk and processor let them.
- **error**: `max|y - peer| / max|peer|`, the largest of all outputs, with the peer's own random weights mapped in,
  rounded up to one digit; at most 1e-4 is allowed. Measured of a small size of each family and of a larger one; the
  others are the same blocks with other numbers. With Keras {keras}, torchvision {torchvision}, PyTorch {torch},
  transformers {transformers}, ours run by ONNX Runtime {onnxruntime}.
"""
HEADS = "| model | parameters | MACs | size | build | counted of | error | against |\n|---|---|---|---|---|---|---|---|"


def references() -> dict[str, dict[str, Reference]]:
    """File -> model -> its reference, in the order of files and models."""
    found: dict[str, dict[str, Reference]] = {}
    for file in sorted(MODELS.glob("*.arch")):
        if path_of(file.stem).is_file():
            read = read_references(path_of(file.stem))
            if read.diagnostics:
                raise CompileError(read.diagnostics, {read.name: read.text})
            found[file.stem] = dict(read.models)
    return found


def generated() -> str:
    """The whole page."""
    record = zoo_measuring.recorded()
    peers = dict.fromkeys(zoo_measuring.PACKAGES, "") | record["peers"]
    parts = [INTRODUCTION.format(write=WRITE, machine=record["machine"], **peers)]
    for stem, known in references().items():
        parts.append(f"\n## {stem}\n\n{table(known, record['models'])}")
        parts += [f"\n{text}" for text in (alike(known), *notes(known)) if text]
    return "\n".join(parts).rstrip() + "\n"


def table(known: dict[str, Reference], measured: dict[str, Any]) -> str:
    """The rows of a file, without models that are the same as another."""
    rows = [row(name, one, measured.get(name, {})) for name, one in known.items() if one.same_as is None]
    return "\n".join([HEADS, *rows])


def row(name: str, one: Reference, measured: dict[str, Any]) -> str:
    """One model."""
    macs = "" if one.macs is None else macs_text(one.macs.figure.value, dict(one.macs.bind))
    error = f"{measured['error']:.0e}" if "error" in measured else NOT_RUN
    seconds = f"{measured['seconds']:.2f} s" if "seconds" in measured else ""
    cells = [
        f"`{name}`",
        "" if one.count is None else f"{one.count:,}",
        macs,
        size_text(measured["size"]) if "size" in measured else "",
        seconds,
        one.peer,
        error,
        measured.get("against", ""),
    ]
    return f"| {' | '.join(cells)} |"


def size_text(count: int) -> str:
    """A file's size in three figures: 98.2 MB, 698 GB."""
    amount = float(count)
    for unit in ("bytes", "kB", "MB", "GB"):
        if amount < 999.5 or unit == "GB":
            break
        amount /= 1000
    return f"{count} bytes" if unit == "bytes" else f"{amount:.3g} {unit}"


def alike(known: dict[str, Reference]) -> str:
    """The models that hold another one, in a sentence or two."""
    same = {name: one.same_as for name, one in known.items() if one.same_as is not None}
    told = []
    for ending, called in ENDINGS.items():
        alike = [name for name, of in same.items() if name == f"{of}{ending}"]
        if alike:
            count = "The" if len(alike) == 1 else f"Each of the {len(alike)}"
            called = called.removesuffix("s") if len(alike) == 1 else called
            told.append(f"{count} {called}, `NAME{ending}`, holds the network `NAME`, and has its figures.")
        same = {name: of for name, of in same.items() if name not in alike}
    told += [f"`{name}` holds `{of}`, and has its figures." for name, of in same.items()]
    return " ".join(told)


def notes(known: dict[str, Reference]) -> list[str]:
    """What the references say beside the figures."""
    return [f"`{name}`: {note}." for name, one in known.items() for note in one.notes]


def out_of_date() -> list[str]:
    """What is to be done to bring page and record up to date, with why."""
    found = [f"{name} has not been measured: {MEASURE}" for name in zoo_measuring.missing()]
    if not PAGE.is_file() or PAGE.read_text(encoding="utf-8") != generated():
        found.append(f"docs/zoo.md is not what the references and the record say: {WRITE}")
    return found


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure where asked, then write the page."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--measure", nargs="*", metavar="MODEL", help="first measure these models, by default all")
    parser.add_argument("--changed", action="store_true", help="first measure the models that have not been")
    parser.add_argument("--check", action="store_true", help="write nothing; say what is out of date")
    options = parser.parse_args(arguments)
    if options.check:
        problems = out_of_date()
        print("\n".join(problems) or "up to date")
        return 1 if problems else 0
    known = zoo_measuring.models()
    names = list(known) if options.measure == [] else options.measure or []
    if options.changed:
        names = zoo_measuring.missing()
    if unknown := [name for name in names if name not in known]:
        parser.error(f"no model has figures of its own and is called {', '.join(unknown)}")
    failures = []
    if names:
        with Steps("measuring", unit="models") as progress:
            failures = zoo_measuring.measure(names, progress)
    for failure in failures:
        print(failure, file=sys.stderr)
    PAGE.write_text(generated(), encoding="utf-8")
    print(f"written: {PAGE.relative_to(ROOT)}")
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main())
