"""`archonnx build FILE -o OUT.onnx`: compile a model to ONNX."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import click

from archonnx.cli.assets import assets_option, attached
from archonnx.cli.console import Steps, busy, say, size_text
from archonnx.cli.external import checked_external, external_option
from archonnx.cli.filling import filled, wanted, warn_of, weights_options
from archonnx.cli.halving import stored_option, tell_halved
from archonnx.cli.locking import checked_lock, lock_of, lock_options, tell_lock
from archonnx.cli.optimizing import checked_level, explain_changes, optimizing_options
from archonnx.cli.options import FilePath, arch_argument, color_option, compiled, models_options
from archonnx.cli.quantizing import checked_block, quantizing_options, tell
from archonnx.cli.quiet import quieted
from archonnx.cli.sharding import build_shards, checked_shards, sharding_options
from archonnx.cli.threads import numpy_in_one_thread
from archonnx.cli.together import build_together
from archonnx.contract.diagnostics import UsageError


@click.command()
@arch_argument
@click.option("-o", "--output", type=FilePath(), metavar="OUT.onnx", help="By default the model's name.")
@models_options
@click.option(
    "--seed",
    type=click.IntRange(0, 2**64 - 1),
    default=0,
    show_default=True,
    help="What the initial weights are drawn from.",
)
@weights_options
@quantizing_options
@optimizing_options
@stored_option
@sharding_options
@lock_options
@assets_option
@click.option("--opset", type=int, metavar="N", help="The ONNX opset, 17 or newer.")
@click.option(
    "--via",
    type=click.Choice(["keras"]),
    help="Let Keras and tf2onnx write the graph, under the same names and through the same checks.",
)
@external_option()
@color_option
def build(
    file: Path,
    output: Path | None,
    model: str | tuple[str, ...] | None,
    parameters: dict[str, Any],
    root: Path | None,
    seed: int,
    weights: tuple[str, ...],
    maps: tuple[str, ...],
    weight_bits: int | None,
    block_size: int | None,
    optimization: int | None,
    explain: bool,
    precision: str,
    shards: str | None,
    locked: bool,
    lock: Path | None,
    update_lock: bool,
    assets: tuple[str, ...],
    opset: int | None,
    via: str | None,
    external_data: str,
) -> int:
    """Compile a model to an ONNX file.

    Inputs, outputs, symbolic dimensions and weights keep the names they have in FILE. Before the file appears, the
    graph passes ONNX's full checker and strict shape inference, every inferred shape is compared with the compiler's
    own, and what was written with what was meant; if anything disagrees, no file is written and an old one stays.

    The same file, options and seed give the same bytes on every machine.

    --weights FILE takes the weights from a file of any format that `archonnx weights list` reads. Its names are the
    weights' paths, those of a file that archonnx wrote, or what a map beside FILE says (docs/maps.md). Every tensor
    and every weight is accounted for: what is missing, unexpected or of another shape or type is listed, and nothing
    is written.

    --weight-bits 8 or 4 keeps matrices that are multiplied with or looked up in so many bits, rounded. A model of text
    is a quarter or a sixth as large and answers faster; docs/quantization.md says how much it loses.

    -O0 keeps layers one to one, -O2, the default, merges them where that computes the same; --explain says what was
    done, by source line (docs/optimization.md).

    --precision float16 or bfloat16 stores large weights in half, rounded, and casts them where they are used: half the
    file, computed in float32 as before (docs/half.md).

    --shards writes the model in stages for several devices, one file each, which `archonnx run` and `archonnx.load`
    take as one model (docs/shards.md).

    --external-data always keeps weights in OUT.<hash>.data beside the model, where they can be mapped; past 1.9 GB they
    stand there anyway. --weights none leaves them out, `archonnx weights write` fills them in later. With several
    --model, OUT is a folder, and weights that are the same in them are stored once (docs/large-models.md).

    --locked writes down what the build was made of and what came out, or holds it against that: where a source, an
    option, a file or a byte of the result differs, it is listed and nothing is written. One lock holds all stages, and
    all of several --model (docs/locks.md).

    --via keras takes a second route: the model as Keras builds it, traced by TensorFlow, converted by tf2onnx. It
    needs the extra `keras`, and memory for several copies of the weights.

    \b
    Examples:
      archonnx build models/dnn.arch -o dnn.onnx
      archonnx build models/resnet.arch --model ResNet50 -o resnet50.onnx --seed 7
      archonnx build model.arch -o model.onnx --set classes=5 --opset 18
      archonnx build models/resnet.arch --model ResNet50V1_5 --weights resnet50.pth
      archonnx build model.arch --weights backbone=backbone.safetensors
      archonnx build zoo:bert --model MiniLM --weights model.safetensors --weight-bits 8 -o minilm.int8.onnx
      archonnx build zoo:bert --model MiniLM --weights model.safetensors --asset tokenizer=tokenizer.json
      archonnx build zoo:mobilenet --model MobileNetV2 --explain
      archonnx build models/unet.arch --shards 2 -o unet.shards.json
      archonnx build zoo:translate --model Reader --model Writer -o translate/
      archonnx build model.arch -o build/model.onnx --locked
      archonnx build models/unet.arch --shards 2 -o build/unet.shards.json --locked
      archonnx build models/dnn.arch -o dnn.keras.onnx --via keras
    """
    began = time.perf_counter()
    numpy_in_one_thread()
    asked = wanted(weights, maps)
    block = checked_block(weight_bits, block_size)
    level = checked_level(optimization, explain, via)
    parts = checked_shards(shards, via)
    lowering = {"weight_bits": weight_bits, "block_size": block, "optimization": level, "precision": precision}
    if via == "keras" and weight_bits is not None:
        raise UsageError("--via keras: Keras' graph keeps its weights as they are; leave --weight-bits out")
    if via == "keras" and precision != "float32":
        raise UsageError("--via keras: Keras' graph keeps its weights as they are; leave --precision out")
    locked = checked_lock(locked, lock, update_lock, None if via is None else f"--via {via}")
    checked_external(external_data, asked.bare, via)
    if isinstance(model, tuple):
        return build_together(
            *(file, output, model, parameters, root, opset),
            asked=asked,
            assets=assets,
            seed=seed,
            external_data=external_data,
            locked=locked,
            lock=lock,
            update_lock=update_lock,
            alone={"--via": via, "--explain": explain, "--shards": shards},
            options=lowering,
        )
    result = compiled(file, model, parameters, root, opset)
    if parts is not None:
        return build_shards(
            filled(attached(result, assets), asked),
            output,
            parts,
            seed=seed,
            weights="none" if asked.bare else "init",
            lowering=lowering,
            writing={"external_data": external_data},
            explain=explain,
            lock=(lambda target: lock_of(file, target, lock)) if locked else None,
            update_lock=update_lock,
            began=began,
        )
    target = output or Path(f"{result.name}.onnx")
    if target.suffix != ".onnx":
        raise UsageError(f"-o {target}: the file's name ends in .onnx")
    result = filled(attached(result, assets), asked)
    if via == "keras":
        if asked.bare:
            raise UsageError("--via keras: Keras' graph has its weights in it; leave --weights none out")
        from archonnx.compiler.keras.route import saving as route

        with quieted(), busy(f"converting {result.name} through Keras and tf2onnx"):
            report = route.save(result, target, seed=seed, opset=opset)
    else:
        with Steps(f"building {target.name}") as steps:
            report = result.save(
                target,
                seed=seed,
                weights="none" if asked.bare else "init",
                external_data=external_data,  # type: ignore[arg-type]
                progress=steps,
                weight_bits=weight_bits,  # type: ignore[arg-type]
                block_size=block,  # type: ignore[arg-type]
                optimization=level,
                precision=precision,  # type: ignore[arg-type]
                lock=lock_of(file, target, lock) if locked else None,
                update_lock=update_lock,
            )
    warn_of(report.warnings)
    say(f"{target}: {result.name}, {size_text(report.nbytes)}, in {time.perf_counter() - began:.2f} s")
    if report.quantization is not None:
        tell(report.quantization)
    if explain:
        explain_changes(report.changes)
    if report.halving is not None:
        tell_halved(report.halving)
    if report.lock is not None:
        tell_lock(report.lock)
    return 0
