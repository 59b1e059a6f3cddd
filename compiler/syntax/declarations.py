"""What stands at the margin of a file, and the headers that open a body there or inside one."""

from __future__ import annotations

from typing import NamedTuple, NoReturn, cast

from archonnx.compiler.syntax import tree
from archonnx.compiler.syntax.expressions import Expressions
from archonnx.compiler.syntax.tokenizer import Token
from archonnx.compiler.syntax.words import PYTHON_WORDS, RESERVED
from archonnx.contract.diagnostics import Diagnostic, Diagnostics, Place

_LIBRARIES = frozenset(["keras", "tensorflow", "tf", "torch", "numpy", "math"])


class Opened(NamedTuple):
    """A header: its node where it has one (`else` has none), and whether a body on its own line was reported."""

    node: tree.Body | tree.For | tree.Branch | None
    inline: bool = False


class Declarations(Expressions):
    """One line at a time; the caller keeps track of bodies."""

    def __init__(self, name: str, text: str, diagnostics: Diagnostics) -> None:
        super().__init__(name, text)
        self.diagnostics = diagnostics

    def whole(self) -> Place:
        """The place of everything up to the cursor."""
        return self.place(self.tokens[0], self.tokens[max(self.at - 1, 0)])

    def finish(self) -> None:
        self.expect_end("the end of the line")

    def new_name(self, what: str) -> Token:
        """A name that is being declared."""
        token = self.tokens[self.at]
        if token.kind == "name" and token.text in RESERVED:
            message = f"`{token.text}` is a reserved word and cannot name {what}"
            self.fail("E0118", message, token, "choose another name")
        if token.kind != "name":
            self.unexpected(f"the name of {what}")
        self.at += 1
        return token

    def assigned(self) -> tree.Expr:
        """`= value`, to the end of the line."""
        self.at += 1
        token = self.tokens[self.at]
        if token.text == "=" and token.kind == "op":
            help = "`=` gives a name a value, `==` compares"
            self.fail("E0117", "two `=` with a space between", self.tokens[self.at - 1], help, token)
        value = self.expression_list()
        token = self.tokens[self.at]
        if token.text == "=" and token.kind == "op":
            help = "give each name its value on a line of its own, or compare with `==`"
            self.fail("E0117", "a second `=` in one line", token, help)
        self.finish()
        return value

    # Headers

    def header(self, word: str) -> Opened:
        """`model`, `block`, `for`, `if`, `elif` or `else` with its colon. Raises LineError."""
        self.at = 1
        node: tree.Body | tree.For | tree.Branch | None = None
        if word in ("model", "block"):
            name = self.new_name(f"a {word}")
            parameters = self.parameters(f"{word} {name.text}():")
            node = tree.Body(self.whole(), word, name.text, self.place(name, name), parameters, None, [])
        elif word == "for":
            target = self.loop_target()
            node = tree.For(self.whole(), target, self.expression_list(), [])
        elif word != "else":
            condition = self.expression()
            self.no_assignment()
            node = tree.Branch(self.whole(), condition, [])
        elif self.tokens[1].text == "if":
            self.fail("E0119", "there is no `else if`", self.tokens[0], "write elif", self.tokens[1])
        inline = self.colon(word)
        if node is not None:
            node.place = self.whole()
        return Opened(node, inline)

    def colon(self, word: str) -> bool:
        """The colon that ends a header. A missing one, and a body on the same line (the result), are only reported."""
        token = self.tokens[self.at]
        if token.kind == "end":
            message = f"a colon is missing at the end of this `{word}` line"
            self.diagnostics.add(Diagnostic("E0113", message, self.place(token, token), help="write :"))
            return False
        if not self.take(":"):
            self.unexpected("`:`")
        token = self.tokens[self.at]
        if token.kind == "end":
            return False
        place = self.place(token, self.tokens[-2])
        help = "write it on the line below, indented by four spaces"
        self.diagnostics.add(Diagnostic("E0127", f"the body of `{word}` does not stand on its line", place, help=help))
        return True

    def no_assignment(self) -> None:
        """Fails where a condition is followed by `=`."""
        token = self.tokens[self.at]
        if token.text == "=" and token.kind == "op":
            self.fail("E0117", "a condition compares with `==`; `=` assigns", token, "write ==")

    def parameters(self, example: str) -> list[tree.Parameter]:
        """`(name, name = default)`."""
        token = self.tokens[self.at]
        if token.kind != "call":
            self.unexpected("`(` and the parameters", f"write {example}")
        self.at += 1
        found: list[tree.Parameter] = []
        for argument in cast("list[tree.Argument]", token.value):
            if argument.name is not None:
                if argument.name in RESERVED:
                    self.reserved_parameter(argument.name, argument.place)
                found.append(tree.Parameter(argument.place, argument.name, argument.value))
            elif isinstance(argument.value, tree.Name) and argument.value.id != "it":
                found.append(tree.Parameter(argument.place, argument.value.id, None))
            else:
                if isinstance(argument.value, tree.Name):
                    self.reserved_parameter("it", argument.place)
                help = "write NAME or NAME = DEFAULT"
                self.fail_at("E0129", "a parameter is a name", argument.place, help)
        return found

    def reserved_parameter(self, name: str, place: Place) -> NoReturn:
        message = f"`{name}` is a reserved word and cannot name a parameter"
        self.fail_at("E0118", message, place, "choose another name")

    # Declarations of one line

    def declaration(self, word: str) -> tree.Declaration:
        self.at = 1
        if word == "def":
            return self.definition()
        if word == "defaults":
            return tree.Defaults(
                self.place(self.tokens[0], self.tokens[-2]), self.whole_call('defaults Conv2D(padding="same")')
            )
        if word == "from":
            return self.import_()
        return self.variant(word)

    def whole_call(self, example: str) -> tree.Call:
        """The rest of the line, which must be a call."""
        begin = self.at
        value = self.expression()
        if not isinstance(value, tree.Call):
            self.fail(
                "E0112",
                "expected a name with its arguments",
                self.tokens[begin],
                f"such as {example}",
                self.tokens[self.at - 1],
            )
        self.finish()
        return value

    def definition(self) -> tree.Def:
        name = self.new_name("a function")
        parameters = self.parameters(f"def {name.text}() = EXPRESSION")
        token = self.tokens[self.at]
        if token.text in (":", "->"):
            help = f"write def {name.text}{self.source(2, 2)} = EXPRESSION; what holds layers is a `block`"
            self.fail("E0119", "a `def` is one expression, without a body", token, help)
        if token.text != "=":
            self.unexpected("`=` and an expression")
        value = self.assigned()
        return tree.Def(self.whole(), name.text, self.place(name, name), parameters, value)

    def variant(self, word: str) -> tree.Variant:
        name = self.new_name(f"a {word}")
        equals = self.tokens[self.at]
        self.at += 1
        if word == "block":
            self.fail(
                "E0112", "a variant is of a model: a block has none", equals, f"write block {name.text}(): and its body"
            )
        call = self.whole_call(f"model {name.text} = MODEL(depth=3)")
        return tree.Variant(self.whole(), name.text, self.place(name, name), call)

    # Imports

    def import_(self) -> tree.Import:
        """`from "path" import A, B as C`, or with a dotted name for the path; the names may stand in parentheses."""
        token = self.tokens[1]
        dotted = token.kind == "name"
        path = ""
        if token.kind == "string":
            path = self.path()
        elif dotted:
            while True:
                part = self.tokens[self.at]
                if part.kind != "name" or part.text in PYTHON_WORDS:
                    self.unquoted_path(token)
                path += part.text
                self.at += 1
                if not self.take("."):
                    break
                path += "."
            if self.tokens[self.at].text in ("/", "-", "\\"):
                self.unquoted_path(token)
        else:
            self.unquoted_path(token)
        path_place = self.place(token, self.tokens[self.at - 1])
        if dotted and path.split(".")[0] in _LIBRARIES:
            self.fail_at(
                "E0131", f"there is nothing to import from `{path}`: layers are built in", path_place, "delete the line"
            )
        if not self.take("import"):
            self.unexpected("`import`", 'write from "FILE.arch" import NAME')
        bracket = self.take("(")
        names = self.imported(bracket)
        self.finish()
        return tree.Import(self.whole(), path, dotted, path_place, names)

    def path(self) -> str:
        from archonnx.compiler.syntax.literals import strings

        value = strings(self)
        if not isinstance(value, tree.Literal):
            self.fail_at("E0131", "the path of an import is written out", value.place)
        return str(value.value)

    def unquoted_path(self, first: Token) -> NoReturn:
        last = next((at for at, token in enumerate(self.tokens) if token.text == "import"), len(self.tokens) - 1)
        written = self.source(1, max(last - 1, 1))
        names = self.source(last + 1, len(self.tokens) - 2) if last + 1 < len(self.tokens) - 1 else "NAME"
        help = f'write from "{written}" import {names}'
        if first.text in (".", "..."):
            help = f'write the path: from "../FILE.arch" import {names}'
        self.fail("E0131", "the path of an import stands in quotes", first, help, self.tokens[max(last - 1, 1)])

    def imported(self, bracket: bool) -> list[tree.Imported]:
        names: list[tree.Imported] = []
        while True:
            first = self.tokens[self.at]
            if first.text == "*":
                self.fail("E0131", "imports name what they bring in", first, "write the names, with commas between")
            name = self.new_name("what is imported")
            alias = self.new_name("what is imported") if self.take("as") else name
            names.append(tree.Imported(self.place(first, alias), name.text, alias.text))
            comma = self.take(",")
            if bracket and self.take(")"):
                return names
            if not comma:
                if bracket:
                    self.unexpected("`,` or `)`")
                return names
