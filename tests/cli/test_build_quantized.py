"""`archonnx build --weight-bits`: what is said, what is written, and what is refused before anything is."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest

import archonnx
from archonnx.cli import main
from archonnx.contract.diagnostics import UsageError

Output = pytest.CaptureFixture[str]
TEXT = """\
block body():
    Dense(128, activation="gelu")
    Dense(64)

model Small():
    input tokens: int64[N, T]
    words = ReversibleEmbedding(200, 64)
    x = tokens -> words
    for i in range(3):
        x = x -> body()
    x = x -> LayerNormalization()
    output scores = (x, reverse=True) -> words
    output topic = x -> GlobalAveragePooling1D() -> Dense(3)
"""


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    Path("small.arch").write_text(TEXT)
    return tmp_path


def test_what_was_quantized_is_said(folder: Path, capsys: Output) -> None:
    assert main(["build", "small.arch", "-o", "q.onnx", "--weight-bits", "4", "--block-size", "64"]) == 0
    said = capsys.readouterr().err.splitlines()
    assert re.fullmatch(r"q\.onnx: Small, [\d.]+ kB, in [\d.]+ s", said[0])
    pattern = r"7 of 8 matrices in 4 bits, blocks of 64: weights of (25\d\.\d) kB take (3\d\.\d) kB; it runs in onnxruntime alone"
    assert re.fullmatch(pattern, said[1])
    assert said[2:] == [
        "  words/embeddings float32[200, 64]",
        "  3 x body/dense/kernel float32[64, 128]",
        "  3 x body/dense/kernel float32[128, 64]",
        "note: left as it is: dense/kernel float32[64, 3]: it has fewer than 4,096 numbers",
    ]
    assert (folder / "q.onnx").stat().st_size < 60_000


def test_the_same_bytes_come_each_time_and_say_what_they_are(folder: Path) -> None:
    model = archonnx.compile("small.arch")
    for bits in (4, 8):
        for name in ("a", "b"):
            report = model.save(f"{name}.onnx", weight_bits=bits)  # type: ignore[arg-type]
            assert report.quantization is not None
        assert Path("a.onnx").read_bytes() == Path("b.onnx").read_bytes()
        proto = onnx.load("a.onnx")
        props = {p.key: p.value for p in proto.metadata_props}
        said = f'{{"bits": {bits}, "block_size": 32, "rows": {{"words/embeddings": "words/embeddings:scales"}}}}'
        assert props["archonnx.quantized"] == said
        assert [(o.domain, o.version) for o in proto.opset_import] == [("", 20), ("com.microsoft", 1)]
    assert model.save("plain.onnx").quantization is None
    assert "archonnx.quantized" not in {p.key for p in onnx.load("plain.onnx").metadata_props}


@pytest.mark.parametrize(("bits", "error"), [(8, 0.03), (4, 0.3)])
def test_what_it_computes_is_near(folder: Path, bits: Any, error: float) -> None:
    model = archonnx.compile("small.arch")
    model.save("plain.onnx")
    model.save("q.onnx", weight_bits=bits)
    tokens = np.random.default_rng(0).integers(0, 200, (2, 9))
    plain, near = (archonnx.load(f"{name}.onnx")(tokens=tokens) for name in ("plain", "q"))
    for output in ("scores", "topic"):
        difference = np.abs(near[output] - plain[output]).max() / np.abs(plain[output]).max()
        assert 0 < difference < error


def test_matrices_of_float16_are_quantized_too(folder: Path) -> None:
    text = """
model Half():
    input x: float16[N, 128]
    input tokens: int64[N]
    output y = x -> Dense(64, dtype="float16")
    output found = tokens -> Embedding(100, 64, dtype="float16")
