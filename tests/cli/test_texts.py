"""`archonnx run --input text=...`: texts, files of them, their cosines, and what is refused."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from archonnx.cli import main

MEAN = """model Mean():
    input input_ids: int64[B, T]
    input attention_mask: int64[B, T]
    require T <= 6, "there are 6 places"
    kept = cast(attention_mask, float32)[..., None]
    x = (input_ids -> Embedding(6, 20)) * kept
    output vector = sum(x, axis=1) / sum(kept, axis=1)
"""
SCORES = """model Scores():
    input tokens: int64[B, T]
    Embedding(6, 3)
    Dense(6)
    output scores
"""
RUN = ["run", "mean.arch", "--tokenizer", "characters.txt"]
Output = pytest.CaptureFixture[str]


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "mean.arch").write_text(MEAN)
    (tmp_path / "scores.arch").write_text(SCORES)
    (tmp_path / "characters.txt").write_text("<pad>\na\nb\n\\s\n.\n[\n")
    (tmp_path / "lines.txt").write_bytes(b"a b\r\nba\n")
    return tmp_path


def test_cosines_of_texts(capsys: Output) -> None:
    given = ["--input", "text=ab [b.", "--input", "text=ab [b.", "--input", "text=@lines.txt"]
    assert main([*RUN, *given, "--similarity"]) == 0
    captured = capsys.readouterr()
    lines = captured.out.splitlines()
    assert lines[0] == "vector: cosines"
    rows = [line.split() for line in lines[3:]]
    assert [row[0] for row in rows] == ["1", "2", "3", "4"]
    assert rows[0][1:5] == ["ab", "[b.", "1.0000", "1.0000"]
    assert rows[3][1] == "ba"
    assert rows[2][-4] == rows[0][-2]
    assert "text: 4 texts of 6, 6, 3 and 2 tokens, filled up to 6" in captured.err
    assert main([*RUN, *given, "--similarity", "--format", "json"]) == 0
    document = json.loads(capsys.readouterr().out)
    table = document["similarity"]["vector"]
    assert [len(row) for row in table] == [4] * 4
    assert f"{table[0][2]:.4f}" == rows[0][-2]
    assert document["outputs"]["vector"]["shape"] == [4, 20]


def test_texts_stand_beside_small_outputs(folder: Path, capsys: Output) -> None:
    (folder / "mean.arch").write_text(MEAN.replace("Embedding(6, 20)", "Embedding(6, 2)"))
    assert main([*RUN, "--input", "text=ab", "--input", "text=b"]) == 0
    rows = [line.split() for line in capsys.readouterr().out.splitlines()]
    assert rows[0] == ["text", "vector[0]", "vector[1]"]
    assert [row[0] for row in rows[2:]] == ["ab", "b"]


def test_scores_of_tokens_name_them(capsys: Output) -> None:
    command = ["run", "scores.arch", "--tokenizer", "characters.txt", "--input", "text=ab", "--top", "6"]
    assert main(command) == 0
    named = {line.split("  ")[1].strip() for line in capsys.readouterr().out.splitlines() if line.startswith("  '")}
    assert named == {"'<pad>'", "'a'", "'b'", "' '", "'.'", "'['"}


def test_long_texts_are_cut_when_asked(capsys: Output) -> None:
    long = ["--input", "text=a", "--input", "text=aaaaaaab"]
    assert main([*RUN, *long]) == 1
    error = capsys.readouterr().err.splitlines()[-1]
    assert error.startswith(
        "error: text 2 has 8 tokens, Mean takes 6 at most (T <= 6: there are 6 places, at mean.arch:4:5)"
    )
    assert "--truncate" in error
    assert main([*RUN, *long, "--truncate"]) == 0
    assert "text 2: cut from 8 tokens to 6" in capsys.readouterr().err


def test_a_file_that_is_named_without_its_mark(capsys: Output) -> None:
    assert main([*RUN, "--input", "text=a.b"]) == 0
    assert "taken for a text" not in capsys.readouterr().err
    Path("a.b").write_text("a")
    assert main([*RUN, "--input", "text=a.b"]) == 0
    assert "text: 'a.b' is taken for a text; text=@a.b reads the lines of the file" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("argv", "code", "said"),
    [
        (
            ["mean.arch", "--input", "text=a"],
            2,
            "Mean has no tokenizer, which makes tokens of texts; give one: run --tok",
        ),
        ([*RUN[1:], "--input", "text="], 2, "--input text: the text is missing, as in text="),
        ([*RUN[1:], "--input", "text=  "], 2, "--input text: the text is missing"),
        ([*RUN[1:], "--input", "text=@"], 2, "--input text=@: the file is missing"),
        ([*RUN[1:], "--input", "text=@nowhere.txt"], 1, "nowhere.txt: there is no such file"),
        ([*RUN[1:], "--input", "text=@empty.txt"], 1, "empty.txt: the file is empty; expected one text a line"),
        ([*RUN[1:], "--input", "text=@gap.txt"], 1, "line 2 of gap.txt is empty: no token is in it; Mean needs one"),
        (
            [*RUN[1:], "--input", "text=@latin.txt"],
            1,
            "latin.txt: this is no text: byte 5, in line 2, is none of UTF-8;",
        ),
        (
            [*RUN[1:], "--input", "text=@ä.txt"],
            1,
            "line 1 of ä.txt: characters.txt: 'ä', at place 0 of the text, is none",
        ),
        ([*RUN[1:], "--input", "text=\udcff"], 1, "is none of its 6 characters"),
        ([*RUN[1:], "--input", "text=a", "--input", "input_ids=[[1]]"], 2, "--input input_ids is made of the text"),
        ([*RUN[1:], "--truncate", "--input", "input_ids=[[1]]"], 2, "--truncate cuts texts, and none is given"),
        ([*RUN[1:], "--input", "input_ids=[[1,6]]", "--input", "attention_mask=[[1,1]]"], 1, "6 at [0, 1] is outside"),
        (
            ["mean.arch", "--tokenizer", "lines.txt", "--input", "text=a"],
            1,
            "lines.txt, line 1: expected one character",
        ),
        (["mean.arch", "--tokenizer", "bad.json", "--input", "text=a"], 1, "bad.json: this is no tokenizer.json: "),
        (
            ["mean.arch", "--tokenizer", "config.json", "--input", "text=a"],
            1,
            'no tokenizer.json: it has no "model" with a',
        ),
        (["mean.arch", "--tokenizer", "no.json", "--input", "text=a"], 1, "no.json: there is no such file"),
        (
            ["mean.arch", "--tokenizer", "many.txt", "--input", "text=a"],
            1,
            "many.txt has 26 tokens, the table of input_ids",
        ),
        (
            ["scores.arch", "--tokenizer", "characters.txt", "--input", "text=ab", "--similarity"],
            2,
            "--similarity compares",
        ),
        (
            [*RUN[1:], "--input", "text=a", "--similarity", "--top", "3"],
            2,
            "--similarity prints cosines, and --top values: leave one of them out; --format json has both",
        ),
    ],
)
def test_what_is_refused(argv: list[str], code: int, said: str, folder: Path, capsys: Output) -> None:
    (folder / "empty.txt").write_text("")
    (folder / "gap.txt").write_text("a\n\nb\n")
    (folder / "latin.txt").write_bytes("a b\nbü\n".encode("latin-1"))
    (folder / "ä.txt").write_text("ä\n", encoding="utf-8")
    (folder / "bad.json").write_text('{"version": "1.0"')
    (folder / "config.json").write_text('{"hidden_size": 8}')
    (folder / "many.txt").write_text("\n".join("abcdefghijklmnopqrstuvwxyz"))
    before = sorted(folder.rglob("*"))
    assert main(["run", *argv]) == code
    captured = capsys.readouterr()
    errors = [line for line in captured.err.splitlines() if line.startswith("error: ")]
    assert len(errors) == 1, captured.err
    assert said in errors[0]
    assert captured.out == ""
    assert sorted(folder.rglob("*")) == before


def test_too_many_vectors_to_compare(folder: Path, capsys: Output) -> None:
    (folder / "many.txt").write_text("a\n" * 65)
    assert main([*RUN, "--input", "text=@many.txt", "--similarity"]) == 2
    assert "--similarity compares at most 64 vectors, received 65" in capsys.readouterr().err


# build --asset --------------------------------------------------------------------------------------------------------


def test_a_tokenizer_is_built_in(folder: Path, capsys: Output) -> None:
    assert main(["build", "mean.arch", "-o", "mean.onnx", "--asset", "tokenizer=characters.txt"]) == 0
    (folder / "characters.txt").unlink()
    assert main(["run", "mean.onnx", "--input", "text=ab", "--format", "json"]) == 0
    assert json.loads(capsys.readouterr().out)["outputs"]["vector"]["shape"] == [1, 20]


@pytest.mark.parametrize(
    ("given", "code", "said"),
    [
        (["tokenizer"], 2, "--asset tokenizer: expected NAME=FILE, as in --asset tokenizer=tokenizer.json"),
        (["tokenizer="], 2, "expected NAME=FILE"),
        (["=a.txt"], 2, "expected NAME=FILE"),
        (["a=lines.txt", "a=mean.arch"], 2, "--asset a is given twice: lines.txt and mean.arch"),
        (["tokenizer=nowhere.json"], 1, "nowhere.json: there is no such file"),
        (["tokenizer=."], 1, "it is a folder"),
        (
            ["tokenizer=lines.txt"],
            1,
            "Mean: the tokenizer lines.txt, line 1: expected one character, received 3: 'a b'",
        ),
        (["tokenizer=bad.json"], 1, "Mean: the tokenizer bad.json: this is no tokenizer.json: "),
        (["tokenizer=many.txt"], 1, "the tokenizer many.txt has 26 tokens, the table of input_ids has 6 rows; give"),
    ],
)
def test_what_is_not_built_in(given: list[str], code: int, said: str, folder: Path, capsys: Output) -> None:
    (folder / "bad.json").write_text('{"version": "1.0"')
    (folder / "many.txt").write_text("\n".join("abcdefghijklmnopqrstuvwxyz"))
    options = [word for each in given for word in ("--asset", each)]
    assert main(["build", "mean.arch", "-o", "mean.onnx", *options]) == code
    errors = [line for line in capsys.readouterr().err.splitlines() if line.startswith("error: ")]
    assert len(errors) == 1
    assert said in errors[0]
    assert not (folder / "mean.onnx").exists()
