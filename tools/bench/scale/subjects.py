"""The networks that are built side by side, and those whose width sets their size."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[3]
HERE = Path(__file__).resolve().parent


@dataclass(frozen=True, slots=True)
class Subject:
    """A network. file: its source; model: which of the source's; speed: what tools.bench.speed_subjects calls it."""

    name: str
    file: Path
    model: str
    speed: str

    def build(self, python: str, target: Path, *options: str) -> list[str]:
        """The command that builds it."""
        command = [python, "-m", "archonnx", "build", str(self.file), "--model", self.model, "-o", str(target)]
        return [*command, *options]


def _zoo(name: str, file: str, model: str, speed: str = "") -> Subject:
    return Subject(name, ROOT / "models" / f"{file}.arch", model, speed or name)


SUBJECTS = {
    each.name: each
    for each in (
        _zoo("DNN", "dnn", "DNN"),
        _zoo("ResNet-50", "resnet", "ResNet50"),
        _zoo("VGG-19", "vgg", "VGG19"),
        _zoo("EfficientNet-B0", "efficientnet", "EfficientNetB0"),
        _zoo("BERT-base", "bert", "BERTBase"),
        _zoo("GPT-2", "gpt2", "GPT2Small"),
        Subject("GRU", HERE / "gru.arch", "BidirectionalGRU", "GRU"),
        _zoo("LSTM", "lstm", "CharacterModel", "LSTM, characters"),
    )
}
QUICK = ("DNN", "GRU")
STACK = Subject("stack", HERE / "dense.arch", "Stack", "")
DEPTH = 24
WIDTHS = (32, 102, 323, 1021, 3227)  # a file of 0.1, 1, 10, 100 and 1,000 MB
WIDEST = 8032  # 6.2 GB


def stack_bytes(width: int) -> int:
    """Bytes of the weights of a stack."""
    return DEPTH * (width + 1) * width * 4
