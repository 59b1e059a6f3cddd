"""Training small models on data whose rule is known: what is learned, kept, frozen, repeated and interrupted."""

from __future__ import annotations

import random
import signal
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import archonnx
from archonnx.contract.diagnostics import ArchonnxError, UsageError

RINGS = """model Rings():
    input x: float32[N, 2]
    Dense(16, activation="relu")
    Dense(3)
    output ring
"""
PICTURES = """block backbone():
    Conv2D(4, 3, padding="same", use_bias=False)
    BatchNormalization(momentum=0.8)
    ReLU()

model Pictures(classes = 2):
    input picture: float32[N, 6, 6, 1]
    RandomFlip("vertical")
    backbone()
    GaussianNoise(0.05)
    GlobalAveragePooling2D()
    Dropout(0.1)
    Dense(classes, name="head")
    output kind
"""
STATISTICS = ("backbone/batch_normalization/moving_mean", "backbone/batch_normalization/moving_variance")


def rings(count: int = 300) -> dict[str, Any]:
    """Points of the plane, by their distance from the middle."""
    x = np.random.default_rng(1).uniform(-1.5, 1.5, (count, 2)).astype(np.float32)
    return {"x": x, "ring": np.minimum(np.hypot(*x.T) / 0.6, 2).astype(np.int64)}


def pictures(count: int = 96) -> dict[str, Any]:
    """Stripes, lying or standing."""
    generator = np.random.default_rng(2)
    kind = generator.integers(0, 2, count)
    stripes = np.tile(np.arange(6) % 2, (6, 1)).astype(np.float32)
    picture = np.where(kind[:, None, None], stripes, stripes.T) + generator.normal(0, 0.1, (count, 6, 6))
    return {"picture": picture[..., None].astype(np.float32), "kind": kind}


def values(model: archonnx.CompiledModel) -> dict[str, Any]:
    return model.values()


def same(first: Mapping[str, Any], second: Mapping[str, Any]) -> bool:
    assert first.keys() == second.keys()
    return all(np.array_equal(first[name], second[name]) for name in first)


def test_what_is_learned_is_in_the_model_and_its_file(tmp_path: Path) -> None:
    data, held = rings(), rings(400)
    held = {name: array[300:] for name, array in held.items()}
    model = archonnx.compile(text=RINGS)
    before = values(model)
    result = archonnx.fit(
        model, data, epochs=20, learning_rate=0.05, batch_size=30, validation_data=held, test_data=held
    )
    assert result.test is not None
    assert result.test["accuracy"] > 0.9
    assert result.best.values["val_loss"] == min(result.history["val_loss"])
    assert result.test["loss"] == pytest.approx(result.best.values["val_loss"], rel=1e-5)
    assert same(values(model), before), "the model that was given stays as it was"
    result.model.save(tmp_path / "rings.onnx")
    found = archonnx.load(tmp_path / "rings.onnx")(held["x"])
    assert np.mean(found.argmax(axis=1) == held["ring"]) == pytest.approx(result.test["accuracy"], abs=0.011)
    result.save_weights(tmp_path / "rings.safetensors")
    again = model.with_weights(tmp_path / "rings.safetensors")
    assert same(values(again), values(result.model))
    assert np.array_equal(archonnx.to_keras(again)(held["x"]).numpy().argmax(axis=1), found.argmax(axis=1))


def test_the_same_seed_gives_the_same_weights() -> None:
    model, state = archonnx.compile(text=PICTURES), random.getstate()
    one, two, other = (archonnx.fit(model, pictures(), epochs=3, seed=seed) for seed in (5, 5, 6))
    assert same(values(one.model), values(two.model))
    assert one.history == two.history
    assert not same(values(one.model), values(other.model))
    assert random.getstate() == state, "the program's own random numbers go on as they were"


def test_moving_statistics_move_and_frozen_layers_do_not() -> None:
    model = archonnx.compile(text=PICTURES)
    before = values(model)
    free = values(archonnx.fit(model, pictures(), epochs=2).model)
    frozen = values(archonnx.fit(model, pictures(), epochs=2, freeze=["backbone"]).model)
    for name, array in before.items():
        assert not np.array_equal(free[name], array), name
        assert np.array_equal(frozen[name], array) == name.startswith("backbone/"), name
    assert set(STATISTICS) <= before.keys()


def test_a_layer_declared_untrainable_stays() -> None:
    model = archonnx.compile(text=PICTURES.replace("    backbone()\n", "    backbone(trainable=False)\n"))
    before, after = values(model), values(archonnx.fit(model, pictures(), epochs=1).model)
    assert {name for name in before if not np.array_equal(before[name], after[name])} == {"head/kernel", "head/bias"}