"""
    model = archonnx.compile(text=text)
    model.save("plain.onnx")
    model.save("q.onnx", weight_bits=8)
    draw = np.random.default_rng(0)
    inputs = {"x": draw.normal(size=(3, 128)).astype(np.float16), "tokens": np.array([0, 7, 99])}
    plain, near = (archonnx.load(f"{name}.onnx")(**inputs) for name in ("plain", "q"))
    for output in ("y", "found"):
        assert near[output].dtype == np.float16
        wide = [each[output].astype(np.float64) for each in (plain, near)]
        assert 0 < np.abs(wide[1] - wide[0]).max() < 0.02 * np.abs(wide[0]).max()


def test_without_weights_the_layout_is_the_same(folder: Path) -> None:
    assert main(["build", "small.arch", "-o", "none.onnx", "--weight-bits", "8", "--weights", "none"]) == 0
    assert main(["build", "small.arch", "-o", "init.onnx", "--weight-bits", "8"]) == 0
    bare, full = onnx.load("none.onnx", load_external_data=False), onnx.load("init.onnx")
    assert list(bare.graph.node) == list(full.graph.node)
    assert [list(t.dims) for t in bare.graph.initializer] == [list(t.dims) for t in full.graph.initializer]


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["--weight-bits", "3"], "Invalid value for '--weight-bits': '3' is not one of '4', '8'."),
        (["--weight-bits", "4", "--block-size", "48"], "'48' is not one of '32', '64', '128'"),
        (["--block-size", "64"], "--block-size 64 belongs to --weight-bits: give 4 or 8 bits too, or leave it out"),
        (
            ["--weight-bits", "8", "--via", "keras"],
            "--via keras: Keras' graph keeps its weights as they are; leave --weight-bits out",
        ),
    ],
)
def test_a_wrong_option_is_one_line_and_nothing_is_written(
    folder: Path, capsys: Output, options: list[str], said: str
) -> None:
    assert main(["build", "small.arch", "-o", "q.onnx", *options]) == 2
    assert said in capsys.readouterr().err
    assert not Path("q.onnx").exists()


def test_a_model_that_has_nothing_to_quantize_is_refused(folder: Path, capsys: Output) -> None:
    Path("tiny.arch").write_text("model Tiny():\n    input x: float32[N, 10]\n    Dense(20)\n    output y\n")
    Path("tiny.onnx").write_bytes(b"as it was")
    assert main(["build", "tiny.arch", "-o", "tiny.onnx", "--weight-bits", "4"]) == 2
    assert capsys.readouterr().err == (
        "error: the model Tiny has nothing to keep in 4 bits: no matrix of at least 4,096 numbers is multiplied with or "
        "looked up (dense/kernel float32[10, 20]: it has fewer than 4,096 numbers); build it as it is\n"
    )
    assert Path("tiny.onnx").read_bytes() == b"as it was"


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"weight_bits": 5}, "weight_bits is 4 or 8, got 5"),
        ({"weight_bits": "4"}, "weight_bits is 4 or 8, got '4'"),
        ({"weight_bits": 4, "block_size": 16}, "block_size is 32, 64 or 128, got 16"),
        ({"weight_bits": 4, "via": "keras"}, "Keras' graph keeps its weights as they are; leave weight_bits out"),
    ],
)
def test_a_wrong_argument_is_one_line(folder: Path, options: dict[str, Any], said: str) -> None:
    with pytest.raises(UsageError, match=re.escape(said)):
        archonnx.compile("small.arch").save("q.onnx", **options)
    assert not Path("q.onnx").exists()


@pytest.mark.parametrize("bits", [4, 8])
def test_a_token_outside_of_the_table_fails_as_it_does_in_float32(folder: Path, bits: Any) -> None:
    archonnx.compile("small.arch").save("q.onnx", weight_bits=bits)
    with pytest.raises(
        archonnx.ArchonnxError, match=r"200 at .* is outside the vocabulary of Small: it has 200 tokens"
    ):
        archonnx.load("q.onnx")(tokens=np.array([[200]]))
