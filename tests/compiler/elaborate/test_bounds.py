"""Rule 13: everything ends with a diagnostic, soon; what is within the bounds is linear."""

from __future__ import annotations

import sys
import threading

import pytest
from elaboration import HEAD, body, codes, graph, only, paths

from archonnx.compiler.elaborate import limits

SHARED = "    a = [0]\n    for i in range(60):\n        a = [a, a]\n"  # 2**60 zeros, once written out


def chain(blocks: int) -> str:
    """Blocks that apply each other, `blocks` deep."""
    inner = "".join(f"block b{i}():\n    b{i + 1}()\n\n" for i in range(blocks - 1))
    return inner + f"block b{blocks - 1}():\n    ReLU()\n\n" + body("b0()")


def test_blocks_nest_256_deep_and_no_deeper() -> None:
    assert len(paths(graph(chain(256)))) == 1
    one = only(chain(257), "E0803")
    assert len(one.trail) == 256


def test_blocks_within_branches_and_tuples_nest_as_deep() -> None:
    deep = 90
    branches = "".join("    " * (k + 1) + "if True:\n" for k in range(deep))
    tuples = "y = " + "(" * deep + "x -> b{}()" + ",)" * deep + "\n"
    blocks = "".join(
        f"block b{i}():\n    input x\n{branches}{'    ' * (deep + 1)}{tuples.format(i + 1)}    z = y{'[0]' * deep}\n    output z\n\n"
        for i in range(200)
    )
    text = blocks + "block b200():\n    ReLU()\n\n" + body("b0()")
    results: list[object] = []

    def run() -> None:
        results.append(paths(graph(text)))

    thread = threading.Thread(target=run)
    thread.start()
    thread.join()
    assert len(results) == 1


def test_a_block_does_not_apply_itself() -> None:
    assert codes("block b():\n    b()\n\n" + body("b()")) == ["E0212"]
    assert codes("block a():\n    b()\n\nblock b():\n    a()\n\n" + body("a()")) == ["E0212"]
    assert codes("block a(n):\n    if n > 0:\n        a(n - 1)\n    else:\n        ReLU()\n\n" + body("a(3)")) == [
        "E0212"
    ]
    assert codes("model A():\n    input x: float32[N, 3]\n    A()\n") == ["E0212"]


def test_layers_are_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "LAYERS", 50)
    assert codes(body("for i in range(50):", "    ReLU()")) == []
    assert codes(body("for i in range(51):", "    ReLU()")) == ["E0802"]


def test_steps_are_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "STEPS", 100_000)
    for line in (
        "pass",
        "n = [0] * 100000",
        "n = 3 in a",
        "n = a == b",
        "n = a[:]",
        "n = max(a)",
        "n = f'{s}'",
        "n = len(a)",
    ):
        lines = [
            "a = [0] * 100000",
            "b = [0] * 99999 + [1]",
            "s = 'a' * 100000",
            "for i in range(100000):",
            f"    {line}",
            "ReLU()",
        ]
        assert codes(body(*lines)) == ["E0801"], line


@pytest.mark.parametrize(
    ("line", "code"),
    [
        ("for i in range(10 ** 9):\n        ReLU()", "E0806"),
        ("n = [0] * 10 ** 7", "E0806"),
        ("n = 'a' * 10 ** 7", "E0806"),
        ("n = 10 ** 7 * (1,)", "E0806"),
        ("n = sum([[0] * 1000] * 1001, [])", "E0806"),
        ("n = 2 ** 5000", "E0805"),
        ("n = 1 << 5000", "E0805"),
        ("n = 10 ** 10 ** 10", "E0805"),
        ("n = 2 ** 4095 * 2 ** 4095", "E0805"),
        ("n = int('9' * 5000)", "E0805"),
        ("n = round(15, -10 ** 30)", None),
        ("n = round(1.5, 10 ** 30)", None),
        ("n = 2 ** 4095", None),
        ("n = [0] * 10 ** 6", None),
        ("Dense(2 ** 70)", "E0804"),
        ("Dense(-1)", "E0403"),
        ("Dense(0)", "E0403"),
    ],
)
def test_numbers_and_lists_have_bounds(line: str, code: str | None) -> None:
    assert codes(body(line, "ReLU()")) == ([code] if code else [])


