"""From pairs to rules: those that differ in numbers alone become patterns, `layer_{i} = block.{i + 1}`.

Pairs of one kind, numbers left out on both sides, are one rule where every number of the name is worked out from those
of the path, and the pattern matches no path beside. Else they are cut by ranges of one number, with the fewest rules.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import combinations

from archonnx.compiler.weights.maps.numbers import NumberError
from archonnx.compiler.weights.maps.parser import parse_map
from archonnx.compiler.weights.maps.tree import Name
from archonnx.compiler.weights.proposing.formulas import worked_out
from archonnx.compiler.weights.proposing.pairing import Pair, Sureness, kind
from archonnx.compiler.weights.proposing.units import NAME
from archonnx.compiler.weights.proposing.words import LETTER, LETTERS, without_numbers

VARIABLES = "ijklmnopq"
_COUNT = re.compile(r"_([0-9]+)$")
_ODD = re.compile(r"[\s()\[\],+=\"'{}#*]")

_HOLE = re.compile(r"\{\}|\{a\}")
_THEIR_COUNT = re.compile(r"_([0-9]+)(?=[./]|$)")

Row = tuple[tuple[int, ...], tuple[int, ...], Pair]  # our numbers, theirs


@dataclass(frozen=True, slots=True)
class Line:
    """A rule: `left = right`; how many pairs it is for, the least sure of their reasons, where it stands, a note."""

    left: str
    right: str
    pairs: int
    why: Sureness
    order: int
    note: str = ""


def compressed(pairs: Sequence[Pair], paths: Sequence[str], order: Mapping[int, int]) -> list[Line]:
    """Rules for pairs. paths: all that a left side could match; order: of units, by identity."""
    groups: dict[tuple[str, str, tuple[tuple[str, str], ...]], list[Row]] = {}
    templates = _templates([pair.place.name for pair in pairs])
    for pair in pairs:
        template, theirs = templates[pair.place.name]
        literal = pair.unit.path if "{" in pair.place.name else ""  # braces of its own make no pattern
        key = (kind(pair.unit.path) + literal, template, pair.place.variant.rules)
        groups.setdefault(key, []).append((_counts(pair.unit.path), theirs, pair))
    made: list[Line] = []
    for (_, template, rules), rows in groups.items():
        cutting = _Cutting(rows, template, rules, paths)
        for part in cutting.better(cutting.parts()):
            first = min(order[id(row[2].unit)] for row in part.rows)
            for number, (end, right) in enumerate(rules):
                left = f"{part.left}{end}"
                right, place = right.replace(NAME, part.name), first * 100 + number
                made.append(Line(left, right, len(part.rows), part.why, place, part.rows[0][2].place.variant.note))
    return sorted(made, key=lambda line: line.order)


def _counts(path: str) -> tuple[int, ...]:
    """The count at the end of each part of a path, 0 where there is none."""
    return tuple(int(found[1]) if (found := _COUNT.search(part)) else 0 for part in path.split("/"))


def _templates(names: Sequence[str]) -> dict[str, tuple[str, tuple[int, ...]]]:
    """Names with `{}` for every number, and the numbers.

    Where a name that ends a part with a count stands beside one without, `dense_1` beside `dense`, the latter counts 0.
    """
    known = set(names)
    families: dict[str, str] = {}  # a name without its counts -> the longest template of those alike
    for name in names:
        bare, template = _THEIR_COUNT.sub("", name), without_numbers(name)[0]
        families[bare] = max(families.get(bare, ""), template, key=len)
    made = {}
    for name in names:
        template, numbers = without_numbers(name)
        whole = families[_THEIR_COUNT.sub("", name)]
        if template != whole and template == whole.replace("_{}", "") and whole.replace("{}", "0") not in known:
            rest = iter(numbers)
            counts = [whole[: hole.start()].endswith("_") and hole[0] != LETTER for hole in _HOLE.finditer(whole)]
            template, numbers = whole, tuple(0 if count else next(rest) for count in counts)
        made[name] = (template, numbers)
    return made


@dataclass(frozen=True, slots=True)
class _Part:
    """Rows that are one rule. `letters` are the variables of its left side by the number of the path's part."""

    left: str
    name: str
    rows: Sequence[Row]
    letters: Mapping[int, str]

    @property
    def why(self) -> Sureness:
        return max(row[2].why for row in self.rows)

    def foreseen(self, row: Row) -> tuple[int, ...] | None:
        """The numbers that the name of another row of the same kind would have by this rule."""
        made, found = parse_map(f"{self.left} = {self.name}\n", "")
        if found or not isinstance(value := made.rules[0].value, Name):
            return None
        try:
            name = value.pattern.expand({letter: row[0][axis] for axis, letter in self.letters.items()})
        except NumberError:
            return None
        return without_numbers(name)[1]


