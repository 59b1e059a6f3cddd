"""`archonnx run MODEL --input name=VALUE`: a model on arrays, pictures, sounds and texts."""

from __future__ import annotations

import math
import statistics
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from archonnx.cli import results
from archonnx.cli.console import busy, out, say, styled, while_loading
from archonnx.cli.filling import Wanted, filled, wanted, warn_of, weights_options
from archonnx.cli.options import (
    FilePath,
    SourcePath,
    cache_option,
    color_option,
    compiled,
    device_option,
    format_option,
    model_options,
    plan_option,
    precision_options,
    threads_option,
)
from archonnx.cli.padding import about_padding, buckets_option
from archonnx.cli.similarity import cosines, print_cosines
from archonnx.cli.texts import Inputs, labels_of
from archonnx.contract.diagnostics import UsageError
from archonnx.contract.files import check_place

if TYPE_CHECKING:
    from archonnx.compiler.artifact import CompiledModel
    from archonnx.runtime.precision.candidates import Trial
    from archonnx.runtime.precision.deciding import Lowering
    from archonnx.runtime.session import Session


@click.command()
@click.argument("file", metavar="MODEL", type=SourcePath())
@click.option("--input", "-i", "given", multiple=True, metavar="NAME=VALUE", help="An input; repeatable. See above.")
@model_options
@click.option(
    "--top",
    type=click.IntRange(min=1),
    metavar="K",
    help="Print the K largest values of each row, with labels; 5 by itself where the model has labels.",
)
@click.option("--similarity", is_flag=True, help="Print how alike the vectors of several examples are: their cosines.")
@click.option(
    "--tokenizer",
    type=FilePath(),
    metavar="FILE",
    help="What makes tokens of texts: tokenizer.json, or characters, one a line. By default the model's own.",
)
@click.option("--truncate", is_flag=True, help="Cut texts that have more tokens than the model takes.")
@click.option("--output", "-o", type=FilePath(), metavar="FILE", help="Write the outputs: .npz or .json.")
@device_option
@threads_option
@cache_option
@plan_option
@precision_options
@click.option(
    "--data",
    type=FilePath(),
    metavar="FILE.npz",
    help="What --max-error is measured on, and int8 calibrated: arrays called as the inputs are. Without it errors are "
    "measured on inputs drawn at random.",
)
@click.option(
    "--batch",
    type=click.IntRange(1, 2**31 - 1),
    metavar="N",
    help="Run at most N examples at a time, and more of them in parts. By default as many as memory holds.",
)
@buckets_option(": to the smallest size that holds the call")
@click.option(
    "--seed",
    type=click.IntRange(0, 2**64 - 1),
    default=0,
    show_default=True,
    help="Of initial weights, for an .arch file.",
)
@weights_options
@click.option("--repeat", type=click.IntRange(min=1), default=1, metavar="N", help="Run N times, tell the median time.")
@format_option("text", "json")
@color_option
def run(
    file: Path,
    given: tuple[str, ...],
    model: str | None,
    parameters: dict[str, Any],
    root: Path | None,
    top: int | None,
    similarity: bool,
    tokenizer: Path | None,
    truncate: bool,
    output: Path | None,
    device: str,
    threads: int | None,
    cache: Path,
    plan: str,
    precision: str | None,
    max_error: float | None,
    data: Path | None,
    batch: int | None,
    buckets: dict[str, list[int]] | None,
    seed: int,
    weights: tuple[str, ...],
    maps: tuple[str, ...],
    repeat: int,
    format: str,
) -> int:
    """Run a model on arrays, pictures, sounds and texts.

    MODEL is an .onnx file, anybody's, or an .arch file, which is compiled first, with the weights of --weights if they
    are given. Each input is NAME=VALUE (VALUE alone where there is only one), VALUE being

    \b
      a literal        bits=[[0,0],[0,1]]    flag=True    scale=0.5
      an array file    x=x.npy    x=arrays.npz    x=x.json
      a picture        image=photo.jpg
      a sound          audio=speech.wav
      a text           text="A cat sits on the mat."    text=@sentences.txt

    A text, repeatable, or each line of a file, becomes tokens by the model's tokenizer or that of --tokenizer; they go
    into input_ids, attention_mask and token_type_ids, as the model has them, or into its only input of tokens.
    A picture is decoded to 0-255, cast to the input's type, and resized only where the input's size is fixed; a sound
    is decoded to -1 to 1, mixed to one channel, and resampled where the model tells its sampling_rate; what was done is
    said on stderr. Small results are printed as a table, inputs beside outputs. Of a model that carries labels, a
    classifier of the zoo, the classes with the highest scores are printed; of a detector, the objects.

    \b
    Examples:
      archonnx run classifier.onnx --input image=photo.jpg
      archonnx run dnn.onnx --input image=photo.jpg --top 3
      archonnx run models/gates.arch --model XOR --input 'bits=[[0,0],[0,1],[1,0],[1,1]]'
      archonnx run model.onnx --input x=x.npy --output y.npz --format json
      archonnx run model.arch --weights model.safetensors --input x=x.npy
      archonnx run minilm.onnx --input text="A cat." --input text="A dog." --tokenizer tokenizer.json --similarity
    """
    from archonnx.runtime.results import label_count

    if output is not None:
        results.check_ending(output)
        check_place(output)  # before the model is loaded, which may take long
    if similarity and top is not None and format == "text":
        raise UsageError("--similarity prints cosines, and --top values: leave one of them out; --format json has both")
    asked = wanted(weights, maps)
    if asked.bare:
        raise UsageError("--weights none: nothing is computed without weights")
    more: dict[str, Any] = {"precision": precision, "max_error": max_error, "data": data, "cache": cache, "plan": plan}
    more |= {"batch": batch, "buckets": buckets}
    session, name = loaded(file, model, parameters, root, device, threads, seed, asked, tokenizer, options=more)
    with session:
        for trial in session.choices:
            _remark(str(trial))
        if session.lowered is not None:
            _remark(str(session.lowered).splitlines()[0])
        inputs = Inputs(session, given, truncate, _remark)
        times = []
        with busy(f"running {name}"):
            for _ in range(repeat):
                outputs, seconds = session.run_with_timing(inputs.arrays)
                times.append(seconds)
        about = _about(session, name, times)
        _say_about(session, about, repeat)
        alike = cosines(outputs) if similarity else {}
        if output is not None:
            results.write_results(output, outputs)
        own = session.labels
        if own is not None and (wrong := results.unlabelled(outputs, own)):
            say(f"{styled('warning', 'yellow', sys.stderr)}: {file}: {label_count(len(own), wrong)}")
        labels = labels_of(session, inputs.texts)
        if format == "json":
            tables = {"similarity": {n: results.plain_values(a) for n, a in alike.items()}} if similarity else {}
            out(results.as_json(outputs, top, labels, {**about, **tables}))
        elif similarity:
            print_cosines(alike, inputs.texts)
        else:
            results.print_results(inputs.shown, outputs, top, labels)
    return 0


