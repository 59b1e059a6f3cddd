"""What people type who think in Python, Keras or another language: recognised to be answered with the line to write."""

from __future__ import annotations

from typing import TYPE_CHECKING, NoReturn

from archonnx.compiler.syntax import tree
from archonnx.compiler.syntax.tokenizer import Token
from archonnx.compiler.syntax.words import OTHER_CONSTANTS, PYTHON_STATEMENTS

if TYPE_CHECKING:
    from archonnx.compiler.syntax.operands import Operands

# Roots of dotted names that the elaborator knows or explains.
_NAMESPACES = frozenset("onnx layers keras tf tensorflow activations initializers regularizers constraints".split())
_LIBRARIES = frozenset(["np", "numpy", "math", "torch", "nn", "F", "jnp", "ops"])


def check_call(parser: Operands, function: object, start: int) -> None:
    """Fails for a call through a dot: values have no methods. What is called begins at the token `start`."""
    if not isinstance(function, tree.Attribute):
        return
    root: object = function.value
    while isinstance(root, tree.Attribute):
        root = root.value
    if isinstance(root, tree.Name) and root.id in _NAMESPACES:
        return
    at = parser.at - 1
    given = parser.source(at, at)
    if isinstance(root, tree.Name) and root.id in _LIBRARIES:
        message = f"`{root.id}` is no part of the language"
        parser.fail_at(
            "E0121", message, function.place, f"functions and layers are written alone: {function.name}{given}"
        )
    owner = parser.source(start, at - 3)
    inner = given[1:-1].strip().rstrip(",")
    if function.name == "append":
        help = f"lists are not changed, build a new one: {owner} = {owner} + [{inner}]"
    elif function.name == "format":
        help = 'write an f-string: f"...{VALUE}..."'
    elif function.name[:1].isupper():
        help = f"write {owner} -> {function.name}{given}"
    else:
        help = f"functions stand before their arguments: {function.name}({owner}{', ' + inner if inner else ''})"
    parser.fail_at(
        "E0121", f"values have no methods, and `{function.name}` is called as one", function.name_place, help
    )


def not_an_operand(parser: Operands, token: Token) -> NoReturn:
    """Fails at a reserved word, or another language's constant, where an expression was expected."""
    text = token.text
    if text in OTHER_CONSTANTS:
        parser.fail("E0120", f"`{text}` is written {OTHER_CONSTANTS[text]}", token)
    if text in PYTHON_STATEMENTS:
        parser.fail("E0119", f"there is no `{text}`", token, PYTHON_STATEMENTS[text])
    following = parser.tokens[parser.at + 1] if parser.at + 1 < len(parser.tokens) else token
    if (
        following.kind == "end"
        or following.text in ("->", "=", ",", ".", "in")
        or following.kind in ("call", "subscript")
    ):
        parser.fail("E0118", f"`{text}` is a reserved word", token, "choose another name")
    parser.unexpected("an expression")


def check_line(parser: Operands, where: str) -> None:
    """Fails for whole lines of Python and Keras programs; `where` is `file` or `body`."""
    tokens = parser.tokens
    first, second = tokens[0], tokens[1] if len(tokens) > 1 else tokens[0]
    if first.kind != "name":
        return
    if first.text == "model" and second.text in (".", "="):
        _keras_model(parser)
    if first.text == "import" or (first.text in PYTHON_STATEMENTS and first.text != "lambda"):
        parser.fail("E0119", f"there is no `{first.text}`", first, _written_instead(parser))
    if first.text == "print" and second.kind in ("call", "string", "fstring"):
        parser.fail(
            "E0119", "there is no `print`: a file is data", first, "`archonnx summary FILE` shows what a file declares"
        )
    if first.text == "from" and where == "body":
        parser.fail("E0126", "imports stand at the margin of the file", first)


def _written_instead(parser: Operands) -> str:
    tokens = parser.tokens
    word = tokens[0].text
    if word in ("return", "yield") and len(tokens) > 2:
        return f"write output {parser.source(1, len(tokens) - 2)}"
    if word == "class" and tokens[1].kind == "name":
        return f"write block {tokens[1].text}(parameters):"
    if word == "assert" and len(tokens) > 2:
        return f"write require {parser.source(1, len(tokens) - 2)}"
    return PYTHON_STATEMENTS[word]


def _keras_model(parser: Operands) -> NoReturn:
    tokens = parser.tokens
    if tokens[1].text == "=":
        help = "write `model NAME():` and the layers below it, one a line, indented"
        parser.fail("E0122", "a model is declared, not assigned", tokens[0], help, tokens[-2])
    method = tokens[2].text
    if method == "add" and tokens[3].kind == "call":
        arguments = tokens[3].value
        whole = isinstance(arguments, list) and len(arguments) == 1
        help = f"write {parser.source(3, 3)[1:-1].strip()}" if whole else "write the layer alone on its line"
        parser.fail("E0122", "layers are not added, they stand one a line", tokens[0], help, tokens[-2])
    if method in ("compile", "fit", "evaluate", "predict", "summary", "save"):
        help = "a file declares architectures; the `archonnx` command summarises, builds and runs them"
        parser.fail("E0122", f"there is no `model.{method}`", tokens[0], help, tokens[-2])
    parser.fail(
        "E0122", "`model` declares an architecture: it is no value", tokens[0], "write `model NAME():`", tokens[-2]
    )
