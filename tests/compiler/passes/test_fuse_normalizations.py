"""fuse_normalizations, each numbered case before and after."""

from __future__ import annotations

import re
from pathlib import Path
from textwrap import dedent

import pytest
from graph_texts import after, check_equal, expected

import archonnx
from archonnx.compiler.ir import OperatorGraph
from archonnx.compiler.passes.fuse_normalizations import fuse_normalizations
from archonnx.contract.dims import Facts

HEAD = "input x: float32[N, 3, 4]\nweight g: float32[4]\nweight h: float32[4]\nweight k: float32[3, 1]"
MEAN = """
m: float32[N, 3, 1] = ReduceMean(x, [2]) keepdims=1
d: float32[N, 3, 4] = Sub(x, m)
"""
LENGTH = """
s: float32[N, 3, 4] = Mul(d, d)
v: float32[N, 3, 1] = ReduceMean(s, [2]) keepdims=1
e: float32[N, 3, 1] = Add(v, float32(0.0010000000474974513))
r: float32[N, 3, 1] = Sqrt(e)
"""
OF_X = LENGTH.replace("(d, d)", "(x, x)")
CASES = {
    "1: alone": (
        f"{MEAN}{LENGTH}c: float32[N, 3, 4] = Div(d, r)",
        "y: float32[N, 3, 4] = LayerNormalization(x, float32([1.0, 1.0, 1.0, 1.0]))",
    ),
    "1: with a scale and a shift, the reciprocal": (
        f"""{MEAN}{LENGTH}
        i: float32[N, 3, 1] = Reciprocal(r)
        q: float32[N, 3, 4] = Mul(d, i)
        t: float32[N, 3, 4] = Mul(g, q)
        c: float32[N, 3, 4] = Add(t, h)
        """,
        "y: float32[N, 3, 4] = LayerNormalization(x, g, h)",
    ),
    "1: with a shift, a square by Pow, 1 / root": (
        f"""{MEAN}{LENGTH.replace("Mul(d, d)", "Pow(d, float32(2.0))")}
        i: float32[N, 3, 1] = Div(float32(1.0), r)
        q: float32[N, 3, 4] = Mul(i, d)
        c: float32[N, 3, 4] = Add(q, h)
        """,
        "y: float32[N, 3, 4] = LayerNormalization(x, float32([1.0, 1.0, 1.0, 1.0]), h)",
    ),
    "1: a scale along another axis stays": (
        f"""{MEAN}{LENGTH}
        q: float32[N, 3, 4] = Div(d, r)
        c: float32[N, 3, 4] = Mul(q, k)
        """,
        """
        q: float32[N, 3, 4] = LayerNormalization(x, float32([1.0, 1.0, 1.0, 1.0]))
        y: float32[N, 3, 4] = Mul(q, k)
        """,
    ),
    "1: the mean of other axes": (
        f"""
        m: float32[N, 1, 4] = ReduceMean(x, [1]) keepdims=1
        d: float32[N, 3, 4] = Sub(x, m)
        {LENGTH}c: float32[N, 3, 4] = Div(d, r)
        """,
        None,
    ),
    "1: axes in the middle": (
        """
        m: float32[N, 1, 4] = ReduceMean(x, [1]) keepdims=1
        d: float32[N, 3, 4] = Sub(x, m)
        s: float32[N, 3, 4] = Mul(d, d)
        v: float32[N, 1, 4] = ReduceMean(s, [1]) keepdims=1
        e: float32[N, 1, 4] = Add(v, float32(0.0010000000474974513))
        r: float32[N, 1, 4] = Sqrt(e)
        c: float32[N, 3, 4] = Div(d, r)
        """,
        None,
    ),
    "1: a root that is read twice": (
        f"""{MEAN}{LENGTH}
        q: float32[N, 3, 4] = Div(d, r)
        c: float32[N, 3, 4] = Add(q, r)
        """,
        None,
    ),
    "2: of products": (
        f"""{OF_X}
        q: float32[N, 3, 4] = Div(x, r)
        c: float32[N, 3, 4] = Mul(q, g)
        """,
        """
        w: float32[N, 3, 4] = Pow(x, float32(2.0))
        v: float32[N, 3, 1] = ReduceMean(w, [2]) keepdims=1
        e: float32[N, 3, 1] = Add(v, float32(0.0010000000474974513))
        r: float32[N, 3, 1] = Sqrt(e)
        q: float32[N, 3, 4] = Div(x, r)
        y: float32[N, 3, 4] = Mul(q, g)
        """,
    ),
    "2: without a scale it stays": (f"{OF_X}c: float32[N, 3, 4] = Div(x, r)", None),
}


