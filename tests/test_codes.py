"""Every diagnostic code has a page, and what the page shows is what the compiler says.

A page holds examples: any number of ```arch file=NAME blocks, the files that an example imports; one ```arch block, the
source, which is called example.arch; and one ```text block, its rendering. Words behind `arch` say how the source is
given: `encoding=latin-1` its bytes, `escapes` that `\\x00` stands for a byte, `model=NAME` and `opset=N` what is
compiled, `build` that the diagnostic comes while the model is written, `bound=NAME:N` that one of
the language's bounds is lowered to keep the example small. A code that no source gives only shows a
rendering.

`pytest tests/test_codes.py --rewrite-codes` writes what the compiler says into the pages; read the difference.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from contextlib import nullcontext
from dataclasses import dataclass, field
from pathlib import Path
from unittest import mock

import pytest

from archonnx.compiler.artifact import compile_text
from archonnx.compiler.elaborate import limits
from archonnx.compiler.syntax.parser import parse_bytes
from archonnx.contract.diagnostics import CompileError, Diagnostic
from archonnx.contract.render import render_text

PROJECT = Path(__file__).resolve().parent.parent
PAGES = PROJECT / "src" / "archonnx" / "contract" / "codes"
BLOCK = re.compile(r"^```(arch|text)([^\n]*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)


@dataclass
class Example:
    """One source of a page, and where its rendering stands in the page's text."""

    source: str
    options: dict[str, str]
    shown: str
    span: tuple[int, int]
    files: dict[str, str] = field(default_factory=dict)


def examples(page: str) -> list[Example]:
    found: list[Example] = []
    files: dict[str, str] = {}
    source: tuple[str, dict[str, str]] | None = None
    for block in BLOCK.finditer(page):
        options = dict(word.partition("=")[::2] for word in block[2].split())
        if block[1] == "arch" and "file" in options:
            files[options["file"]] = block[3]
        elif block[1] == "arch":
            assert source is None, "a source is followed by its rendering"
            source = (block[3], options)
        elif source is not None:
            found.append(Example(*source, block[3].rstrip("\n"), block.span(3), files))
            files, source = {}, None
    assert source is None, "a source is followed by its rendering"
    return found


def diagnose(example: Example, folder: Path) -> tuple[list[Diagnostic], Mapping[str, str]]:
    """What the compiler says of an example, and the texts it points into."""
    source = example.source
    if "escapes" in example.options:
        source = source.encode("ascii").decode("unicode_escape")
    data = source.encode(example.options.get("encoding", "utf-8"))
    file, found = parse_bytes(data, "example.arch")
    if found:
        return found, {file.name: file.text}
    for name, text in example.files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text, encoding="utf-8")
    opset = int(example.options["opset"]) if "opset" in example.options else None
    bound, _, lowered = example.options.get("bound", "").partition(":")
    try:
        with mock.patch.object(limits, bound, int(lowered)) if bound else nullcontext():
            model = compile_text(
                data, name="example.arch", root=folder, model=example.options.get("model"), opset=opset
            )
        if "build" in example.options:
            model.save(folder / "example.onnx")
    except CompileError as error:
        return list(error.diagnostics), error.sources
    return list(model.diagnostics), model.sources


def pages() -> list[Path]:
    return sorted(PAGES.glob("*.md"))


@pytest.mark.parametrize("page", pages(), ids=lambda page: page.stem)
def test_the_page_shows_what_the_compiler_says(page: Path, tmp_path: Path, request: pytest.FixtureRequest) -> None:
    text = page.read_text(encoding="utf-8")
    for example in reversed(examples(text)):
        found, sources = diagnose(example, tmp_path)
        assert page.stem in [d.code for d in found], f"the example gives {[str(d) for d in found]}"
        rendered = render_text(found, sources)
        if request.config.getoption("--rewrite-codes"):
            start, end = example.span
            text = text[:start] + rendered + "\n" + text[end:]
            page.write_text(text, encoding="utf-8")
        else:
            assert rendered == example.shown


@pytest.mark.parametrize("page", pages(), ids=lambda page: page.stem)
def test_the_page_is_a_title_prose_and_an_example(page: Path) -> None:
    text = page.read_text(encoding="utf-8")
    title, _, rest = text.partition("\n")
    assert re.fullmatch(rf"# {page.stem}: [a-z\"`'].+[^.]", title)
    assert len(rest[: rest.index("```")].split()) >= 8, "prose says when it occurs and how to mend it"
    if not examples(text):
        assert BLOCK.search(rest), "a page shows what the diagnostic looks like"
        assert f"[{page.stem}]: " in rest
        tested = (test.read_text(encoding="utf-8") for test in (PROJECT / "tests").rglob("test_*.py"))
        assert any(f'"{page.stem}"' in test for test in tested), "a code that no source gives has a test of its own"


def test_every_code_has_a_page_and_every_page_is_used() -> None:
    used: set[str] = set()
    for folder in ("compiler", "src/archonnx/contract", "src/archonnx/verifying"):
        for file in (PROJECT / folder).rglob("*.py"):
            used |= set(re.findall(r"[\"']([EW][0-9]{4})[\"']", file.read_text(encoding="utf-8")))
    assert used == {page.stem for page in pages()}


def test_pages_are_named_by_their_code() -> None:
    assert [page.name for page in pages() if not re.fullmatch(r"[EW][0-9]{4}\.md", page.name)] == []
