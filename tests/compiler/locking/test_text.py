"""The text of a lock: what is written is read again, by others too, and what is none is told."""

from __future__ import annotations

import tomllib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from archonnx.compiler.locking import text
from archonnx.compiler.locking.entries import ORDER, Entries
from archonnx.compiler.locking.hold import differences

NAMES = st.text(st.characters(exclude_categories=("Cs",)), max_size=12)
VALUES = NAMES | st.integers(0, 2**64 - 1)
LOCKS = st.dictionaries(st.sampled_from(ORDER), st.dictionaries(NAMES, VALUES, min_size=1, max_size=4))


@given(LOCKS)
def test_what_is_written_is_read_again(entries: Entries) -> None:
    written = text.write(entries)
    assert text.read(written) == entries
    assert tomllib.loads(written) == {"format": 1, **entries}
    assert text.write(text.read(written)) == written


@given(LOCKS, LOCKS)
def test_differences_are_the_entries_that_are_not_the_same(one: Entries, two: Entries) -> None:
    found = {(d.section, d.name): (d.expected, d.received) for d in differences(one, two)}
    every = {(s, n) for lock in (one, two) for s in lock for n in lock[s]}
    for section, name in every:
        pair = one.get(section, {}).get(name), two.get(section, {}).get(name)
        assert found.get((section, name), (0, 0)) == (pair if pair[0] != pair[1] else (0, 0))
    assert set(found) <= every


def test_entries_stand_in_order_one_a_line() -> None:
    entries: Entries = {"versions": {"onnx": "1", "archonnx": "0"}, "build": {"seed": 7, "a b": 'c"\\\n'}}
    assert text.write(entries).splitlines()[1:] == [
        "format = 1",
        "",
        "[build]",
        '"a b" = "c\\"\\\\\\n"',
        "seed = 7",
        "",
        "[versions]",
        'archonnx = "0"',
        'onnx = "1"',
    ]


def test_a_name_that_is_no_unicode_is_written() -> None:
    assert text.read(text.write({"sources": {"a\udcff.arch": "x"}})) == {"sources": {"a\\udcff.arch": "x"}}


@pytest.mark.parametrize(
    ("held", "why"),
    [
        ("", "it says no format"),
        ("format = 2\n", "it is of format 2, and this archonnx reads 1"),
        ("format = 1\n[build\n", "Expected"),
        ("format = 1\n[other]\na = 1\n", "it has 'other', which is no section of a lock"),
        ("format = 1\nbuild = 3\n", "it has 'build', which is no section of a lock"),
        ("format = 1\n[build]\nseed = 1.5\n", "build.seed is neither a text nor a whole number"),
        ("format = 1\n[build]\nseed = true\n", "build.seed is neither a text nor a whole number"),
        (
            "format = 1\n[build]\n<<<<<<< HEAD\nseed = 1\n=======\nseed = 2\n>>>>>>> theirs\n",
            "it has the marks of a merge",
        ),
    ],
)
def test_what_is_no_lock_is_told(held: str, why: str) -> None:
    with pytest.raises(text.NoLockError, match=why):
        text.read(held)
