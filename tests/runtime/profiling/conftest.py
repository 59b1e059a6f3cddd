"""Small models of ours, built once, and their profiles of one run each: what they say is compared, never how fast."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Any

import pytest
from profiled_models import Profiles

import archonnx
from archonnx.contract.diagnostics import MachineError
from archonnx.runtime.devices import resolve
from archonnx.runtime.profiling.measured import inputs_for, profiled
from archonnx.runtime.profiling.profile import Profile


def profiler(folder: Path, project: Path, device: str) -> Profiles:
    """The profile of a text, or of a file of the zoo, with parameters of the model, on a device."""

    @cache
    def made(text: str, model: str | None = None, **parameters: Any) -> Profile:
        if text.endswith(".arch"):
            compiled = archonnx.compile(project / "models" / text, model, **parameters)
        else:
            compiled = archonnx.compile(text=text)
        path = folder / f"{compiled.name}.onnx"
        compiled.save(path)
        sources = {compiled.below_root.get(name, name): each for name, each in compiled.sources.items()}
        with archonnx.load(path, device, threads=1) as session:
            return profiled(session, inputs_for(session, (), {}), runs=2, sources=sources)

    return made


@pytest.fixture(scope="session")
def profiles(tmp_path_factory: pytest.TempPathFactory, project: Path) -> Profiles:
    return profiler(tmp_path_factory.mktemp("profiles"), project, "cpu")


@pytest.fixture(scope="session")
def on_openvino(tmp_path_factory: pytest.TempPathFactory, project: Path) -> Profiles:
    """Profiles on OpenVINO's library."""
    try:
        choice = resolve("openvino")
    except MachineError as error:
        pytest.skip(str(error))
    if not choice.providers[0].alone:
        pytest.skip("onnxruntime's plug-in takes this processor, and has no times for its nodes")
    return profiler(tmp_path_factory.mktemp("openvino"), project, "openvino")
