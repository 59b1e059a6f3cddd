"""Reading a map: one statement a line, recovering at the next line, so that everything wrong is said at once.

layout torch
target = value            optional target = value
ignore pattern            initial pattern
"""

from __future__ import annotations

import re
from typing import Any

from archonnx.compiler.weights.maps.cursor import Cursor, Fault
from archonnx.compiler.weights.maps.functions import FUNCTIONS, Function, Parameter
from archonnx.compiler.weights.maps.names import DEEPEST, Names
from archonnx.compiler.weights.maps.numbers import Number
from archonnx.compiler.weights.maps.tree import (
    Added,
    Argument,
    Call,
    Expression,
    MapFile,
    Name,
    Part,
    Range,
    Rule,
    Selection,
)
from archonnx.contract.diagnostics import Diagnostic, did_you_mean

LAYOUTS = ("torch", "keras", "onnx", "none")
_STATEMENT = re.compile(r"(layout|prefix|ignore|initial|optional)(?=[ \t])(?![ \t]*=)")
_CALL = re.compile(r"([A-Za-z_]\w*)[ \t]*\(")
_BY_NAME = re.compile(r"([A-Za-z_]\w*)[ \t]*=")
_WORD = re.compile(r"\S+")


def parse_map(text: str, name: str) -> tuple[MapFile, list[Diagnostic]]:
    """The map that a text is, and everything that is wrong with the text, in its order."""
    parser = _Parser(text.removeprefix("\ufeff"), name)
    parser.statements()
    return parser.made, parser.found


