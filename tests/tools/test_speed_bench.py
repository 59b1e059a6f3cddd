"""The comparison of speeds runs, and tells ratios and reasons; how fast anything is is not tested."""

from __future__ import annotations

import os
import shutil
import sys
from pathlib import Path
from types import ModuleType

import pytest

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def speed(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    """The module, imported as `python -m tools.bench.speed` does, from the root."""
    monkeypatch.syspath_prepend(str(ROOT))
    monkeypatch.setenv("PYTHONPATH", f"{ROOT}:{ROOT / 'src'}")  # of the processes that are started
    import tools.bench.speed

    return tools.bench.speed


def test_ways_are_measured_in_processes_of_their_own(speed: ModuleType, tmp_path: Path) -> None:
    from tools.bench.speed_subjects import SUBJECTS
    from tools.bench.speed_ways import files

    mine, theirs = files(SUBJECTS["LSTM"], tmp_path)
    SUBJECTS["LSTM"].ours().save(mine, seed=1)
    shutil.copy(mine, theirs)  # in place of PyTorch's, whose export takes half a minute
    ways = [speed.EXPORT, speed.OURS_FLOAT32]
    found = speed.compare("LSTM", ways, tmp_path, 2, 0.01)
    assert [found[way].reason for way in ways] == ["", ""]
    assert all(len(found[way].rounds) == 2 and all(found[way].rounds) for way in ways)
    assert found[speed.OURS_FLOAT32].facts["error"] < 1e-4
    text = speed.tables({"LSTM": found})
    assert "| ratio of times | against | LSTM |" in text
    assert "LSTM, TensorFlow" not in text  # only what was asked for


def test_what_does_not_start_is_told(speed: ModuleType, tmp_path: Path) -> None:
    found = speed.compare("DNN", ["PyTorch"], tmp_path / "nowhere", 1, 0.01)
    assert found["PyTorch"].reason.startswith("the models cannot be made: ")


def test_ratios_are_taken_to_the_best_and_judged(speed: ModuleType) -> None:
    def found(*rounds: float) -> object:
        return speed.Found([[each] for each in rounds])

    results = {
        "DNN": {
            speed.EXPORT: found(10.0, 20.0),
            "PyTorch": found(5.0, 5.0),
            "TensorFlow": speed.Found(reason="it is not installed"),
            speed.OURS_FLOAT32: found(6.0, 6.0),
            speed.OURS: found(1.0, 2.0),
        }
    }
    text = speed.tables(results)
    assert f"| {speed.OURS} | {speed.EXPORT} | 0.10 (0.10 to 0.10), within 0.2 |" in text
    assert f"| {speed.OURS} | the best of the others | 0.30 (0.25 to 0.35), within 1.05, PyTorch |" in text
    assert "1.20 (1.20 to 1.20), past 1.05, PyTorch |" in text
    assert "- DNN, TensorFlow: it is not installed" in text
    assert "| TensorFlow |  |" in text


def test_others_past_the_error_are_told_and_not_compared(speed: ModuleType) -> None:
    results = {
        "GPT-2": {
            speed.OURS: speed.Found([[3.0]], {"error": 1e-6, "on": "cpu float32"}),
            "PyTorch, bfloat16": speed.Found([[2.0]], {"error": 9e-3}),
            "OpenVINO, bfloat16": speed.Found([[1.0]], {"error": 1.2e-2}),
        }
    }
    text = speed.tables(results)
    assert "1.50 (1.50 to 1.50), past 1.05, PyTorch, bfloat16 |" in text
    assert (
        "Errors of others, which are not compared with ours where they are past 0.01: "
        "PyTorch, bfloat16: GPT-2 9.0e-03. OpenVINO, bfloat16: GPT-2 1.2e-02, past it."
    ) in text


def test_what_lower_precision_costs_others_is_measured(speed: ModuleType, tmp_path: Path) -> None:
    from tools.bench.speed_subjects import SUBJECTS
    from tools.bench.speed_ways import LOWERED, WAYS, prepare

    subject = SUBJECTS["LSTM"]
    prepare(subject, tmp_path)
    for way in (LOWERED[0], LOWERED[2]):
        _, facts = WAYS[way](subject, tmp_path)
        assert facts is not None
        assert 1e-5 < facts["error"] < 0.1, way
    for way in ("PyTorch", "OpenVINO, float32"):
        assert WAYS[way](subject, tmp_path)[1] is None


def test_the_page_has_a_section_for_each_processor(speed: ModuleType) -> None:
    page = "# Speed\n\n## Rules\n\nrules\n"
    once = speed.written(page, "first", "## Speed on A")
    assert once == "# Speed\n\n## Rules\n\nrules\n\n## Speed on A\n\nfirst\n"
    other = speed.written(once, "other", "## Speed on A, AMX")
    assert other == f"{once}\n## Speed on A, AMX\n\nother\n"
    assert speed.written(f"{other}\n## More\n\nmore\n", "second", "## Speed on A") == (
        "# Speed\n\n## Rules\n\nrules\n\n## Speed on A\n\nsecond\n\n## Speed on A, AMX\n\nother\n\n## More\n\nmore\n"
    )


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="threads are bound to a processor as Linux does it")
def test_cores_are_read_one_by_one(speed: ModuleType) -> None:
    from tools.bench import units

    found = [units.rates(0.01) for _ in range(2)]
    assert set(found[0]) == os.sched_getaffinity(0)
    assert all(rate > 0.1 for each in found for one in each.values() for rate in one.values())
    text = units.table(found)
    assert "| GFLOP/s of one core | float32 | bfloat16 |" in text
    assert text.count("| processor ") == len(found[0])
    assert ", " in units.processor()


