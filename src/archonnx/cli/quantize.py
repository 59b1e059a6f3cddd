"""`archonnx quantize MODEL.onnx`: the same model in int8, calibrated on data, as a file to take elsewhere."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from archonnx.cli.console import busy, out, say, size_text, styled
from archonnx.cli.options import FilePath, color_option, format_option, threads_option
from archonnx.contract.diagnostics import UsageError
from archonnx.contract.files import check_place

if TYPE_CHECKING:
    from archonnx.runtime.int8.lowering import Quantized

METHODS = ("minmax", "percentile", "entropy")


@click.command()
@click.argument("file", metavar="MODEL.onnx", type=FilePath())
@click.option(
    "--data", required=True, type=FilePath(), metavar="FILE.npz", help="Examples: arrays called as the inputs are."
)
@click.option("--output", "-o", required=True, type=FilePath(), metavar="FILE.onnx", help="The file to write.")
@click.option("--max-error", type=float, metavar="E", help="Keep in float32 what it takes to stay within: 5e-2.")
@click.option(
    "--method",
    type=click.Choice(METHODS),
    default=METHODS[0],
    show_default=True,
    help="How ranges are made of what the examples show: all of it, or without what is rare.",
)
@threads_option
@format_option("text", "json")
@color_option
def quantize(
    file: Path, data: Path, output: Path, max_error: float | None, method: str, threads: int | None, format: str
) -> int:
    """Write a model in int8, calibrated on examples.

    MODEL.onnx is anybody's, in float32. Its products with constant factors (convolutions, dense layers) multiply whole
    numbers of 8 bits, with a scale for each channel, and so does what stands between convolutions; all else stays as it
    is. Every fourth example calibrates nothing and tells the error, max|y - ref| / max|ref| over each output, and how
    often the largest score is the same. The file holds QuantizeLinear and DequantizeLinear, which other runtimes read.

    With --max-error, layers that lose too much stay in float32, and are listed with what each would have cost.
    Matrices in few bits without any data are another thing: archonnx build --weight-bits.

    \b
    Examples:
      archonnx quantize resnet50.onnx --data pictures.npz -o resnet50.int8.onnx
      archonnx quantize lite0.onnx --data pictures.npz --max-error 5e-2 -o lite0.int8.onnx
      archonnx bench resnet50.onnx --against resnet50.int8.onnx
    """
    if file.suffix == ".arch":
        raise UsageError(
            f"{file} is a source: build it first, archonnx build {file} -o {file.stem}.onnx, and quantize that"
        )
    if output.suffix != ".onnx":
        raise UsageError(f"-o {output}: the file's name ends in .onnx")
    check_place(output)  # before minutes of quantizing
    from archonnx.runtime.int8.writing import write_int8

    with busy(f"quantizing {file}") as tell:
        more: dict[str, Any] = {"method": method, "threads": threads, "progress": tell}
        made = write_int8(str(file), output, str(data), max_error=max_error, **more)
    if format == "json":
        import json

        out(json.dumps(_told(made, output), indent=2))
        return 0
    _print(made, file, output)
    return 0


def _print(made: Quantized, file: Path, output: Path) -> None:
    from archonnx.runtime.modelfile import read_model

    beside = {file.parent / name for name in read_model(file).external}
    before, after = sum(each.stat().st_size for each in {file, *beside}), output.stat().st_size
    say(f"wrote {output}: {size_text(after)}, {file} has {size_text(before)}")
    say(str(made))
    note = styled("note", "cyan", sys.stderr)
    for node in made.lowering.kept:
        say(f"{note}: {node}")


def _told(made: Quantized, output: Path) -> dict[str, object]:
    kept = [
        {
            "node": node.name,
            "operator": node.operator,
            "layer": node.layer,
            "place": node.place,
            "why": node.why,
            "error": node.error,
        }
        for node in made.lowering.kept
    ]
    return {
        "file": str(output),
        "products": len(made.lowering.nodes),
        "int8": len(made.lowering.nodes) - len(kept),
        "kept": kept,
        "error": made.error,
        "agreement": made.agreement,
        "calibrated": made.calibrated,
        "judged": made.judged,
        "judged_on_others": made.apart,
    }