@pytest.mark.parametrize(
    ("line", "code"),
    [
        ("s = str(a)", None),
        ("s = f'{a}'", None),
        ("b = [0]\n    for i in range(60):\n        b = [b, b]\n    s = a == b", None),
        ("s = max(a, a)", "E0501"),
        ("s = sorted(a)", "E0501"),
        ("s = 3 in a", None),
        ("output y = x + a", "E0806"),
        ("output y = take(x, a)", "E0806"),
        ("weight w: [2] = a", "E0806"),
        ("Dense(4, kernel_initializer=a)", "E0806"),
        ("Dense(a)", "E0806"),
        ("Reshape(a)", "E0806"),
        ("Dense(4, kernel_initializer=Constant(a))", "E0806"),
        ("output y = (x, a) -> onnx.Add()", "E0806"),
    ],
)
def test_lists_that_hold_each_other_many_times(line: str, code: str | None) -> None:
    assert (codes(HEAD + SHARED + f"    {line}\n    x -> ReLU()\n")[:1] or [None]) == [code]


def test_lists_nested_deep() -> None:
    deep = "    a = [0]\n    b = [0]\n    for i in range(20000):\n        a = [a]\n        b = [b]\n"
    for line in ("s = str(a)", "s = a == b", "s = a in [b]"):
        assert codes(HEAD + deep + f"    {line}\n    ReLU()\n") == []
    assert codes(HEAD + deep + "    output y = x + a\n") == ["E0511"]
    assert codes(HEAD + deep + "    Reshape(a)\n") == ["E0806"]


@pytest.mark.parametrize(
    "lines",
    [
        ["for i in range(300):", "    UpSampling2D(3)"],
        ["for i in range(300):", "    (it, it) -> Concatenate(axis=1)"],
        ["for i in range(300):", "    UpSampling2D(3)", "    Conv2D(3, 3, strides=2)"],
        ["n = H", "for i in range(3000):", "    n = (n * 3 + 1) // 2", "ReLU()"],
        ["n = H", "for i in range(3000):", "    n = n * (n + 1)", "ReLU()"],
    ],
)
def test_sizes_past_what_can_be_kept_exact(lines: list[str]) -> None:
    assert codes(body(*lines, head="model A():\n    input x: float32[N, H, W, 3]\n")) == ["E0804"]


def test_a_dimension_past_the_largest() -> None:
    assert codes("model A():\n    input x: float32[N, 2 ** 70]\n    ReLU()\n") == ["E0804"]
    assert codes("model A():\n    input x: float32[N, 2 ** 62]\n    (x, x) -> Concatenate()\n") == ["E0804"]


@pytest.mark.parametrize(
    "text",
    [
        body("y = " + "x + " * 5000 + "x", "output y"),
        body("Dense(" + "1 + " * 5000 + "1)"),
        body("y = x" + " -> ReLU()" * 5000, "output y"),
        body("n = " + "1 < " * 5000 + "2", "ReLU()"),
        body("n = " + "True and " * 5000 + "True", "ReLU()"),
        body(*["ReLU()"] * 5000),
        body("if False:", "    pass", *["elif False:", "    pass"] * 3000, "ReLU()"),
        "".join(f"c{i} = c{i + 1}\n" for i in range(3000)) + "c3000 = 3\n" + body("Dense(c0)"),
        "".join(f"def f{i}(n) = f{i + 1}(n)\n" for i in range(300)) + "def f300(n) = n\n" + body("Dense(f0(3))"),
        "".join(f"model M{i} = M{i + 1}()\n" for i in range(300))
        + body("Dense(3)").replace("A()", "M300()")
        + "\n"
        + body("M0()"),
        body(*["    " * k + "for i in [1]:" for k in range(90)], "    " * 90 + "Dense(3)"),
        body("n = " + "(" * 190 + "1" + ")" * 190, "ReLU()"),
    ],
)
def test_what_is_long_needs_no_recursion(text: str) -> None:
    assert codes(text, model="A") == []


@pytest.mark.parametrize(
    "lines",
    [
        ["for i in range({n}):", "    Dense(3)"],
        ["for i in range({n}):", "    it -> b()"],
        ["y = x", "for i in range({n}):", "    y = y + i", "output z = y"],
        ["skips = []", "for i in range({n}):", "    skips = skips + [it]", "    ReLU()", "(skips[0], it) -> Add()"],
    ],
)
def test_many_layers_take_calls_in_proportion(lines: list[str]) -> None:
    def calls(layers: int) -> int:
        count = 0

        def counted(*_: object) -> None:
            nonlocal count
            count += 1

        text = "block b():\n    Dense(3)\n\n" + body(*[line.format(n=layers) for line in lines])
        before = sys.getprofile()
        sys.setprofile(counted)
        try:
            graph(text)
        finally:
            sys.setprofile(before)
        return count

    calls(10)
    assert calls(800) < 2.2 * calls(400)
