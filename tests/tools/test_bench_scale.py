"""The comparison with other tools: what it measures, how failures are told, what the page says; no speed is tested."""

from __future__ import annotations

import importlib.util
import io
import json
import re
import subprocess
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parents[2]
ABOUT = {
    "command": "python -m tools.bench.scale",
    "versions": {"keras": "3.15.1"},
    "runs": 3,
    "limit": 16 * 2**30,
    "load": 0.1,
    "processor": "Some CPU",
    "cores": "2 processors, 25 GB",
    "system": "Linux, Python 3.11.7",
}


@pytest.fixture
def scale(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    """The package, imported as `python -m tools.bench.scale` does, from the root."""
    monkeypatch.syspath_prepend(str(ROOT))
    import tools.bench.scale.__main__ as package

    return package


@pytest.fixture
def bench(scale: ModuleType, tmp_path: Path) -> Any:
    """Processes run by this interpreter, in a folder of their own, with 2 GB of address space."""
    return scale.builds.Bench(
        python=sys.executable,
        peers=sys.executable,
        folder=tmp_path,
        environment=scale.surroundings.environment(),
        limit=2 * 10**9,
        patience=60.0,
        step=lambda name, seconds: None,
    )


def rows(scale: ModuleType, *given: tuple[str, str, list[float], str]) -> list[Any]:
    return [
        scale.records.Row(subject, way, seconds, seconds, [100e6] * len(seconds), 575_000_000, 1, failure)
        for subject, way, seconds, failure in given
    ]


def measured(scale: ModuleType, folder: Path, way: str, runs: int, limit: int, replaced: str = "") -> Any:
    """The row of DNN, measured by a process of its own: to a small one the kernel counts the memory of the large one that
    starts it, which the process of the tests is. replaced: Python that takes the place of the command."""
    text = f"""
import dataclasses, json, sys
from pathlib import Path
from tools.bench.scale import builds, surroundings
if {replaced!r}:
    builds.command = lambda *given: [sys.executable, "-c", {replaced!r}]
bench = builds.Bench(
    python=sys.executable, peers=sys.executable, folder=Path({str(folder)!r}), environment=surroundings.environment(),
    limit={limit}, patience=60.0, step=lambda name, seconds: None,
)
(row,) = builds.side_by_side(bench, "DNN", [{way!r}], {runs})
print(json.dumps(dataclasses.asdict(row)))
"""
    done = subprocess.run([sys.executable, "-c", text], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return scale.records.Row(**json.loads(done.stdout))


def test_a_build_is_measured_and_nothing_is_left(scale: ModuleType, tmp_path: Path) -> None:
    row = measured(scale, tmp_path, scale.builds.OURS, 2, 2 * 10**9)
    assert row.failure == ""
    assert len(row.seconds) == len(row.peaks) == len(row.processor) == 2
    assert min(row.processor) > 0
    assert 4 * 4_571_018 < row.nbytes < 4 * 4_571_018 + 100_000
    assert 30e6 < row.peak < 1e9
    assert list(tmp_path.iterdir()) == []


def test_what_takes_too_much_memory_is_a_failure_with_its_last_line(scale: ModuleType, tmp_path: Path) -> None:
    if not sys.platform.startswith("linux"):
        pytest.skip("only Linux enforces a limit on the address space")
    eat = "held = []\nwhile True:\n    held.append(b'x' * 50_000_000)"
    row = measured(scale, tmp_path, scale.builds.KERAS, 3, 500_000_000, eat)
    assert row.failure == "exit code 1: MemoryError"
    assert len(row.seconds) == 1, "what failed is not run again"
    assert 200e6 < row.peak < 500e6
    assert not row.there
    told = scale.page.failures([row])
    assert re.search(r"- DNN, Keras export: exit code 1: MemoryError after \d+ s, at [\d,]+ MB\.", told)


def test_what_is_killed_or_takes_too_long_is_told(
    scale: ModuleType, bench: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    kill = "import os, signal; os.kill(os.getpid(), signal.SIGSEGV)"
    monkeypatch.setattr(scale.builds, "command", lambda *given: [sys.executable, "-c", kill])
    (row,) = scale.builds.side_by_side(bench, "GRU", [scale.page.DYNAMO], 1)
    assert row.failure == "SIGSEGV"
    bench.patience = 0.5
    child = "import subprocess, sys; subprocess.run([sys.executable, '-c', 'import time; time.sleep(60)'])"
    monkeypatch.setattr(scale.builds, "command", lambda *given: [sys.executable, "-c", child])
    (row,) = scale.builds.side_by_side(bench, "GRU", [scale.page.DYNAMO], 1)
    assert row.failure == "killed after 0 s"
    assert row.seconds[0] < 30, "what it started is killed as well"


def test_what_writes_no_file_fails(scale: ModuleType, bench: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(scale.builds, "command", lambda *given: [sys.executable, "-c", "print('done')"])
    (row,) = scale.builds.side_by_side(bench, "GRU", [scale.builds.SCRIPT], 1)
    assert row.failure == "it ended well, and wrote no file"


def test_ways_take_turns_and_a_long_one_is_not_repeated(
    scale: ModuleType, bench: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    order: list[str] = []

    def once(given: Any, row: Any, target: Path) -> None:
        order.append(row.way)
        row.seconds.append(30.0 if row.way == scale.builds.KERAS else 1.0)

    monkeypatch.setattr(scale.builds, "_once", once)
    ours, keras, torch = scale.builds.OURS, scale.builds.KERAS, scale.builds.SCRIPT
    scale.builds.side_by_side(bench, "DNN", [ours, keras, torch], 3)
    assert order == [ours, keras, torch, torch, ours, ours, torch]


def test_a_way_that_failed_at_a_size_is_not_asked_for_a_larger_one(
    scale: ModuleType, bench: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    def once(given: Any, row: Any, target: Path) -> None:
        row.seconds.append(1.0)
        row.failure = "no memory" if row.way == scale.builds.KERAS and int(row.subject) > 50 else ""

    monkeypatch.setattr(scale.builds, "_once", once)
    ways = [scale.builds.OURS, scale.builds.KERAS]
    bench.warm.update(ways)
    found = scale.builds.sizes(bench, [32, 64, 128], ways, 1)
    assert [(row.subject, row.way) for row in found if row.way == scale.builds.KERAS] == [
        ("32", scale.builds.KERAS),
        ("64", scale.builds.KERAS),
    ]
    assert len(found) == 5


def test_ratios_are_of_the_rounds_that_both_had(scale: ModuleType) -> None:
    ours, keras = rows(scale, ("DNN", "a", [1.0, 2.0, 9.0], ""), ("DNN", "b", [10.0, 10.0], ""))
    assert scale.records.ratio(ours, keras) == pytest.approx(0.15)
    assert scale.page.part_text(0.05) == "1/20.0"
    assert scale.page.part_text(1.5) == "1.50"


def test_results_come_back_as_they_were_written(scale: ModuleType, tmp_path: Path) -> None:
    given = rows(scale, ("DNN", "a", [1.23456789], ""), ("DNN", "b", [], "MemoryError"))
    path = tmp_path / "deep" / "results.json"
    section = scale.records.Section(ABOUT, given, {"x": {"medians": [0.125]}})
    scale.records.write(path, {"builds": section, "sizes": scale.records.Section(ABOUT)})
    found = scale.records.read(path)
    assert found["builds"].rows[0].seconds == [1.2346]
    assert found["builds"].rows[1] == given[1]
    assert (found["builds"].about, found["builds"].more) == (ABOUT, section.more)
    assert list(found) == ["builds", "sizes"]
    assert scale.records.read(tmp_path / "none.json") == {}


def sections(scale: ModuleType) -> dict[str, Any]:
    ours, keras, dynamo = scale.builds.OURS, scale.builds.KERAS, scale.page.DYNAMO
    limits = scale.limits
    built = rows(
        scale,
        ("DNN", ours, [1.0, 1.0], ""),
        ("DNN", keras, [40.0], ""),
        ("DNN", dynamo, [2.0, 2.0], ""),
        ("VGG-19", ours, [1.0], ""),
        ("VGG-19", keras, [60.0], "exit code 1: MemoryError"),
        ("VGG-19", dynamo, [5.0], ""),
    )
    alone = rows(
        scale,
        (limits.GPT3, "check", [0.5], ""),
        (limits.GPT3, "build --weights none", [6.0], ""),
        (limits.TEXT, "check", [3.0], "exit code 70: a defect"),
        ("VGG-19", ours, [3.0, 3.0], ""),
        ("VGG-19", limits.ALONE, [2.0, 2.0], ""),
        (limits.FROM_FILE, ours, [0.5], ""),
        (limits.FROM_FILE, limits.DD, [0.25], ""),
    )
    speed = {
        "DNN": {
            "onnxruntime, PyTorch's export": {"medians": [0.1, 0.2], "failure": ""},
            "PyTorch": {"medians": [0.05, 0.05], "failure": ""},
            "OpenVINO, bfloat16": {"medians": [0.02, 0.02], "failure": ""},
            "TensorFlow": {"medians": [], "failure": "RuntimeError: no"},
            "archonnx, float32": {"medians": [0.06, 0.06], "failure": "", "error": 0.0, "on": "cpu"},
            "archonnx, max_error=1e-2": {"medians": [0.01, 0.03], "failure": "", "error": 1e-3, "on": "cpu"},
        },
        "GRU": {way: {"medians": [], "failure": "exit code 1: no module"} for way in ("PyTorch", "TensorFlow")},
    }
    section = scale.records.Section
    return {
        "builds": section(ABOUT, built),
        "sizes": section(ABOUT, rows(scale, ("32", ours, [0.5], ""), ("1021", keras, [9.0], "SIGKILL"))),
        "speeds": section(ABOUT, [], speed),
        "limits": section(ABOUT, alone),
    }


def test_aims_are_judged_by_their_worst_figure(scale: ModuleType) -> None:
    found = {(work, reach): (figure, holds) for work, reach, figure, holds in scale.page.aims(sections(scale))}
    assert found["a whole build beside Keras export", "1/20"] == ("1/40.0", "yes"), "VGG-19 has no export to compare"
    assert found["a whole build beside torch.onnx, dynamo", "1/4"] == ("1/2.0 (DNN)", "no: DNN")
    assert found["a build beside drawing and writing alone", "2"] == ("1.50", "yes")
    assert found["write rate from a weights file, of `dd conv=fsync`", "60%"][1] == "no: VGG-19 from a weights file"
    assert found["GPT-3 175B", "5 s"] == ("6.00 s (build --weights none)", "no: build --weights none")
    assert found["100,000 layers as text", "20 s"] == ("check: exit code 70: a defect", "no")
    assert ("the same, GPT-2 1.5B", "600 MB") not in found, "it was not measured"


def test_the_page_tells_failures_and_parts_replace_themselves(scale: ModuleType, tmp_path: Path) -> None:
    page, given = tmp_path / "benchmarks.md", sections(scale)
    page.write_text(scale.page.replaced(scale.page.HEAD, "startup", "## The command line\n\nkept"), encoding="utf-8")
    scale.page.written(page, given)
    text = page.read_text(encoding="utf-8")
    assert "- VGG-19, Keras export: exit code 1: MemoryError after 60 s, at 100 MB." in text
    assert "| VGG-19 | 1.00 | failed | 5.00 |" in text
    assert "- GRU, all: exit code 1: no module." in text
    assert "1021 wide, 100 MB, Keras export: SIGKILL" in text
    assert "| archonnx, max_error=1e-2 | onnxruntime, PyTorch's export | 0.12 |" in text
    assert "| archonnx, float32 | the fastest of the others in float32 | 1.20, PyTorch |" in text
    assert "## The command line\n\nkept" in text
    assert re.findall(r"<!-- (\w+): begin", text) == ["aims", "builds", "sizes", "speeds", "limits", "startup"]
    assert "keras 3.15.1" in text
    assert scale.page.replaced("# Other\n", "depth", "x") == (
        "# Other\n\n<!-- depth: begin -->\n\nx\n\n<!-- depth: end -->\n"
    )
    scale.page.written(page, {"limits": given["limits"]})
    again = page.read_text(encoding="utf-8")
    assert again.count("<!-- builds: begin -->") == again.count("<!-- limits: end -->") == 1
    assert "1021 wide" in again, "parts that were not measured stay"


def test_a_process_that_ends_takes_no_network_with_it(
    scale: ModuleType, bench: Any, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    fake = tmp_path / "python"
    line = json.dumps({"network": "DNN", "ways": {"PyTorch": {"medians": [0.1], "failure": ""}}})
    fake.write_text(f"#!/bin/sh\necho '{line}'\necho 'RuntimeError: gone'\nexit 3\n")
    fake.chmod(0o755)
    bench.peers = str(fake)
    found = scale.speeds.speeds(bench, ["DNN", "GRU"], 1, 0.1)
    assert found["DNN"]["PyTorch"]["medians"] == [0.1]
    assert found["GRU"]["all"]["failure"] == "exit code 3: RuntimeError: gone"


def test_the_bar_tells_what_is_left_by_what_it_took(scale: ModuleType, monkeypatch: pytest.MonkeyPatch) -> None:
    clock = iter([0.0, 20.0, 20.0])
    monkeypatch.setattr("tools.bench.scale.progress.time.perf_counter", lambda: next(clock))
    out = io.StringIO()
    monkeypatch.setattr(out, "isatty", lambda: True)
    bar = scale.Bar(30.0, out)
    bar._done = 10.0  # as after a step that was expected to take as long
    assert bar.left() == pytest.approx(40.0)
    bar.step("GRU, Keras export", 5.0)
    assert "33%, 0:40 left  GRU, Keras export" in out.getvalue()


def test_the_page_tells_the_command_without_folders_of_this_machine(scale: ModuleType) -> None:
    words = ["--only", "builds", "--ways", "archonnx build", "--python", "/home/x/python", "--runs", "1"]
    assert scale.told(words) == 'python -m tools.bench.scale --only builds --ways "archonnx build" --runs 1'


def test_partial_runs_do_not_touch_the_docs(scale: ModuleType) -> None:
    assert scale.parsed([]).to == ROOT / "docs"
    assert scale.parsed(["--only", "limits"]).to == ROOT / "docs"
    assert scale.parsed(["--quick"]).to == scale.parsed(["--models", "GRU"]).to == ROOT / "build" / "benchmarks"
    assert scale.parsed(["--large"]).parts[-1] == "large"
    assert "large" not in scale.parsed([]).parts + scale.parsed(["--only", "limits", "--large"]).parts


def test_a_part_that_cannot_be_measured_leaves_the_others(
    scale: ModuleType, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    def measured(given: Any, bench: Any, part: str) -> Any:
        if part == "limits":
            raise RuntimeError("archonnx weights convert: exit code 1: no space left")
        return sections(scale)[part]

    monkeypatch.setattr(scale, "measured", measured)
    options = ["--only", "builds", "limits", "--python", sys.executable, "--to", str(tmp_path / "out")]
    assert scale.main(options) == 1
    told = capsys.readouterr()
    assert "limits: archonnx weights convert: exit code 1: no space left" in told.err
    assert "builds, in 0.0 minutes" in told.out
    assert list(scale.records.read(tmp_path / "out" / "benchmarks" / "results.json")) == ["builds"]
    page = tmp_path / "out" / "benchmarks.md"
    first = page.read_text(encoding="utf-8")
    page.unlink()
    assert scale.main(["--redraw", "--python", sys.executable, "--to", str(tmp_path / "out")]) == 0
    assert page.read_text(encoding="utf-8") == first


def test_peers_that_cannot_be_installed_are_a_line(
    scale: ModuleType, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    fake = tmp_path / "python"
    fake.write_text("#!/bin/sh\necho 'a word before' >&2\necho 'no ensurepip' >&2\nexit 1\n")
    fake.chmod(0o755)
    monkeypatch.setattr(sys, "executable", str(fake))
    with pytest.raises(scale.surroundings.SetupError, match="the peers cannot be installed: no ensurepip"):
        scale.surroundings.prepared(tmp_path / "peers", lambda line: None)
    assert not (tmp_path / "peers" / "made").exists(), "the next run tries again"


def test_packages_are_pinned(scale: ModuleType) -> None:
    lines = scale.surroundings.PACKAGES.read_text(encoding="utf-8").splitlines()
    for line in lines:
        assert line.startswith("#") or re.fullmatch(r"[a-z0-9-]+==[0-9.]+", line), line


def test_networks_of_peers_hold_what_ours_hold(scale: ModuleType) -> None:
    torch = pytest.importorskip("torch")
    import archonnx
    from tools.bench.scale import torch_networks
    from tools.bench.scale.subjects import SUBJECTS

    for name in ("DNN", "BERT-base", "GPT-2"):
        with torch.device("meta"):
            module, _ = torch_networks.NETWORKS[name]()
        subject = SUBJECTS[name]
        ours = archonnx.compile(subject.file, model=subject.model).summary().parameters.total
        assert sum(each.numel() for each in module.parameters()) == ours, name
    assert list(torch_networks.NETWORKS) == list(SUBJECTS)


def test_sizes_are_what_files_hold(scale: ModuleType) -> None:
    import archonnx
    from tools.bench.scale.subjects import STACK, stack_bytes

    counted = archonnx.compile(STACK.file, width=102).summary().parameters.total
    assert 4 * counted == stack_bytes(102)


def test_pictures_are_the_same_every_time(scale: ModuleType, tmp_path: Path) -> None:
    peers = scale.surroundings.cache() / "peers" / "bin" / "python"
    python = sys.executable if importlib.util.find_spec("matplotlib") else str(peers)
    if python == str(peers) and not (peers.parents[1] / "made").exists():
        pytest.skip("matplotlib is in the peers' environment alone, which `make benchmarks` makes")
    results = tmp_path / "results.json"
    scale.records.write(results, sections(scale))
    command = [python, "-m", "tools.bench.scale.plots", str(results)]
    for folder in ("one", "two"):
        environment = scale.surroundings.environment()
        subprocess.run([*command, str(tmp_path / folder)], env=environment, cwd=ROOT, check=True)
    for name in ("builds.svg", "sizes.svg"):
        one, two = ((tmp_path / folder / name).read_text(encoding="utf-8") for folder in ("one", "two"))
        assert one == two
        assert "prefers-color-scheme: dark" in one
        assert "<dc:date>" not in one


def test_a_large_model_is_read_back_and_run(scale: ModuleType, tmp_path: Path) -> None:
    import onnx

    from tools.bench.scale import large

    source = tmp_path / "small.arch"
    source.write_text(
        "from zoo.gpt2 import GPT2\n\nmodel Small = GPT2(layers=1, width=384, heads=6, vocabulary=1000)\n"
    )
    import archonnx

    model = archonnx.compile(source, model="Small")
    path = tmp_path / "built" / "small.onnx"
    path.parent.mkdir()
    model.save(path, seed=1)
    found = large.check(path)
    assert found["numbers"] >= model.summary().parameters.total
    assert found["matrices"] >= 5
    assert large.run(path)["shape"] == [1, large.TOKENS, 1000]
    apart = tmp_path / "apart" / "small.onnx"
    apart.parent.mkdir()
    onnx.save(onnx.load(path), apart, save_as_external_data=True, location="small.data")
    assert {**large.check(apart), "sha256": ""} == {**found, "sha256": ""}
    (apart.parent / "small.data").write_bytes((apart.parent / "small.data").read_bytes()[:-400_000])
    with pytest.raises(ValueError, match=r"small\.data ends before .* does"):
        large.check(apart)
    changed = onnx.load(path)
    (words,) = (each for each in changed.graph.initializer if list(each.dims) == [1000, 384])
    words.raw_data = words.raw_data[: len(words.raw_data) // 2] + bytes(len(words.raw_data) // 2)
    onnx.save(changed, path)
    with pytest.raises(ValueError, match=r"deviates by 0\.014"):
        large.check(path)
