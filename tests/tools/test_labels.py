"""models/imagenet.txt and models/coco.txt are torchvision's lists."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path
from types import ModuleType

import pytest

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def labels(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    monkeypatch.syspath_prepend(str(ROOT))
    import tools.reference.labels

    return tools.reference.labels


@pytest.mark.skipif(find_spec("torchvision") is None, reason="torchvision, whose lists are read")
def test_the_files_are_what_is_written(
    labels: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("sys.argv", ["labels", "--check"])
    assert labels.main() == 0
    monkeypatch.setattr(labels, "MODELS", tmp_path)
    assert labels.main() == 1
    assert "models/coco.txt is out of date; write it by: python -m tools.reference.labels" in capsys.readouterr().err
    monkeypatch.setattr("sys.argv", ["labels"])
    assert labels.main() == 0
    for file in labels.FILES:
        assert (tmp_path / file).read_bytes() == (ROOT / "models" / file).read_bytes()


def test_the_places_of_some_classes() -> None:
    imagenet = (ROOT / "models" / "imagenet.txt").read_text(encoding="utf-8").splitlines()
    assert [imagenet[i] for i in (0, 282, 657, 967, 999)] == [
        "tench",
        "tiger cat",
        "missile",
        "espresso",
        "toilet tissue",
    ]
    coco = (ROOT / "models" / "coco.txt").read_text(encoding="utf-8").splitlines()
    assert [coco[i] for i in (0, 15, 79)] == ["person", "cat", "toothbrush"]


def test_their_licence_stands_beside_them() -> None:
    text = (ROOT / "models" / "labels.LICENSE.md").read_text(encoding="utf-8")
    assert "BSD 3-Clause License" in text
    assert "Redistributions of source code must retain" in text
