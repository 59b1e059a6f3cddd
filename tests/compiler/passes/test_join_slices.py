"""join_slices, each numbered case before and after."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path
from textwrap import dedent

import pytest
from graph_texts import after, check_equal, expected
from hypothesis import given, settings
from hypothesis import strategies as st

from archonnx.compiler.passes.join_slices import join_slices

LAST = 9223372036854775807
HALVES = f"""
a: float32[N, 3, 4] = Slice(x, [0], [3], [1])
b: float32[N, 3, 4] = Slice(x, [3], [{LAST}], [1])
"""
CASES = {
    "1: halves": (HALVES + "c: float32[N, 6, 4] = Concat(a, b) axis=1", "c: float32[N, 6, 4] = Concat(x) axis=1"),
    "1: halves, and what was made of one": (
        HALVES + "m: float32[N, 3, 4] = Relu(b)\nc: float32[N, 9, 4] = Concat(a, b, m) axis=1",
        f"""
        b: float32[N, 3, 4] = Slice(x, [3], [{LAST}], [1])
        m: float32[N, 3, 4] = Relu(b)
        c: float32[N, 9, 4] = Concat(x, m) axis=1
        """,
    ),
    "1: ends counted from the back": (
        """
        a: float32[N, 5, 4] = Slice(x, [0], [-1], [1])
        b: float32[N, 1, 4] = Slice(x, [-1], [99], [-2])
        c: float32[N, 12, 4] = Concat(x, a, b) axis=1
        """,
        "c: float32[N, 12, 4] = Concat(x, x) axis=1",
    ),
    "1: the other way round": (HALVES + "c: float32[N, 6, 4] = Concat(b, a) axis=1", None),
    "1: along another axis": (HALVES + "c: float32[N, 3, 8] = Concat(a, b) axis=2", None),
    "1: not all": (
        """
        a: float32[N, 3, 4] = Slice(x, [0], [3], [1])
        b: float32[N, 2, 4] = Slice(x, [3], [5], [1])
        c: float32[N, 5, 4] = Concat(a, b) axis=1
        """,
        None,
    ),
    "1: every second": (
        """
        a: float32[N, 2, 4] = Slice(x, [0], [3], [1], [2])
        b: float32[N, 2, 4] = Slice(x, [3], [6], [1], [2])
        c: float32[N, 4, 4] = Concat(a, b) axis=1
        """,
        None,
    ),
    "1: of a size that is not known": (
        f"""
        a: float32[2, 6, 4] = Slice(x, [0], [2], [0])
        b: float32[N - 2, 6, 4] = Slice(x, [2], [{LAST}], [0])
        c: float32[N, 6, 4] = Concat(a, b) axis=0
        """,
        "c: float32[N, 6, 4] = Concat(x) axis=0",
    ),
    "1: of sizes that are not known to add up": (
        f"""
        a: float32[K, 6, 4] = Slice(x, [0], [2], [0])
        b: float32[L, 6, 4] = Slice(x, [2], [{LAST}], [0])
        c: float32[K + L, 6, 4] = Concat(a, b) axis=0
        """,
        None,
    ),
    "2: Split": (
        """
        a: float32[N, 2, 4], b: float32[N, 4, 4] = Split(x, [2, 4]) axis=1
        c: float32[N, 12, 4] = Concat(a, b, x) axis=1
        """,
        "c: float32[N, 12, 4] = Concat(x, x) axis=1",
    ),
    "2: Split in another order": (
        """
        a: float32[N, 2, 4], b: float32[N, 4, 4] = Split(x, [2, 4]) axis=1
        c: float32[N, 8, 4] = Concat(b, a, a) axis=1
        """,
        None,
    ),
}


@pytest.mark.parametrize("case", CASES)
def test_before_and_after(case: str, tmp_path: Path) -> None:
    before, wanted = CASES[case]
    text = f"input x: float32[N, 6, 4]\n{dedent(before).strip()}\noutput c = c"
    lines = text if wanted is None else f"input x: float32[N, 6, 4]\n{dedent(wanted).strip()}\noutput c = c"
    assert after(text, join_slices) == expected(lines)
    check_equal(text, join_slices, tmp_path, {"N": 3, "K": 2, "L": 1})


@settings(max_examples=40, deadline=None)
@given(cuts=st.lists(st.integers(-7, 7), min_size=1, max_size=4), known=st.booleans())
def test_any_cuts_give_the_same(tmp_path_factory: pytest.TempPathFactory, cuts: list[int], known: bool) -> None:
    size = 6

    def count(low: int, high: int) -> int:
        return len(range(size)[low:high])

    ends = [0, *cuts, LAST]
    lines, extents = [], []
    for i, (low, high) in enumerate(pairwise(ends)):
        extents.append(count(low, high))
        extent = str(extents[-1]) if known else f"K{i}"
        lines.append(f"p{i}: float32[{extent}] = Slice(x, [{low}], [{high}], [0])")
    total = sum(extents) if known else " + ".join(f"K{i}" for i in range(len(extents)))
    lines.append(f"c: float32[{total}] = Concat({', '.join(f'p{i}' for i in range(len(extents)))}) axis=0")
    text = "\n".join([f"input x: float32[{size if known else 'N'}]", *lines, "output c = c"])
    sizes = {"N": size} | {f"K{i}": extent for i, extent in enumerate(extents)}
    check_equal(text, join_slices, tmp_path_factory.mktemp("cuts"), sizes)
