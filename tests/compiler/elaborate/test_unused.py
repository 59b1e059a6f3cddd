"""What no model uses is checked too: constants, functions, defaults."""

from __future__ import annotations

from pathlib import Path

import pytest

from archonnx.compiler.artifact import check_file, compile_text
from archonnx.contract.diagnostics import CompileError, UsageError

MODEL = "\nmodel M():\n    input x: float32[N, 4]\n    Dense(3)\n    output y\n"


@pytest.mark.parametrize(
    ("line", "code"),
    [
        ("A = 1 / 0", "E0502"),
        ("A = missing + 3", "E0201"),
        ("a = a", "E0213"),
        ("def f(x) = y + 1", "E0201"),
        ("def f(x) = nothing(x)", "E0202"),
        ("def f() = f()", "E0213"),
        ('defaults Dense(activation="rel")', "E0403"),
        ("pass", "E0126"),
    ],
)
def test_is_found(line: str, code: str, tmp_path: Path) -> None:
    file = tmp_path / "a.arch"
    file.write_text(line + MODEL, encoding="utf-8")
    report = check_file(file)
    assert {d.code for d in report.diagnostics} == {code}


def test_what_is_right_is_left_alone(tmp_path: Path) -> None:
    file = tmp_path / "a.arch"
    lines = [
        "SIZES = [2 * i for i in range(3)]",
        "def half(x, by = 8) = max(by, int(x / 2) // by * by) + sum([i for i in range(x)]) + len(SIZES)",
        'defaults Conv2D(padding="same")',
    ]
    file.write_text("\n".join(lines) + MODEL, encoding="utf-8")
    assert check_file(file).diagnostics == ()


def test_functions_that_call_each_other_are_found(tmp_path: Path) -> None:
    file = tmp_path / "a.arch"
    file.write_text("def f(x) = g(x) + 1\ndef g(x) = f(x)" + MODEL, encoding="utf-8")
    assert {d.code for d in check_file(file).diagnostics} == {"E0213"}


def test_parameters_may_be_numpy_numbers() -> None:
    import numpy as np

    text = "model M(units):\n    input x: float32[N, 4]\n    Dense(units)\n    output y\n"
    model = compile_text(text, parameters={"units": np.int64(5)})
    assert model.graph.outputs[0].value.type.shape[1] == 5
    with pytest.raises(UsageError, match="units is numbers"):
        compile_text(text, parameters={"units": np.zeros(3)})


@pytest.mark.parametrize(
    ("line", "help"),
    [
        ("Hashing(8)", "Keras' Hashing hashes by FarmHash or SipHash, which ONNX has no operator for"),
        ("keras.Input(shape=(3,))", "declare an input on a line of its own"),
    ],
)
def test_keras_names_are_answered(line: str, help: str) -> None:
    with pytest.raises(CompileError) as caught:
        compile_text(f"model M():\n    input x: float32[N, 4]\n    {line}\n    output y\n")
    assert help in (caught.value.diagnostics[0].help or "")


def test_a_requirement_is_a_condition() -> None:
    with pytest.raises(CompileError) as caught:
        compile_text('model M():\n    input x: float32[N, 4]\n    require "a"\n    output y\n')
    assert caught.value.diagnostics[0].code == "E0385"


def test_an_output_that_failed_is_not_blamed_again() -> None:
    with pytest.raises(CompileError) as caught:
        compile_text("model M():\n    input x: float32[N, 4]\n    output y = x + missing\n    output z = y * 2.0\n")
    assert [d.code for d in caught.value.diagnostics] == ["E0201"]
