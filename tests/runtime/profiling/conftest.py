"""Small models of ours, built once, and their profiles of one run each: what they say is compared, never how fast."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Any

import pytest
from profiled_models import Profiles

import archonnx
from archonnx.runtime.profiling.measured import inputs_for, profiled
from archonnx.runtime.profiling.profile import Profile


@pytest.fixture(scope="session")
def profiles(tmp_path_factory: pytest.TempPathFactory, project: Path) -> Profiles:
    """The profile of a text, or of a file of the zoo, with parameters of the model."""
    folder = tmp_path_factory.mktemp("profiles")

    @cache
    def made(text: str, model: str | None = None, **parameters: Any) -> Profile:
        if text.endswith(".arch"):
            compiled = archonnx.compile(project / "models" / text, model, **parameters)
        else:
            compiled = archonnx.compile(text=text)
        path = folder / f"{compiled.name}.onnx"
        compiled.save(path)
        sources = {compiled.below_root.get(name, name): each for name, each in compiled.sources.items()}
        with archonnx.load(path, "cpu", threads=1) as session:
            return profiled(session, inputs_for(session, (), {}), runs=2, sources=sources)

    return made
