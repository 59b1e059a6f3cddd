"""Brackets, parsed inside out: each pair folds into one token, innermost first, so that nothing is recursive."""

from __future__ import annotations

from archonnx.compiler.syntax import tree
from archonnx.compiler.syntax.cursor import LineError
from archonnx.compiler.syntax.lines import CLOSER, MAX_NESTING
from archonnx.compiler.syntax.operands import Operands
from archonnx.compiler.syntax.tokenizer import Token, scan_part
from archonnx.compiler.syntax.words import BODY_WORDS, CONSTANTS, DECLARATION_WORDS, PYTHON_WORDS
from archonnx.contract.diagnostics import Diagnostics, Place

_NO_OPERANDS = (PYTHON_WORDS - CONSTANTS.keys()) | BODY_WORDS | DECLARATION_WORDS


def ends_operand(tokens: list[Token]) -> bool:
    """Whether a bracket that comes next belongs to what stands before it: a call or a subscript."""
    if not tokens:
        return False
    last = tokens[-1]
    if last.kind == "name":
        return last.text not in _NO_OPERANDS or (len(tokens) > 1 and tokens[-2].text == ".")
    return last.kind not in ("op", "end")


class Expressions(Operands):
    """Whole expressions of a line, brackets and all."""

    def fold(self, tokens: list[Token]) -> list[Token]:
        """The tokens with each pair of brackets parsed and replaced by one token."""
        stack: list[tuple[Token, list[Token], bool]] = []
        out: list[Token] = []
        for token in tokens:
            if token.kind != "op":
                out.append(token)
            elif token.text in "([{":
                if token.text == "{":
                    self.fail(
                        "E0123",
                        "there are no dictionaries and sets",
                        token,
                        "lists are written in [ ], arguments as NAME=VALUE",
                    )
                if len(stack) >= MAX_NESTING:
                    self.fail("E0111", f"brackets nested more than {MAX_NESTING} deep", token)
                stack.append((token, out, ends_operand(out)))
                out = []
            elif token.text in ")]}":
                if not stack or CLOSER[stack[-1][0].text] != token.text:
                    self.fail("E0110", f"`{token.text}` closes no bracket", token)
                opened, outer, postfix = stack.pop()
                declares = len(outer) == 2 and outer[0].text in ("model", "block", "def")
                outer.append(self.inside(opened, token, out, postfix, declares))
                out = outer
            else:
                out.append(token)
        if stack:
            opened = stack[-1][0]
            self.fail(
                "E0109", f"this `{opened.text}` is never closed", opened, f"close it with `{CLOSER[opened.text]}`"
            )
        return out

    def inside(self, opened: Token, closed: Token, tokens: list[Token], postfix: bool, declares: bool) -> Token:
        """One pair of brackets as one token, whose value is its parsed inside. declares: parameters stand in it."""
        outer = self.tokens, self.at
        self.tokens, self.at = [*tokens, closed._replace(kind="end")], 0
        place = self.place(opened, closed)
        value: object
        if opened.text == "(":
            kind = "call" if postfix else "paren"
            value = self.arguments(declares) if postfix else self.parenthesis(place)
        else:
            kind = "subscript" if postfix else "list"
            value = self.subscript() if postfix else self.list_items(place)
        self.expect_end("`,` or " + f"`{closed.text}`")
        self.tokens, self.at = outer
        return Token(
            kind, opened.text, opened.line, opened.column, closed.end_line, closed.end_column, opened.offset, value
        )

    def part(self, start: int, end: int, line: int, line_start: int, closer: str = "}") -> tree.Expr:
        """The expression in `text[start:end]`, inside an f-string."""
        diagnostics = Diagnostics()
        scan = scan_part(self.text, self.name, diagnostics, start, end, line, line_start)
        if diagnostics.found:
            raise LineError(diagnostics.found[0])
        tokens = [token for row in scan.rows for token in row.tokens]
        if scan.comments or not tokens:
            place = Place(self.name, line, start - line_start + 1, line, start - line_start + 2)
            self.fail_at("E0124", "an f-string's braces hold an expression, and no comment", place)
        last = tokens[-1]
        folded = self.fold(tokens)
        outer = self.tokens, self.at
        place_end = Token(
            "end", closer, last.end_line, last.end_column, last.end_line, last.end_column + 1, last.offset
        )
        self.tokens, self.at = [*folded, place_end], 0
        value = self.expression()
        self.expect_end("`}`" if closer else "the end of the value")
        self.tokens, self.at = outer
        return value

    def argument(self, seen_name: bool, declares: bool = False) -> tree.Argument:
        """One argument of a call, or parameter of a declaration. seen_name: one with a name or default came before."""
        first = self.tokens[self.at]
        if first.text in ("*", "**"):
            self.fail("E0123", f"arguments are written out: there is no `{first.text}`", first)
        if first.kind == "name" and self.tokens[self.at + 1].text == "=":
            if first.text in PYTHON_WORDS or first.text == "it":
                self.fail("E0118", f"`{first.text}` is a reserved word", first)
            self.at += 2
            value = self.expression()
            return tree.Argument(self.place(first, self.tokens[self.at - 1]), first.text, value)
        value = self.expression()
        last = self.tokens[self.at - 1]
        if seen_name and self.tokens[self.at].text != "for":
            message, help = "a value without a name follows a named one", "put it first, or name it: NAME=VALUE"
            if declares:
                name = value.id if isinstance(value, tree.Name) else "NAME"
                message = "a parameter without a default follows one that has a default"
                help = f"put it first, or give it a default: {name} = VALUE"
            self.fail("E0128", message, first, help, last)
        return tree.Argument(self.place(first, last), None, value)

    def arguments(self, declares: bool = False) -> list[tree.Argument]:
        """The arguments of a call; a single generator reads as a comprehension. declares: they are parameters."""
        found: list[tree.Argument] = []
        named = False
        while self.tokens[self.at].kind != "end":
            argument = self.argument(named, declares)
            if self.tokens[self.at].text == "for":
                if found or argument.name is not None:
                    self.fail("E0123", "a generator stands alone in a call", self.tokens[self.at], "put it in [ ]")
                argument.value = self.comprehension(argument.value)
                argument.place = argument.value.place
            named = named or argument.name is not None
            found.append(argument)
            if not self.take(","):
                break
        return found

    def parenthesis(self, place: Place) -> tree.Expr | tree.FlowInputs:
        """`(a)`, a tuple, or the inputs of a flow, where one of them is named."""
        found: list[tree.Argument] = []
        comma = False
        while self.tokens[self.at].kind != "end":
            found.append(self.argument(False))
            if self.tokens[self.at].text == "for":
                self.fail(
                    "E0123", "there are no generators", self.tokens[self.at], "write a list: [VALUE for NAME in LIST]"
                )
            comma = self.take(",")
            if not comma:
                break
        if any(argument.name is not None for argument in found):
            return tree.FlowInputs(place, found)
        if len(found) == 1 and not comma:
            return found[0].value
        return tree.Tuple(place, [argument.value for argument in found])

    def list_items(self, place: Place) -> tree.List | tree.Comprehension:
        items: list[tree.Expr] = []
        while self.tokens[self.at].kind != "end":
            first = self.tokens[self.at]
            if first.text in ("*", "**"):
                self.fail(
                    "E0123", f"items are written out: there is no `{first.text}`", first, "lists are joined with +"
                )
            item = self.expression()
            if self.tokens[self.at].text == "for" and not items:
                found = self.comprehension(item)
                found.place = place
                return found
            items.append(item)
            if not self.take(","):
                break
        return tree.List(place, items)

    def comprehension(self, element: tree.Expr) -> tree.Comprehension:
        """`element for target in iterable if condition ...`, from the first `for` on."""
        clauses: list[tree.Clause] = []
        while self.tokens[self.at].text == "for":
            start = self.tokens[self.at]
            self.at += 1
            target = self.loop_target()
            iterable = self.flow()
            conditions: list[tree.Expr] = []
            while self.take("if"):
                conditions.append(self.flow())
            place = self.place(start, self.tokens[self.at - 1])
            clauses.append(tree.Clause(place, target, iterable, conditions))
        return tree.Comprehension(element.place.to(clauses[-1].place), element, clauses)

    def loop_target(self) -> tree.Target:
        """`NAME`, `(NAME, NAME)` or `NAME, NAME`, and the `in` behind it."""
        first = self.tokens[self.at]
        items = [self.target(self.postfix())]
        while self.take(","):
            if self.tokens[self.at].text == "in":
                break
            items.append(self.target(self.postfix()))
        last = self.tokens[self.at - 1]
        comma = self.tokens[self.at - 1].text == "," or len(items) > 1
        if not self.take("in"):
            self.unexpected("`in`")
        return tree.TargetTuple(self.place(first, last), items) if comma else items[0]

    def target(self, value: tree.Expr | tree.FlowInputs) -> tree.Target:
        """An expression that was read where names are bound."""
        if isinstance(value, tree.Name):
            if value.id == "it":
                self.fail_at("E0118", "`it` is not assigned", value.place, "a line that is a tensor becomes `it`")
            return value
        if isinstance(value, tree.Tuple) and value.items:
            return tree.TargetTuple(value.place, [self.target(item) for item in value.items])
        help = None
        if isinstance(value, tree.Subscript):
            help = "lists are not changed: build a new one, such as `names = names + [value]`"
        elif isinstance(value, tree.Call) and isinstance(value.function, tree.Name):
            help = "a function is declared at the margin: `def NAME(parameters) = expression`"
        return self.fail_at("E0129", "only a name, or names in parentheses, can stand here", value.place, help)

    def subscript(self) -> tuple[list[tree.Expr | tree.Slice], bool]:
        """The items of a subscript, and whether a comma was written."""
        items: list[tree.Expr | tree.Slice] = []
        comma = False
        while self.tokens[self.at].kind != "end":
            first = self.tokens[self.at]
            parts: list[tree.Expr | None] = [None]
            while True:
                if self.tokens[self.at].text == ":" and len(parts) < 3:
                    parts.append(None)
                    self.at += 1
                elif self.tokens[self.at].kind == "end" or self.tokens[self.at].text == "," or parts[-1] is not None:
                    break
                else:
                    parts[-1] = self.expression()
            if len(parts) > 1:
                parts += [None] * (3 - len(parts))
                items.append(tree.Slice(self.place(first, self.tokens[self.at - 1]), *parts))
            elif parts[0] is not None:
                items.append(parts[0])
            else:
                self.unexpected("an index")
            comma = self.take(",") or comma
            if self.tokens[self.at - 1].text != ",":
                break
        return items, comma
