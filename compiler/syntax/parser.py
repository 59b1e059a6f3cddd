"""Source text to a syntax tree: bodies by indentation, line after line, so that a bad line does not hide the next.

Bodies are kept on a stack of their own: no depth of nesting makes the parser recursive.
"""

from __future__ import annotations

import gc
import inspect
from collections.abc import Iterator
from dataclasses import dataclass
from typing import cast

from archonnx.compiler.syntax import tree
from archonnx.compiler.syntax.cursor import LineError
from archonnx.compiler.syntax.declarations import Opened
from archonnx.compiler.syntax.lines import MAX_NESTING, Line, join_rows
from archonnx.compiler.syntax.literals import strings
from archonnx.compiler.syntax.statements import Statements
from archonnx.compiler.syntax.tokenizer import scan
from archonnx.compiler.syntax.words import HEADERS, PYTHON_HEADERS
from archonnx.contract.diagnostics import CompileError, Diagnostic, Diagnostics, Place

MAX_BODIES = 100
MAX_REPORTED = 100


def parse(text: str, name: str) -> tuple[tree.File, list[Diagnostic]]:
    """The tree of a source and what is wrong with it, in source order. Bad lines are missing from the tree.

    Never raises for any text. Line ends may be LF, CRLF or CR; a byte order mark is skipped. `File.text` is the text as
    places count it, with LF.
    """
    text = text.removeprefix("\ufeff")
    if "\r" in text:
        text = text.replace("\r\n", "\n").replace("\r", "\n")
    diagnostics = Diagnostics()
    # neither tokens nor the tree hold cycles, and looking for them while they grow takes longer than parsing
    collecting = gc.isenabled()
    gc.disable()
    try:
        file = _Parser(text, name, diagnostics).file()
    finally:
        if collecting:
            gc.enable()
    found = sorted(diagnostics.found, key=lambda d: (d.place.line, d.place.column) if d.place else (0, 0))
    if len(found) > MAX_REPORTED:
        rest = len(found) - MAX_REPORTED
        message = f"{rest} more error{'s' * (rest > 1)}: mend the first ones"
        found = [*found[:MAX_REPORTED], Diagnostic("E0133", message, found[MAX_REPORTED].place)]
    return file, found


def parse_bytes(data: bytes, name: str) -> tuple[tree.File, list[Diagnostic]]:
    """`parse` for the bytes of a file: UTF-8, anything else is a diagnostic that names the first bad byte."""
    start = Place(name, 1, 1, 1, 2)
    if data[:2] in (b"\xff\xfe", b"\xfe\xff"):
        problem = Diagnostic("E0002", "this file is UTF-16, expected UTF-8", start, help="save it as UTF-8")
        return tree.File(start, name, data.decode("utf-16", errors="replace"), []), [problem]
    if b"\x00" in data[:4096]:
        wanted = "name the model's source, a .arch file, not a built model or a file of weights"
        problem = Diagnostic("E0003", "this is no text file: it holds NUL bytes", start, help=wanted)
    else:
        try:
            return parse(data.decode("utf-8"), name)
        except UnicodeDecodeError as error:
            before = data[: error.start].decode("utf-8").removeprefix("\ufeff")
            before = before.replace("\r\n", "\n").replace("\r", "\n")
            line, column = before.count("\n") + 1, len(before) - before.rfind("\n")
            message = f"byte 0x{data[error.start]:02x} is not UTF-8"
            place = Place(name, line, column, line, column + 1)
            problem = Diagnostic("E0001", message, place, help="save the file as UTF-8")
    text = data.decode("utf-8", errors="replace")
    return tree.File(start, name, text, []), [problem]


def parse_expression(text: str, name: str) -> tree.Expr:
    """One expression, as a value given on the command line is. Raises CompileError."""
    diagnostics = Diagnostics()
    text = text.replace("\r\n", "\n").replace("\r", "\n")
    rows = scan(text, name, diagnostics).rows
    parser = _Parser(text, name, diagnostics)
    if not diagnostics.found:
        tokens = [token for row in rows for token in row.tokens]
        try:
            if tokens:
                value = parser.part(0, len(text), 1, 0, "")
                if not parser.too_deep(value):
                    return value
            else:
                diagnostics.add(Diagnostic("E0112", "expected an expression, found nothing", Place(name, 1, 1, 1, 2)))
        except LineError as failure:
            diagnostics.add(failure.diagnostic)
    raise CompileError(diagnostics.found, {name: text})


@dataclass(slots=True)
class _Level:
    """One level of indentation: where its lines go."""

    indent: int
    where: str  # "file" or "body"
    statements: list[tree.Statement]
    body: tree.Body | None = None  # until its first line has been read
    odd: bool = False  # whether it was reported, and stands for the level that was meant
    last_if: tree.If | None = None  # the `if` that an `elif` or `else` on the next line belongs to


