"""What people get wrong: one diagnostic with its place, and inside blocks the trail."""

from __future__ import annotations

from pathlib import Path

import pytest
from elaboration import HEAD, body, codes, only, pointed

from archonnx.compiler.artifact import check_file, compile_text
from archonnx.contract.diagnostics import CompileError

THREE = """block inner(units):
    Dense(units)
    Reshape((7, 7))

block middle(units):
    inner(units)

block outer():
    for i in range(2):
        middle(10 * i + 48)

"""


def test_a_shape_error_three_blocks_deep_shows_the_whole_trail() -> None:
    one = only(THREE + body("outer()"), one_code(THREE + body("outer()")))
    assert one.place is not None
    assert one.place.line == 3
    assert [(f.name, f.place.line) for f in one.trail] == [("inner", 6), ("middle", 10), ("outer", 14)]
    assert one.trail[1].bindings == (("i", "0"),)


def one_code(text: str) -> str:
    (code,) = codes(text)
    return code


@pytest.mark.parametrize(
    "data",
    [b"", b"\x00\x01\x02", b"\xff\xfe\x00", b"model A(:\n", b"model A():\n\tinput x\n    y\n", b"((((", b"\n" * 9],
)
def test_garbage_is_a_diagnostic(data: bytes) -> None:
    with pytest.raises(CompileError) as caught:
        compile_text(data)
    assert caught.value.diagnostics
    assert all(d.code and d.message for d in caught.value.diagnostics)


def test_a_diagnostic_points_at_the_words_that_are_wrong() -> None:
    for text, words in [
        (body("Dense(4, activaton='relu')"), "activaton='relu'"),
        (body("Dense(depth)"), "depth"),
        (body("x -> Dens(4)"), "Dens"),
        (body("n = 3 + [4]", "ReLU()"), "+"),
        (body("n = 12 // 0", "ReLU()"), "12 // 0"),
        (body("y: float32[N, 4] = x", "output y"), "float32[N, 4]"),
    ]:
        assert pointed(text, only(text, one_code(text))) in (words, words.strip())


def test_check_looks_through_every_body(tmp_path: Path) -> None:
    file = tmp_path / "net.arch"
    unused = "block unused():\n    Dens(3)\n    Dense(4, unit=3)\n    ReLU() -> nothing\n\n"
    waiting = "model Waits(n):\n    input x: float32[N, 3]\n    Dense(n)\n\n"
    file.write_text(unused + waiting + body("Dense(3)"))
    report = check_file(file)
    assert [d.code for d in report.diagnostics] == ["E0202", "E0402", "E0201"]
    assert report.waiting == ("Waits",)
    file.write_text(waiting + body("Dense(3)"))
    report = check_file(file)
    assert (report.diagnostics, [m.name for m in report.models]) == ((), ["A"])


def test_one_mistake_is_reported_once() -> None:
    assert codes(
        HEAD + "    y = x -> Dens(4)\n    z = y + 1\n    (z, y) -> Concatenate()\n    output q = it * z\n"
    ) == ["E0202"]
    assert codes("c = nothing\n\n" + body("Dense(c)", "Dense(c)")) == ["E0201"]
    assert codes(body("if nothing:", "    y = x", "else:", "    z = x", "output w = y + z")) == ["E0201"]
    assert codes(body("for i in nothing:", "    y = x -> Dense(i)", "output w = y + i")) == ["E0201"]
    assert codes(body("(a, b) = nothing", "output w = a + b")) == ["E0201"]
