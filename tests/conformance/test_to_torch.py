"""archonnx.to_torch: every case of every layer computes in PyTorch what the ONNX file does, with the same weights."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from keras_harness import TOLERANCE, Array, Case, Ours, error, random_inputs
from layer_cases import CASES, TORCH_CASES
from test_transformers import ENCODER, READER, SOURCES, TOKENS, TRANSLATOR

import archonnx
from archonnx.compiler.layers.registry import find_layer, layer_names

torch = pytest.importorskip("torch", reason="PyTorch is what this makes modules of")

ROOT = Path(__file__).resolve().parents[2]
AUGMENTING = {f"Random{what}" for what in ("Brightness", "Contrast", "Flip", "Rotation", "Translation", "Zoom")}
# Layers that act in training only, which neither PyTorch nor to_torch has modules like.
REFUSED = {
    name
    for name in layer_names()
    if name.startswith(("Random", "RandAugment"))
    or name in {"AugMix", "CutMix", "MixUp", "Equalization", "Solarization", "MaxNumBoundingBoxes"}
} - AUGMENTING
ALL = [case for case in (*CASES, *TORCH_CASES) if case.layer not in REFUSED]
BATCH = 40  # cases a test


def results(model: Any, arrays: Sequence[Array]) -> list[Array]:
    """What the module gives at inference, in order."""
    with torch.no_grad():
        made = model.eval()(*[torch.from_numpy(array) for array in arrays])
    values = list(made.values()) if isinstance(made, dict) else [made]
    return [value.detach().numpy() for value in values]  # a weight may be a result


def disagreement(case: Case) -> str | None:
    """What is wrong with a case, None where nothing is."""
    ours = Ours(case)
    model = archonnx.to_torch(ours.model)
    for sizes in case.runs():
        arrays = random_inputs(case, sizes)
        for y, reference in zip(results(model, arrays), ours.run(arrays, sizes), strict=True):
            if (y.shape, y.dtype) != (reference.shape, reference.dtype):
                return f"{case.id}: {y.dtype}{list(y.shape)}, expected {reference.dtype}{list(reference.shape)}"
            if not error(y, reference) <= max(case.tolerance, TOLERANCE):
                return f"{case.id}: error {error(y, reference):.2g}"
    return None


@pytest.fixture(autouse=True)
def one_thread() -> None:
    torch.set_num_threads(1)


@pytest.mark.parametrize("start", range(0, len(ALL), BATCH))
def test_a_layer_computes_what_the_file_does(start: int) -> None:
    found = [disagreement(case) for case in ALL[start : start + BATCH]]
    assert not list(filter(None, found))


def test_every_layer_but_the_refused_ones_is_computed() -> None:
    elsewhere = {name for name in layer_names() if find_layer(name).keras is None}  # type: ignore[union-attr]
    assert set(layer_names()) - {case.layer for case in ALL} - elsewhere == REFUSED


def first_cases() -> list[Case]:
    """The first two cases of each layer."""
    taken: dict[str, list[Case]] = {}
    for case in ALL:
        if len(taken.setdefault(case.layer, [])) < 2:
            taken[case.layer].append(case)
    return [case for cases in taken.values() for case in cases]


def test_sizes_and_constants_meet_data_on_another_device() -> None:
    """The device "meta" has no numbers: whatever would have to come back from a device, or meet it there, fails."""
    found = []
    for case in first_cases():
        source = archonnx.compile(text=case.text(), **({"opset": case.opset} if case.opset else {}))
        model = archonnx.to_torch(source).eval().to("meta")
        with torch.no_grad():
            made = model(*[torch.from_numpy(array).to("meta") for array in random_inputs(case, case.runs()[0])])
        if any(value.device.type != "meta" for value in (made.values() if isinstance(made, dict) else [made])):
            found.append(case.id)
    assert not found


def test_places_go_to_where_the_weights_are() -> None:
    text = """
model M():
    input x: float32[N, T, 4]
    places = arange(T) -> Embedding(9, 4)
    y = cast(arange(4), float32) -> Dense(4)
    output y = x + places * y
