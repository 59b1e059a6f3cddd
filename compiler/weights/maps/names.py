"""Reading patterns and whole numbers of a map: `stage_{i}/dense`, `layer{i + 1}.weight`, `"any name"`."""

from __future__ import annotations

import re

from archonnx.compiler.weights.maps.cursor import Cursor
from archonnx.compiler.weights.maps.numbers import LARGEST, Number
from archonnx.compiler.weights.maps.patterns import Anything, Letter, Pattern, Piece, Variable

_DIGITS = re.compile(r"[0-9]+")
_WORD = re.compile(r"[^\W\d]\w*")
DEEPEST = 40  # brackets within brackets


class Names:
    """What patterns and numbers are made of.

    variables: those of the rule's left side. free: the names in its numbers that are none of them, which are parameters
    of the model.
    """

    def __init__(self, cursor: Cursor) -> None:
        self.cursor = cursor
        self.variables: tuple[str, ...] = ()
        self.free: list[Number] = []

    def target(self) -> Pattern:
        """A pattern of our paths, the left side of a rule."""
        return self._matching("=", "the path of a layer or weight", stars=False, counted=True)

    def selection(self, *, counted: bool) -> Pattern:
        """A pattern with `*`, behind `ignore` or `initial`."""
        what = "the path of a layer or weight" if counted else "the name of a tensor"
        return self._matching("", what, stars=True, counted=counted)

    def _matching(self, stops: str, what: str, *, stars: bool, counted: bool) -> Pattern:
        cursor = self.cursor
        cursor.skip()
        start = cursor.at
        quote = cursor.char if cursor.char in ('"', "'") and cursor.char else ""
        if quote:
            cursor.at += 1
        pieces: list[Piece] = []
        while not cursor.ends and cursor.char != "\n" and cursor.char != quote:
            if not quote and (cursor.char.isspace() or cursor.char in stops):
                break
            if cursor.text.startswith(("{{", "}}"), cursor.at):
                self._literal(pieces, cursor.char)
                cursor.at += 2
            elif cursor.char == "{":
                pieces.append(self._variable())
            elif cursor.char == "}":
                cursor.fail_here('"}" closes nothing', "a brace that belongs to a name is doubled: }}")
            elif cursor.char == "*" and not stars:
                cursor.fail_here("a rule has no *", "write {i} for a number; ignore and initial may have *")
            elif cursor.char == "*":
                if not (pieces and isinstance(pieces[-1], Anything)):
                    pieces.append(Anything())
                cursor.at += 1
            else:
                self._literal(pieces, cursor.char)
                cursor.at += 1
        if quote:
            self._close(quote)
        if not pieces:
            cursor.fail_here(f"{what} is expected, here is {cursor.shown()}", None)
        return Pattern(cursor.text[start : cursor.at], tuple(pieces), counted)

    def name(self) -> Pattern:
        """The name of a tensor, with numbers in braces, as the right side of a rule has it."""
        cursor = self.cursor
        start = cursor.at
        quote = cursor.char if cursor.char in ('"', "'") and cursor.char else ""
        if quote:
            cursor.at += 1
        pieces: list[Piece] = []
        while not cursor.ends and cursor.char != "\n" and cursor.char != quote:
            if not quote and (cursor.char.isspace() or cursor.char in "()[],+=\"'"):
                break
            if cursor.text.startswith(("{{", "}}"), cursor.at):
                self._literal(pieces, cursor.char)
                cursor.at += 2
            elif cursor.char == "{":
                opened = cursor.at
                cursor.at += 1
                cursor.skip()
                pieces.append(self._letter() if cursor.char in ('"', "'") and cursor.char else self.number())
                self._close_brace(opened)
            elif cursor.char == "}":
                cursor.fail_here('"}" closes nothing', "a brace that belongs to a name is doubled: }}")
            else:
                self._literal(pieces, cursor.char)
                cursor.at += 1
        if quote:
            self._close(quote)
        if not pieces:
            cursor.fail_here(f"the name of a tensor is expected, here is {cursor.shown()}")
        return Pattern(cursor.text[start : cursor.at], tuple(pieces))

    def quoted(self, what: str) -> str:
        """A text in quotes."""
        cursor = self.cursor
        cursor.skip()
        quote = cursor.char
        if quote not in ('"', "'") or not quote:
            cursor.fail_here(f"{what} is expected in quotes, here is {cursor.shown()}")
        start = cursor.at + 1
        end = cursor.text.find(quote, start)
        line = cursor.text.find("\n", start)
        if end < 0 or 0 <= line < end:
            cursor.fail_here("this text is not closed", f"close it with {quote}")
        cursor.at = end + 1
        return cursor.text[start:end]

    def _letter(self) -> Letter:
        """`"abc"[i]` in braces."""
        text = self.quoted("a text")
        self.cursor.expect("[", "a text in braces", """a letter is chosen from it: {"abc"[i]}""")
        index = self.number()
        self.cursor.expect("]", "a number")
        return Letter(text, index)

    def number(self, depth: int = 0) -> Number:
        """A whole number: a sum of products."""
        left = self._product(depth)
        while operator := self._operator("+", "-"):
            right = self._product(depth)
            left = Number(left.place.to(right.place), operator, parts=(left, right))
        return left

    def _product(self, depth: int) -> Number:
        left = self._factor(depth)
        while operator := self._operator("*", "//", "%"):
            right = self._factor(depth)
            left = Number(left.place.to(right.place), operator, parts=(left, right))
        return left

    def _operator(self, *marks: str) -> str:
        return next((mark for mark in marks if self.cursor.take(mark)), "")

    def _factor(self, depth: int) -> Number:
        cursor = self.cursor
        cursor.skip()
        start = cursor.at
        if depth > DEEPEST:
            cursor.fail_here(f"brackets stand more than {DEEPEST} deep")
        if cursor.take("-"):
            inner = self._factor(depth + 1)
            return Number(cursor.place(start), "neg", parts=(inner,))
        if cursor.take("("):
            inner = self.number(depth + 1)
            cursor.expect(")", "a number")
            return inner
        if cursor.take("["):
            return self._listed(start, depth + 1)
        if found := _DIGITS.match(cursor.text, cursor.at):
            cursor.at = found.end()
            if len(found[0]) > 15 or int(found[0]) > LARGEST:
                cursor.fail("E1004", "this number is out of all bounds", cursor.place(start))
            return Number(cursor.place(start), "", literal=int(found[0]))
        if found := _WORD.match(cursor.text, cursor.at):
            cursor.at = found.end()
            made = Number(cursor.place(start), "name", name=found[0])
            if found[0] not in self.variables:
                self.free.append(made)
            return made
        return cursor.fail_here(f"a number is expected, here is {cursor.shown()}")

    def _listed(self, start: int, depth: int) -> Number:
        """`[0, 5, 10][i]`, behind its first bracket."""
        cursor = self.cursor
        numbers = [self.number(depth)]
        while cursor.take(","):
            numbers.append(self.number(depth))
        cursor.expect("]", "the numbers of a list")
        cursor.expect("[", "a list", "a number is chosen from it: [0, 5, 10][i]")
        index = self.number(depth)
        cursor.expect("]", "a number")
        return Number(cursor.place(start), "list", parts=(index, *numbers))

    def _variable(self) -> Variable:
        """`{i}` or `{k:0..2}` on the left."""
        cursor = self.cursor
        start = cursor.at
        cursor.at += 1
        cursor.skip()
        found = _WORD.match(cursor.text, cursor.at)
        if found is None:
            help = None if cursor.char == "*" else "a variable of the left side is a word: {i}, or {i:0..2} with bounds"
            cursor.fail_here(f"a variable is expected in braces, here is {cursor.shown()}", help)
        cursor.at = found.end()
        low, high = 0, None
        if cursor.take(":"):
            low = self._bound()
            cursor.expect("..", "the first number", "bounds are written 0..2, both included, or 1.. without an end")
            cursor.skip()
            if cursor.char != "}":
                high = self._bound()
                if high < low:
                    cursor.fail("E1004", f"no number is in {low}..{high}", cursor.place(start))
        cursor.skip()
        if cursor.char in "+-*/%" and cursor.char:
            cursor.fail_here("the left side works out no number", "it binds {i}; the right side may have {i + 1}")
        self._close_brace(start)
        return Variable(found[0], low, high, cursor.place(start))

    def _bound(self) -> int:
        cursor = self.cursor
        cursor.skip()
        found = _DIGITS.match(cursor.text, cursor.at)
        if found is None or len(found[0]) > 9:
            cursor.fail_here(f"a number of at most 9 digits is expected, here is {cursor.shown()}")
        cursor.at = found.end()
        return int(found[0])

    def _close_brace(self, opened: int) -> None:
        if not self.cursor.take("}"):
            shown = self.cursor.shown()
            self.cursor.fail("E1001", f'"}}" is expected, here is {shown}', self.cursor.place(opened))

    def _close(self, quote: str) -> None:
        if self.cursor.char != quote:
            self.cursor.fail_here("this name is not closed", f"close it with {quote}")
        self.cursor.at += 1

    @staticmethod
    def _literal(pieces: list[Piece], character: str) -> None:
        if pieces and isinstance(pieces[-1], str):
            pieces[-1] += character
        else:
            pieces.append(character)
