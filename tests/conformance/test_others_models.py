"""Models that others made, as they are: the onnx package's own, those of rapidocr-onnxruntime and of silero-vad.

Every node case of the onnx package, the networks that it carries without their weights ("light"), and the files of the
two packages are loaded and run. Its other models on disk (simple, pytorch-converted, pytorch-operator) are those of
tests/runtime/test_session.py; the "real" ones are light ones too, by another name.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime
import pytest
from backend_nodes import arrays, load
from backend_run import DRAWN, OTHERWISE, difference
from onnx import numpy_helper
from packages import file_of

import archonnx
from archonnx.contract.diagnostics import ArchonnxError

CASES = load()


def read_refused() -> dict[str, str]:
    """Cases that onnxruntime 1.32 does not run -> what is said of them, which stands above them in the file."""
    found: dict[str, str] = {}
    words = ""
    for line in Path(__file__).with_name("onnx_refused.txt").read_text().splitlines():
        if line.startswith("#"):
            continue
        if line.startswith(" "):
            found[line.strip()] = words
        else:
            words = line
    return found


REFUSED = read_refused()
LOCALE = "needs the locale"  # of StringNormalizer: installed on some systems, and not on others


@pytest.mark.parametrize("case", CASES, ids=[case.name for case in CASES])
def test_a_model_of_one_operator_gives_what_is_stored(case: Any) -> None:
    words = REFUSED.get(case.name)
    try:
        with archonnx.load(case.model.SerializeToString(), "cpu", threads=1) as session:
            outcomes = [(run(case, session, inputs), wanted) for inputs, wanted in case.data_sets]
    except ArchonnxError as error:
        if LOCALE in str(error):
            pytest.skip(str(error))
        assert words is not None, str(error)
        assert words in str(error)
        return
    assert words is None, "it runs now: take it out of onnx_refused.txt"
    otherwise = any(re.fullmatch(name, case.name) for name in OTHERWISE)
    for found, wanted in outcomes:
        wrong = compare(case, found, wanted)
        if DRAWN.fullmatch(case.name) and wrong is not None and "differs" in wrong:
            continue
        assert (wrong is not None) if otherwise else wrong is None, wrong


def run(case: Any, session: Any, inputs: list[Any]) -> list[Any]:
    names = [port.name for port in case.model.graph.input]
    feeds = {name: plain(value) for name, value in zip(names, inputs, strict=False)}
    return list(session.run_with_timing(feeds)[0].values())


def plain(value: Any) -> Any:
    return numpy_helper.to_array(value) if isinstance(value, onnx.TensorProto) else value


def compare(case: Any, found: list[Any], wanted: list[Any]) -> str | None:
    """What is wrong with the results, lists of sequences among them; None where nothing is."""

    class Flat:
        name, rtol, atol = case.name, case.rtol, case.atol
        data_sets = (((), flat(wanted)),)

    return difference(Flat, arrays(flat(found)))


def flat(values: list[Any]) -> list[Any]:
    return [each for value in values for each in (flat(value) if isinstance(value, list) else [plain(value)])]


LIGHT = sorted((Path(onnx.__file__).parent / "backend" / "test" / "data" / "light").glob("*.onnx"))


@pytest.mark.parametrize("path", LIGHT, ids=[path.stem for path in LIGHT])
def test_a_network_without_its_weights_gives_what_is_stored(path: Path) -> None:
    """Its inputs are those of onnx.backend.test.runner: numbers that rise evenly."""
    with archonnx.load(path, "cpu") as session:
        (spec,) = session.inputs
        shape = [size for size in spec.shape or () if isinstance(size, int)]
        rising = (np.arange(np.prod(shape)).reshape(shape) / np.prod(shape)).astype(np.float32)
        found = np.asarray(session(rising))
    stored = onnx.TensorProto.FromString(path.with_name(f"{path.stem}_output_0.pb").read_bytes())
    expected = numpy_helper.to_array(stored)
    assert found.shape == expected.shape
    assert np.abs(found - expected).max() / max(1e-6, np.abs(expected).max()) < 1e-4


def test_there_are_as_many_as_there_were() -> None:
    """Those of onnx 1.23: where there are others, look at them."""
    assert (len(CASES), len(LIGHT)) == (1884, 9)


VOICE = {
    "silero_vad.onnx": {"input": (1, 576), "state": (2, 1, 128), "sr": ()},
    "silero_vad_16k_op15.onnx": {"input": (1, 576), "state": (2, 1, 128), "sr": ()},
    "silero_vad_16k_sequence.onnx": {"input": (7, 576), "h": (1, 1, 128), "c": (1, 1, 128)},
    "silero_vad_half.onnx": {"input": (1, 576), "state": (2, 1, 128)},
    "silero_vad_op18_ifless.onnx": {"input": (1, 576), "state": (2, 1, 128), "sr": ()},
    "silero_vad_openvino_16k.onnx": {"input": (1, 576), "state": (2, 1, 128)},
}
LETTERS = {
    "ch_PP-OCRv4_det_infer.onnx": {"x": (1, 3, 64, 96)},
    "ch_PP-OCRv4_rec_infer.onnx": {"x": (2, 3, 48, 100)},
    "ch_ppocr_mobile_v2.0_cls_infer.onnx": {"x": (3, 3, 48, 192)},
}
FILES = {("silero_vad", f"data/{name}"): shapes for name, shapes in VOICE.items()}
FILES |= {("rapidocr_onnxruntime", f"models/{name}"): shapes for name, shapes in LETTERS.items()}


@pytest.mark.parametrize("package", ["silero_vad", "rapidocr_onnxruntime"])
def test_no_file_of_a_package_is_left_out(package: str) -> None:
    folder = file_of(package, "")
    there = {path.relative_to(folder).as_posix() for path in folder.rglob("*.onnx")}
    assert there == {name for of, name in FILES if of == package}


@pytest.mark.parametrize(("package", "name"), FILES, ids=[Path(name).stem for _, name in FILES])
def test_a_file_of_a_package_gives_what_its_operators_give(package: str, name: str, tmp_path: Path) -> None:
    """One after the other, as onnxruntime runs them where it changes nothing in the graph; from the cache too."""
    path = file_of(package, name)
    inputs: dict[str, Any] = {
        name: striped(shape) if shape else np.array(16000) for name, shape in FILES[package, name].items()
    }
    options = onnxruntime.SessionOptions()
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    options.log_severity_level = 4
    theirs = onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"]).run(None, inputs)
    for found in (False, True):
        with archonnx.load(path, "cpu", cache=tmp_path) as session:
            assert session.cached is found
            results = list(session.run_with_timing(inputs)[0].values())
        for one, other in zip(results, theirs, strict=True):
            assert one.shape == other.shape
            assert np.abs(one - other).max() / max(1e-6, np.abs(other).max()) < 1e-5


def striped(shape: tuple[int, ...]) -> np.ndarray[Any, Any]:
    """Stripes, as of letters or of a hum, and some noise: neither network finds nothing in it."""
    noise = np.random.default_rng(5).standard_normal(shape, np.float32)
    return np.where(np.arange(shape[-1]) // 9 % 2, np.float32(0.8), np.float32(-0.8)) + noise * np.float32(0.05)


@pytest.mark.parametrize("text", ["Hello 42", "archonnx"])
def test_letters_are_read(text: str) -> None:
    """A line of a picture, read by a model that PaddlePaddle trained."""
    from PIL import Image, ImageDraw, ImageFont

    font = ImageFont.load_default(34)
    line = Image.new("RGB", (int(font.getlength(text)) + 24, 48), "white")
    ImageDraw.Draw(line).text((12, 2), text, "black", font)
    pixels = np.asarray(line, np.float32).transpose(2, 0, 1)[None] / 127.5 - 1
    with archonnx.load(file_of("rapidocr_onnxruntime", "models/ch_PP-OCRv4_rec_infer.onnx"), "cpu") as session:
        letters = ["", *session.metadata["character"].splitlines(), " "]
        best = session(pixels)[0].argmax(-1)
    kept = [letters[at] for place, at in enumerate(best) if at and (not place or at != best[place - 1])]
    assert "".join(kept) == text
