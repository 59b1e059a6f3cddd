"""Random programs for property tests: valid by construction, of every form of the language, in careless layout.

They are written by a plain random generator from a drawn seed and size: far faster than drawing each part, and a size
that fails still shrinks.
"""

from __future__ import annotations

import random
from collections.abc import Callable

from hypothesis import strategies as st

_GAP = "\x01"  # where a space, or inside brackets a line break or a comment, may stand
_ROW = "\x02"  # where a line may break before an arrow

NAMES = ["x", "y", "depth", "width", "it", "N", "D", "hidden_2", "größe"]
NEW_NAMES = ["x", "y", "depth", "width", "hidden_2", "_", "größe"]
LAYERS = ["Dense", "ReLU", "conv_bn", "layers.Dense", "keras.layers.Add", "tf.keras.layers.LSTM", "onnx.Gather"]
NUMBERS = ["0", "17", "1_000", "0xff", "1.5", ".5", "1e-3", "2."]
STRINGS = ['"relu"', "'same'", "'it\"s'", '"it\'s"', '""', '"a" "b"', "'\\\\ \\n'", "'\\''"]
FORMATTED = ['f"block{depth}"', "f'{x:.2f} of {width + 1}'", "f\"{'a'}{{}}\"", "f'''{x}'''"]
CONSTANTS = ["True", "False", "None", "...", '"""three"""']
TYPES = ["float32", "float32[N, 8]", "[..., D]", "int32[B, T]", "float32[]", "[2 * N, None]", "uint8[N, H, W, 3]"]
COMMENTS = ["# plain", "#tight", '# it\'s "quoted"', "# (open", "#"]
BINARY = ["+", "-", "*", "/", "//", "%", "@", "**", "&", "|", "^", "<<", ">>"]
COMPARED = ["==", "!=", "<", "<=", ">", ">=", "in", "not in", "is", "is not"]


