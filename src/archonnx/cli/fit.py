"""`archonnx fit FILE --data x.npz`: train a model with Keras."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from archonnx.cli import complete
from archonnx.cli.console import busy, out, say, styled
from archonnx.cli.filling import filled, wanted, warn_of, weights_options
from archonnx.cli.options import FilePath, arch_argument, color_option, compiled, format_option, model_options
from archonnx.cli.quiet import quieted
from archonnx.contract.diagnostics import ArchonnxError, UsageError

if TYPE_CHECKING:
    from archonnx.compiler.keras.training.result import FitResult

QUIET = {"TF_CPP_MIN_LOG_LEVEL": "3"}  # TensorFlow says on stderr what it thinks of this machine


@click.command()
@arch_argument
@click.option("--data", multiple=True, required=True, metavar="FILE", help="The examples; see above.")
@model_options
@weights_options
@click.option("--epochs", type=click.IntRange(min=1), default=20, show_default=True, help="Passes over the examples.")
@click.option("--batch-size", type=click.IntRange(min=1), default=32, show_default=True, help="Examples a step.")
@click.option(
    "--optimizer",
    default="adam",
    show_default=True,
    metavar="NAME",
    shell_complete=complete.optimizers,
    help="adam, adamw, sgd, momentum, rmsprop, nadam, adamax, adagrad, adadelta or lion.",
)
@click.option("--learning-rate", type=float, metavar="X", help="By default the optimizer's own.")
@click.option(
    "--loss",
    multiple=True,
    metavar="[OUTPUT=]NAME",
    shell_complete=complete.losses,
    help="By default chosen by output and targets.",
)
@click.option(
    "--metrics",
    metavar="NAME,...",
    shell_complete=complete.metrics,
    help="By default accuracy, or the mean absolute error.",
)
@click.option(
    "--validation-split", type=click.FloatRange(0, 1, max_open=True), metavar="SHARE", help="By default 0.1; 0: none."
)
@click.option("--validation-data", multiple=True, metavar="FILE", help="Examples to validate on, instead of a share.")
@click.option("--test-data", multiple=True, metavar="FILE", help="Examples to evaluate on once, at the end.")
@click.option("--patience", type=click.IntRange(min=1), metavar="N", help="Stop after N epochs without a better one.")
@click.option(
    "--freeze",
    multiple=True,
    metavar="SCOPE",
    help="Leave these weights as they are, and compute with them as at inference; repeatable.",
)
@click.option("--balance", is_flag=True, help="Weigh examples so that every class counts alike.")
@click.option(
    "--seed",
    type=click.IntRange(0, 2**64 - 1),
    default=0,
    show_default=True,
    help="Of initial weights, the split, the order of examples, dropout.",
)
@click.option("--output", "-o", type=FilePath(), metavar="WEIGHTS", help="By default MODEL.safetensors.")
@click.option("--onnx", type=FilePath(), metavar="OUT.onnx", help="Write the trained model too.")
@click.option("--curve", type=FilePath(), metavar="PICTURE", help="Draw the learning curve: x.svg or x.png.")
@click.option("--tensorboard", type=FilePath(), metavar="FOLDER", help="Write TensorBoard's logs while it trains.")
@format_option("text", "json")
@color_option
def fit(
    file: Path,
    data: tuple[str, ...],
    model: str | None,
    parameters: dict[str, Any],
    root: Path | None,
    weights: tuple[str, ...],
    maps: tuple[str, ...],
    epochs: int,
    batch_size: int,
    optimizer: str,
    learning_rate: float | None,
    loss: tuple[str, ...],
    metrics: str | None,
    validation_split: float | None,
    validation_data: tuple[str, ...],
    test_data: tuple[str, ...],
    patience: int | None,
    freeze: tuple[str, ...],
    balance: bool,
    seed: int,
    output: Path | None,
    onnx: Path | None,
    curve: Path | None,
    tensorboard: Path | None,
    format: str,
) -> int:
    """Train a model with Keras. The weights of its best epoch are written.

    The data are arrays named as the model's inputs and outputs, one for every input and one of targets for each output
    that is trained; their first axis counts the examples. --data, --validation-data and --test-data are

    \b
      an archive        train.npz
      single arrays     image=images.npy   digit=train.npz:labels   (repeatable)

    The loss follows from the targets and from what the output computes last; what was chosen is said. A share of the
    examples is validated on, drawn by the seed. The weights of the epoch with the lowest validation loss are kept.
    Ctrl-C ends the training after the batch at hand; what the best epoch gave is written as ever, with exit code 130.

    \b
    Examples:
      archonnx fit models/digits.arch --data train.npz --epochs 30 --patience 5 --curve curve.svg
      archonnx fit model.arch --data train.npz --weights backbone=imagenet.safetensors --freeze backbone
      archonnx fit model.arch --data x=x.npy --data y=y.npy --loss huber --optimizer adamw --onnx model.onnx
    """
    for name, value in QUIET.items():
        os.environ.setdefault(name, value)
    from archonnx.cli.fitting import Display, import_keras, need_keras
    from archonnx.compiler.keras.training import fitting
    from archonnx.compiler.keras.training.plan import Settings, plan

    asked = wanted(weights, maps)
    if asked.bare:
        raise UsageError("--weights none: without weights there is nothing to train")
    if validation_data and validation_split is not None:
        raise UsageError("--validation-split takes a share of the data, --validation-data a file of its own: give one")
    settings = Settings(
        epochs=epochs,
        batch_size=batch_size,
        optimizer=optimizer,
        learning_rate=learning_rate,
        loss=_losses(loss),
        metrics="auto" if metrics is None else [name.strip() for name in metrics.split(",")],
        validation_split=0.1 if validation_split is None else validation_split,
        patience=patience,
        freeze=freeze,
        class_weights="balanced" if balance else None,
        seed=seed,
    )
    need_keras()
    source = filled(compiled(file, model, parameters, root), asked)
    targets = _Targets(output or Path(f"{source.name}.safetensors"), onnx, curve)
    with busy("looking at the data"):
        made = plan(source, _source(data, "--data"), settings, *(_sources(validation_data, test_data)))
    for line in made.remarks:
        say(line)
    with quieted():
        with busy("starting Keras"):
            import_keras()
        with Display(epochs) as display:
            result = fitting.train(made, tensorboard=tensorboard, report=display.report, progress=display.progress)
    _say_result(result)
    targets.write(result)
    if format == "json":
        out(_as_json(result))
    return 130 if result.stopped == "interrupted" else 0


def _source(given: tuple[str, ...], option: str) -> str | dict[str, str]:
    """One archive, or arrays by name."""
    named = dict(entry.split("=", 1) for entry in given if _is_named(entry))
    if not named and len(given) == 1:
        return given[0]
    if len(named) != len(given):
        raise UsageError(f"{option} is one archive, FILE.npz, or arrays by name, NAME=FILE, each name once")
    return named


def _is_named(entry: str) -> bool:
    name, equals, file = entry.partition("=")
    return bool(equals and file and name.isidentifier() and not os.path.exists(entry))


def _sources(*given: tuple[str, ...]) -> list[Any]:
    options = ("--validation-data", "--test-data")
    return [_source(entries, option) if entries else None for entries, option in zip(given, options, strict=True)]


def _losses(given: tuple[str, ...]) -> str | dict[str, str]:
    if len(given) == 1 and "=" not in given[0]:
        return given[0]
    if any("=" not in entry for entry in given):
        raise UsageError("--loss is one name for all outputs, or OUTPUT=NAME for each")
    return dict(entry.split("=", 1) for entry in given) if given else "auto"


class _Targets:
    """The files to write. Their names and folders are looked at before anything is trained."""

    def __init__(self, weights: Path, onnx: Path | None, curve: Path | None) -> None:
        from archonnx.compiler.keras.training.curve import check_ending
        from archonnx.compiler.weights.files.formats import format_to_write

        self.weights, self.onnx, self.curve = weights, onnx, curve
        format_to_write(weights)
        if onnx is not None and onnx.suffix != ".onnx":
            raise UsageError(f"--onnx {onnx}: the file's name ends in .onnx")
        if curve is not None:
            check_ending(curve)
        for path in (weights, onnx, curve):
            if path is not None and not path.resolve().parent.is_dir():
                raise ArchonnxError(f"cannot write {path}: there is no folder {path.parent}; make it first")
            if path is not None and path.is_dir():
                raise ArchonnxError(f"cannot write {path}: it is a folder; name a file in it")

    def write(self, result: FitResult) -> None:
        """Write them, the weights first: they cost the most."""
        result.save_weights(self.weights)
        say(f"{self.weights}: {len(result.model.given):,} weights, of epoch {result.best.number}")
        if self.onnx is not None:
            result.model.save(self.onnx)
            say(f"{self.onnx}: {result.model.name}")
        if self.curve is not None:
            result.save_curve(self.curve)
            say(f"{self.curve}: the learning curve")


def _say_result(result: FitResult) -> None:
    from archonnx.cli.fitting import said

    best, count = result.best, len(result.epochs)
    how = {"finished": "", "patience": ", stopped for want of a better one", "interrupted": ", interrupted"}
    say(f"best: epoch {best.number} of {count}{how[result.stopped]}; {said(best.values)}")
    if result.test is not None:
        say(f"test: {said(result.test)}")
    if result.unreached:
        warn_of([f"the loss does not depend on {', '.join(result.unreached)}: they stay as they were"])
    colour = "yellow" if result.judgement.verdict in ("underfitting", "overfitting") else "dim"
    say(styled(result.judgement.text, colour, sys.stderr))


def _as_json(result: FitResult) -> str:
    judged = result.judgement
    document = {
        "model": result.model.name,
        "stopped": result.stopped,
        "best": {"epoch": result.best.number, **result.best.values},
        "test": result.test,
        "unreached": result.unreached,
        "judgement": {
            "verdict": judged.verdict,
            "text": judged.text,
            "underfitting": judged.underfitting,
            "overfitting": judged.overfitting,
        },
        "history": result.history,
        "seconds": [round(epoch.seconds, 3) for epoch in result.epochs],
    }
    return json.dumps(document, indent=2)
