"""`python -m tools.train_characters`: train SmallCharacterModel of models/lstm.arch on the topics of Python's help.

The text is what `help("topics")` of this Python shows, in ASCII, the topics in the order of their names. It is cut into
windows, each read from states of zeros; the last tenth of the text is held out, and a tenth of the other windows is
validated on. Weights are written in float16. Another version of Python has another text, and another machine rounds
differently.
"""

from __future__ import annotations

import hashlib
import math
import platform
import sys
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

import archonnx

ROOT = Path(__file__).resolve().parent.parent
WINDOW, BATCH = 100, 32
EPOCHS = 30
RATE = 0.004
SEED = 0

Array = NDArray[Any]
Arrays = dict[str, Array]
# What is not ASCII in the text and has its like there; what has none is left out.
PLAIN = str.maketrans({"“": '"', "”": '"', "‘": "'", "’": "'", "–": "-", "—": "-", "…": "..."})


def topics() -> str:
    """The text, of some 460,000 characters."""
    from pydoc_data.topics import topics as found

    text = "".join(found[name].strip("\n") + "\n\n" for name in sorted(found))
    return text.translate(PLAIN).encode("ascii", "ignore").decode("ascii")


def model() -> archonnx.CompiledModel:
    """The model, untrained."""
    return archonnx.compile(ROOT / "models" / "lstm.arch", model="SmallCharacterModel")


def windows(text: str, of: archonnx.CompiledModel, length: int = WINDOW) -> Arrays:
    """Windows of a text, one behind the other: characters, those that follow each, and states of zeros."""
    codes = np.frombuffer(text.encode("ascii"), np.uint8).astype(np.int32)
    count = (len(codes) - 1) // length
    made: Arrays = {
        "characters": codes[: count * length].reshape(count, length),
        "logits": codes[1 : count * length + 1].reshape(count, length),
    }
    for given in of.graph.inputs[1:]:
        units = given.value.type.shape[1]
        assert isinstance(units, int)
        made[given.name] = np.zeros((count, units), np.float32)
    return made


def split(text: str) -> tuple[str, str]:
    """What is trained on, and the last tenth."""
    return text[: len(text) * 9 // 10], text[len(text) * 9 // 10 :]


def bits(text: str, of: str) -> float:
    """Bits per character of a text, for one who knows how often each character is in another."""
    counts = Counter(of)
    total = len(of) + len(set(of + text))  # one more of each, so that none is impossible
    return -sum(math.log2((counts[c] + 1) / total) for c in text) / len(text)


def train(
    target: Path,
    text: str,
    *,
    epochs: int = EPOCHS,
    window: int = WINDOW,
    batch: int = BATCH,
    rate: float = RATE,
    curve: Path | None = None,
) -> tuple[archonnx.FitResult, dict[str, str]]:
    """Train, print an epoch a line, and write the weights: the result, and what the file says of itself."""
    import keras

    compiled = model()
    first, last = (windows(part, compiled, window) for part in split(text))
    steps = epochs * math.ceil(len(first["characters"]) * 0.9 / batch)
    falling = keras.optimizers.schedules.CosineDecay(rate, steps, alpha=0.02)
    result = archonnx.fit(
        compiled,
        first,
        test_data=last,
        epochs=epochs,
        batch_size=batch,
        optimizer=keras.optimizers.Adam(falling, clipnorm=1.0),
        seed=SEED,
        report=lambda epoch: print(
            f"{epoch.number}/{epochs}", " ".join(f"{k} {v:.4f}" for k, v in epoch.values.items()), flush=True
        ),
    )
    assert result.test is not None
    said = {**about(text, epochs), **result.metadata}
    said["test_bits_per_character"] = f"{result.test['loss'] / math.log(2):.4f}"
    write_half(result.model, target, said)
    if curve is not None:
        result.save_curve(curve)
    return result, said


def write_half(trained: archonnx.CompiledModel, target: Path, said: Mapping[str, str]) -> None:
    """The weights under their paths in float16, which `--weights` widens again."""
    from safetensors.numpy import save_file

    save_file({k: v.astype(np.float16) for k, v in trained.values().items()}, target, metadata=dict(said))


def about(text: str, epochs: int) -> dict[str, str]:
    """What the file says of its data."""
    return {
        "data": f"pydoc_data.topics of Python {platform.python_version()}, {len(text):,} characters, SHA-256 "
        + hashlib.sha256(text.encode()).hexdigest(),
        "data_licence": "PSF-2.0, Copyright 2001 Python Software Foundation",
        "split": f"the first {len(split(text)[0]):,} characters trained on, a tenth of their windows validated on; "
        "test: the others",
        "training": f"tools/train_characters.py, {epochs} epochs, seed {SEED}",
    }


def main(curve: Path | None = None) -> None:
    """Train the whole, and let it write."""
    import tempfile

    text = topics()
    first, last = split(text)
    print(f"{len(text):,} characters; by how often each occurs, {bits(last, first):.4f} bits each")
    target = ROOT / "models" / "characters.safetensors"
    _, said = train(target, text, curve=curve)
    print(said)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "characters.onnx"
        model().with_weights(target).save(path)
        with archonnx.load(path, cache="off") as session:
            for temperature in (0.0, 0.5, 0.8):
                found = session.generate("The ", max_new_tokens=400, temperature=temperature, seed=1)
                print(f"--- temperature {temperature}\nThe {found.text}")


if __name__ == "__main__":
    main(*[Path(word) for word in sys.argv[1:2]])
