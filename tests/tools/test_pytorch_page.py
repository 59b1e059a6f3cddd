"""docs/pytorch.md: its table is what to_torch makes of the examples, its program runs."""

from __future__ import annotations

import re
from pathlib import Path
from types import ModuleType

import pytest

torch = pytest.importorskip("torch", reason="the page is about PyTorch")

ROOT = Path(__file__).resolve().parents[2]
PAGE = (ROOT / "docs" / "pytorch.md").read_text(encoding="utf-8")


@pytest.fixture
def pytorch(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    """The module, imported as `python -m tools.docs.pytorch` does, from the root."""
    monkeypatch.syspath_prepend(str(ROOT))
    import tools.docs.pytorch

    return tools.docs.pytorch


def test_the_tables_are_what_becomes_of_the_examples(pytorch: ModuleType) -> None:
    assert pytorch.generated() == PAGE, f"docs/pytorch.md is out of date; write it by: {pytorch.WRITE}"


def test_the_program_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (code,) = re.findall(r"^```python\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)
    (tmp_path / "models").symlink_to(ROOT / "models")
    monkeypatch.chdir(tmp_path)
    exec(compile(code, "pytorch.md", "exec"), {})
    assert (tmp_path / "trained.onnx").exists()