class _Parser(Names):
    def __init__(self, text: str, name: str) -> None:
        super().__init__(Cursor(text, name))
        self.made = MapFile(name, text)
        self.found: list[Diagnostic] = []

    def statements(self) -> None:
        while not self.cursor.ends:
            try:
                self.cursor.skip()
                if not self.cursor.ends and self.cursor.char != "\n":
                    self._statement()
                    self._end()
            except Fault as fault:
                self.found.append(fault.diagnostic)
            self.cursor.skip_line()

    def _statement(self) -> None:
        cursor = self.cursor
        self.variables = ()
        keyword = _STATEMENT.match(cursor.text, cursor.at)
        if keyword is None:
            self._rule(optional=False)
            return
        cursor.at = keyword.end()
        cursor.skip()
        if keyword[1] == "layout":
            self._layout()
        elif keyword[1] == "prefix":
            self._prefix()
        elif keyword[1] == "optional":
            self._rule(optional=True)
        else:
            start = cursor.at
            pattern = self.selection(counted=keyword[1] == "initial")
            chosen = self.made.initial if keyword[1] == "initial" else self.made.ignored
            chosen.append(Selection(pattern, cursor.place(start)))

    def _layout(self) -> None:
        cursor = self.cursor
        start = cursor.at
        found = _WORD.match(cursor.text, cursor.at)
        if found is None:
            cursor.fail_here(f"a layout is expected, here is {cursor.shown()}", f"layouts are {', '.join(LAYOUTS)}")
        cursor.at = found.end()
        if found[0] not in LAYOUTS:
            near = did_you_mean(found[0], LAYOUTS, most=1)
            help = f"did you mean {near[0]}?" if near else f"layouts are {', '.join(LAYOUTS)}"
            cursor.fail("E1002", f"there is no layout {found[0]}", cursor.place(start), help)
        if self.made.layout_place is not None:
            first = self.made.layout_place.line
            cursor.fail("E1002", f"the layout is given already, in line {first}", cursor.place(start), "keep one")
        self.made.layout, self.made.layout_place = found[0], cursor.place(start)

    def _prefix(self) -> None:
        start = self.cursor.at
        pattern = self.name()
        if not all(isinstance(piece, str) for piece in pattern.pieces):
            self.cursor.fail("E1001", "a prefix is a plain text, without numbers", self.cursor.place(start))
        self.made.prefixes.append(pattern.expand({}))

    def _rule(self, optional: bool) -> None:
        cursor = self.cursor
        start = cursor.at
        target = self.target()
        place = cursor.place(start)
        self.variables, self.free = tuple(target.variables()), []
        cursor.expect("=", f"{target.text}", "a rule is written: path = tensor")
        value = self._sum(0)
        _check_as_is(cursor, value, around=True)
        self.made.rules.append(Rule(target, value, optional, place, tuple(self.free)))

    def _end(self) -> None:
        self.cursor.skip()
        if not self.cursor.ends and self.cursor.char != "\n":
            shown = self.cursor.shown()
            help = "a name with blanks or signs in it stands in quotes"
            self.cursor.fail_here(f"the line should end here, and goes on with {shown}", help)

    def _sum(self, depth: int) -> Expression:
        cursor = self.cursor
        cursor.skip()
        start = cursor.at
        left = self._indexed(depth)
        while cursor.take("+"):
            right = self._indexed(depth)
            left = Added(left, right, cursor.place(start))
        return left

    def _indexed(self, depth: int) -> Expression:
        cursor = self.cursor
        cursor.skip()
        start = cursor.at
        value = self._primary(depth)
        several = isinstance(value, Call) and FUNCTIONS[value.function].parts
        while cursor.take("["):
            value = Part(value, self._items(several), cursor.place(start))
            several = False
        if several:
            assert isinstance(value, Call)
            example = FUNCTIONS[value.function].example
            cursor.fail(
                "E1003", f"{value.function} gives several tensors", value.place, f"choose one, from 0 on: {example}"
            )
        return value

    def _primary(self, depth: int) -> Expression:
        cursor = self.cursor
        start = cursor.at
        if depth > DEEPEST:
            cursor.fail_here(f"brackets stand more than {DEEPEST} deep")
        if cursor.char == "(":
            self._open()
            inner = self._sum(depth + 1)
            self._shut(")", "an expression")
            return inner
        if called := _CALL.match(cursor.text, cursor.at):
            return self._call(called, depth)
        pattern = self.name()
        return Name(pattern, cursor.place(start))

    def _call(self, called: re.Match[str], depth: int) -> Call:
        cursor = self.cursor
        start = cursor.at
        name = called[1]
        if name not in FUNCTIONS:
            near = did_you_mean(name, list(FUNCTIONS), most=1)
            help = f"did you mean {near[0]}?" if near else f"functions are {', '.join(FUNCTIONS)}"
            cursor.fail("E1003", f"there is no function {name}", cursor.place(start, start + len(name)), help)
        cursor.at = called.end() - 1
        self._open()
        arguments = self._arguments(name, FUNCTIONS[name], depth + 1)
        self._shut(")", f"the arguments of {name}")
        missing = [p for p in FUNCTIONS[name].parameters if p.required and p.name not in arguments]
        if missing:
            what = {"tensor": "a tensor", "tensors": "a tensor", "number": f"{missing[0].name}, a number"}
            said = what.get(missing[0].kind, f"{missing[0].name}, a text")
            help = f"it is written {FUNCTIONS[name].example}"
            cursor.fail("E1003", f"{name} needs {said}", cursor.place(start), help)
        return Call(name, arguments, cursor.place(start))

    def _arguments(self, name: str, function: Function, depth: int) -> dict[str, Argument]:
        cursor = self.cursor
        given: dict[str, Any] = {}
        waiting = list(function.parameters)
        named = False
        while True:
            cursor.skip()
            if cursor.char == ")" or cursor.ends:
                return {n: tuple(v) if isinstance(v, list) else v for n, v in given.items()}
            by_name = _BY_NAME.match(cursor.text, cursor.at)
            if by_name:
                parameter = self._named(name, function, by_name, given)
                named = True
            elif named:
                cursor.fail_here(
                    "an argument without a name stands behind one with a name", f"it is {function.example}"
                )
            elif not waiting:
                cursor.fail("E1003", f"{name} takes no more here", cursor.place(cursor.at), f"it is {function.example}")
            else:
                parameter = waiting[0]
            several = parameter.kind in ("tensors", "numbers")
            value = self._argument(parameter, depth)
            if several:
                given.setdefault(parameter.name, []).append(value)
            else:
                given[parameter.name] = value
                if not by_name:
                    waiting.pop(0)
            if not cursor.take(","):
                return {n: tuple(v) if isinstance(v, list) else v for n, v in given.items()}

    def _named(self, name: str, function: Function, found: re.Match[str], given: dict[str, Any]) -> Parameter:
        """The parameter that `axis=` names; the cursor stands behind the sign then."""
        cursor = self.cursor
        start = cursor.at
        place = cursor.place(start, start + len(found[1]))
        known = [p for p in function.parameters if p.kind in ("number", "text")]
        parameter = next((p for p in known if p.name == found[1]), None)
        if parameter is None:
            names = ", ".join(p.name for p in known)
            help = f"by name go {names}" if names else f"it is written {function.example}"
            cursor.fail("E1003", f"{name} has no argument {found[1]}", place, help)
        if parameter.name in given:
            cursor.fail("E1003", f"{name} is given {parameter.name} twice", place)
        cursor.at = found.end()
        return parameter

    def _argument(self, parameter: Parameter, depth: int) -> Expression | Number | str:
        if parameter.kind in ("number", "numbers"):
            return self.number(depth)
        if parameter.kind == "text":
            return self.quoted(f"the order of gates, {parameter.name},")
        return self._sum(depth)

    def _items(self, several: bool) -> tuple[Number | Range | None, ...]:
        """What stands in brackets, which are open already."""
        cursor = self.cursor
        cursor.depth += 1
        items: list[Number | Range | None] = []
        while True:
            start = cursor.at
            if cursor.take("..."):
                items.append(None)
            else:
                items.append(self._item())
            if several and not isinstance(items[0], Number):
                cursor.fail("E1003", "a part is chosen by its number", cursor.place(start), "parts count from 0: [1]")
            if not cursor.take(","):
                break
        if several and len(items) > 1:
            cursor.fail("E1003", "one part is chosen, here are several", cursor.place(start))
        if items.count(None) > 1:
            cursor.fail("E1003", "brackets have one ... at most", cursor.place(start))
        self._shut("]", "what is chosen")
        return tuple(items)

    def _item(self) -> Number | Range:
        cursor = self.cursor
        cursor.skip()
        if cursor.ends or cursor.char in "],":
            cursor.fail_here(f"a number or a range is expected, here is {cursor.shown()}", "such as [0:768]")
        numbers = [self._bound_or_none()]
        while len(numbers) < 3 and cursor.take(":"):
            numbers.append(self._bound_or_none())
        if len(numbers) == 1 and numbers[0] is not None:
            return numbers[0]
        return Range(*numbers, *[None] * (3 - len(numbers)))

    def _bound_or_none(self) -> Number | None:
        self.cursor.skip()
        return None if not self.cursor.ends and self.cursor.char in ":]," else self.number()

    def _open(self) -> None:
        self.cursor.at += 1
        self.cursor.depth += 1

    def _shut(self, mark: str, after: str) -> None:
        self.cursor.expect(mark, after)
        self.cursor.depth -= 1


def _check_as_is(cursor: Cursor, expression: Expression, *, around: bool) -> None:
    """Fails where as_is stands around a part of a rule alone; `around`: nothing but `cast` stands around this."""
    if isinstance(expression, Added):
        _check_as_is(cursor, expression.left, around=False)
        _check_as_is(cursor, expression.right, around=False)
    elif isinstance(expression, Part):
        _check_as_is(cursor, expression.value, around=False)
    elif isinstance(expression, Call):
        if expression.function == "as_is" and not around:
            help = "write as_is(...) outermost; a rule is laid out as ours is, or not"
            cursor.fail("E1003", "as_is stands around the whole of a rule", expression.place, help)
        inside = around and expression.function == "cast"
        for argument in expression.arguments.values():
            for one in argument if isinstance(argument, tuple) else (argument,):
                if isinstance(one, Name | Call | Part | Added):
                    _check_as_is(cursor, one, around=inside)
