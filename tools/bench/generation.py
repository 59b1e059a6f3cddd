"""How fast GPT-2 goes on from texts of several lengths, with its cache and without: `python -m tools.bench.generation`.

Every way has random weights and takes its turn, so that a busy moment falls on all alike. A row is a prompt of so many
tokens, how fast it was read, and how fast the next ones came. Seconds are the processor's, on one thread, as others may
use the machine. With `--write FILE` the table replaces the one between the marks of that page.
"""

from __future__ import annotations

import argparse
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

import archonnx

ROOT = Path(__file__).resolve().parents[2]
BEGIN, END = "<!-- measured by tools.bench.generation -->", "<!-- end of the measurement -->"
WAYS = ("with its cache", "read anew each time", "transformers, with its cache")
Measure = Callable[[list[int], int], tuple[float, float]]


@dataclass
class Row:
    """One way with prompts of one length: seconds for the prompt, and for one token after it, of each round."""

    way: str
    length: int
    prompt: list[float] = field(default_factory=list)
    step: list[float] = field(default_factory=list)


def ours(session: archonnx.Session, tokens: list[int], steps: int) -> tuple[float, float]:
    """Seconds for the prompt, and for one token after it, of `steps`."""
    began = time.process_time()
    stream = session.stream(tokens, max_new_tokens=steps + 1)
    next(stream)
    first = time.process_time()
    assert sum(1 for _ in stream) == steps
    return first - began, (time.process_time() - first) / steps


def theirs(module: Any, tokens: list[int], steps: int) -> tuple[float, float]:
    """The same of a module of transformers."""
    import torch

    with torch.no_grad():
        began = time.process_time()
        found = module(torch.tensor([tokens]), use_cache=True, logits_to_keep=1)
        first = time.process_time()
        for _ in range(steps):
            best = found.logits[:, -1:].argmax(-1)
            found = module(best, cache=found.cache, use_cache=True, logits_to_keep=1)
        return first - began, (time.process_time() - first) / steps


def module(model: str) -> Any:
    """transformers' module of the same size, on one thread."""
    import torch
    import transformers

    torch.set_num_threads(1)
    layers, width, heads = {"GPT2Small": (12, 768, 12), "GPT2Medium": (24, 1024, 16)}[model]
    made: Any = transformers.GPT2LMHeadModel(transformers.GPT2Config(n_layer=layers, n_embd=width, n_head=heads))
    return made.eval()


def ways(model: str, folder: Path, with_transformers: bool) -> dict[str, Measure]:
    found: dict[str, Measure] = {}
    for way, cache in zip(WAYS, (True, False), strict=False):
        target = folder / f"{cache}.onnx"
        archonnx.compile(ROOT / "models" / "gpt2.arch", model, cache=cache).save(target)
        found[way] = partial(ours, archonnx.load(target, device="cpu", threads=1, cache="off"))
    if with_transformers:
        found[WAYS[2]] = partial(theirs, module(model))
    return found


def measure(found: dict[str, Measure], lengths: Sequence[int], rounds: int, steps: int) -> list[Row]:
    """Every way and length once unmeasured, then `rounds` times in turns. Reading anew is slow: it takes one step."""
    rows = [Row(way, length) for length in lengths for way in found]
    draw = np.random.default_rng(0)
    for turn in range(rounds + 1):
        for row in rows:
            tokens = draw.integers(0, 50257, row.length).tolist()
            prompt, step = found[row.way](tokens, 1 if row.way == WAYS[1] else steps)
            if turn:
                row.prompt.append(prompt)
                row.step.append(step)
        print(f"round {turn} of {rounds}", file=sys.stderr)
    return rows


def table(rows: Sequence[Row]) -> str:
    """The medians as a Markdown table; ratios are to the way with its cache."""
    lines = ["| prompt | way | prompt, tokens/s | tokens/s after it | ratio |", "|---|---|---|---|---|"]
    for row in rows:
        base = next(r for r in rows if r.length == row.length and r.way == WAYS[0])
        prompt, step, ratio = (statistics.median(s) for s in (row.prompt, row.step, base.step))
        lines.append(
            f"| {row.length} | {row.way} | {row.length / prompt:,.0f} | {1 / step:,.1f} | {ratio / step:.2f} |"
        )
    return "\n".join(lines)


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description="GPT-2 going on from texts, with its cache and without.")
    parser.add_argument("--model", default="GPT2Small")
    parser.add_argument("--lengths", type=int, nargs="+", default=[64, 256, 512])
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--steps", type=int, default=16)
    parser.add_argument("--transformers", action="store_true", help="beside transformers' module on PyTorch")
    parser.add_argument("--write", type=Path, metavar="FILE")
    options = parser.parse_args(arguments)
    with tempfile.TemporaryDirectory() as folder:
        found = ways(options.model, Path(folder), options.transformers)
        text = table(measure(found, options.lengths, options.rounds, options.steps))
    if options.write is None:
        print(text)
        return 0
    page = options.write.read_text(encoding="utf-8")
    before, _, rest = page.partition(BEGIN)
    options.write.write_text(f"{before}{BEGIN}\n\n{text}\n\n{END}{rest.partition(END)[2]}", encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
