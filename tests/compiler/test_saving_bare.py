"""Weights that are filled in later: the same bytes as at once, the source found again, and what does not agree."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest

import archonnx
from archonnx.contract import metadata
from archonnx.contract.diagnostics import UsageError

TEXT = """
block body(units):
    Dense(units, activation="relu")
    Dense(units)

model Net(units = 64, act = "tanh", scale = 0.5, sizes = [3, 4]):
    input x: float32[N, 16]
    asset note = "note.txt"
    x -> Dense(units, activation=act) -> body(units)
    output y = (it * scale) -> Dense(sizes[0])
"""


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    Path("net.arch").write_text(TEXT)
    Path("note.txt").write_text("kept")
    return tmp_path


def contents(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in sorted(folder.iterdir()) if path.suffix in (".onnx", ".data")}


def at_once(source: str | Path, where: str, path: str = "m.onnx", **more: Any) -> dict[str, bytes]:
    folder = Path(where)
    folder.mkdir()
    model = archonnx.compile(source, **more.pop("parameters", {}))
    if "with_weights" in more:
        model = model.with_weights(more.pop("with_weights"))
    model.save(folder / path, **{"external_data": "always", **more})
    return contents(folder)


@pytest.mark.parametrize("external", ["always", "auto", "never"])
def test_what_is_filled_in_is_what_a_whole_build_gives(folder: Path, external: Any) -> None:
    parameters = {"units": 80, "act": "sigmoid", "sizes": [5, 4]}
    model = archonnx.compile("net.arch", **parameters)
    (folder / "out").mkdir()
    model.save("out/m.onnx", weights="none")
    before = contents(folder / "out")
    assert list(before) == ["m.onnx"]
    reports = archonnx.write_weights("out/m.onnx", seed=9, external_data=external)
    assert reports[0].weights == "initial"
    expected = at_once("net.arch", "whole", seed=9, parameters=parameters, external_data=external)
    assert contents(folder / "out") == expected
    assert len(expected) == (2 if external == "always" else 1)


def test_the_places_of_weights_stay_as_the_layout_said(folder: Path) -> None:
    archonnx.compile("net.arch").save("m.onnx", weights="none")

    def places() -> dict[str, list[str]]:
        tensors = onnx.load("m.onnx", load_external_data=False).graph.initializer
        return {t.name: [e.value for e in t.external_data if e.key != "location"] for t in tensors if t.external_data}

    before = places()
    archonnx.write_weights("m.onnx")
    assert before == places()
    assert len(before) == 8  # biases too
    assert archonnx.load("m.onnx")(np.ones((2, 16), np.float32)).shape == (2, 3)


@pytest.mark.parametrize("options", [{"optimization": 0}, {"weight_bits": 8}, {"precision": "float16"}])
def test_options_of_the_build_are_repeated(folder: Path, options: dict[str, Any]) -> None:
    (folder / "out").mkdir()
    archonnx.compile("net.arch", units=128, opset=21).save("out/m.onnx", weights="none", **options)
    archonnx.write_weights("out/m.onnx")
    expected = at_once("net.arch", "whole", parameters={"units": 128, "opset": 21}, **options)
    assert contents(folder / "out") == expected


def test_given_weights_fill_it_too(folder: Path) -> None:
    archonnx.compile("net.arch").save_weights("w.safetensors", seed=4)
    (folder / "out").mkdir()
    archonnx.compile("net.arch").save("out/m.onnx", weights="none")
    (report,) = archonnx.write_weights("out/m.onnx", weights="w.safetensors")
    assert report.weights == "given"
    assert contents(folder / "out") == at_once("net.arch", "whole", with_weights="w.safetensors")


def test_other_assets_than_the_source_declares_are_kept(folder: Path) -> None:
    archonnx.compile("net.arch").with_assets(note=b"another", more=b"\xff\x00").save("m.onnx", weights="none")
    archonnx.write_weights("m.onnx")
    said = {p.key: p.value for p in onnx.load("m.onnx").metadata_props}
    assert said[metadata.ASSET + "note"] == "another"
    assert metadata.asset_bytes(said[metadata.ASSET + "more"]) == b"\xff\x00"


def test_the_source_is_found_above_the_model_and_in_the_zoo(
    folder: Path, tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch
) -> None:
    deep = folder / "a" / "b"
    deep.mkdir(parents=True)
    archonnx.compile("net.arch").save(deep / "m.onnx", weights="none")
    monkeypatch.chdir(tmp_path_factory.mktemp("elsewhere"))
    archonnx.write_weights(deep / "m.onnx")
    archonnx.compile("zoo:lstm", "SmallCharacterModel").save("lstm.onnx", weights="none")
    assert archonnx.write_weights("lstm.onnx")[0].nbytes > 10_000
    archonnx.compile(folder / "net.arch").save("m.onnx", weights="none")
    with pytest.raises(UsageError, match=r"m\.onnx: net\.arch is not found .*--source FILE"):
        archonnx.write_weights("m.onnx")
    archonnx.write_weights("m.onnx", source=folder / "net.arch")
    assert len(list(Path.cwd().glob("m.*.data"))) == 1


def test_a_source_that_has_changed_is_told(folder: Path) -> None:
    archonnx.compile("net.arch").save("m.onnx", weights="none")
    before = Path("m.onnx").read_bytes()
    Path("net.arch").write_text(Path("net.arch").read_text().replace("units = 64", "units = 64, more = 1"))
    with pytest.raises(UsageError, match=r"net\.arch has changed since; build it again"):
        archonnx.write_weights("m.onnx")
    text = Path("net.arch").read_text().replace(", more = 1", "")
    Path("net.arch").write_text(text.replace("Dense(sizes[0])", "Dense(sizes[1], use_bias=False)"))
    with pytest.raises(archonnx.ArchonnxError) as caught:
        archonnx.write_weights("m.onnx", source="net.arch")
    lines = str(caught.value).splitlines()
    assert lines[0].startswith(
        "m.onnx is not what Net of net.arch becomes: the source has changed since it was built (net.arch)"
    )
    assert "  dense_1/kernel: the file has float32[64, 3], expected float32[64, 4]" in lines
    assert any("dense_1/bias: the file has it, float32[3], and the model has no such weight" in line for line in lines)
    assert Path("m.onnx").read_bytes() == before
    assert sorted(p.name for p in folder.iterdir()) == ["m.onnx", "net.arch", "note.txt"]


def test_a_comment_more_at_the_end_changes_nothing(folder: Path) -> None:
    archonnx.compile("net.arch").save("m.onnx", weights="none")
    Path("net.arch").write_text(Path("net.arch").read_text() + "\n# a word more\n")
    archonnx.write_weights("m.onnx", source="net.arch")


def _moved(model: Any) -> None:
    model.graph.initializer[0].external_data[1].value = "64"


def _renamed(model: Any) -> None:
    model.graph.output[0].name = "z"


def _added(model: Any) -> None:
    model.graph.node.add(op_type="Identity", input=["x"], output=["more"])


def _said(model: Any) -> None:
    model.metadata_props.add(key="mine", value="1")


@pytest.mark.parametrize(
    ("change", "what"),
    [
        (_moved, "the file has its data at offset 64, expected 0"),
        (_renamed, "the graph's output y is another in the file"),
        (_added, "of its graph's node, expected"),
        (_said, "mine: the file has 1, expected nothing"),
    ],
)
def test_a_file_that_was_changed_is_not_written_over(folder: Path, change: Any, what: str) -> None:
    archonnx.compile("net.arch").save("m.onnx", weights="none")
    model = onnx.load("m.onnx", load_external_data=False)
    change(model)
    Path("m.onnx").write_bytes(model.SerializeToString())
    with pytest.raises(archonnx.ArchonnxError) as caught:
        archonnx.write_weights("m.onnx")
    assert what in str(caught.value)
    assert Path("m.onnx").read_bytes() == model.SerializeToString()


def test_files_that_have_their_weights_or_are_not_ours_are_refused(folder: Path) -> None:
    archonnx.compile("net.arch").save("m.onnx")
    with pytest.raises(archonnx.ArchonnxError, match=r"m\.onnx: it has its weights; to replace them, build it again"):
        archonnx.write_weights("m.onnx")
    Path("other.onnx").write_bytes(onnx.ModelProto(ir_version=8, graph=onnx.GraphProto(name="g")).SerializeToString())
    with pytest.raises(archonnx.ArchonnxError, match="archonnx did not write it"):
        archonnx.write_weights("other.onnx")
    Path("text.onnx").write_text("no model")
    with pytest.raises(archonnx.ArchonnxError, match="it is no ONNX model"):
        archonnx.write_weights("text.onnx")
    with pytest.raises(OSError, match="No such file"):
        archonnx.write_weights("missing.onnx")
    with pytest.raises(UsageError, match="map= says how"):
        archonnx.write_weights("m.onnx", map="torch")


PAIR = """
block half(units):
    Dense(units)

model Both():
    input x: float32[N, 30]
    output y = x -> half(30) -> Dense(5)

model First():
    input x: float32[N, 30]
    output y = x -> half(30)
"""


def test_models_that_share_their_data_are_filled_together(folder: Path) -> None:
    Path("pair.arch").write_text(PAIR)
    models = {name: archonnx.compile("pair.arch", name) for name in ("Both", "First")}
    for where, weights in (("later", "none"), ("once", "init")):
        Path(where).mkdir()
        archonnx.save_all({f"{where}/{n}.onnx": m for n, m in models.items()}, weights=weights, seed=2)  # type: ignore[arg-type]
    reports = archonnx.write_weights(["later/Both.onnx", "later/First.onnx"], seed=2)
    assert contents(folder / "later") == contents(folder / "once")
    assert len({report.data for report in reports}) == 1
    shutil.rmtree("later")
    Path("later").mkdir()
    archonnx.save_all({f"later/{n}.onnx": models[n] for n in ("Both", "First")}, weights="none")
    models["First"].save_weights("first.safetensors", seed=1)
    with pytest.raises(archonnx.ArchonnxError):
        archonnx.write_weights(["later/Both.onnx", "later/First.onnx"], weights="first.safetensors")