"""
    model = archonnx.to_torch(archonnx.compile(text=text)).to("meta")
    assert model(torch.zeros(2, 3, 4, device="meta")).shape == (2, 3, 4)


@pytest.mark.parametrize("name", sorted(REFUSED))
def test_what_acts_in_training_only_is_refused(name: str) -> None:
    case = next(case for case in CASES if case.layer == name)
    with pytest.raises(archonnx.ArchonnxError, match=f"{name} .*: it acts in training only, and PyTorch has no module"):
        archonnx.to_torch(archonnx.compile(text=case.text()))


def both(source: Any, arrays: Mapping[str, Array], tmp_path: Path, seed: int = 0) -> tuple[Any, float]:
    """The module, and the largest error between it and the file."""
    import onnxruntime

    source.save(tmp_path / "model.onnx", seed=seed)
    session = onnxruntime.InferenceSession(os.fspath(tmp_path / "model.onnx"), providers=["CPUExecutionProvider"])
    expected = session.run(None, dict(arrays))
    model = archonnx.to_torch(source, seed=seed)
    found = results(model, list(arrays.values()))
    return model, max(error(y, reference) for y, reference in zip(found, expected, strict=True))


@pytest.mark.parametrize("text", [ENCODER, TRANSLATOR, READER], ids=["encoder", "translator", "reader"])
def test_masks_travel_through_transformers(text: str, tmp_path: Path) -> None:
    arrays = {"tokens": TOKENS} if text is ENCODER else {"tokens": TOKENS, "source": SOURCES}
    assert both(archonnx.compile(text=text), arrays, tmp_path)[1] <= TOLERANCE


def test_the_network_of_the_introduction(tmp_path: Path) -> None:
    image = np.random.default_rng(0).uniform(-1, 1, (1, 256, 256, 3)).astype(np.float32)
    model, worst = both(archonnx.compile(ROOT / "models/dnn.arch"), {"image": image}, tmp_path)
    assert worst <= TOLERANCE
    assert sum(p.numel() for p in model.parameters()) == 4_571_018
    assert type(model.conv2d) is torch.nn.Conv2d
    assert list(model.state_dict())[:2] == ["conv2d.weight", "conv2d.bias"]


def test_resnet50(tmp_path: Path) -> None:
    image = np.random.default_rng(0).uniform(-1, 1, (1, 224, 224, 3)).astype(np.float32)
    model, worst = both(archonnx.compile(ROOT / "models/resnet.arch", model="ResNet50"), {"image": image}, tmp_path)
    assert worst <= TOLERANCE
    assert sum(p.numel() for p in model.parameters()) == 25_583_592  # and 53_120 running means and variances
    assert sum(isinstance(m, torch.nn.Conv2d) for m in model.modules()) == 53
    assert sum(isinstance(m, torch.nn.BatchNorm2d) for m in model.modules()) == 53


def test_digits_with_its_trained_weights(tmp_path: Path) -> None:
    """Its images are changed in training, each in its own way."""
    source = archonnx.compile(ROOT / "models/digits.arch").with_weights(ROOT / "models/digits.safetensors")
    image = np.random.default_rng(0).uniform(0, 16, (5, 8, 8, 1)).astype(np.float32)
    module, worst = both(source, {"image": image}, tmp_path)
    assert worst <= TOLERANCE
    again = source.with_weights(module.state_dict()).values()
    assert all(np.array_equal(again[name], array) for name, array in source.values().items())
    x = torch.from_numpy(np.repeat(image[:1], 9, 0))
    assert len(torch.unique(module.random_translation.train()(x).flatten(1), dim=0)) == 9


TAGGER = """
model Tagger(vocabulary = 50, tags = 5):
    input words: int64[N, T]
    x = words -> Embedding(vocabulary, 16, mask_zero=True)
    x -> Bidirectional(LSTM(12, return_sequences=True)) -> Dropout(0.1) -> GRU(8, return_sequences=True)
    Dense(tags)
    output y
"""


def test_a_tagger(tmp_path: Path) -> None:
    """Words that are masked anywhere, and a sentence without any."""
    words = np.array([[3, 4, 5, 6, 7], [8, 9, 10, 0, 0], [0, 1, 0, 2, 0], [0, 0, 0, 0, 0]])
    module, worst = both(archonnx.compile(text=TAGGER), {"words": words}, tmp_path)
    assert worst <= TOLERANCE
    assert (type(module.bidirectional), type(module.gru)) == (torch.nn.LSTM, torch.nn.GRU)


@pytest.mark.parametrize(
    ("file", "name", "options"),
    [
        ("bert", "BERT", {"layers": 2, "width": 32, "heads": 4, "vocabulary": 100}),
        ("gpt2", "GPT2", {"layers": 2, "width": 32, "heads": 4, "vocabulary": 100}),
        ("llama", "Llama", {"layers": 2, "width": 32, "heads": 4, "inner": 48, "shared": 2, "vocabulary": 100}),
        ("voice", "VoiceActivity", {}),
    ],
    ids=["bert", "gpt2", "llama", "voice"],
)
def test_models_of_language_and_voice(file: str, name: str, options: dict[str, Any], tmp_path: Path) -> None:
    """States and caches go in and come out."""
    source = archonnx.compile(ROOT / f"models/{file}.arch", name, **options)
    rng = np.random.default_rng(0)
    arrays: dict[str, Array] = {}
    for given in source.graph.inputs:
        kind = given.value.type
        shape = [
            size if isinstance(size, int) else size.evaluate(dict.fromkeys(size.symbols(), 2)) for size in kind.shape
        ]
        if kind.dtype == "float32":
            arrays[given.name] = rng.uniform(-1, 1, shape).astype(np.float32)
        elif kind.dtype == "bool":
            arrays[given.name] = np.ones(shape, bool)
        else:
            arrays[given.name] = rng.integers(0, 2, shape).astype(kind.dtype)
    assert both(source, arrays, tmp_path)[1] <= TOLERANCE
