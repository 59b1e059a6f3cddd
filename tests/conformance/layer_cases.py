"""What is run against Keras and PyTorch: the tables in cases/, one a family of layers, joined."""

from __future__ import annotations

from importlib import import_module
from pathlib import Path

from keras_harness import Case
from torch_harness import TorchCase

FAMILIES = [import_module(f"cases.{path.stem}") for path in sorted((Path(__file__).parent / "cases").glob("[a-z]*.py"))]
CASES: list[Case] = [case for family in FAMILIES for case in family.CASES]
TORCH_CASES: list[TorchCase] = [case for family in FAMILIES for case in getattr(family, "TORCH_CASES", [])]
# Layers without a counterpart that is run here, each with the test that holds it against another oracle.
DETECTION = (
    "tests/compiler/layers/test_detection.py: NumPy by definition, Keras' box functions, TensorFlow's suppression"
)
ELSEWHERE: dict[str, str] = {
    "AnchorBoxes": DETECTION,
    "AnchorPoints": DETECTION,
    "BoxDecoding": DETECTION,
    "DistanceDecoding": DETECTION,
    "DistributionFocalDecoding": DETECTION,
    "NonMaxSuppression": DETECTION,
}