def test_both_sides_have_the_same_number_of_weights(speed: ModuleType) -> None:
    from tools.bench.speed_subjects import SUBJECTS

    for name in ("DNN", "ResNet-50", "LSTM"):
        subject = SUBJECTS[name]
        model = subject.torch()
        theirs = sum(each.numel() for each in model.parameters())
        running = sum(each.numel() for what, each in model.named_buffers() if "running" in what)
        second = sum(each.numel() for what, each in model.named_parameters() if what.startswith("bias_hh"))
        assert subject.ours().summary().parameters.total == theirs + running - second, name


def test_only_rounds_with_free_units_count(speed: ModuleType) -> None:
    from tools.bench.speed_free import FEWEST, Round, free_of, table

    def one(before: float, between: float, after: float, ours: float) -> Round:
        return Round(((100.0, before), (101.0, between), (99.0, after)), [ours], [1.0])

    free = [one(200.0, 190.0, 205.0, 0.2) for _ in range(FEWEST)]
    busy = [one(200.0, 60.0, 200.0, 0.9), one(60.0, 200.0, 200.0, 0.9), one(200.0, 200.0, 60.0, 0.9)]
    found = free_of([*free, *busy])
    assert (found.free, found.rounds) == (FEWEST, FEWEST + 3)
    assert found.ratio is not None
    assert found.ratio.median == 0.2
    assert found.best[1] == pytest.approx(200.0, rel=0.05)
    few = free_of([*free[1:], *busy])
    assert few.ratio is None
    text = table({"DNN": found, "LSTM": few, "BERT-base": "it is not installed"}, {"DNN": 0.3, "LSTM": 0.4})
    assert f"| 0.20 (0.20 to 0.20), within 0.3; {FEWEST} of {FEWEST + 3} rounds |" in text
    assert f"| {FEWEST - 1} of {FEWEST + 2} rounds: too few |" in text
    assert "- BERT-base: it is not installed" in text


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="threads are bound to a processor as Linux does it")
def test_free_units_are_looked_for_between_calls(speed: ModuleType, tmp_path: Path) -> None:
    from tools.bench.speed_free import measure
    from tools.bench.speed_subjects import SUBJECTS
    from tools.bench.speed_ways import files

    mine, theirs = files(SUBJECTS["LSTM"], tmp_path)
    SUBJECTS["LSTM"].ours().save(mine, seed=1)
    shutil.copy(mine, theirs)
    found = measure("LSTM", speed.OURS_FLOAT32, speed.EXPORT, tmp_path, 0.2)
    assert not isinstance(found, str)
    assert found.rounds > 0
    assert len(found.best) == len(os.sched_getaffinity(0))
    assert measure("LSTM", speed.OURS_FLOAT32, "OpenVINO, float33", tmp_path, 0.2) == (
        "OpenVINO, float33: KeyError: 'OpenVINO, float33'"
    )
