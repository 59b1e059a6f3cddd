"""`archonnx generate`: what it prints, and what it says of what it cannot do."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest

import archonnx
from archonnx.cli import main
from archonnx.cli.generate import _prompt
from archonnx.runtime.generation.stepping import Keeping
from archonnx.runtime.text.characters import characters_file

SIZES = ["layers=2", "width=32", "heads=4", "vocabulary=31", "context=24"]
SMALL = ["zoo:gpt2", "--model", "GPT2", *(word for size in SIZES for word in ("--set", size))]
LETTERS = characters_file(["<eos>", *"abcdefghijklmnopqrstuvwxyz .,\n"])
Output = pytest.CaptureFixture[str]


@pytest.fixture
def letters(tmp_path: Path) -> list[str]:
    (tmp_path / "letters.txt").write_text(LETTERS)
    return ["--tokenizer", str(tmp_path / "letters.txt")]


@pytest.fixture
def session(letters: list[str]) -> archonnx.Session:
    sizes = {name: int(value) for name, _, value in (size.partition("=") for size in SIZES)}
    return archonnx.load(archonnx.compile("zoo:gpt2", "GPT2", cache=True, **sizes), tokenizer=LETTERS.encode())


def test_numbers_are_printed_where_there_is_no_tokenizer(session: archonnx.Session, capsys: Output) -> None:
    assert main(["generate", *SMALL, "--tokens", "1,2,3", "--max-new-tokens", "5"]) == 0
    captured = capsys.readouterr()
    assert captured.out == " ".join(map(str, session.generate([1, 2, 3], max_new_tokens=5).tokens)) + "\n"
    untrained, last = captured.err.splitlines()
    assert untrained.startswith("GPT2 has initial weights")
    assert re.fullmatch(
        r"GPT2: 5 tokens on cpu at [\d,.]+ tokens/s; 3 tokens of prompt at [\d,]+ tokens/s; ended: as many tokens as asked for",
        last,
    )


def test_a_text_is_printed_as_it_comes(session: archonnx.Session, letters: list[str], capsys: Output) -> None:
    call = ["--prompt", "abc", "--seed", "2", "--max-new-tokens", "9"]
    assert main(["generate", *SMALL, *letters, *call]) == 0
    captured = capsys.readouterr()
    found = session.generate("abc", seed=2, max_new_tokens=9)
    assert captured.out == f"{found.text}\n"
    assert "; seed 2; ended: " in captured.err


def test_the_result_as_json(session: archonnx.Session, letters: list[str], capsys: Output) -> None:
    options = ["--temperature", "0.7", "--top-k", "9", "--top-p", "0.9", "--repetition-penalty", "1.2", "--seed", "5"]
    prompts = ["--prompt", "abc", "--prompt", "d"]
    call = [*prompts, *options, "--max-new-tokens", "30", "--stop", "a", "--stop-token", "7", "--format", "json"]
    assert main(["generate", *SMALL, *letters, *call]) == 0
    found = json.loads(capsys.readouterr().out)
    expected = session.generate(
        ["abc", "d"],
        temperature=0.7,
        top_k=9,
        top_p=0.9,
        repetition_penalty=1.2,
        seed=5,
        max_new_tokens=30,
        stop=["a", 7],
    )
    assert found.pop("prompt_tokens_per_second") > 0
    assert found.pop("tokens_per_second") > 0
    texts = [
        {
            "prompt_tokens": len(r.prompt),
            "tokens": r.tokens,
            "text": r.text,
            "reason": r.reason,
            "stopped_by": r.stopped_by,
        }
        for r in expected.rows
    ]
    assert found == {
        "model": "GPT2",
        "device": "cpu",
        "precision": "float32",
        "weights": "initial",
        "cached": True,
        "seed": 5,
        "prompt_tokens": 4,
        "texts": texts,
    }


def test_several_runs_take_the_next_seeds(session: archonnx.Session, letters: list[str], capsys: Output) -> None:
    assert (
        main(["generate", *SMALL, *letters, "--prompt", "ab", "--seed", "4", "--repeat", "2", "--stop-token", "30"])
        == 0
    )
    captured = capsys.readouterr()
    first, second = (session.generate("ab", seed=seed, stop=30).text for seed in (4, 5))
    assert captured.out == f"run 1:\n{first}\nrun 2:\n{second}\n"
    assert "the median of 2 runs" in captured.err
    assert main(["generate", *SMALL, "--tokens", "1", "--repeat", "2", "--max-new-tokens", "3"]) == 0
    assert len(capsys.readouterr().out.splitlines()) == 1, "the best tokens are the same each time"


def test_several_prompts_are_printed_one_by_one(session: archonnx.Session, capsys: Output) -> None:
    assert main(["generate", *SMALL, "--tokens", "1 2", "--tokens", "[3]", "--max-new-tokens", "3"]) == 0
    first, second = (" ".join(map(str, session.generate(ids, max_new_tokens=3).tokens)) for ids in ([1, 2], [3]))
    assert capsys.readouterr().out == f"prompt 1:\n{first}\nprompt 2:\n{second}\n"


def test_the_context_ends_a_text_and_it_is_said(capsys: Output) -> None:
    assert main(["generate", *SMALL, "--tokens", "1,2,3", "--max-new-tokens", "999"]) == 0
    captured = capsys.readouterr()
    assert len(captured.out.split()) == 22
    assert captured.err.endswith("; ended: the model reads 24 tokens at most\n")


def test_an_interrupted_text_ends_its_line(monkeypatch: pytest.MonkeyPatch, capsys: Output) -> None:
    go_on = Keeping.go_on

    def interrupted(self: Keeping, tokens: Any) -> Any:
        if self._held["keys_0"].shape()[2] > 4:
            raise KeyboardInterrupt
        return go_on(self, tokens)

    monkeypatch.setattr(Keeping, "go_on", interrupted)
    assert main(["generate", *SMALL, "--tokens", "1,2,3"]) == 130
    captured = capsys.readouterr()
    assert len(captured.out.split()) == 3
    assert captured.out.endswith("\n")
    assert captured.err.endswith("interrupted\n")


def test_the_cache_can_be_declined(capsys: Output) -> None:
    assert main(["generate", *SMALL, "--set", "cache=False", "--tokens", "1", "--max-new-tokens", "3"]) == 0
    captured = capsys.readouterr()
    assert (
        "GPT2 keeps no states: all tokens are read again for each that comes; built with --set cache=True"
        in captured.err
    )
    assert main(["generate", *SMALL, "--tokens", "1", "--max-new-tokens", "3"]) == 0
    again = capsys.readouterr()
    assert again.out == captured.out
    assert "keeps no states" not in again.err


def test_a_built_file_goes_on_too(
    tmp_path: Path, letters: list[str], session: archonnx.Session, capsys: Output
) -> None:
    target = str(tmp_path / "small.onnx")
    assert main(["build", *SMALL, "--set", "cache=True", "-o", target]) == 0
    (tmp_path / "prompt.txt").write_text("abc\n")
    capsys.readouterr()
    call = ["--prompt", f"@{tmp_path / 'prompt.txt'}", "--max-new-tokens", "4", "--stop-token", "30"]
    assert main(["generate", target, *letters, *call]) == 0
    assert capsys.readouterr().out == f"{session.generate('abc', max_new_tokens=4, stop=30).text}\n"


@pytest.mark.parametrize(
    ("prompts", "tokens", "expected"),
    [
        (("a b", "@@c"), (), ["a b", "@c"]),
        ((), ("1,2", " 3 4 ", "[5, 6]", "-7,"), [[1, 2], [3, 4], [5, 6], [-7]]),
        ((), ("",), [[]]),
    ],
)
def test_prompts_are_read(prompts: tuple[str, ...], tokens: tuple[str, ...], expected: list[Any]) -> None:
    assert _prompt(prompts, tokens) == expected


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        ([], 2, "--prompt TEXT or --tokens 1,2,3 says what to go on from, and neither is given"),
        (["--prompt", "a", "--tokens", "1"], 2, "says what to go on from, and both are given"),
        (["--prompt", "a"], 2, "GPT2 has no tokenizer, which makes tokens of texts; give the tokens: --tokens 1,2,3"),
        (["--prompt", "@no.txt"], 1, "no.txt: there is no such file"),
        (["--tokens", ""], 1, "the prompt is empty: GPT2 goes on from one token at least"),
        (["--tokens", "1,x"], 2, "--tokens 1,x: 'x' is no whole number; expected some, as in --tokens 1,2,3"),
        (
            ["--tokens", "1,31"],
            1,
            "the prompt: token 31 at place 1 is outside the vocabulary of GPT2: it has 31 tokens, 0 to 30",
        ),
        (["--tokens", ",".join(["1"] * 25)], 1, "the prompt has 25 tokens, GPT2 reads 24 at most"),
        (["--tokens", "1", "--temperature", "-1"], 2, "temperature is 0, for the best token, or above; received -1.0"),
        (["--tokens", "1", "--top-p", "1.5"], 2, "top_p is a probability above 0, and 1 at most; received 1.5"),
        (["--tokens", "1", "--top-k", "0"], 2, "top_k is a whole number of at least 1, received 0"),
        (["--tokens", "1", "--max-new-tokens", "0"], 2, "max_new_tokens is a whole number of at least 1, received 0"),
        (
            ["--tokens", "1", "--stop", "x"],
            2,
            "stop: 'x' is a text, and GPT2 has no tokenizer; give the number of a token",
        ),
        (["--tokens", "1", "--weights", "none"], 2, "--weights none: nothing is generated without weights"),
    ],
)
def test_what_cannot_be_done_is_said_in_one_line(
    words: list[str], code: int, said: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Output
) -> None:
    monkeypatch.chdir(tmp_path)
    assert main(["generate", *SMALL, *words]) == code
    captured = capsys.readouterr()
    assert captured.out == ""
    (line,) = captured.err.splitlines()
    assert line.startswith("error: ")
    assert said in line


def test_a_model_that_does_not_generate_is_named(capsys: Output) -> None:
    assert main(["generate", "zoo:gates", "--model", "XOR", "--tokens", "1"]) == 2
    assert (
        "error: XOR does not generate: one input of tokens, int64[batch, steps] is expected" in capsys.readouterr().err
    )


def test_a_prompt_that_is_no_text(letters: list[str], tmp_path: Path, capsys: Output) -> None:
    (tmp_path / "bad.txt").write_bytes(b"a\xff")
    assert main(["generate", *SMALL, *letters, "--prompt", f"@{tmp_path / 'bad.txt'}"]) == 1
    assert "this is no UTF-8 text, at byte 1" in capsys.readouterr().err
