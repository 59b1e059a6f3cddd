"""The words of the language: what is reserved, and what each means to the parser."""

from __future__ import annotations

DECLARATION_WORDS = frozenset(["model", "block", "def", "defaults", "from", "import"])
BODY_WORDS = frozenset(["input", "output", "state", "weight", "buffer", "require", "asset"])
PYTHON_WORDS = frozenset(
    "False None True and as assert async await break class continue def del elif else except finally for from global "
    "if import in is lambda nonlocal not or pass raise return try while with yield".split()
)
RESERVED = DECLARATION_WORDS | BODY_WORDS | PYTHON_WORDS | {"it"}

STATEMENT_WORDS = (DECLARATION_WORDS | BODY_WORDS) - {"state"}
"""Words that begin a line and that no expression holds."""

HEADERS = frozenset(["model", "block", "if", "elif", "else", "for"])
"""Words whose line opens a body."""

OPERATOR_WORDS = frozenset(["and", "or", "not", "in", "is", "if", "else", "for", "lambda", "as"])
"""Words after which an operand is expected, or that may stand after one."""

CONSTANTS: dict[str, object] = {"True": True, "False": False, "None": None}

VALUE_WORDS = frozenset(["it", *CONSTANTS])
"""Reserved words that are values all the same."""

PYTHON_STATEMENTS = {
    "class": "a part that is used more than once is a block: `block NAME(parameters):`",
    "return": "what a body gives is declared with `output`, or is its last value",
    "while": "repeat with `for NAME in range(COUNT):`",
    "import": 'parts of another file come in with `from "FILE.arch" import NAME`',
    "assert": "write `require CONDITION, MESSAGE`",
    "lambda": "functions of compile-time values are declared: `def NAME(parameters) = expression`",
    "del": "names last as long as their body",
    "global": "a body sees the file's constants, and cannot rebind them",
    "nonlocal": "a body sees the file's constants, and cannot rebind them",
    "raise": "write `require CONDITION, MESSAGE`",
    "try": "a file is data: it holds no errors to catch",
    "except": "a file is data: it holds no errors to catch",
    "finally": "a file is data: it holds no errors to catch",
    "with": "a file is data: it opens nothing",
    "break": "loops run to their end: choose what they run over, or use `if`",
    "continue": "loops run to their end: choose what they run over, or use `if`",
    "yield": "what a body gives is declared with `output`, or is its last value",
    "async": "a file is data: nothing runs in it",
    "await": "a file is data: nothing runs in it",
}
"""Python's words that the language does not have, and what is written instead."""

PYTHON_HEADERS = frozenset(["class", "while", "try", "except", "finally", "with", "async"])
"""Of these, the ones whose body is skipped."""

OTHER_OPERATORS = {
    "&&": "write `and` between conditions, `&` between tensors",
    "||": "write `or` between conditions, `|` between tensors",
    "!": "write `not` before a condition, `~` before a tensor",
    "<>": "write `!=`",
    "===": "write `==`",
    "=>": "an arrow is written `->`, and at least `>=`",
    ":=": "assign on a line of its own: `NAME = VALUE`",
    "?": "a choice is written `A if CONDITION else B`",
    ";": "write each statement on a line of its own",
    "$": "names are letters, digits and `_`",
    "\\": "a line goes on inside brackets, and where the next one begins with `->`",
}
"""Operators of other languages, and what is written instead."""

OTHER_CONSTANTS = {"true": "True", "false": "False", "null": "None", "none": "None", "nil": "None", "NULL": "None"}
OTHER_CONSTANTS |= {"TRUE": "True", "FALSE": "False"}
