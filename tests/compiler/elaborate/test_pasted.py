"""Layers pasted from Keras as they stand."""

from __future__ import annotations

import pytest

from archonnx.compiler.artifact import compile_text
from archonnx.contract.diagnostics import CompileError

PASTED = """\
model A():
    input x: float32[N, 28, 28, 1]
    layers.Conv2D(32, 3, activation=tf.nn.relu, kernel_regularizer=regularizers.l2(0.001), input_shape=(28, 28, 1)),
    keras.layers.MaxPool2D(pool_size=(2, 2)),
    tf.keras.layers.Conv2D(4, 3, activation=keras.activations.gelu, kernel_constraint=MaxNorm(3)),
    layers.Flatten(),
    layers.Dense(10, activation=activations.softmax, kernel_initializer=tf.keras.initializers.HeNormal()),
    output y
"""
PLAIN = """\
model A():
    input x: float32[N, 28, 28, 1]
    Conv2D(32, 3, activation="relu")
    MaxPooling2D(2)
    Conv2D(4, 3, activation="gelu")
    Flatten()
    Dense(10, activation="softmax", kernel_initializer="he_normal")
    output y
"""


def test_a_pasted_model_is_the_plain_one() -> None:
    pasted, plain = compile_text(PASTED), compile_text(PLAIN)
    assert str(pasted.summary()) == str(plain.summary())
    kept = [{k: v for k, v in n.layer.arguments.items() if "regularizer" not in k} for n in pasted.graph.nodes]
    assert [a.get("activation") for a in kept] == [n.layer.arguments.get("activation") for n in plain.graph.nodes]
    assert [w.initializer for w in pasted.graph.weights()] == [w.initializer for w in plain.graph.weights()]


@pytest.mark.parametrize(
    ("line", "code"),
    [
        ("Dense(l2(0.1))", "E0403"),  # a regularizer is no width
        ("Dense(3, activation=tf.nn.rellu)", "E0403"),
        ("Dense(3, kernel_regularizer=keras.regularizers.l7(1))", "E0202"),
    ],
)
def test_what_is_no_keras_stays_an_error(line: str, code: str) -> None:
    with pytest.raises(CompileError) as caught:
        compile_text(f"model A():\n    input x: float32[N, 4]\n    {line}\n    output y\n")
    assert [d.code for d in caught.value.diagnostics] == [code]
