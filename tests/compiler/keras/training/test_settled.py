"""What a training cannot change is found on the layer graph, and nothing that could differ is taken for it."""

from __future__ import annotations

import pytest

import archonnx
from archonnx.compiler.keras.training import settled
from archonnx.compiler.keras.training.settled import inside

HEAD = """
    GlobalAveragePooling2D()
    Dense(2, name="head")
    output kind
"""
BODY = """
block body():
    Conv2D(4, 3, padding="same", use_bias=False)
    BatchNormalization()
    Dropout(0.5)

model Pictures():
    input picture: float32[N, 8, 8, 1]
"""


def ends_of(
    lines: str, scopes: list[str], examples: int = 10, before: str = BODY, after: str = HEAD
) -> list[str] | None:
    model = archonnx.compile(text=before + "".join(f"    {line.strip()}\n" for line in lines.splitlines()) + after)
    outputs = [output.name for output in model.graph.outputs]
    found = settled.settled(model.graph, scopes, outputs, examples)
    return None if found is None else [value.name for value in found]


@pytest.mark.parametrize(
    ("lines", "ends"),
    [
        ("body()", ["global_average_pooling2d"]),
        ("body()\nbody()", ["body/dropout"]),  # the second one learns
        ("Rescaling(2.0)\nbody()\nReLU()", ["global_average_pooling2d"]),
        ("picture - mean(picture, axis=(1, 2), keepdims=True)\nbody()", ["global_average_pooling2d"]),
        ("concat([picture, picture], axis=-1)\nbody()", ["global_average_pooling2d"]),
        ("body()\nDropout(0.1)", ["body/dropout"]),  # what draws outside of what is frozen draws anew
        ("x = picture -> body()\n(x, picture) -> Add()", ["global_average_pooling2d"]),
        ("x = picture -> body() -> Dropout(0.1)\n(x, picture) -> Add()", ["body/dropout", "picture"]),
        # Nothing is spared: what comes first draws, or an example's result would depend on the others.
        ("RandomFlip()\nbody()", None),
        ("GaussianNoise(0.1)\nbody()", None),
        ("Conv2D(1, 1)\nbody()", None),
        ("picture - mean(picture, axis=0, keepdims=True)\nbody()", None),
        ("picture - mean(picture)\nbody()", None),
        ("concat([picture, picture], axis=0)\nbody()", None),
        ("flip(picture, axis=0)\nbody()", None),
    ],
)
def test_what_cannot_change_ends_before_what_learns_or_draws(lines: str, ends: list[str] | None) -> None:
    assert ends_of(lines, ["body"]) == ends


def test_what_is_not_frozen_is_not_settled() -> None:
    assert ends_of("body()", []) is None
    assert ends_of("body(trainable=False)", []) is None, "as Keras has it: its dropout draws"


def test_results_that_are_too_many_are_computed_anew(monkeypatch: pytest.MonkeyPatch) -> None:
    lines = "body()\nDropout(0.1)"
    monkeypatch.setattr(settled, "LARGEST", 4 * 8 * 8 * 4 * 10)
    assert ends_of(lines, ["body"], 10) == ["body/dropout"]
    assert ends_of(lines, ["body"], 11) is None


def test_sizes_that_only_the_data_tell_are_not_kept() -> None:
    before = BODY.replace("[N, 8, 8, 1]", "[N, H, W, 1]")
    assert ends_of("body()\nDropout(0.1)", ["body"], before=before) is None
    assert ends_of("body()", ["body"], before=before) == ["global_average_pooling2d"]


def test_an_output_that_cannot_learn_is_left_to_keras() -> None:
    after = "    output seen\n    GlobalAveragePooling2D()\n    Dense(2)\n    output kind\n"
    assert ends_of("body()", ["body"], after=after) is None


def test_scopes_are_whole_names() -> None:
    assert inside("body/conv2d", ["body"])
    assert inside("body/conv2d", ["body/"])
    assert inside("body", ["head", "body"])
    assert not inside("body_1/conv2d", ["body"])