class Writer:
    """Writes parts of programs; `size` bounds how deep expressions and bodies go."""

    def __init__(self, seed: int, size: int) -> None:
        self.random = random.Random(seed)
        self.pick = self.random.choice
        self.size = size

    def some(self, part: Callable[[], str], least: int = 0, most: int = 3) -> list[str]:
        return [part() for _ in range(self.random.randint(least, most))]

    def atom(self) -> str:
        return self.pick(self.pick([NAMES, NAMES, NUMBERS, STRINGS, FORMATTED, CONSTANTS]))

    def expression(self, depth: int | None = None) -> str:
        depth = self.size if depth is None else depth
        if depth <= 0 or self.random.random() < 0.2:
            return self.atom()
        operand = lambda: self.operand(depth - 1)  # noqa: E731
        form = self.random.randint(0, 12)
        if form == 0:
            words = [operand()]
            for _ in range(self.random.randint(1, 4)):
                words += [self.pick(BINARY), operand()]
            return f"{_GAP} ".join(words)
        if form == 1:
            return f"{operand()}{_GAP} {self.pick(COMPARED)}{_GAP} {operand()}"
        if form == 2:
            return f"{_GAP} {self.pick(['and', 'or'])} ".join(operand() for _ in range(self.random.randint(2, 4)))
        if form == 3:
            return self.pick(["-", "+", "~", "not ", "- -"]) + operand()
        if form == 4:
            return f"{operand()}{_GAP} if{_GAP} {operand()}{_GAP} else{_GAP} {operand()}"
        if form == 5:
            return f"{self.source(depth - 1)} -> " + f" -> {_GAP}".join(self.some(lambda: self.call(depth - 1), 1))
        if form == 6:
            named = f"{self.pick(NEW_NAMES)}={self.expression(depth - 1)}"
            return f"({self.expression(depth - 1)},{_GAP}{named}) -> {self.call(depth - 1)}"
        return self.operand(depth)

    def source(self, depth: int) -> str:
        """What may stand left of an arrow."""
        return self.operand(depth)

    def operand(self, depth: int) -> str:
        inner = lambda: self.expression(depth - 1)  # noqa: E731
        form = self.random.randint(0, 9) if depth > 0 else 9
        if form == 0:
            return f"({_GAP}{inner()}{_GAP})"
        if form == 1:
            return f"[{_GAP}{self.items(inner)}{_GAP}]"
        if form == 2:
            return f"({_GAP}{inner()},{_GAP}{self.items(inner)}{_GAP})"
        if form == 3:
            condition = f"{_GAP} if {self.operand(depth - 1)}" if self.random.random() < 0.3 else ""
            return f"[{inner()}{_GAP} for {self.pick(NEW_NAMES)} in {self.operand(depth - 1)}{condition}]"
        if form == 4:
            return f"{self.pick(NAMES)}[{_GAP}{self.items(lambda: self.index(depth - 1), 1)}{_GAP}]"
        if form == 5:
            return f"{self.pick(NAMES)}.{self.pick(['kernel', 'features', 'output'])}"
        if form in (6, 7):
            return self.call(depth)
        return self.atom()

    def index(self, depth: int) -> str:
        return self.pick(["0", ":", "1:", ":half", "::2", "a + 1:-1", "None", "...", self.expression(depth)])

    def items(self, part: Callable[[], str], least: int = 0) -> str:
        found = self.some(part, least)
        return f",{_GAP}".join(found) + (self.pick(["", "", ",", f",{_GAP}"]) if found else "")

    def call(self, depth: int) -> str:
        inner = lambda: self.expression(depth - 1)  # noqa: E731
        if self.random.random() < 0.1:
            return f"sum({inner()} for {self.pick(NEW_NAMES)} in {self.operand(depth - 1)})"
        named = lambda: f"{self.pick(NEW_NAMES)}{_GAP}={_GAP}{inner()}"  # noqa: E731
        arguments = self.some(inner, 0, 2) + self.some(named, 0, 2)
        ends = self.pick(["", ",", f",{_GAP}"]) if arguments else ""
        return f"{self.pick(LAYERS)}({_GAP}" + f",{_GAP}".join(arguments) + ends + ")"

    def statement(self) -> str:
        """A line of a body that opens none."""
        value, name, type = self.expression(), self.pick(NEW_NAMES), self.pick(TYPES)
        return self.pick(
            [
                self.call(self.size),
                f"{self.pick([name, '(y, h, c)', 'y, h', '(a, (b, _))'])} = {value}",
                f"{name}: float32[K, 4] = {value}",
                f"y = {self.pick(NAMES)}" + "".join(f"{_ROW}-> {call}" for call in self.some(lambda: self.call(1), 1)),
                f"input {name}: {type}",
                f"input {name}[depth]: {type} = None",
                f"output ({_GAP}{value}{_GAP})",
                f"output {name}: {type} = {value}",
                f"output state {name} = {value}",
                f"weight {name}: {type} = 'ones'",
                f"buffer {name}: {type} = {value}",
                f'require ({value}), f"width {{D}}"',
                self.pick(["pass", 'asset labels = "a.txt"', "Dense(8),", "output logits"]),
            ]
        )

    def body(self, depth: int) -> list[tuple[int, str]]:
        """Lines with their depth."""
        out: list[tuple[int, str]] = []
        for _ in range(self.random.randint(1, 4)):
            form = self.random.randint(0, 5) if depth <= self.size else 0
            if form < 4:
                out.append((depth, self.statement()))
            elif form == 4:
                target = self.pick(["i", "(i, x)", "i, x"])
                out += [(depth, f"for {target} in {self.expression(2)}:"), *self.body(depth + 1)]
            else:
                for word in self.pick([["if"], ["if", "else"], ["if", "elif", "elif", "else"]]):
                    out.append((depth, "else:" if word == "else" else f"{word} {self.expression(2)}:"))
                    out += self.body(depth + 1)
        return out

    def program(self, indent: str) -> str:
        lines: list[tuple[int, str]] = []
        parameters = ["()", "(x)", "(x, depth = 3)", "(x,depth=[1,2],)", "(activation='relu')"]
        for number in range(self.random.randint(1, 4)):
            form = self.random.randint(0, 6)
            if form == 0:
                lines.append((0, f"C{number} = {self.expression()}"))
            elif form == 1:
                lines.append((0, f"def f{number}{self.pick(parameters)} = {self.expression()}"))
            elif form == 2:
                imports = ["from 'a.arch' import A, B as C", "from zoo.resnet import (A,\n B)"]
                lines.append((0, self.pick([*imports, "defaults Conv2D(padding='same')", "model V = M(depth = [3])"])))
            else:
                lines.append((0, f"{self.pick(['model', 'block'])} M{number}{self.pick(parameters)}:"))
                if self.random.random() < 0.4:
                    lines.append((1, self.pick(['"""One line."""', "'''Two\n      lines.'''"])))
                lines += self.body(1)
        return self.laid_out(lines, indent)

    def laid_out(self, lines: list[tuple[int, str]], indent: str) -> str:
        out: list[str] = []
        for depth, text in lines:
            if self.random.random() < 0.15:
                out.append("")
            if self.random.random() < 0.1:
                out.append(indent * self.random.randint(0, depth) + self.pick(COMMENTS))
            line = indent * depth + self.filled(text, indent * (depth + 1))
            if self.random.random() < 0.1:
                line += self.pick([" ", "    ", " " * 30]) + self.pick(COMMENTS)
            out.append(line)
        return "\n".join(out) + self.pick(["", "\n", "\n\n"])

    def filled(self, text: str, deeper: str) -> str:
        """The text with its gaps filled. Inside brackets a gap may break the line."""
        out: list[str] = []
        depth = 0
        for character in text:
            if character == _GAP and depth and self.random.random() < 0.08:
                comment = self.pick(["", "", "  " + self.pick(COMMENTS)])
                out.append(comment + "\n" + " " * self.random.randint(0, 9))
            elif character == _GAP:
                out.append(self.pick(["", "", " ", "  "]))
            elif character == _ROW:
                out.append(self.pick([" ", "\n" + deeper, "  # c\n\n" + deeper + "# d\n" + deeper]))
            else:
                depth += (character in "([") - (character in ")]")
                out.append(character)
        return "".join(out)


def programs(indent: str = "    ") -> st.SearchStrategy[str]:
    """Whole sources, with spaces, comments, blank lines and breaks where they may stand."""
    seeds = st.integers(0, 2**32 - 1)
    return st.builds(lambda seed, size: Writer(seed, size).program(indent), seeds, st.integers(0, 4))


def expressions() -> st.SearchStrategy[str]:
    """Single expressions on one line."""

    def written(seed: int, size: int) -> str:
        return Writer(seed, size).expression().replace(_GAP, "")

    return st.builds(written, st.integers(0, 2**32 - 1), st.integers(0, 4))
