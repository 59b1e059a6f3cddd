"""One logical line as canonical text: spaces between tokens, and breaks inside brackets and before arrows.

1. What fits in 120 columns stands on one line, but for brackets that hold a comment, or whose items stood on lines of
   their own and ended in a comma.
2. A flow that was broken before an arrow stays broken there; one that does not fit is broken before every arrow but its
   first. Arrows that begin a line stand below the first one.
3. Brackets that do not fit, the largest first, hold one item a line and end in a comma; many numbers fill their lines.
4. An item that does not fit is broken before its operators of lowest precedence.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import pairwise

from archonnx.compiler.syntax.expressions import ends_operand
from archonnx.compiler.syntax.literals import requoted
from archonnx.compiler.syntax.tokenizer import Comment, Token

WIDTH = 120
_FAR = 60  # an arrow right of this column does not set the column of the ones below it
_UNARY = frozenset(["-", "+", "~"])
_LOOSENESS = [
    ("for",),
    ("if", "else"),
    ("or",),
    ("and",),
    ("==", "!=", "<", "<=", ">", ">="),
    ("->",),
    ("|",),
    ("^",),
    ("&",),
]
_LOOSENESS += [("<<", ">>"), ("+", "-"), ("*", "/", "//", "%", "@")]
_PREFIXES = (["tf", ".", "keras", ".", "layers", "."], ["keras", ".", "layers", "."], ["layers", "."])


@dataclass(slots=True)
class Item:
    """What stands between two commas in brackets, or between two breaks of a flow, with the comments around it."""

    parts: list[Token | Group] = field(default_factory=list)
    before: list[str] = field(default_factory=list)
    after: str = ""


@dataclass(slots=True)
class Group:
    """A pair of brackets; `open` says that it stays on several lines, `text` is its form on one."""

    opened: Token
    kind: str  # call, paren, list, subscript, parameters
    items: list[Item] = field(default_factory=list)
    tail: list[str] = field(default_factory=list)  # comments behind the last item
    comma: bool = False  # whether a comma stands behind the last item
    open: bool = False
    text: str = ""

    @property
    def closer(self) -> str:
        return ")" if self.opened.text == "(" else "]"

    @property
    def keeps_comma(self) -> bool:
        """Whether the comma behind a single item makes it a tuple."""
        return self.comma and len(self.items) == 1 and self.kind in ("paren", "subscript")

    @property
    def takes_comma(self) -> bool:
        """Whether a comma behind the last item means nothing."""
        if len(self.items) == 1 and (self.kind in ("paren", "subscript") or _has(self.items[0], "for")):
            return self.keeps_comma
        return True


def lay_out(tokens: Sequence[Token], comments: Sequence[Comment], indent: int) -> list[str]:
    """The lines of a logical line, given without its `end`, and of the comments that stand between its tokens."""
    rows = _Reader(tokens, comments).rows
    column = _arrow_column(rows[0], indent)
    if any(_width(row, column if at else indent) > WIDTH for at, row in enumerate(rows)):
        rows = [piece for row in rows for piece in _at_arrows(row)]
    out: list[str] = []
    for at, row in enumerate(rows):
        base = column if at else indent
        out += [" " * base + comment for comment in row.before]
        out += _broken(row.parts, base, "line", 0)
        out[-1] += "  " * bool(row.after) + row.after
    return out


def _has(item: Item, word: str) -> bool:
    return any(isinstance(part, Token) and part.text == word for part in item.parts)


def _width(row: Item, indent: int) -> int:
    return indent + len(joined(row.parts, "line"))


def _arrow_column(row: Item, indent: int) -> int:
    """Where the arrows that begin a line stand: below the first one of the flow, unless it is far to the right."""
    for at, part in enumerate(row.parts):
        if isinstance(part, Token) and part.text == "->" and at:
            column = indent + len(joined(row.parts[:at], "line")) + 1
            several = any(isinstance(before, Group) and before.open for before in row.parts[:at])
            return indent + 4 if several or column > _FAR else column
    return indent + 4


def _at_arrows(row: Item) -> list[Item]:
    """A row of a flow, broken before every arrow but its first."""
    starts = [at for at, part in enumerate(row.parts) if isinstance(part, Token) and part.text == "->"][1:]
    edges = [0, *starts, len(row.parts)]
    rows = [Item(row.parts[a:b]) for a, b in pairwise(edges)]
    rows[0].before, rows[-1].after = row.before, row.after
    return rows


# Tokens to a tree of brackets


class _Reader:
    """Reads a logical line into rows, each a list of tokens and brackets; comments go to the item they stand beside."""

    def __init__(self, tokens: Sequence[Token], comments: Sequence[Comment]) -> None:
        self.item = Item()
        self.rows = [self.item]
        self.stack: list[tuple[Group, Item, list[str]]] = []  # with what was `late` where the bracket opened
        self.header = tokens[0].text in ("model", "block", "def")
        self.waiting: list[str] = []  # comments on lines of their own, before the next row
        self.late: list[str] = []  # and those behind an item that no comma has ended yet
        pending = list(comments)[::-1]
        last = tokens[0]
        for token in tokens:
            while pending and (pending[-1].line, pending[-1].column) < (token.line, token.column):
                self.comment(pending.pop())
            self.token(token, last)
            last = token
        self.finish(self.item)

    def token(self, token: Token, last: Token) -> None:
        if token.kind == "op" and token.text in ("(", "["):
            group = Group(token, self.kind(token))
            self.item.parts.append(group)
            self.stack.append((group, self.item, self.late))
            self.item, self.late = Item(), []
        elif token.kind == "op" and token.text in (")", "]"):
            self.close(token, last)
        elif token.kind == "op" and token.text == "," and self.stack:
            self.finish(self.item)
            self.item.before += self.late
            self.late = []
            self.stack[-1][0].items.append(self.item)
            self.item = Item()
        else:
            if token.text == "->" and not self.stack and token.line > last.end_line:
                self.finish(self.item)
                self.item = Item(before=self.waiting)
                self.waiting = []
                self.rows.append(self.item)
            text = requoted(token.text) if token.kind in ("string", "fstring") else token.text
            self.item.parts.append(token._replace(text=text))

    def kind(self, token: Token) -> str:
        before = [
            part if isinstance(part, Token) else part.opened._replace(kind="list") for part in self.item.parts[-2:]
        ]
        postfix = ends_operand(before)
        if token.text == "[":
            return "subscript" if postfix else "list"
        if self.header and not self.stack and len(self.rows) == 1 and len(self.item.parts) == 2:
            return "parameters"
        return "call" if postfix else "paren"

    def close(self, token: Token, last: Token) -> None:
        group, outer, late = self.stack.pop()
        group.comma = last.text == "," and last.kind == "op"
        if self.item.parts:
            self.finish(self.item)
            group.items.append(self.item)
            group.tail, self.late = self.late, []
        else:
            group.tail += self.item.before
        inner = [part for item in group.items for part in item.parts if isinstance(part, Group)]
        first = group.items[0].parts[0] if group.items else None
        begins = first.opened.line if isinstance(first, Group) else first.line if first else token.line
        stood_apart = begins > group.opened.line and token.line > last.end_line
        group.open = (
            group.open
            or any(part.open for part in inner)
            or (stood_apart and bool(group.items) and (group.comma or not group.takes_comma))
        )
        group.text = group.opened.text + ", ".join(joined(item.parts, group.kind) for item in group.items)
        group.text += ("," if group.keeps_comma else "") + group.closer
        self.item, self.late = outer, late

    def comment(self, comment: Comment) -> None:
        group = self.stack[-1][0] if self.stack else None
        if group is None:
            if comment.alone:
                self.waiting.append(comment.text)
            else:
                self.behind(self.item, comment)
            return
        group.open = True
        if comment.alone and self.item.parts:
            self.late.append(comment.text)
        elif comment.alone or not (self.item.parts or group.items):
            self.item.before.append(comment.text)
        else:
            self.behind(self.item if self.item.parts else group.items[-1], comment)

    def behind(self, item: Item, comment: Comment) -> None:
        """Puts a comment behind an item, or above it where another one stands there already."""
        if item.after:
            item.before.append(comment.text)
        else:
            item.after = comment.text

    def finish(self, item: Item) -> None:
        """Takes `layers.` and its longer forms off the constructors of an item."""
        if not any(isinstance(part, Token) and part.text == "layers" for part in item.parts):
            return
        at = 0
        while at < len(item.parts):
            for prefix in _PREFIXES:
                end = at + len(prefix)
                words = [part.text if isinstance(part, Token) else "" for part in item.parts[at:end]]
                called = item.parts[end + 1] if end + 1 < len(item.parts) else None
                before = item.parts[at - 1] if at else None
                attribute = isinstance(before, Token) and before.text == "."
                if words == prefix and isinstance(called, Group) and called.kind == "call" and not attribute:
                    del item.parts[at:end]
            at += 1


# Text


def joined(parts: Sequence[Token | Group], kind: str) -> str:
    """Parts on one line. `kind` is that of the brackets around them, or `line`."""
    return "".join((" " if space else "") + part.text for part, space in _spaced(parts, kind))


def _spaced(parts: Sequence[Token | Group], kind: str) -> list[tuple[Token | Group, bool]]:
    """The parts, and whether a space stands before each."""
    wide = _is_wide(parts, kind)
    out: list[tuple[Token | Group, bool]] = []
    previous: Token | Group | None = None
    operand = unary = False
    for part in parts:
        text = part.text if isinstance(part, Token) else ""
        before = previous.text if isinstance(previous, Token) else ""
        if previous is None or unary or before == "." or text in (",", ":"):
            space = False
        elif text == ".":
            space = isinstance(previous, Token) and previous.kind == "number"
        elif isinstance(part, Group):
            space = part.kind not in ("call", "subscript", "parameters") and (before != "=" or wide)
            space = space and not (before == ":" and kind.endswith("subscript"))
        elif before == ":":
            space = not kind.endswith("subscript")
        else:
            space = wide or "=" not in (text, before)
        out.append((part, space))
        unary = text in _UNARY and not operand
        operand = isinstance(part, Group) or ends_operand([part])
        previous = part
    return out


def _is_wide(parts: Sequence[Token | Group], kind: str) -> bool:
    """Whether an `=` among the parts has spaces around it."""
    choice = any(isinstance(part, Token) and part.text == "if" for part in parts)
    return choice or kind in ("line", "parameters") or kind.startswith("wide ")


def _broken(parts: Sequence[Token | Group], indent: int, kind: str, reserve: int) -> list[str]:
    """Parts on as many lines as they need, the first indented; `reserve` columns stay free at the end."""
    groups = [part for part in parts if isinstance(part, Group)]
    forced = [group for group in groups if group.open]
    text = " " * indent + joined(parts, kind)
    if len(text) + reserve > WIDTH:
        pieces = _at_operators(parts) if kind != "line" else []
        if len(pieces) > 1:
            inner = f"wide {kind}" if _is_wide(parts, kind) else kind
            return [line for piece in pieces for line in _broken(piece, indent, inner, reserve)]
    elif not forced:
        return [text]
    others = sorted((g for g in groups if not g.open and (g.items or g.tail)), key=lambda group: -len(group.text))
    count = 0
    while True:
        opened = {id(group) for group in (*forced, *others[:count])}
        if count >= len(others) or _outer_width(parts, opened, indent, kind) + reserve <= WIDTH:
            return _opened(parts, opened, indent, kind)
        count += 1 if count < 16 else count


def _at_operators(parts: Sequence[Token | Group]) -> list[list[Token | Group]]:
    """Parts broken before the operators that bind loosest, and between strings."""
    for words in _LOOSENESS:
        pieces: list[list[Token | Group]] = [[]]
        operand = False
        for part in parts:
            token = part if isinstance(part, Token) else None
            if token is not None and operand and token.text in words and token.kind in ("op", "name"):
                pieces.append([])
            pieces[-1].append(part)
            operand = token is None or ends_operand([token])
        if len(pieces) > 1:
            return pieces
    if all(isinstance(part, Token) and part.kind in ("string", "fstring") for part in parts):
        return [[part] for part in parts]
    return [list(parts)]


def _outer_width(parts: Sequence[Token | Group], opened: set[int], indent: int, kind: str) -> int:
    """The longest of the lines that are left outside some opened brackets."""
    longest, current = 0, indent
    for part, space in _spaced(parts, kind):
        current += space
        if id(part) in opened:
            longest, current = max(longest, current + 1), indent + 1
        else:
            current += len(part.text)
    return max(longest, current)


def _opened(parts: Sequence[Token | Group], opened: set[int], indent: int, kind: str) -> list[str]:
    """Parts with some of their brackets opened: one item a line."""
    out: list[str] = []
    current = " " * indent
    inner = " " * (indent + 4)
    for part, space in _spaced(parts, kind):
        current += " " * space
        if isinstance(part, Token) or id(part) not in opened:
            current += part.text
            continue
        out.append(current + part.opened.text)
        if _fills(part):
            out += _filled([joined(item.parts, part.kind) for item in part.items], indent + 4)
        else:
            for item in part.items:
                out += [inner + comment for comment in item.before]
                out += _broken(item.parts, indent + 4, part.kind, 1)
                comma = "," if item is not part.items[-1] or part.takes_comma else ""
                out[-1] += comma + "  " * bool(item.after) + item.after
        out += [inner + comment for comment in part.tail]
        current = " " * indent + part.closer
    return [*out, current]


def _fills(group: Group) -> bool:
    """Whether a bracket holds a row of numbers."""
    return len(group.items) > 8 and all(
        not item.before
        and not item.after
        and all(isinstance(part, Token) and (part.kind == "number" or part.text in _UNARY) for part in item.parts)
        for item in group.items
    )


def _filled(texts: Sequence[str], indent: int) -> list[str]:
    out: list[str] = []
    current = " " * indent
    for text in texts:
        if len(current) + len(text) + 1 > WIDTH and current.strip():
            out.append(current.rstrip())
            current = " " * indent
        current += text + ", "
    return [*out, current.rstrip()]