@dataclass(frozen=True)
class _Seeded:
    """A compiled model whose weights, those not given, are drawn from the seed asked for when the runtime saves it."""

    model: CompiledModel
    seed: int

    @property
    def name(self) -> str:
        return self.model.name

    def save(self, path: Path, /) -> object:
        report = self.model.save(path, seed=self.seed)
        warn_of(report.warnings)
        return report


def loaded(
    file: Path,
    model: str | None,
    parameters: dict[str, Any],
    root: Path | None,
    device: str,
    threads: int | None,
    seed: int,
    asked: Wanted,
    tokenizer: Path | None,
    compile: Callable[..., CompiledModel] = compiled,
    options: Mapping[str, Any] | None = None,
) -> tuple[Session, str]:
    """The session, and what to call the model. compile: what makes a model of an .arch file; options: what else
    `load` is asked for."""
    from archonnx.runtime.loading import load

    more = dict(options or {})

    if file.suffix == ".arch":
        source = compile(file, model, parameters, root)
        if tokenizer is not None:
            source.with_assets(tokenizer=tokenizer)  # what is wrong with it is told before weights are read
        source = filled(source, asked)
        with busy(f"building {source.name}"):
            return load(_Seeded(source, seed), device, threads=threads, tokenizer=tokenizer, **more), source.name
    if asked.sources:
        raise UsageError(f"--weights fills what is compiled; {file} has its weights already")
    if model is not None or parameters:
        raise UsageError(f"--model and --set choose what to compile; {file} is compiled already")
    with while_loading(file):
        session = load(file, device, threads=threads, tokenizer=tokenizer, **more)
    return session, session.name or file.name


