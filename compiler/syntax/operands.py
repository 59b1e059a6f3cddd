"""Operators and operands of one pair of brackets: reduced from a stack, chains of one precedence kept flat."""

from __future__ import annotations

from typing import NamedTuple, NoReturn, cast

from archonnx.compiler.syntax import tree
from archonnx.compiler.syntax.cursor import Cursor
from archonnx.compiler.syntax.literals import number, strings
from archonnx.compiler.syntax.slips import check_call, not_an_operand
from archonnx.compiler.syntax.tokenizer import Token
from archonnx.compiler.syntax.words import CONSTANTS, OTHER_CONSTANTS, RESERVED, VALUE_WORDS

_UNARY, _NOT, _POWER, _COMPARE = 11, 3, 12, 4
_PREFIXES = frozenset(["-", "+", "~", "not"])
_BINARY = {
    "or": 1, "and": 2, "in": 4, "is": 4, "not": 4, "==": 4, "!=": 4, "<": 4, "<=": 4, ">": 4, ">=": 4,
    "|": 5, "^": 6, "&": 7, "<<": 8, ">>": 8, "+": 9, "-": 9, "*": 10, "/": 10, "//": 10, "%": 10, "@": 10, "**": 12,
}  # fmt: skip
_NOT_HERE = (RESERVED - VALUE_WORDS) | OTHER_CONSTANTS.keys()


class _Pending(NamedTuple):
    """Operators of one precedence whose right side is still being read."""

    level: int
    prefix: bool
    base: int  # the first of their operands on the stack
    operators: list[Token]
    start: int  # the token they begin at


