"""`archonnx plan-shards FILE --devices N`: a model in stages for several devices."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any, ClassVar

import click

from archonnx.cli.console import say
from archonnx.cli.options import (
    FilePath,
    Size,
    arch_argument,
    bind_option,
    color_option,
    compiled,
    format_option,
    model_options,
)
from archonnx.contract.diagnostics import UsageError


class Rate(Size):
    """Bytes a second: 25GB/s, or 25GB."""

    name = "rate"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> int:
        text = value.strip().removesuffix("/s") if isinstance(value, str) else value
        return super().convert(text, param, ctx)


class Operations(click.ParamType[float]):
    """Operations a second: 312T, 1.5P, 2e12."""

    name = "operations"
    units: ClassVar = {"k": 1e3, "m": 1e6, "g": 1e9, "t": 1e12, "p": 1e15}

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> float:
        if isinstance(value, float):
            return value
        text = str(value).strip().lower().removesuffix("flops")
        scale = self.units.get(text[-1:], 1.0)
        try:
            found = float(text[:-1] if text[-1:] in self.units else text) * scale
        except ValueError:
            found = 0.0
        if not 0 < found < 1e30:
            self.fail(f"{value!r} is no number of operations a second, such as 312T", param, ctx)
        return found


@click.command()
@arch_argument
@click.option(
    "--devices", "-n", type=click.IntRange(1, 100_000), required=True, metavar="N", help="How many there are."
)
@click.option("--memory", type=Size(), metavar="SIZE", help="What each of them holds: 80GB. By default any amount.")
@model_options
@click.option("--batch", type=click.IntRange(1, 2**31 - 1), default=1, show_default=True, help="Examples a call.")
@bind_option
@click.option(
    "--precision",
    type=click.Choice(["float32", "float16", "bfloat16"]),
    default="float32",
    show_default=True,
    help="What weights and values that are float32 in FILE are kept in.",
)
@click.option(
    "--bandwidth",
    type=Rate(),
    default="25GB/s",
    show_default=True,
    metavar="RATE",
    help="Of the links between devices.",
)
@click.option("--flops", type=Operations(), metavar="RATE", help="Operations a second of a device, as in 312T.")
@click.option(
    "--parts",
    type=click.IntRange(1, 2**31 - 1),
    default=8,
    show_default=True,
    metavar="M",
    help="Parts of a batch that follow one another through the stages.",
)
@click.option("-o", "--output", type=FilePath(), metavar="PLAN.json", help="Write it for `archonnx build --shards`.")
@format_option("text", "json")
@color_option
def plan_shards(
    file: Path,
    devices: int,
    memory: int | None,
    model: str | None,
    parameters: dict[str, Any],
    root: Path | None,
    batch: int,
    bind: dict[str, int],
    precision: str,
    bandwidth: int,
    flops: float | None,
    parts: int,
    output: Path | None,
    format: str,
) -> int:
    """Cut a model into stages, one a device.

    A stage is a stretch of layers: its device holds their weights and states, computes them, and hands what later
    stages need to the next one. Stages are cut so that none holds or computes much more than it must, and of such cuts
    the one is taken with the least traffic. A layer is never cut, nor a state parted from its next value. Memory counts
    weights, states before and after a call, and the values between layers that are alive at once; what a layer needs
    inside is not counted.

    Sizes that --bind does not tell are guessed, and said.

    \b
    Examples:
      archonnx plan-shards models/gpt3.arch --model GPT3_175B -n 8 --memory 80GB --precision float16 --bind T=2048
      archonnx plan-shards models/unet.arch --devices 2 --batch 16 --format json
      archonnx plan-shards models/gpt2.arch --model GPT2Small -n 4 --bind T=1024 --flops 312T --bandwidth 64GB/s
      archonnx plan-shards model.arch --devices 3 -o plan.json && archonnx build model.arch --shards plan.json
    """
    if output is not None and output.suffix != ".json":
        raise UsageError(f"-o {output}: the file's name ends in .json, as `archonnx build --shards` expects")
    from archonnx.compiler.sharding import plan_file, plan_text
    from archonnx.compiler.sharding.plan import plan_shards as plan
    from archonnx.contract.files import replace_file

    found = plan(
        compiled(file, model, parameters, root).graph,
        devices,
        memory=memory,
        bind=bind,
        batch=batch,
        precision=precision,  # type: ignore[arg-type]
        bandwidth=bandwidth,
        flops=flops,
    )
    document = plan_file.as_json(found, parts)
    if output is not None:
        replace_file(output, document.encode("utf-8"))
    if format == "json":
        sys.stdout.write(document)
    else:
        print("\n".join(plan_text.plan_lines(found, parts)))
    if output is not None:
        say(f"{output}: {found.model} in {len(found.stages)} stages")
    return 0