def fuse(graph: OperatorGraph, facts: Facts) -> OperatorGraph:
    return fuse_normalizations(graph)


def text_of(lines: str, last: str = "c") -> str:
    body = "\n".join(line.strip() for line in lines.splitlines() if line.strip())
    used = [line for line in HEAD.splitlines() if "input" in line or re.search(rf"\b{line[7]}\b", body)]
    return "\n".join([*used, body, f"output y = {last}"])


def without_names(text: str) -> str:
    """A graph's text with numbers in place of the names of values in between."""
    for number, name in enumerate(re.findall(r"^([\w/]+): ", text, flags=re.MULTILINE)):
        text = re.sub(rf"(?<![\w/]){name}(?![\w/])", f"%{number}", text)
    return text


@pytest.mark.parametrize("case", CASES)
def test_before_and_after(case: str, tmp_path: Path) -> None:
    before, wanted = CASES[case]
    text = text_of(before)
    found = after(text, fuse).replace(" axis=-1 epsilon=0.0010000000474974513", "")
    lines = text.replace("\nc: ", "\ny: ").replace("y = c", "y = y") if wanted is None else text_of(wanted, "y")
    assert without_names(found) == without_names(expected(lines))
    check_equal(text, fuse, tmp_path)


def test_root_mean_square_is_one_operator_since_opset_23(tmp_path: Path) -> None:
    text = text_of(CASES["2: of products"][0])
    assert "RMSNormalization(x, g) axis=-1 epsilon=0.0010000000474974513" in after(text, fuse, opset=23)
    check_equal(text, fuse, tmp_path, opset=23)


@pytest.mark.parametrize("opset", [17, 20, 23])
def test_axes_may_be_several(opset: int, tmp_path: Path) -> None:
    axes, given = ("", " axes=[1, 2]") if opset < 18 else (", [1, 2]", "")
    text = f"""
        input x: float32[N, 3, 4]
        weight g: float32[3, 4]
        m: float32[N, 1, 1] = ReduceMean(x{axes}) keepdims=1{given}
        d: float32[N, 3, 4] = Sub(x, m)
        s: float32[N, 3, 4] = Mul(d, d)
        v: float32[N, 1, 1] = ReduceMean(s{axes}) keepdims=1{given}
        e: float32[N, 1, 1] = Add(v, float32(0.5))
        r: float32[N, 1, 1] = Sqrt(e)
        q: float32[N, 3, 4] = Div(d, r)
        c: float32[N, 3, 4] = Mul(q, g)
        output y = c
    """
    assert "y: float32[N, 3, 4] = LayerNormalization(x, g) axis=-2 epsilon=0.5" in after(text, fuse, opset=opset)
    check_equal(text, fuse, tmp_path, opset=opset)


def test_what_our_own_layer_writes_stays_as_it_is() -> None:
    model = archonnx.compile(text="model M():\n    input x: float32[N, 4]\n    RMSNormalization()\n    output y")
    kinds = [o.type for o in model.lower(optimization=1).operators]
    graph = model.lower()
    assert [o.type for o in graph.operators] == kinds == ["Pow", "ReduceMean", "Add", "Sqrt", "Div", "Mul"]
    assert not [change for change in graph.changes if change.rule == "fuse_normalizations"]


def test_a_formula_of_a_model() -> None:
    model = archonnx.compile(
        text=dedent(
            """
            model Formula():
                input x: float32[N, 8, 16]
                m = mean(x, axis=-1, keepdims=True)
                y = (x - m) / sqrt(mean(square(x - m), axis=-1, keepdims=True) + 1e-5)
                output y
                output z = (x - m) * rsqrt(var(x * 2, axis=-1, keepdims=True) + 1e-5)
            """
        )
    )
    kinds = [o.type for o in model.lower().operators]
    assert kinds.count("LayerNormalization") == 1
    assert kinds.count("Sqrt") == 1