class Operands(Cursor):
    """Expressions over tokens whose brackets are folded."""

    bare = True  # whether the operand read last was written without operators
    last_operand = (
        0  # where its last operand begins, and where its first one ends: what an arrow beside it would bind to
    )
    first_end = 0

    def part(self, start: int, end: int, line: int, line_start: int, closer: str = "}") -> tree.Expr:
        """The expression in `text[start:end]`, inside an f-string."""
        raise AssertionError("an f-string's expressions are parsed by Expressions")

    def expression_list(self) -> tree.Expr:
        """An expression, or several with commas between: a tuple."""
        first = self.tokens[self.at]
        items = [self.expression()]
        while self.take(","):
            items.append(self.expression())
        return items[0] if len(items) == 1 else tree.Tuple(self.place(first, self.tokens[self.at - 1]), items)

    def expression(self) -> tree.Expr:
        """A flow, or flows with `if` and `else` between."""
        start = self.at
        value = self.flow()
        if self.tokens[self.at].text != "if":
            return value
        parts: list[tuple[int, tree.Expr, tree.Expr]] = []
        while self.take("if"):
            condition = self.flow()
            if not self.take("else"):
                self.unexpected("`else`: both arms of a choice are written")
            parts.append((start, value, condition))
            start = self.at
            value = self.flow()
        last = self.tokens[self.at - 1]
        for begin, then, condition in reversed(parts):
            value = tree.Conditional(self.place(self.tokens[begin], last), then, condition, value)
        return value

    def flow(self) -> tree.Expr:
        """`source -> stage -> stage`, or one operand."""
        start = self.at
        source = self.operand()
        if self.tokens[self.at].text != "->":
            if isinstance(source, tree.FlowInputs):
                help = "an arrow follows named inputs: (q, v, attention_mask=m) -> LAYER"
                self.fail_at("E0112", "a value in parentheses has no name", source.place, help)
            return source
        left = None if self.bare else (start, self.last_operand, self.at - 1)
        stages: list[tree.Expr] = []
        while self.tokens[self.at].text == "->":
            self.at += 1
            begin = self.at
            stage = self.operand()
            if isinstance(stage, tree.FlowInputs):
                self.fail_at("E0112", "a value in parentheses has no name", stage.place)
            if not self.bare and left is None:
                self.ambiguous_right(start, begin)
            stages.append(stage)
        if left is not None:
            self.ambiguous_left(left)
        return tree.Flow(self.place(self.tokens[start], self.tokens[self.at - 1]), source, stages)

    def ambiguous_left(self, left: tuple[int, int, int]) -> NoReturn:
        start, operand, end = left
        after = self.source(end + 1, self.at - 1)
        head = self.source(start, operand - 1)
        close = "" if head.endswith(("-", "+", "~")) and operand == start + 1 else " "
        self.arrow_beside(
            f"({self.source(start, end)}) {after}", f"{head}{close}({self.source(operand, end)} {after})", end + 1
        )

    def ambiguous_right(self, start: int, begin: int) -> NoReturn:
        both = f"{self.source(start, begin - 1)} ({self.source(begin, self.at - 1)})"
        if self.tokens[begin].text in _PREFIXES:  # there is only one way to read it
            self.fail("E0116", "an operator right of `->` stands in parentheses", self.tokens[begin], f"write {both}")
        flow = f"({self.source(start, self.first_end)}) {self.source(self.first_end + 1, self.at - 1)}"
        self.arrow_beside(flow, both, begin - 1)

    def arrow_beside(self, one: str, other: str, arrow: int) -> NoReturn:
        help = f"write {one}\n or   {other}"
        self.fail("E0116", "an arrow beside another operator can be read in two ways", self.tokens[arrow], help)

    def operand(self) -> tree.Expr | tree.FlowInputs:
        """Everything that binds closer than an arrow. Sets `bare`, `last_operand` and `first_end`."""
        first = self.at
        ready: tree.Expr | tree.FlowInputs | None = None  # the first operand, already read
        if self.tokens[first].text not in _PREFIXES:
            ready = self.postfix()
            if self.tokens[self.at].text not in _BINARY:
                self.bare = True
                self.last_operand, self.first_end = first, self.at - 1
                return ready
        nodes: list[tree.Expr | tree.FlowInputs] = []
        spans: list[tuple[int, int]] = []
        pending: list[_Pending] = []
        first_end = first
        while True:
            token = self.tokens[self.at]
            start = self.at if ready is None else first
            if ready is None and token.text in _PREFIXES:
                level = _NOT if token.text == "not" else _UNARY
                if level == _NOT and pending and pending[-1].level > _NOT:
                    self.fail("E0112", "`not` stands in parentheses right of another operator", token)
                pending.append(_Pending(level, True, len(nodes), [token], self.at))
                self.at += 1
                continue
            nodes.append(self.postfix() if ready is None else ready)
            ready = None
            spans.append((start, self.at - 1))
            if len(nodes) == 1:
                first_end = self.at - 1
            token = self.tokens[self.at]
            level = _BINARY.get(token.text, 0)
            if not level or token.kind == "end":
                break
            token = self.binary_operator(token)
            while pending and pending[-1].level > level:
                self.reduce(pending.pop(), nodes, spans)
            if pending and pending[-1].level == level and not pending[-1].prefix and level != _POWER:
                pending[-1].operators.append(token)
            else:
                pending.append(_Pending(level, False, len(nodes) - 1, [token], spans[-1][0]))
        last = spans[-1][0]
        while pending:
            self.reduce(pending.pop(), nodes, spans)
        self.bare = False
        self.last_operand = last
        self.first_end = first_end
        return nodes[0]

    def binary_operator(self, token: Token) -> Token:
        """Steps over a binary operator; `not in` and `is not` become one token."""
        self.at += 1
        following = self.tokens[self.at]
        if token.text == "not":
            if following.text != "in":
                self.at -= 1
                self.unexpected("an operator or the end of the expression")
            self.at += 1
            return token._replace(text="not in", end_line=following.end_line, end_column=following.end_column)
        if token.text == "is" and following.text == "not":
            self.at += 1
            return token._replace(text="is not", end_line=following.end_line, end_column=following.end_column)
        return token

    def reduce(self, done: _Pending, nodes: list[tree.Expr | tree.FlowInputs], spans: list[tuple[int, int]]) -> None:
        """Replaces the operands of some operators by the node they make."""
        operands = nodes[done.base :]
        start, end = done.start, spans[-1][1]
        for operand in operands:
            if isinstance(operand, tree.FlowInputs):
                self.fail_at("E0112", "a value in parentheses has no name", operand.place)
        values = cast(list[tree.Expr], operands)
        place = self.place(self.tokens[start], self.tokens[end])
        node: tree.Expr
        if done.prefix:
            node = tree.Unary(place, done.operators[0].text, values[0])
        elif done.level == _POWER:
            node = tree.Power(place, values[0], values[1])
        elif done.level < _NOT:
            node = tree.Logical(place, done.operators[0].text, values)
        else:
            operators = [tree.Operator(self.place(token, token), token.text) for token in done.operators]
            node = (tree.Compare if done.level == _COMPARE else tree.Chain)(place, values, operators)
        nodes[done.base :] = [node]
        spans[done.base :] = [(start, end)]

    def postfix(self) -> tree.Expr | tree.FlowInputs:
        """An atom with its calls, subscripts and attributes."""
        start = self.at
        first = self.tokens[start]
        value = self.atom(first)
        while True:
            token = self.tokens[self.at]
            if token.kind == "call":
                self.at += 1
                check_call(self, value, start)
                arguments = cast(list[tree.Argument], token.value)
                value = tree.Call(self.place(first, token), self.plain(value), arguments)
            elif token.kind == "subscript":
                self.at += 1
                items, comma = cast(tuple[list[tree.Expr | tree.Slice], bool], token.value)
                if not items:
                    self.fail("E0112", "a subscript holds an index", token)
                value = tree.Subscript(self.place(first, token), self.plain(value), items, comma)
            elif token.text == "." and token.kind == "op":
                name = self.tokens[self.at + 1]
                if name.kind != "name":
                    self.at += 1
                    self.unexpected("a name after `.`")
                self.at += 2
                value = tree.Attribute(self.place(first, name), self.plain(value), name.text, self.place(name, name))
            else:
                return value

    def plain(self, value: tree.Expr | tree.FlowInputs) -> tree.Expr:
        if isinstance(value, tree.FlowInputs):
            self.fail_at("E0112", "a value in parentheses has no name", value.place)
        return value

    def atom(self, token: Token) -> tree.Expr | tree.FlowInputs:
        kind = token.kind
        self.at += 1
        if kind == "name":
            if token.text in _NOT_HERE:
                self.at -= 1
                return not_an_operand(self, token)
            if token.text in CONSTANTS:
                return tree.Literal(self.place(token, token), CONSTANTS[token.text])
            return tree.Name(self.place(token, token), token.text)
        if kind == "number":
            return number(self, token)
        if kind == "paren" or kind == "list":
            return cast("tree.Expr | tree.FlowInputs", token.value)
        if kind == "string" or kind == "fstring":
            self.at -= 1
            return strings(self)
        if token.text == "...":
            return tree.Literal(self.place(token, token), ...)
        self.at -= 1
        return self.unexpected("an expression")