class _Cutting:
    """Cuts the pairs of one kind into as few parts as it finds that are each one rule."""

    def __init__(
        self, rows: Sequence[Row], template: str, rules: tuple[tuple[str, str], ...], paths: Sequence[str]
    ) -> None:
        self.rows, self.template, self.rules, self.paths = rows, template, rules, paths

    def parts(self) -> list[_Part]:
        return self._cut(list(self.rows), tuple(range(len(self.rows[0][0]))))

    def better(self, parts: list[_Part]) -> list[_Part]:
        """Fewer parts, where pairs that were chosen by their order change places as the largest part foresees it."""
        largest = max(parts, key=lambda part: len(part.rows))
        if len(parts) == 1 or len(largest.rows) == 1:
            return parts
        inside = {id(row) for row in largest.rows}
        free = [row for row in self.rows if id(row) not in inside and row[2].why is not Sureness.SHAPE]
        changed: dict[int, Row] = {}
        for alike in _alike(free):
            waiting = {row[1]: row for row in alike}  # by the numbers of the place
            foreseen = {id(row): largest.foreseen(row) for row in alike}
            first = [row for row in alike if foreseen[id(row)] in waiting]
            for row in (*first, *(row for row in alike if foreseen[id(row)] not in waiting)):
                numbers = foreseen[id(row)]
                chosen = numbers if numbers in waiting else min(waiting)
                changed[id(row)] = _moved(row, waiting.pop(chosen))
        self.rows = [changed.get(id(row), row) for row in self.rows]
        found = self.parts()
        return found if len(found) < len(parts) else parts

    def _cut(self, rows: list[Row], axes: tuple[int, ...]) -> list[_Part]:
        whole = self._one(rows)
        if whole is not None:
            return [whole]
        best: list[_Part] | None = None
        for axis in axes:
            if len({row[0][axis] for row in rows}) > 1:
                found = self._along(rows, axis, tuple(a for a in axes if a != axis))
                if best is None or len(found) < len(best):
                    best = found
        return best if best is not None else [self._literal(row) for row in rows]

    def _along(self, rows: list[Row], axis: int, others: tuple[int, ...]) -> list[_Part]:
        """Stretches of one number, each as long as it can be."""
        values = sorted({row[0][axis] for row in rows})
        parts: list[_Part] = []
        start = 0
        while start < len(values):
            for stop in range(len(values), start, -1):
                chosen = [row for row in rows if values[start] <= row[0][axis] <= values[stop - 1]]
                one = self._one(chosen)
                if one is not None:
                    parts.append(one)
                    break
            else:
                stop = start + 1
                parts += self._cut([row for row in rows if row[0][axis] == values[start]], others)
            start = stop
        return parts

    def _one(self, rows: Sequence[Row]) -> _Part | None:
        """The rows as one rule, if they are one."""
        if len(rows) == 1:
            return self._literal(rows[0])
        varying = [axis for axis in range(len(rows[0][0])) if len({row[0][axis] for row in rows}) > 1]
        letters = dict(zip(varying, VARIABLES, strict=False))
        if len(letters) < len(varying):
            return None
        numbers = [worked_out([(row[0], row[1][hole]) for row in rows], letters) for hole in range(len(rows[0][1]))]
        if any(number is None for number in numbers):
            return None
        name = _quoted(_filled(self.template, [n or "" for n in numbers], [row[1] for row in rows]))
        wanted = {row[2].unit.path for row in rows}
        for count in range(len(varying) + 1):
            for bounded in combinations(varying, count):
                left = self._left(rows, letters, bounded)
                if self._matches(left) == wanted:
                    return _Part(left, name, rows, letters)
        return None

    def _left(self, rows: Sequence[Row], letters: Mapping[int, str], bounded: Sequence[int]) -> str:
        made = []
        for axis, part in enumerate(rows[0][2].unit.path.split("/")):
            if axis not in letters:
                made.append(part)
                continue
            values = [row[0][axis] for row in rows]
            bounds = f":{min(values)}..{max(values)}" if axis in bounded else ""
            made.append(f"{_COUNT.sub('', part)}_{{{letters[axis]}{bounds}}}")
        return "/".join(made)

    def _matches(self, left: str) -> set[str]:
        made, found = parse_map(f"{left} = x\n", "")
        assert not found
        target = made.rules[0].target
        return {path for path in self.paths if target.match(path) is not None}

    def _literal(self, row: Row) -> _Part:
        return _Part(row[2].unit.path, _quoted(row[2].place.name.replace("{", "{{").replace("}", "}}")), [row], {})


def _alike(rows: Sequence[Row]) -> list[list[Row]]:
    """Rows whose places have the same tensors, each of which may be any one's."""
    groups: dict[tuple[tuple[str, tuple[int, ...]], ...], list[Row]] = {}
    for row in rows:
        groups.setdefault(tuple(row[2].place.variant.tensors.items()), []).append(row)
    return [group for group in groups.values() if len(group) > 1]


def _moved(row: Row, to: Row) -> Row:
    """The unit of a row with the place of another."""
    if row is to:
        return row
    return row[0], to[1], replace(row[2], place=to[2].place, why=max(row[2].why, to[2].why, Sureness.ORDER))


def _filled(template: str, numbers: Sequence[str], values: Sequence[tuple[int, ...]]) -> str:
    """A template with its numbers as a map writes them; letters are chosen from as many as are needed."""
    pieces = _HOLE.split(template)
    made = pieces[0]
    for n, (hole, after) in enumerate(zip(_HOLE.findall(template), pieces[1:], strict=True)):
        text = numbers[n]
        if hole == LETTER:
            letters = LETTERS[: max(row[n] for row in values) + 1]
            text = letters[int(text)] if text.isdigit() else f'{{"{letters}"[{text[1:-1]}]}}'
        made += text + after
    return made


def _quoted(name: str) -> str:
    """A name as a map writes it: in quotes where it has what an expression is made of; braces hold numbers."""
    quote = "'" if '"' in name else '"'
    return f"{quote}{name}{quote}" if _ODD.search(re.sub(r"\{[^{}]*\}", "", name)) else name
