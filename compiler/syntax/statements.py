"""The lines of a body."""

from __future__ import annotations

from collections.abc import Callable
from typing import NoReturn, cast

from archonnx.compiler.syntax import tree
from archonnx.compiler.syntax.declarations import Declarations
from archonnx.compiler.syntax.slips import check_line
from archonnx.compiler.syntax.tokenizer import Token
from archonnx.compiler.syntax.words import BODY_WORDS, DECLARATION_WORDS, RESERVED, VALUE_WORDS


class Statements(Declarations):
    """One line at a time; the caller keeps track of bodies."""

    def statement(self, where: str) -> tree.Statement | tree.Declaration:
        """The line under the cursor, which opens no body. Raises LineError."""
        self.drop_last_comma()
        check_line(self, where)
        first = self.tokens[0]
        word = first.text if first.kind == "name" else ""
        if word in RESERVED - VALUE_WORDS and self.tokens[1].text == "=":
            self.fail("E0118", f"`{word}` is a reserved word and cannot be assigned", first, "choose another name")
        if word in BODY_WORDS:
            if where == "file":
                self.fail("E0126", f"`{word}` stands in the body of a model or block", first)
            return self.body_word(word)
        if word in DECLARATION_WORDS:
            if where == "body":
                self.fail("E0126", f"`{word}` stands at the margin of the file, not in a body", first)
            return self.declaration(word)
        if word == "pass":
            if where == "file":
                self.fail("E0126", "`pass` stands in the body of a model or block", first)
            self.at = 1
            self.expect_end("the end of the line")
            return tree.Pass(self.place(first, first))
        found = self.assignment_or_value()
        if isinstance(found, tree.ExprStatement) and where == "file":
            help = "put it below a header such as `model NAME():`, indented by four spaces"
            self.fail_at("E0126", "layers and values stand in the body of a model or block", found.place, help)
        return found

    def drop_last_comma(self) -> None:
        if len(self.tokens) > 2 and self.tokens[-2].text == "," and self.tokens[-2].kind == "op":
            del self.tokens[-2]

    def assignment_or_value(self) -> tree.Statement:
        first = self.tokens[0]
        if first.text == "=" and first.kind == "op":
            self.fail("E0129", "there is no name left of `=`", first)
        value = self.expression_list()
        token = self.tokens[self.at]
        if token.kind == "end":
            if isinstance(value, tree.Tuple) and self.at > 1 and isinstance(value.items[-1], tree.Flow):
                self.comma_beside_arrow()
            return tree.ExprStatement(self.whole(), value)
        if token.text not in ("=", ":"):
            self.finish()
        target = self.target(value)
        declared: tree.TypeExpr | None = None
        if self.take(":"):
            target, declared = self.typed(first, target)
            if self.tokens[self.at].text != "=":
                help = f"inputs are declared with `input {first.text}: TYPE`"
                self.unexpected("`=` and a value after the type", help)
        assigned = self.assigned()
        return tree.Assign(self.whole(), target, declared, assigned)

    def typed(self, first: Token, target: tree.Target) -> tuple[tree.Target, tree.TypeExpr | None]:
        """The type behind `y:`, and the names behind that of `v: float32[N, 4], i: int64[N, 4] = ...`.

        `_` needs no type, before or after.
        """
        names = [target] if isinstance(target, tree.Name) else target.items
        if not all(isinstance(name, tree.Name) and name.id == "_" for name in names[:-1]) or first.kind == "paren":
            help = "types stand beside each name: v: float32[N, 4], i: int64[N, 4] = x -> ..."
            self.fail_at("E0129", "a type is given to one name", target.place, help)
        kind = self.type()
        if isinstance(target, tree.Name) and self.tokens[self.at].text != ",":
            return target, kind
        items: list[tree.Target] = list(names)
        kinds: list[tree.TypeExpr | None] = [*[None] * (len(names) - 1), kind]
        while self.take(","):
            token = self.tokens[self.at]
            if token.kind != "name" or token.text in RESERVED:
                self.unexpected("a name after the comma")
            self.at += 1
            items.append(tree.Name(self.place(token, token), token.text))
            kinds.append(self.type() if self.take(":") else None)
        return tree.TargetTuple(self.place(first, self.tokens[self.at - 1]), items, kinds), None

    def comma_beside_arrow(self) -> NoReturn:
        arrow = next(at for at, token in enumerate(self.tokens) if token.text == "->")
        last = len(self.tokens) - 2
        both = f"({self.source(0, arrow - 1)}) {self.source(arrow, last)}"
        help = f"write {both}: a comma binds looser than an arrow"
        self.fail("E0116", "the inputs of a flow stand in parentheses", self.tokens[arrow], help)

    # Types

    def type(self) -> tree.TypeExpr:
        """`float32[N, H, 3]`, `[..., D]` or `float32`."""
        first = self.tokens[self.at]
        dtype: tree.Name | None = None
        shape: list[tree.Expr] | None = None
        if first.kind == "name" and first.text not in RESERVED:
            dtype = tree.Name(self.place(first, first), first.text)
            self.at += 1
            if self.tokens[self.at].text == ".":
                help = "dtypes are written alone, such as float32"
                self.fail("E0112", "a dtype is one word", first, help, self.tokens[self.at + 1])
        token = self.tokens[self.at]
        if token.kind in ("subscript", "list"):
            self.at += 1
            shape = self.sizes(token)
        elif token.kind in ("call", "paren"):
            inner = self.source(self.at, self.at)[1:-1]
            self.fail(
                "E0112", "a shape stands in square brackets", token, f"write {dtype.id if dtype else ''}[{inner}]"
            )
        elif dtype is None:
            self.unexpected("a declared, such as float32[N, 8]")
        return tree.TypeExpr(self.place(first, self.tokens[self.at - 1]), dtype, shape)

    def sizes(self, token: Token) -> list[tree.Expr]:
        if token.kind == "list":
            if not isinstance(token.value, tree.List):
                self.fail("E0112", "a shape lists its sizes one by one", token)
            return token.value.items
        items, _ = cast("tuple[list[tree.Expr | tree.Slice], bool]", token.value)
        for item in items:
            if isinstance(item, tree.Slice):
                self.fail_at("E0112", "a size is no slice", item.place, "sizes are separated by commas")
        return cast("list[tree.Expr]", items)

    # Lines that begin with a word

    def body_word(self, word: str) -> tree.Statement:
        self.at = 1
        handlers: dict[str, Callable[[], tree.Statement]] = {
            "input": self.input,
            "output": self.output,
            "weight": self.weight,
            "buffer": self.weight,
            "require": self.require,
            "asset": self.asset,
        }
        if word not in handlers:
            self.fail(
                "E0118",
                f"`{word}` is a reserved word",
                self.tokens[0],
                "next values of inputs: `output state NAME = VALUE`",
            )
        return handlers[word]()

    def count(self) -> tree.Expr | None:
        """`[n]` behind the name of a family of inputs or outputs."""
        token = self.tokens[self.at]
        if token.kind != "subscript":
            return None
        items = self.sizes(token)
        if len(items) != 1:
            help = f"write {self.source(0, self.at - 1)}: {self.source(self.at, self.at)}"
            self.fail("E0113", "a colon stands between a name and its type", token, help)
        self.at += 1
        return items[0]

    def input(self) -> tree.Input:
        name = self.new_name("an input")
        count = self.count()
        declared: tree.TypeExpr | None = None
        optional = False
        token = self.tokens[self.at]
        if self.take(":"):
            declared = self.type()
        elif token.kind in ("call", "name"):
            self.unexpected("`:` and a type", f"write input {name.text}: float32[N, 8]")
        if self.take("="):
            if not self.take("None"):
                self.unexpected("`None`: an input that may be left out has no other default")
            optional = True
        self.finish()
        return tree.Input(self.whole(), name.text, self.place(name, name), count, declared, optional)

    def output(self) -> tree.Output:
        state = self.take("state")
        name = self.tokens[self.at]
        following = self.tokens[self.at + 1] if name.kind == "name" else name
        if following.kind == "subscript":
            following = self.tokens[self.at + 2]
            named = following.text in ("=", ":")
        else:
            named = following.kind == "end" or following.text in ("=", ":")
        if name.kind == "name" and name.text == "it" and following.kind == "end" and not state:
            named = False
        if not named and not state:
            value = self.expression()
            if self.tokens[self.at].text == ",":
                self.fail("E0112", "one output a line", self.tokens[self.at], "give each output its own `output` line")
            self.finish()
            return tree.Output(self.whole(), None, None, None, None, value, False)
        name = self.new_name("an output")
        count = self.count()
        declared = self.type() if self.take(":") else None
        result: tree.Expr | None = None
        if self.tokens[self.at].text == "=":
            result = self.assigned()
        elif state:
            self.unexpected("`=` and the input's next value", f"write output state {name.text} = VALUE")
        elif count is not None:
            self.unexpected("`=` and a list of tensors")
        self.finish()
        return tree.Output(self.whole(), name.text, self.place(name, name), count, declared, result, state)

    def weight(self) -> tree.Weight:
        word = self.tokens[0].text
        name = self.new_name(f"a {word}")
        if not self.take(":"):
            help = f'write {word} {name.text}: [SIZES] = INITIALIZER, such as "zeros"'
            if self.tokens[self.at].kind == "subscript":
                help = f"write {word} {name.text}: {self.source(self.at, self.at)}"
            self.unexpected("`:` and a type", help)
        declared = self.type()
        initializer = self.assigned() if self.tokens[self.at].text == "=" else None
        self.finish()
        return tree.Weight(self.whole(), name.text, self.place(name, name), declared, initializer, word == "weight")

    def require(self) -> tree.Require:
        condition = self.expression()
        self.no_assignment()
        message = self.expression() if self.take(",") else None
        self.finish()
        return tree.Require(self.whole(), condition, message)

    def asset(self) -> tree.Asset:
        name = self.new_name("an asset")
        if self.tokens[self.at].text != "=":
            self.unexpected("`=` and the path of a file")
        value = self.assigned()
        return tree.Asset(self.whole(), name.text, self.place(name, name), value)