def test_transfer_learning_takes_a_backbone_along() -> None:
    first = archonnx.fit(archonnx.compile(text=PICTURES), pictures(), epochs=12, learning_rate=0.1)
    assert first.best.values["val_accuracy"] > 0.9
    learned = first.model.given
    other = archonnx.compile(text=PICTURES, classes=3)
    other = other.with_given({name: learned[name] for name in learned if name.startswith("backbone/")})
    data = pictures()
    data["kind"] = data["kind"] * 2
    result = archonnx.fit(other, data, epochs=10, learning_rate=0.1, freeze=["backbone"])
    assert result.best.values["val_accuracy"] > 0.9
    for name in STATISTICS:
        assert np.array_equal(values(result.model)[name], values(first.model)[name])


def test_augmentation_acts_in_training_alone() -> None:
    text = PICTURES.replace('RandomFlip("vertical")', 'RandomFlip("horizontal_and_vertical")')
    result = archonnx.fit(archonnx.compile(text=text), pictures(), epochs=1)
    keras_model = archonnx.to_keras(result.model)
    picture = np.random.default_rng(3).normal(size=(8, 6, 6, 1)).astype(np.float32)
    said = keras_model(picture, training=False).numpy()  # without it, Keras' layer of flips flips
    assert not np.allclose(keras_model(picture, training=True).numpy(), said)
    assert np.abs(archonnx.load(result.model)(picture) - said).max() < 1e-5


def test_several_inputs_and_outputs() -> None:
    text = """model Two():
    input a: float32[N, 3]
    input b: float32[N, 2]
    both = (a, b) -> Concatenate()
    output total = both -> Dense(1)
    output big = both -> Dense(1, activation="sigmoid")
    output other = both -> Dense(4)
"""
    generator = np.random.default_rng(0)
    data = {"a": generator.normal(size=(200, 3)), "b": generator.normal(size=(200, 2))}
    data["total"] = data["a"].sum(axis=1) + data["b"].sum(axis=1)
    data["big"] = data["total"] > 0
    result = archonnx.fit(archonnx.compile(text=text), data, epochs=12, learning_rate=0.1)
    assert result.history["total_loss"][-1] < 0.05 * result.history["total_loss"][0]
    assert result.best.values["big_accuracy"] > 0.9
    assert "no targets for other, not trained" in result.plan.remarks
    assert [line.partition(";")[0] for line in result.plan.remarks[1:3]] == [
        "total: mean squared error",
        "big: binary cross-entropy",
    ]
    losses = archonnx.fit(archonnx.compile(text=text), data, epochs=1, loss={"total": "mae"}).plan.objectives
    assert [one.name for one in losses] == ["mean_absolute_error", "binary_crossentropy"]


def test_weights_that_the_loss_does_not_depend_on_are_told() -> None:
    text = """block tower():
    Dense(3, name="left")
    Dense(4, name="right")

model Cut():
    input x: float32[N, 2]
    a = x -> tower()
    b = x -> Dense(3)
    output ring = b + 0 * floor(a[:, :3])
"""
    result = archonnx.fit(archonnx.compile(text=text), rings(40), epochs=1)
    assert set(result.unreached) == {
        f"tower/{side}/{name}" for side in ("left", "right") for name in ("kernel", "bias")
    }


def test_a_loss_that_depends_on_no_weight_is_an_error() -> None:
    text = RINGS.replace("    Dense(3)\n", "    Dense(3)\n    floor(it)\n")
    with pytest.raises(ArchonnxError, match="nothing can be learned: no gradient reaches a weight from ring"):
        archonnx.fit(archonnx.compile(text=text), rings(40), epochs=1)


def test_balanced_classes_are_weighed() -> None:
    data = rings(200)
    rare = np.flatnonzero(data["ring"] == 0)[2:]
    data = {name: np.delete(array, rare, axis=0) for name, array in data.items()}
    model = archonnx.compile(text=RINGS)
    plain, balanced = (
        archonnx.fit(model, data, epochs=12, learning_rate=0.02, validation_split=0.0, class_weights=weights)
        for weights in (None, "balanced")
    )

    def rate(result: archonnx.FitResult) -> float:
        return float(np.mean(archonnx.load(result.model)(data["x"]).argmax(axis=1) == 0))

    assert rate(balanced) > rate(plain)
    assert balanced.plan.weights is not None
    assert balanced.plan.weights[0] > 5 * balanced.plan.weights[2]


def test_patience_stops_and_the_best_epoch_is_kept() -> None:
    data = rings(60)
    data["ring"] = np.random.default_rng(0).integers(0, 3, 60)  # nothing to learn
    seen: list[int] = []
    result = archonnx.fit(
        archonnx.compile(text=RINGS),
        data,
        epochs=200,
        learning_rate=0.05,
        validation_split=0.3,
        patience=4,
        report=lambda epoch: seen.append(epoch.number),
    )
    assert result.stopped == "patience"
    assert len(result.epochs) == result.best.number + 4 == seen[-1]
    assert result.judgement.verdict == "overfitting"


@pytest.mark.usefixtures("ctrl_c")
def test_ctrl_c_ends_a_training_and_keeps_what_it_gave() -> None:
    model = archonnx.compile(text=RINGS)

    def interrupt(epoch: Any) -> None:
        if epoch.number == 2:
            signal.raise_signal(signal.SIGINT)

    result = archonnx.fit(model, rings(), epochs=50, report=interrupt)
    assert result.stopped == "interrupted"
    assert len(result.epochs) == 2
    assert same(values(result.model), values(archonnx.fit(model, rings(), epochs=2).model))
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


