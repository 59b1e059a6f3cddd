"""`python -m tools.train_digits`: train models/digits.arch on scikit-learn's digits, write models/digits.safetensors.

The last 360 of the 1,797 digits, in their order, are held out: neighbours in the set are alike, so that a random draw
would hold out digits whose like was trained on, and look better. A tenth of the others is validated on. On another
machine the weights differ by rounding.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

import archonnx

ROOT = Path(__file__).resolve().parent.parent
HELD_OUT = 360
EPOCHS = 40
SEED = 0

Arrays = Mapping[str, Any]


def digits() -> tuple[Arrays, Arrays]:
    """What is trained on and what is held out: images float32[N, 8, 8, 1] of 0 to 16, and the digits that they show."""
    from sklearn.datasets import load_digits

    found = load_digits()
    image, digit = found.images[..., None].astype(np.float32), found.target
    return (
        {"image": image[:-HELD_OUT], "digit": digit[:-HELD_OUT]},
        {"image": image[-HELD_OUT:], "digit": digit[-HELD_OUT:]},
    )


def train(target: Path, curve: Path | None = None) -> archonnx.FitResult:
    """Train, print an epoch a line, and write the weights, and the learning curve where it is asked for."""
    training, held_out = digits()
    model = archonnx.compile(ROOT / "models" / "digits.arch")
    result = archonnx.fit(
        model,
        training,
        test_data=held_out,
        epochs=EPOCHS,
        seed=SEED,
        report=lambda epoch: print(f"{epoch.number}/{EPOCHS}", dict(epoch.values), flush=True),
    )
    assert result.test is not None
    result.save_weights(target, {**about(len(training["digit"])), **result.metadata})
    if curve is not None:
        result.save_curve(curve)
    return result


def about(count: int) -> dict[str, str]:
    """What the file says of its data."""
    return {
        "data": "Optical Recognition of Handwritten Digits (E. Alpaydin, C. Kaynak, 1998), UCI Machine Learning "
        "Repository, https://doi.org/10.24432/C50P49; its test set, as scikit-learn's load_digits has it",
        "data_licence": "CC BY 4.0, https://creativecommons.org/licenses/by/4.0/",
        "split": f"the first {count:,} of {count + HELD_OUT:,} trained on, a tenth of them validated on; "
        f"test: the last {HELD_OUT}",
        "training": f"tools/train_digits.py, {EPOCHS} epochs, seed {SEED}",
    }


if __name__ == "__main__":
    asked = [Path(word) for word in sys.argv[1:2]]
    print(train(ROOT / "models" / "digits.safetensors", *asked).test)