@dataclass(slots=True)
class _Awaited:
    """A header whose body comes next."""

    line: Line
    level: _Level
    told: bool  # whether the header was reported, so that a missing body is not


class _Parser(Statements):
    def __init__(self, text: str, name: str, diagnostics: Diagnostics) -> None:
        super().__init__(name, text, diagnostics)
        self.declarations: list[tree.Declaration] = []
        # declarations and statements go into lists of one kind while bodies are read
        self.levels = [_Level(0, "file", cast("list[tree.Statement]", self.declarations))]
        self.awaited: _Awaited | None = None
        self.skipped: int | None = None  # lines indented deeper than this are not read
        self.widths: set[int] = set()  # wrong widths of indentation that were reported
        self.was_bad = False

    def file(self) -> tree.File:
        lines = join_rows(scan(self.text, self.name, self.diagnostics).rows, self.name, self.diagnostics)
        for number, line in enumerate(lines):
            if self.skipped is not None and line.indent > self.skipped:
                continue
            self.skipped = None
            self.enter(line)
            if not (number == 0 and _is_documentation(line)):
                self.line(line)
        if self.awaited is not None:
            self.no_body(self.awaited)
        count = self.text.count("\n")
        last = len(self.text) - self.text.rfind("\n")
        return tree.File(Place(self.name, 1, 1, count + 1, last), self.name, self.text, self.declarations)

    def report(self, code: str, message: str, place: Place, help: str | None = None) -> None:
        self.diagnostics.add(Diagnostic(code, message, place, help=help))

    # Indentation

    def enter(self, line: Line) -> None:
        """Brings the stack of levels to where the line stands."""
        first = line.tokens[0]
        place = Place(self.name, first.line, 1, first.line, max(first.column, 2))
        awaited, self.awaited = self.awaited, None
        if awaited is not None:
            if line.indent > awaited.line.indent:
                width = line.indent - awaited.line.indent
                if width != 4 and width not in self.widths and not self.levels[-1].odd:
                    self.widths.add(width)
                    message = f"this body is indented by {width} space{'s' * (width > 1)}, expected 4"
                    self.report(
                        "E0105", message, place, "indent four spaces a level: `archonnx fmt` does it for the whole file"
                    )
                awaited.level.indent = line.indent
                self.levels.append(awaited.level)
            else:
                self.no_body(awaited)
        left: _Level | None = None
        while len(self.levels) > 1 and self.levels[-1].indent > line.indent:
            left = self.levels.pop()
        top = self.levels[-1]
        if top.indent < line.indent:
            if left is not None:
                message = "this line is indented like none of the lines above that it could belong to"
                help = f"indent it by {top.indent} spaces, or by {left.indent} to stay in the body above"
                self.report("E0107", message, place, help)
            elif not self.was_bad:
                help = "only the body of a header that ends in `:` is indented deeper, and a line that begins with `->`"
                self.report("E0106", "this line is indented deeper than the one above", place, help)
            beside = left or top
            self.levels.append(_Level(line.indent, beside.where, beside.statements, odd=True))

    def no_body(self, awaited: _Awaited) -> None:
        if not awaited.told:
            first, last = awaited.line.tokens[0], awaited.line.tokens[-2]
            help = "indent its lines by four spaces; a body that does nothing is `pass`"
            self.report("E0108", f"this `{first.text}` has no body", self.place(first, last), help)

    # Lines

    def line(self, line: Line) -> None:
        """Parses one line into the level on top of the stack."""
        level = self.levels[-1]
        body, level.body = level.body, None
        if body is not None and not line.bad and _is_documentation(line):
            self.document(body, line)
            return
        first = line.tokens[0]
        word = first.text if first.kind == "name" else ""
        variant = word in ("model", "block") and any(token.text in ("=", ".") for token in line.tokens[1:3])
        opens = word in HEADERS and not variant
        found = len(self.diagnostics.found)
        if opens:
            self.open(line, word, level)
        else:
            self.one_line(line, word, level)
        self.was_bad = line.bad or len(self.diagnostics.found) > found

    def document(self, body: tree.Body, line: Line) -> None:
        self.tokens, self.at = line.tokens, 0
        try:
            value = strings(self)
        except LineError as failure:
            self.diagnostics.add(failure.diagnostic)
            return
        if isinstance(value, tree.Literal):
            body.documentation = inspect.cleandoc(str(value.value))

    def begin(self, line: Line) -> None:
        """Puts the cursor at the start of a line."""
        self.at = 0
        imports = line.tokens[0].text == "from"  # the parentheses of an import hold `as`, which no expression does
        self.tokens = list(line.tokens) if imports else [*self.fold(line.tokens[:-1]), line.tokens[-1]]

    def one_line(self, line: Line, word: str, level: _Level) -> None:
        if line.bad:
            return
        level.last_if = None
        try:
            self.begin(line)
            node = self.statement(level.where)
            if not self.deep(line, node):
                level.statements.append(cast("tree.Statement", node))
        except LineError as failure:
            self.diagnostics.add(failure.diagnostic)
            if word in PYTHON_HEADERS or (word == "def" and line.tokens[-2].text == ":"):
                self.skipped = line.indent

    def open(self, line: Line, word: str, level: _Level) -> None:
        """A header: its node goes into the level, and its body is awaited."""
        opened = Opened(None)
        told = line.bad
        if not line.bad:
            try:
                self.begin(line)
                opened = self.header(word)
                told = opened.inline or self.deep(line, opened.node)
            except LineError as failure:
                self.diagnostics.add(failure.diagnostic)
                told = True
        node = opened.node
        if node is None and word in ("model", "block") and line.tokens[1].kind == "name":
            name = line.tokens[1]  # a model whose header is bad is known by its name all the same
            node = tree.Body(self.place(line.tokens[0], name), word, name.text, self.place(name, name), [], None, [])
        if not self.well_placed(line, word, level, told):
            node = None
            told = True
        inner = _Level(0, "body", node.statements if isinstance(node, tree.Body) else node.body if node else [])
        inner.body = node if isinstance(node, tree.Body) else None
        self.attach(line, word, node, level, inner)
        self.awaited = _Awaited(line, inner, told)
        if len(self.levels) > MAX_BODIES:
            first = line.tokens[0]
            help = "give the inner ones a block of their own"
            self.report("E0111", f"bodies nested more than {MAX_BODIES} deep", self.place(first, first), help)
            self.skipped, self.awaited = line.indent, None

    def well_placed(self, line: Line, word: str, level: _Level, told: bool) -> bool:
        """Whether a header stands where it may; says why not unless something was said of its line already."""
        first = line.tokens[0]
        place = self.place(first, first)
        if word in ("model", "block"):
            if level.where == "body" and not told:
                self.report("E0126", f"`{word}` stands at the margin of the file, not in a body", place)
            return level.where == "file"
        if word in ("elif", "else"):
            if level.last_if is None and not told:
                help = "it follows the body of an `if`, indented like that `if`"
                self.report("E0125", f"this `{word}` belongs to no `if`", place, help)
            return level.last_if is not None
        if level.where == "file" and not told:
            self.report("E0126", f"`{word}` stands in the body of a model or block", place)
        return level.where == "body"

    def attach(
        self, line: Line, word: str, node: tree.Body | tree.For | tree.Branch | None, level: _Level, inner: _Level
    ) -> None:
        if word in ("elif", "else"):
            if word == "else" and level.last_if is not None:
                level.last_if.otherwise = inner.statements
                level.last_if = None
            elif level.last_if is not None and isinstance(node, tree.Branch):
                level.last_if.branches.append(node)
            return
        level.last_if = None
        if word == "if":
            # a bad `if` still has its `elif` and `else`, which then go nowhere
            place = self.place(line.tokens[0], line.tokens[-2])
            level.last_if = tree.If(place, [node] if isinstance(node, tree.Branch) else [], [])
            if node is not None:
                level.statements.append(level.last_if)
        elif node is not None:
            level.statements.append(cast("tree.Statement", node))

    # Depth

    def deep(self, line: Line, node: tree.Node | None) -> bool:
        """Whether an expression of a line is nested past the limit, which is reported."""
        short = len(line.tokens) <= MAX_NESTING and not any(token.kind == "fstring" for token in line.tokens)
        return node is not None and not short and self.too_deep(node)

    def too_deep(self, node: tree.Node) -> bool:
        pending: list[tuple[tree.Node, int]] = [(node, 0)]
        while pending:
            inner, depth = pending.pop()
            if depth > MAX_NESTING + 1:
                place = Place(
                    inner.place.file, inner.place.line, inner.place.column, inner.place.line, inner.place.column + 1
                )
                message = f"an expression nested more than {MAX_NESTING} deep"
                self.report("E0111", message, place, "give the inner parts names on lines of their own")
                return True
            pending += [(child, depth + (not isinstance(child, tree.Argument))) for child in children(inner)]
        return False


def children(node: tree.Node) -> Iterator[tree.Node]:
    """The nodes right below a node."""
    for field in type(node).__dataclass_fields__:
        value = getattr(node, field)
        if isinstance(value, tree.Node):
            yield value
        elif isinstance(value, list):
            yield from (item for item in value if isinstance(item, tree.Node))


def _is_documentation(line: Line) -> bool:
    token = line.tokens[0]
    return len(line.tokens) == 2 and token.kind == "string" and token.text[:3] in ('"""', "'''") and not line.bad
