"""How diagnostics look."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from archonnx.contract.diagnostics import Diagnostic, Frame, Label, Place
from archonnx.contract.render import printable, render_count, render_json, render_text, source_lines

FILE = "models/bad.arch"


def place(
    line: int, column: int, end_line: int | None = None, end_column: int | None = None, file: str = FILE
) -> Place:
    return Place(file, line, column, end_line or line, end_column or column + 1)


def rendered(diagnostic: Diagnostic, text: str, context: int = 0) -> str:
    return render_text([diagnostic], {FILE: text}, context=context)


def test_the_example_of_the_reference() -> None:
    text = "\n" * 5 + "    input image: float32[N, H, W, C]\n    Dense(10)\n"
    diagnostic = Diagnostic(
        "E0301",
        "Dense needs a known last axis, got float32[N, H, W, C]",
        place(7, 5, 7, 14),
        labels=(Label(place(6, 35), "this axis is symbolic"),),
        trail=(Frame("head", place(21, 9), (("i", "2"),)),),
        help="give the axis a size, or reduce over it first: GlobalAveragePooling2D()",
    )
    expected = """\
error[E0301]: Dense needs a known last axis, got float32[N, H, W, C]
  --> models/bad.arch:7:5
   |
 6 |     input image: float32[N, H, W, C]
   |                                   - this axis is symbolic
 7 |     Dense(10)
   |     ^^^^^^^^^
   = in: head, applied at models/bad.arch:21:9 (i = 2)
   = help: give the axis a size, or reduce over it first: GlobalAveragePooling2D()"""
    assert rendered(diagnostic, text) == expected
    assert rendered(diagnostic, text, context=1) == expected


@pytest.mark.parametrize(
    ("line", "column", "end", "shown", "carets"),
    [
        ("abc", 2, 3, "abc", " ^"),
        ("\tabc", 2, 5, "    abc", "    ^^^"),
        ("a\tb", 3, 4, "a   b", "    ^"),
        ("日本 x", 4, 5, "日本 x", "     ^"),
        ("日本 x", 1, 3, "日本 x", "^^^^"),
        ("e\u0301 x", 4, 5, "e\u0301 x", "  ^"),
        ("a\x00b", 3, 4, "a\\x00b", "     ^"),
        ("a\u202eb", 3, 4, "a\\u202eb", "       ^"),
        ("abc", 4, 5, "abc", "   ^"),
        ("abc", 99, 120, "abc", "   ^"),
        ("", 1, 2, "", "^"),
    ],
)
def test_carets_stand_below_what_they_mean(line: str, column: int, end: int, shown: str, carets: str) -> None:
    last = rendered(Diagnostic("E0101", "m", place(1, column, 1, end)), line).split("\n")[-2:]
    assert last == [f" 1 | {shown}".rstrip(), f"   | {carets}"]


def test_marks_of_one_line_share_a_row_until_one_has_a_text() -> None:
    diagnostic = Diagnostic(
        "E0101", "m", place(1, 1), labels=(Label(place(1, 5), "one"), Label(place(1, 9), "two")), label=""
    )
    assert rendered(diagnostic, "a + b + c").split("\n")[-2:] == ["   | ^   - one", "   |         - two"]


def test_a_place_over_several_lines() -> None:
    text = "x = f(\n    1,\n    2,\n    3,\n)"
    assert rendered(Diagnostic("E0101", "m", place(1, 5, 5, 2), "all"), text).split("\n")[3:] == [
        " 1 | x = f(",
        "   |     ^^",
        "...",
        " 5 | )",
        "   | ^ all",
    ]


def test_lines_above_are_shown_where_they_hold_something() -> None:
    assert rendered(Diagnostic("E0101", "m", place(2, 1)), "a\nb", context=1).count("\n") == 5
    assert " 1 | a" in rendered(Diagnostic("E0101", "m", place(2, 1)), "a\nb", context=1)
    assert " 1 |" not in rendered(Diagnostic("E0101", "m", place(2, 1)), "   \nb", context=1)


def test_a_long_line_is_cut_around_the_place() -> None:
    out = rendered(Diagnostic("E0101", "m", place(1, 5001, 1, 5004)), "a" * 5000 + "bbb" + "c" * 5000)
    line, carets = (row[5:] for row in out.split("\n")[-2:])
    assert len(line) < 220
    assert line[carets.index("^") : len(carets)] == "bbb"


def test_labels_in_other_files_and_without_sources() -> None:
    other = Label(place(1, 1, file="other.arch"), "here")
    nowhere = Label(place(9, 1, file="nowhere.arch"), "there")
    diagnostic = Diagnostic("W0601", "m", place(1, 1), labels=(other, nowhere), severity="warning")
    out = render_text([diagnostic], {FILE: "a", "other.arch": "b"}, context=0)
    assert out.split("\n") == [
        "warning[W0601]: m",
        "  --> models/bad.arch:1:1",
        "   |",
        " 1 | a",
        "   | ^",
        "  ::: other.arch:1:1",
        "   |",
        " 1 | b",
        "   | - here",
        "   = note: there (nowhere.arch:9:1)",
    ]
    assert render_text([diagnostic], {}).split("\n")[:2] == ["warning[W0601]: m", "  --> models/bad.arch:1:1"]
    assert render_text([Diagnostic("E0205", "m")], {}) == "error[E0205]: m"


def test_long_trails_lose_their_middle() -> None:
    trail = tuple(Frame(f"b{n}", place(n + 1, 1)) for n in range(30))
    out = rendered(Diagnostic("E0301", "m", place(1, 1), trail=trail), "a")
    assert out.count("= in: ") == 9
    assert "= in: ... 22 more applications ..." in out
    assert out.index("b0,") < out.index("b3,") < out.index("22 more") < out.index("b26,") < out.index("b29,")


def test_colour_changes_nothing_else() -> None:
    import re

    diagnostic = Diagnostic("E0301", "m", place(1, 1), label="x", help="h", trail=(Frame("b", place(1, 1)),))
    plain = render_text([diagnostic], {FILE: "a"})
    colored = render_text([diagnostic], {FILE: "a"}, color=True)
    assert colored != plain
    assert re.sub("\x1b\\[[0-9;]*m", "", colored) == plain


def test_counts_and_json() -> None:
    error = Diagnostic("E0301", "m", place(1, 1), labels=(Label(place(2, 1), "l"),), help="h")
    warning = Diagnostic("W0601", "m", severity="warning")
    assert render_count([]) == "no errors"
    assert render_count([error]) == "1 error"
    assert render_count([error, warning, error]) == "2 errors, 1 warning"
    first, second = json.loads(json.dumps(render_json([error, warning])))
    assert first["place"] == {"file": FILE, "line": 1, "column": 1, "end_line": 1, "end_column": 2}
    assert (first["labels"][0]["text"], second["place"], second["severity"]) == ("l", None, "warning")


def test_lines_are_ended_by_any_convention() -> None:
    assert source_lines("\ufeffa\r\nb\rc\nd\x0ce\u2028f") == ["a", "b", "c", "d\x0ce\u2028f"]


@given(st.text(), st.integers(1, 5), st.integers(1, 9), st.integers(0, 3), st.integers(1, 9), st.text(max_size=9))
def test_any_text_and_place(text: str, line: int, column: int, more: int, end: int, message: str) -> None:
    where = Place(FILE, line, column, line + more, max(end, column + 1) if not more else end)
    diagnostic = Diagnostic("E0101", message, where, message, (Label(where, message),), help=message)
    out = render_text([diagnostic], {FILE: text})
    assert out.startswith("error[E0101]: ")
    assert all(character == "\n" or printable(character) == character for character in out)
    out.encode("utf-8")
