"""References of models that hold another one and nothing else that counts: `python -m tools.reference.parts [--check]`.

A classifier or detector prepares pictures and names what its network sees; neither has weights. Run the other scripts
first.
"""

from __future__ import annotations

import json
import sys

from tools.reference.writing import MODELS, Entries, Entry, main, path_of

ENDINGS = {"Classifier": "classifiers", "Detector": "detectors"}  # of a model that holds the network named before

# File -> model -> the model whose figures it has, and the sizes that they are for.
PARTS: dict[str, dict[str, tuple[str, dict[str, int]]]] = {
    "voice": {"VoiceDetector": ("VoiceActivity", {"S": 512})},
}
# The same for a model of another file, whose figures are copied.
ELSEWHERE = {"digits_classifier": {"DigitsClassifier": ("digits", "Digits")}}
SIDE = 256  # of a square picture; two products cut the digit out of it, [8, H] @ [H, W] and [8, W] @ [W, 8]
CUT_OUT = {"DigitsClassifier": 8 * SIDE * SIDE + 8 * SIDE * 8}


def entries() -> Entries:
    """What is known of these models, of those that are there."""
    from archonnx.compiler.artifact import models_of

    found: dict[str, dict[str, Entry]] = {}
    for file in sorted(MODELS.glob("*.arch")):
        names = [name for name, ready in models_of(file) if ready]
        of = {n: _same(held(n), {}) for n in names if held(n) in set(names) - {n}}
        of |= {n: _same(*part) for n, part in PARTS.get(file.stem, {}).items() if n in names}
        of |= {n: _copied(*part, CUT_OUT[n]) for n, part in ELSEWHERE.get(file.stem, {}).items() if n in names}
        if of:
            found[file.stem] = of
    return found


def held(name: str) -> str:
    """The network that a model is named after: ResNet50 of ResNet50Classifier; itself for others."""
    ending = next((ending for ending in ENDINGS if name.endswith(ending)), "")
    return name.removesuffix(ending)


def _same(model: str, bind: dict[str, int]) -> Entry:
    return {"same_as": model, "bind": bind} if bind else {"same_as": model}


def _copied(stem: str, model: str, besides: int) -> Entry:
    """Another file's figures, and so many multiply-accumulates `besides` for a picture of SIDE by SIDE."""
    known = json.loads(path_of(stem).read_text(encoding="utf-8"))[model]
    counts = f"{known['macs']['counts']}, and the products that cut the picture out"
    macs = {"value": known["macs"]["value"] + besides, "counts": counts, "bind": {"H": SIDE, "W": SIDE}}
    return {"source": known["source"], "parameters": known["parameters"], "macs": macs}


if __name__ == "__main__":
    sys.exit(main(entries, __doc__))
