"""Frozen scopes: bit for bit as they were, computing as at inference, once for all epochs where that is the same."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pytest

import archonnx
from archonnx.compiler.keras.training import settled

TEXT = """
block backbone(rate):
    Conv2D(4, 3, padding="same", use_bias=False)
    BatchNormalization(momentum=0.8)
    ReLU()
    if rate > 0:
        Dropout(rate)

model Pictures(rate = 0.5, flip = False):
    input picture: float32[N, 6, 6, 1]
    if flip:
        RandomFlip("vertical")
    backbone(rate)
    GlobalAveragePooling2D()
    Dropout(0.1)
    Dense(2, name="head")
    output kind
"""


def pictures(count: int = 90) -> dict[str, Any]:
    """Stripes, lying or standing."""
    generator = np.random.default_rng(2)
    kind = generator.integers(0, 2, count)
    stripes = np.tile(np.arange(6) % 2, (6, 1)).astype(np.float32)
    picture = np.where(kind[:, None, None], stripes, stripes.T) + generator.normal(0, 0.1, (count, 6, 6))
    return {"picture": picture[..., None].astype(np.float32), "kind": kind}


def trained(**parameters: Any) -> archonnx.FitResult:
    model = archonnx.compile(text=TEXT, **parameters)
    # Statistics that are not the batches' own, so that a normalization by those would be seen.
    given = {"backbone/batch_normalization/moving_mean": np.full(4, 0.3, np.float32)}
    model = model.with_weights({**model.values(), **given})
    return archonnx.fit(
        model, pictures(), epochs=4, learning_rate=0.05, freeze=["backbone"], test_data=pictures(50), batch_size=16
    )


def furthest(first: Mapping[str, Any], second: Mapping[str, Any]) -> float:
    assert first.keys() == second.keys()
    return max(float(np.abs(first[name] - second[name]).max()) for name in first)


def test_computed_once_it_learns_what_it_learns_computed_anew(monkeypatch: pytest.MonkeyPatch) -> None:
    once = trained()
    assert once.plan.remarks[-1] == "frozen: backbone, 2 layers, whose results are computed once"
    monkeypatch.setattr(settled, "LARGEST", 0)
    anew = trained()
    assert anew.plan.remarks[-1] == "frozen: backbone, 2 layers"
    assert furthest(once.model.values(), anew.model.values()) < 1e-5
    assert once.test == pytest.approx(anew.test, rel=1e-4)
    assert once.history["loss"] == pytest.approx(anew.history["loss"], rel=1e-4)


@pytest.mark.parametrize("flip", [False, True])
def test_what_is_frozen_stays_bit_for_bit(flip: bool) -> None:
    result = trained(flip=flip)
    before, after = result.plan.model.values(), result.model.values()
    changed = {name for name in before if not np.array_equal(before[name], after[name])}
    assert changed == {"head/kernel", "head/bias"}


@pytest.mark.parametrize("flip", [False, True])
def test_a_frozen_scope_drops_nothing(flip: bool) -> None:
    """Where augmentation comes first it is computed in every batch, in training; its dropout is as good as not there."""
    with_dropout = trained(rate=0.9, flip=flip)
    assert (with_dropout.plan.settled is None) == flip
    found = archonnx.load(with_dropout.model)(pictures(50)["picture"]).argmax(axis=1)
    assert with_dropout.test is not None
    assert np.mean(found == pictures(50)["kind"]) == pytest.approx(with_dropout.test["accuracy"], abs=1e-6)
    assert with_dropout.test["accuracy"] > 0.9, "with nine of ten features dropped it would learn little in 4 epochs"


def test_a_callback_is_shown_the_whole_model() -> None:
    import keras

    seen: list[int] = []

    class Look(keras.callbacks.Callback):  # type: ignore[misc]
        def on_train_begin(self, logs: Any = None) -> None:
            seen.append(len(self.model.weights))

    model = archonnx.compile(text=TEXT)
    archonnx.fit(model, pictures(), epochs=1, freeze=["backbone"], callbacks=[Look()])
    assert seen == [7]


def test_progress_is_told_of_what_is_computed_first() -> None:
    told: list[tuple[int, int, int]] = []
    archonnx.fit(
        archonnx.compile(text=TEXT),
        pictures(),
        epochs=1,
        freeze=["backbone"],
        progress=lambda done, total, values: told.append((done, total, len(values))),
    )
    assert told == [*((n, 4, 0) for n in range(1, 5)), *((n, 3, 2) for n in range(1, 4))]


def test_inputs_beside_what_is_frozen_are_read_as_ever() -> None:
    text = """
model Two():
    input a: float32[N, 3]
    input b: float32[N, 2]
    h = a -> Dense(8, activation="relu", name="low")
    s = (h, b) -> Concatenate() -> Dense(1, name="sum")
    output y = s
    output z = (h, b) -> Concatenate() -> Dense(3, name="kind")
"""
    generator = np.random.default_rng(0)
    a, b = (generator.normal(size=(64, n)).astype(np.float32) for n in (3, 2))
    data = {"a": a, "b": b, "y": a.sum(axis=1) - b.sum(axis=1), "z": np.argmax(a, axis=1)}
    result = archonnx.fit(archonnx.compile(text=text), data, epochs=60, learning_rate=0.05, freeze=["low"])
    assert result.plan.settled is not None
    assert result.best.values["val_loss"] < 0.3 * result.epochs[0].values["val_loss"]
    found = archonnx.load(result.model)(a=a, b=b)
    assert float(np.mean((found["y"][:, 0] - data["y"]) ** 2)) < 0.5
