"""What is done when a device does not take a model: with a session of onnxruntime that behaves so."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any, ClassVar

import onnxruntime
import pytest

from archonnx.contract.diagnostics import MachineError
from archonnx.runtime import engine
from archonnx.runtime.devices import CPU, CUDA, Choice
from archonnx.runtime.modelfile import ModelFile
from archonnx.runtime.settings import Options, Settings
from archonnx.runtime.threads import SPIN

ON_CUDA = Choice("cuda", (CUDA, CPU), "asked for")
NODE = SimpleNamespace(name="net/exp", op_type="Exp")


class FakeSession:
    """A session that tells which providers it has and which run its nodes, and may fail where CUDA is asked for."""

    has: tuple[str, ...] = (CUDA.name, CPU.name)
    runs: tuple[tuple[str, int], ...] = ((CUDA.name, 5), (CPU.name, 1))
    fails = False
    made: list[list[str]]
    asked: ClassVar[dict[str, Any]]  # of the session made last

    def __init__(self, source: Any, options: Any, providers: list[tuple[str, dict[str, str]]], **more: Any) -> None:
        assert more == {"enable_fallback": 0}
        names = [name for name, _ in providers]
        type(self).made.append(names)
        assert options.get_session_config_entry("session.intra_op.allow_spinning") == "1"
        try:
            spins = options.get_session_config_entry("session.intra_op.spin_duration_us")
        except RuntimeError:
            spins = "as onnxruntime has it"
        type(self).asked = {"level": options.graph_optimization_level, "spins": spins, "providers": dict(providers)}
        self.cuda = CUDA.name in names
        if self.cuda and self.fails:
            raise RuntimeError("CUDA failure 999")

    def get_providers(self) -> tuple[str, ...]:
        return self.has if self.cuda else (CPU.name,)

    def get_provider_graph_assignment_info(self) -> list[Any]:
        runs = self.runs if self.cuda else ((CPU.name, 6),)
        return [SimpleNamespace(ep_name=name, get_nodes=lambda n=count: [NODE] * n) for name, count in runs]

    def disable_fallback(self) -> None:
        pass


@pytest.fixture
def fake(monkeypatch: pytest.MonkeyPatch) -> type[FakeSession]:
    class Session(FakeSession):
        made: list[list[str]] = []  # noqa: RUF012 (one a test)

    monkeypatch.setattr(onnxruntime, "InferenceSession", Session)
    return Session


def test_a_model_on_cuda_says_where_its_nodes_run(fake: type[FakeSession]) -> None:
    started = engine.start("m.onnx", ModelFile("m.onnx"), ON_CUDA, Settings("cuda"))
    assert {name: len(nodes) for name, nodes in started.ran.items()} == {CUDA.name: 5, CPU.name: 1}
    assert started.choice.device == "cuda"
    assert fake.made == [[CUDA.name, CPU.name]]


@pytest.mark.parametrize(
    ("behaviour", "words"),
    [
        ({"has": (CPU.name,)}, "onnxruntime dropped its CUDA provider"),
        ({"runs": ((CPU.name, 6),)}, "none of the model's operators runs on CUDA"),
        ({"fails": True}, "CUDA failure 999"),
    ],
)
def test_cuda_asked_for_is_cuda_or_an_error(fake: type[FakeSession], behaviour: dict[str, Any], words: str) -> None:
    for name, value in behaviour.items():
        setattr(fake, name, value)
    with pytest.raises((MachineError, engine.ModelFileError), match=words):
        engine.start("m.onnx", ModelFile("m.onnx"), ON_CUDA, Settings("cuda"))
    started = engine.start("m.onnx", ModelFile("m.onnx"), ON_CUDA, Settings())
    assert started.choice.device == "cpu"
    assert words in started.choice.why
    assert fake.made[-1] == [CPU.name]


def test_what_a_plan_says_reaches_onnxruntime(fake: type[FakeSession]) -> None:
    levels = onnxruntime.GraphOptimizationLevel
    engine.start("m.onnx", ModelFile("m.onnx"), ON_CUDA, Settings("cuda"))
    assert fake.asked["level"] == levels.ORT_ENABLE_ALL
    assert fake.asked["spins"] == str(SPIN)
    options = Options("extended", True, (("prefer_nhwc", "1"), ("cudnn_conv_algo_search", "EXHAUSTIVE")))
    engine.start("m.onnx", ModelFile("m.onnx"), ON_CUDA, Settings("cuda", options=options))
    assert fake.asked["level"] == levels.ORT_ENABLE_EXTENDED
    assert fake.asked["spins"] == "as onnxruntime has it"
    changed = {"prefer_nhwc": "1", "cudnn_conv_algo_search": "EXHAUSTIVE"}
    assert fake.asked["providers"][CUDA.name].items() >= changed.items()
    assert CUDA.options["cudnn_conv_algo_search"] == "HEURISTIC", "the device's own options stay as they are"
