"""docs/generation.md: its commands and its Python run, on small models whose weights are drawn, and say what the page says."""

from __future__ import annotations

import contextlib
import io
import re
import shlex
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import archonnx
from archonnx.cli import main
from archonnx.runtime.text.characters import characters_file

ROOT = Path(__file__).resolve().parents[2]
PAGE = (ROOT / "docs" / "generation.md").read_text(encoding="utf-8")
CHARACTERS = characters_file(["<eos>", *"abcdefghijklmnopqrstuvwxyzAT .\n"])
SIZES = {"layers": 2, "width": 32, "heads": 4, "vocabulary": 32}


def blocks(kind: str) -> list[str]:
    return [
        text.replace("\\\n", " ") for text in re.findall(rf"^```{kind}\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)
    ]


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with what the page takes for granted, of a small model: its weights and its tokenizer."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "gpt2").mkdir()
    archonnx.compile("zoo:gpt2", "GPT2", **SIZES).save_weights("gpt2/model.safetensors", seed=1)
    (tmp_path / "gpt2" / "tokenizer.json").write_text(CHARACTERS)
    return tmp_path


def small(line: str) -> list[str]:
    """The words of a command, for the small model in place of GPT2Small."""
    words = shlex.split(line)[1:]
    if "GPT2Small" not in words:
        return words
    sizes = [word for name, size in SIZES.items() for word in ("--set", f"{name}={size}")]
    return [*("GPT2" if word == "GPT2Small" else word for word in words), *sizes]


def test_the_page_runs(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    lines = [line for block in blocks("sh") for line in block.splitlines()]
    assert [shlex.split(line)[1] for line in lines] == ["generate", "build", "generate"]
    texts = []
    for line in lines:
        assert main(small(line)) == 0, capsys.readouterr().err
        captured = capsys.readouterr()
        texts.append(captured.out.removesuffix("\n"))
        assert "keeps no states" not in captured.err
    session = archonnx.load("gpt2.onnx")
    assert texts[0] == session.generate("Alan Turing was", temperature=0.8, top_k=40, seed=1).text
    assert texts[2] == session.generate("Alan Turing was").text
    (code,) = blocks("python")
    printed = io.StringIO()
    with contextlib.redirect_stdout(printed):
        exec(code, {})
    assert printed.getvalue().endswith(str(session.generate("Alan Turing was", stop=["\n"]).text))


def test_the_options_are_those_of_the_command(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["generate", "--help"]) == 0
    told = capsys.readouterr().out
    rows = [row for row in PAGE.splitlines() if row.startswith("| `--")]
    options = {option for row in rows for option in re.findall(r"`(--[\w-]+) ", row)}
    assert len(options) == 9
    assert all(f"{option} " in told for option in options)


def test_the_contexts_are_those_of_the_models() -> None:
    said = re.search(
        r"reads no more: ([\d,]+) tokens of GPT-2,\s([\d,]+) of GPT-3, ([\d,]+) of Llama 2, ([\d,]+) of Llama 3, ([\d,]+) of",
        PAGE,
    )
    assert said is not None
    for place, (file, model) in enumerate(
        [
            ("gpt2", "GPT2XL"),
            ("gpt3", "GPT3_175B"),
            ("llama", "Llama2_7B"),
            ("llama", "Llama3_8B"),
            ("llama", "Llama3_2_1B"),
        ],
        1,
    ):
        made = archonnx.compile(f"zoo:{file}", model, cache=True)
        found = [str(each.condition) for each in made.graph.requirements if "T" in str(each.condition)]
        assert found == [f"P + T <= {said[place].replace(',', '')}"]


def test_a_writer_goes_on_from_what_a_reader_read(tmp_path: Path) -> None:
    """As docs/text-models.md does it step by step."""
    sizes = {"vocabulary": 20, "width": 4, "units": 6}
    compiled = archonnx.compile("zoo:translate", "Translator", **sizes)
    compiled.save_weights(tmp_path / "translator.safetensors", seed=3)
    loaded = []
    for model in ("Reader", "Writer"):
        made = archonnx.compile("zoo:translate", model, **sizes).with_weights(tmp_path / "translator.safetensors")
        loaded.append(archonnx.load(made))
    reader, writer = loaded
    seen = reader(source=np.array([[5, 9, 4, 0]], np.int32))
    h, c, token = seen.h, seen.c, 1
    expected: list[int] = []
    for _ in range(12):
        step = writer(tokens=np.array([[token]], np.int32), memory=seen.memory, read=seen.read, h=h, c=c)
        h, c, token = step.h_next, step.c_next, int(step.logits[0, 0].argmax())
        expected.append(token)
    given: dict[str, Any] = {"memory": seen.memory, "read": seen.read, "h": seen.h, "c": seen.c}
    assert writer.generate([1], max_new_tokens=12, inputs=given).tokens == expected
    assert len(set(expected)) > 1, "tokens that differ"


def test_the_measurement_is_there() -> None:
    table = PAGE.partition("<!-- measured by tools.bench.generation -->")[2].partition("<!-- end of")[0]
    rows = re.findall(r"^\| (\d+) \| ([^|]+) \| [\d,]+ \| [\d.,]+ \| ([\d.]+) \|$", table, re.MULTILINE)
    assert [int(length) for length, *_ in rows] == sorted([64, 256, 512] * (len(rows) // 3))
    assert {ratio for _, way, ratio in rows if way == "with its cache"} == {"1.00"}
