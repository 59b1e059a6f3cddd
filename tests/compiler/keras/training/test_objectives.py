"""Which loss is chosen for which output and targets, and what is refused."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import archonnx
from archonnx.compiler.keras.training.data import open_data
from archonnx.compiler.keras.training.matching import match
from archonnx.compiler.keras.training.metrics import metrics_of
from archonnx.compiler.keras.training.objectives import Objective, class_weights, objective
from archonnx.contract.diagnostics import ArchonnxError, UsageError

COUNT = 6
CLASSES = np.array([0, 1, 2, 1, 0, 2])
ONE_HOT = np.eye(3)[CLASSES]
BITS = np.array([[0, 1, 1], [1, 1, 0], [0, 0, 0], [1, 0, 0], [0, 1, 0], [1, 1, 1]])
SHARES = np.full((COUNT, 3), 1 / 3)
REALS = np.linspace(-2, 2, COUNT * 3).reshape(COUNT, 3)


def chosen(last: str, targets: Any, asked: Any = "auto", before: str = "input x: float32[N, 4]") -> Objective:
    graph = archonnx.compile(text=f"model A():\n    {before}\n    {last}\n    output y\n").graph
    x = graph.inputs[0].value.type
    inputs = np.zeros([size if isinstance(size, int) else COUNT for size in x.shape], np.float32)
    examples = match(graph, open_data({"x": inputs, "y": targets}))
    return objective(graph.outputs[0], examples, asked)


LOGITS, SOFTMAX, SIGMOID = "Dense(3)", 'Dense(3, activation="softmax")', 'Dense(3, activation="sigmoid")'

TABLE = [
    # last layers, targets, the loss of Keras, whether from logits, the shape of a target, accuracy or error
    (LOGITS, CLASSES, "SparseCategoricalCrossentropy", True, (), "SparseCategoricalAccuracy"),
    (LOGITS, CLASSES[:, None], "SparseCategoricalCrossentropy", True, (), "SparseCategoricalAccuracy"),
    (LOGITS, CLASSES.astype(np.float64), "SparseCategoricalCrossentropy", True, (), "SparseCategoricalAccuracy"),
    (SOFTMAX, CLASSES.astype(np.uint8), "SparseCategoricalCrossentropy", False, (), "SparseCategoricalAccuracy"),
    ("Dense(3)\n    Softmax()", CLASSES, "SparseCategoricalCrossentropy", False, (), "SparseCategoricalAccuracy"),
    (
        "x -> Dense(3)\n    softmax(it)",
        CLASSES,
        "SparseCategoricalCrossentropy",
        False,
        (),
        "SparseCategoricalAccuracy",
    ),
    (
        'Dense(3, activation="softmax")\n    Dropout(0.1)\n    Reshape((3,))',
        CLASSES,
        "SparseCategoricalCrossentropy",
        False,
        (),
        "SparseCategoricalAccuracy",
    ),
    (
        'Dense(3, activation="log_softmax")',
        CLASSES,
        "SparseCategoricalCrossentropy",
        True,
        (),
        "SparseCategoricalAccuracy",
    ),
    (LOGITS, ONE_HOT, "CategoricalCrossentropy", True, (3,), "CategoricalAccuracy"),
    (LOGITS, ONE_HOT.astype(bool), "CategoricalCrossentropy", True, (3,), "CategoricalAccuracy"),
    (SOFTMAX, ONE_HOT, "CategoricalCrossentropy", False, (3,), "CategoricalAccuracy"),
    (SOFTMAX, SHARES, "CategoricalCrossentropy", False, (3,), "CategoricalAccuracy"),
    (LOGITS, SHARES, "MeanSquaredError", None, (3,), "MeanAbsoluteError"),
    (LOGITS, BITS, "BinaryCrossentropy", True, (3,), "BinaryAccuracy"),
    (SIGMOID, BITS, "BinaryCrossentropy", False, (3,), "BinaryAccuracy"),
    (SIGMOID, ONE_HOT, "BinaryCrossentropy", False, (3,), "BinaryAccuracy"),
    (SIGMOID, SHARES, "BinaryCrossentropy", False, (3,), "BinaryAccuracy"),
    (LOGITS, REALS, "MeanSquaredError", None, (3,), "MeanAbsoluteError"),
    ('Dense(3, activation="tanh")', BITS, "MeanSquaredError", None, (3,), "MeanAbsoluteError"),
    ("x -> Dense(3)\n    tanh(it)", BITS, "MeanSquaredError", None, (3,), "MeanAbsoluteError"),
    ("Dense(1)", CLASSES % 2, "BinaryCrossentropy", True, (1,), "BinaryAccuracy"),
    ("Dense(1)", CLASSES, "MeanSquaredError", None, (1,), "MeanAbsoluteError"),
    ("Dense(1)", REALS[:, :1], "MeanSquaredError", None, (1,), "MeanAbsoluteError"),
    ("x -> Dense(1)\n    it[:, 0]", REALS[:, 0], "MeanSquaredError", None, (), "MeanAbsoluteError"),
]


@pytest.mark.parametrize(("last", "targets", "loss", "logits", "shape", "metric"), TABLE, ids=range(len(TABLE)))
def test_the_loss_follows_from_output_and_targets(
    last: str, targets: Any, loss: str, logits: bool | None, shape: tuple[int, ...], metric: str
) -> None:
    found = chosen(last, targets)
    assert found.loss == (loss, {} if logits is None else {"from_logits": logits})
    assert found.column.shape == shape
    assert found.column.rows(np.arange(2)).shape == (2, *shape)
    ((kind, options),) = metrics_of(found)
    assert kind == metric
    if kind == "BinaryAccuracy":
        assert options["threshold"] == (0.0 if logits else 0.5)


def test_sequences_have_a_class_for_each_step() -> None:
    found = chosen("Dense(3)", np.ones((COUNT, COUNT), int), before="input x: float32[N, T, 4]")
    assert found.loss == ("SparseCategoricalCrossentropy", {"from_logits": True})
    assert found.column.shape == (COUNT,)


REFUSED = [
    (SOFTMAX, BITS, "auto", "the targets of a softmax sum to 1 along its last axis"),
    (SIGMOID, REALS, "auto", "its targets lie between 0 and 1"),
    (SIGMOID, CLASSES, "auto", "its values are of each class alone, so its targets are 0 and 1"),
    (LOGITS, CLASSES + 1, "auto", "its classes are 0 to 2, and 3 is among the targets; they are counted from 0"),
    (LOGITS, CLASSES - 1, "auto", "its classes are 0 to 2, and -1 is among the targets"),
    (
        LOGITS,
        REALS[:, 0],
        "auto",
        "its targets are class numbers 0 to 2 of [6], or one-hot classes or values of [6, 3]",
    ),
    (LOGITS, REALS[:, :2], "auto", "y is float64[6, 2], and the output is float32[N, 3]"),
    (LOGITS, np.where(REALS > 0, np.nan, REALS), "auto", "a value of example 3 is not a number, or infinite"),
    (LOGITS, CLASSES, "mse", "mean squared error takes targets of [6, 3]"),
    (
        LOGITS,
        REALS,
        "categorical_crossentropy",
        "categorical cross-entropy takes class numbers 0 to 2 of [6], or rows of [6, 3] that sum to 1",
    ),
    (LOGITS, REALS, "bce", "its targets lie between 0 and 1"),
    ("x -> Dense(3)\n    argmax(it, axis=-1)", CLASSES, "auto", "nothing can be learned through whole numbers"),
    ("x -> Dense(3)\n    mean(it, axis=0)", CLASSES, "auto", "its first axis counts the examples of a batch"),
]


@pytest.mark.parametrize(("last", "targets", "asked", "said"), REFUSED, ids=range(len(REFUSED)))
def test_targets_that_do_not_fit_are_refused(last: str, targets: Any, asked: str, said: str) -> None:
    with pytest.raises(ArchonnxError) as caught:
        chosen(last, targets, asked)
    assert said in str(caught.value)
    assert "\n" not in str(caught.value)


def test_losses_can_be_asked_for() -> None:
    assert chosen(LOGITS, REALS, "huber").loss == ("Huber", {})
    assert chosen(LOGITS, BITS, "mae").loss == ("MeanAbsoluteError", {})
    assert chosen(LOGITS, CLASSES, "sparse_categorical_crossentropy").loss[0] == "SparseCategoricalCrossentropy"
    assert chosen(LOGITS, ONE_HOT, "bce").loss == ("BinaryCrossentropy", {"from_logits": True})
    own = object()
    assert chosen(LOGITS, CLASSES, own).loss is own
    with pytest.raises(UsageError, match="there is no loss 'hubber'; did you mean huber"):
        chosen(LOGITS, REALS, "hubber")


def test_metrics_can_be_asked_for() -> None:
    classes = chosen(LOGITS, CLASSES)
    assert metrics_of(classes, ["top_2_accuracy", "none"]) == [
        ("SparseTopKCategoricalAccuracy", {"name": "top_2_accuracy", "k": 2})
    ]
    bits = chosen(LOGITS, BITS)
    assert metrics_of(bits, ["auc", "precision"]) == [
        ("AUC", {"name": "auc", "from_logits": True, "multi_label": True, "num_labels": 3}),
        ("Precision", {"name": "precision", "thresholds": 0.0}),
    ]
    assert metrics_of(chosen(LOGITS, REALS), "rmse") == [("RootMeanSquaredError", {"name": "root_mean_squared_error"})]
    with pytest.raises(UsageError, match="there is no metric 'acuracy'; did you mean accuracy"):
        metrics_of(classes, "acuracy")
    with pytest.raises(UsageError, match="the metric auc needs targets of 0 and 1"):
        metrics_of(classes, "auc")
    with pytest.raises(UsageError, match="the metric accuracy needs classes, and y is trained by mean squared error"):
        metrics_of(chosen(LOGITS, REALS), "accuracy")


@pytest.mark.parametrize("targets", [np.array([0, 0, 0, 1, 1, 2]), np.eye(3)[[0, 0, 0, 1, 1, 2]]])
def test_balanced_classes_count_alike(targets: Any) -> None:
    found = class_weights(chosen(LOGITS, targets), targets)
    assert found == pytest.approx({0: 6 / 9, 1: 1.0, 2: 2.0})
    with pytest.raises(UsageError, match="class weights need classes"):
        class_weights(chosen(LOGITS, REALS), REALS)
