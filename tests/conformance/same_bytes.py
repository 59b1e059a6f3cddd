"""Builds the small models of the zoo and tells the digest of each file, in whatever surroundings it is run:

python same_bytes.py OUT MODELS PREFIX     MODELS: the folder of the .arch files, PREFIX: how they are named, as
                                           `zoo:` or a path
"""

from __future__ import annotations

import hashlib
import json
import math
import os
import sys
from pathlib import Path

LARGEST = 20_000_000  # bytes of weights

# What options make of a model; each is one more case. FOLDER stands for the folder of the models.
VARIANTS: dict[str, list[str]] = {
    "digits, -O0": ["digits", "--model", "Digits", "-O0"],
    "digits, trained": ["digits", "--model", "Digits", "--weights", "FOLDER/digits.safetensors", "--seed", "7"],
    "digits, 4 classes, opset 17": ["digits", "--model", "Digits", "--set", "classes=4", "--opset", "17"],
    "dnn, 8 bits": ["dnn", "--weight-bits", "8"],
    "dnn, 4 bits, bfloat16": ["dnn", "--weight-bits", "4", "--precision", "bfloat16", "--seed", "18446744073709551615"],
    "autoencoder, float16": ["autoencoder", "--model", "DeepAutoencoder", "--precision", "float16"],
    "autoencoder, bfloat16, data beside": [
        *("autoencoder", "--model", "DeepAutoencoder", "--precision", "bfloat16"),
        *("--external-data", "always"),
    ],
    "resnet, without weights": ["resnet", "--model", "ResNet50", "--weights", "none"],
}


def cases(models: Path) -> dict[str, list[str]]:
    """Name of a case -> file (without folder and ending) and options. Every model that is small and needs no argument."""
    from archonnx.compiler.artifact import check_file
    from archonnx.contract.dtypes import DTYPES

    found: dict[str, list[str]] = {}
    for path in sorted(models.glob("*.arch")):
        for model in check_file(path).models:
            if sum(math.prod(w.shape) * DTYPES[w.dtype].bits // 8 for w in model.graph.weights()) < LARGEST:
                found[f"{path.stem}, {model.name}"] = [path.stem, "--model", model.name]
    return found | VARIANTS


def main(out: str, models: str, prefix: str) -> None:
    """Print the digests as JSON."""
    from archonnx.cli import main as command

    digests = {}
    for name, (file, *options) in cases(Path(models)).items():
        target = Path(out) / "model.onnx"
        ending = "" if prefix.endswith(":") else ".arch"
        given = [option.replace("FOLDER", models) for option in options]
        assert command(["build", f"{prefix}{file}{ending}", "-o", str(target), *given]) == 0, name
        digest = hashlib.blake2b(digest_size=16)
        for written in (target, *sorted(target.parent.glob("*.data"))):
            digest.update(written.name.encode() + written.read_bytes())
        digests[name] = digest.hexdigest()
    print(json.dumps(digests))


if __name__ == "__main__":
    if "SAME_BYTES_CPUS" in os.environ and hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[: int(os.environ["SAME_BYTES_CPUS"])])
    main(*sys.argv[1:])