def _about(session: Session, name: str, times: list[float]) -> dict[str, Any]:
    """What is said of the run beside its outputs."""
    return {
        "model": name,
        "device": session.device,
        "precision": session.precision,
        "computes": session.computes,
        **({"choices": [_tried(trial) for trial in session.choices]} if session.choices else {}),
        **({"lowered": _lowered(session.lowered)} if session.lowered else {}),
        "weights": "initial" if session.initial_weights else "given",
        "milliseconds": round(statistics.median(times) * 1000, 3),
        "load_milliseconds": round((session.load_time or 0.0) * 1000, 3),
        "cached": session.cached,
        "plan": session.plan,
        **about_padding(session.padding),
    }


def _tried(trial: Trial) -> dict[str, Any]:
    """A way that was measured with an error, which is null where it was not, or is infinite."""
    way, error, median = trial.candidate, trial.error, trial.median
    return {
        "device": way.device,
        "precision": way.precision,
        "rest": way.rest,
        "error": error if error is not None and math.isfinite(error) else None,
        "milliseconds": None if median is None else round(median * 1000, 3),
        "failed": trial.failed,
        "runs": trial.kept,
    }


def _lowered(lowering: Lowering) -> dict[str, Any]:
    """How many nodes compute on floats, and each that stays in floats; an error that is infinite is null."""
    kept = [
        {
            "node": node.name,
            "operator": node.operator,
            "layer": node.layer,
            "place": node.place,
            "precision": node.precision,
            "error": node.error if node.error is not None and math.isfinite(node.error) else None,
            "why": node.why,
        }
        for node in lowering.kept
    ]
    return {"error": lowering.error, "nodes": len(lowering.nodes), "kept": kept}


def _say_about(session: Session, about: dict[str, Any], repeat: int) -> None:
    if session.initial_weights:
        say_untrained(about["model"])
    runs = f", the median of {repeat} runs" if repeat > 1 else ""
    lowered = f" in {session.computes}" if session.precision != "float32" else ""
    whence = " from the cache" if session.cached else ""
    loading = f"loaded{whence} in {about['load_milliseconds']:,.0f} ms"
    plan = f" by {session.plan}" if session.plan else ""
    stages = getattr(session, "stage_times", ())
    if stages:
        say(f"stages took {', '.join(f'{seconds * 1000:.1f}' for seconds in stages)} ms")
    if session.padding is not None and session.padding.why is None:
        for line in str(session.padding).splitlines():
            _remark(line)
    say(f"{about['model']} ran on {about['device']}{lowered}{plan} in {about['milliseconds']:.1f} ms{runs}; {loading}")


def say_untrained(name: str) -> None:
    """That what follows was computed with weights as they were drawn."""
    text = f"{name} has initial weights: it was never trained, the values mean nothing yet"
    say(styled(text, "yellow", sys.stderr))


def _remark(line: str) -> None:
    say(styled(line, "dim", sys.stderr))