@pytest.mark.usefixtures("ctrl_c")
def test_ctrl_c_before_an_epoch_is_done_interrupts() -> None:
    with pytest.raises(KeyboardInterrupt):
        archonnx.fit(
            archonnx.compile(text=RINGS), rings(), progress=lambda *_: signal.raise_signal(signal.SIGINT), epochs=3
        )


def test_the_programs_own_handler_of_ctrl_c_stays() -> None:
    taken: list[int] = []
    before = signal.signal(signal.SIGINT, lambda number, frame: taken.append(number))
    try:
        result = archonnx.fit(
            archonnx.compile(text=RINGS), rings(), report=lambda _: signal.raise_signal(signal.SIGINT), epochs=2
        )
    finally:
        signal.signal(signal.SIGINT, before)
    assert taken == [signal.SIGINT] * 2
    assert result.stopped == "finished"


def test_a_loss_that_becomes_infinite_is_an_error() -> None:
    data = {"x": rings()["x"] * 1e18, "ring": rings()["x"] * 1e18}
    text = RINGS.replace("Dense(3)", "Dense(2)")
    with pytest.raises(ArchonnxError, match=r"the loss is (infinite|not a number) in batch \d+ of epoch \d+"):
        archonnx.fit(archonnx.compile(text=text), data, optimizer="sgd", learning_rate=1e9)


def test_numbers_out_of_a_tables_range_are_an_error() -> None:
    text = "model A():\n    input t: int32[N, 3]\n    Embedding(5, 2)\n    Flatten()\n    Dense(1)\n    output y\n"
    data = {"t": np.full((8, 3), 7), "y": np.zeros(8)}
    with pytest.raises(ArchonnxError, match=r"^TensorFlow could not compute a batch: .*7 is not in \[0, 5\)") as caught:
        archonnx.fit(archonnx.compile(text=text), data, epochs=1)
    assert "\n" not in str(caught.value)


def test_keras_own_optimizers_losses_and_callbacks(tmp_path: Path) -> None:
    import keras

    stop = keras.callbacks.LambdaCallback(on_epoch_end=lambda n, logs: setattr(stop.model, "stop_training", n == 2))
    result = archonnx.fit(
        archonnx.compile(text=RINGS),
        rings(),
        optimizer=keras.optimizers.SGD(momentum=0.9),
        learning_rate=0.1,
        loss=keras.losses.SparseCategoricalCrossentropy(from_logits=True),
        metrics=["accuracy"],
        callbacks=[stop],
        tensorboard=tmp_path / "logs",
    )
    assert len(result.epochs) == 3
    assert result.best.values["accuracy"] > 0.5
    assert sorted(folder.name for folder in (tmp_path / "logs").iterdir()) == ["train", "validation"]


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"freeze": ["backbon"]}, "there is no such scope or layer with weights; did you mean backbone?"),
        ({"freeze": ["backbone", "head"]}, "Pictures has nothing to learn: everything that could be is frozen"),
        ({"epochs": 0}, "epochs is a whole number, 1 or more, got 0"),
        ({"batch_size": 2.5}, "batch_size is a whole number"),
        ({"learning_rate": -1}, "learning_rate is a number above 0"),
        ({"validation_split": 1.0}, "validation_split is a share from 0 to less than 1"),
        ({"optimizer": "adamm"}, "there is no optimizer 'adamm'; did you mean adam?"),
        ({"loss": {"kinds": "mse"}}, "a loss is given for kinds, which is no output; there are: kind"),
        ({"class_weights": {0: 1.0}}, "class_weights lacks the classes 1"),
        ({"class_weights": "equal"}, 'class_weights is "balanced", or weights by class number'),
        ({"seed": -1}, "seed is a whole number"),
    ],
)
def test_wrong_arguments_are_refused_before_keras_is_there(options: dict[str, Any], said: str) -> None:
    with pytest.raises(UsageError) as caught:
        archonnx.fit(archonnx.compile(text=PICTURES), pictures(), **options)
    assert said in str(caught.value)


def test_data_of_other_targets_are_refused() -> None:
    held = rings(20)
    held["ring"] = np.eye(3)[held["ring"]]
    with pytest.raises(ArchonnxError, match="its targets are to be as those that are trained on"):
        archonnx.fit(archonnx.compile(text=RINGS), rings(), validation_data=held)
    with pytest.raises(ArchonnxError, match="1 example cannot be split"):
        archonnx.fit(archonnx.compile(text=RINGS), rings(1))


def test_a_model_without_weights_learns_nothing() -> None:
    text = "model A():\n    input x: float32[N, 2]\n    output y = x + 1\n"
    with pytest.raises(UsageError, match="A has nothing to learn: it has no trainable weights"):
        archonnx.fit(archonnx.compile(text=text), {"x": np.zeros((4, 2)), "y": np.zeros((4, 2))})
