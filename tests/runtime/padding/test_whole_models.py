"""Encoders and decoders of texts, ours and those that PyTorch exports: filled up, they give what they give exactly."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import archonnx
from archonnx.contract.agreement import error
from archonnx.runtime.loading import load

SMALL = {"layers": 2, "width": 32, "heads": 2, "vocabulary": 50}
OURS: dict[str, tuple[str, str, dict[str, Any]]] = {
    "BERT": ("bert", "BERT", {"positions": 48, **SMALL}),
    "BERT in parts": ("bert", "BERT", {"positions": 48, "opset": 18, **SMALL}),
    "sentences": ("bert", "SentenceBERT", {"positions": 48, **SMALL}),
    "sentences in parts": ("bert", "SentenceBERT", {"positions": 48, "opset": 18, **SMALL}),
    "GPT-2": ("gpt2", "GPT2", {"context": 48, **SMALL}),
    "GPT-2 in parts": ("gpt2", "GPT2", {"context": 48, "opset": 18, **SMALL}),
}
BUCKETS = [8, 16, 32]


def calls(session: Any, vocabulary: int = 50) -> list[dict[str, Any]]:
    """Calls of many lengths: rows of different lengths, masks with holes, one row that is hidden."""
    rng = np.random.default_rng(6)
    found = []
    for length in (1, 2, 7, 8, 9, 15, 17, 31):
        mask = np.ones((3, length), np.int64)
        mask[1, max(1, length // 2) :] = 0
        mask[2, 1:] = rng.integers(0, 2, length - 1)
        feeds = {"input_ids": rng.integers(2, vocabulary, (3, length)), "attention_mask": mask}
        if "token_type_ids" in {spec.name for spec in session.inputs}:
            feeds["token_type_ids"] = rng.integers(0, 2, (3, length))
        found.append(feeds)
    return found


def compared(path: Any, device: str = "cpu", **options: Any) -> tuple[Any, float]:
    """The session that fills calls up, and its largest error."""
    exact = load(path, device, **options)
    session = load(path, device, buckets={"attention_mask": BUCKETS}, **options)
    assert session.padding.why is None, session.padding.why
    worst = 0.0
    for feeds in calls(session):
        expected, found = exact.run_with_timing(feeds)[0], session.run_with_timing(feeds)[0]
        for name, value in expected.items():
            assert found[name].shape == value.shape
            worst = max(worst, error(found[name], value))
    assert session.padding.padded == 7
    assert session.padding.whole == {}
    return session, worst


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("padded")


def ours(name: str, folder: Path, project: Path) -> Path:
    file, model, parameters = OURS[name]
    path = folder / f"{name.replace(' ', '_')}.onnx"
    if not path.exists():
        archonnx.compile(project / "models" / f"{file}.arch", model, **parameters).save(path)
    return path


@pytest.mark.parametrize("name", OURS)
def test_ours_give_the_same(name: str, folder: Path, project: Path) -> None:
    _, worst = compared(ours(name, folder, project))
    assert worst < 1e-5


@pytest.mark.parametrize("name", OURS)
def test_ours_without_their_mask_are_refused(name: str, folder: Path, project: Path) -> None:
    """The mask is the only thing that hides tokens: as zeros for types, nothing hides them."""
    file, model, parameters = OURS[name]
    bare = archonnx.compile(project / "models" / f"{file}.arch", model, attention_mask=None, **parameters)
    source = {"bert": "token_type_ids", "gpt2": "input_ids"}[file]
    if file == "gpt2":
        with pytest.raises(archonnx.UsageError, match="holds numbers of tokens"):
            load(bare, "cpu", buckets={source: BUCKETS})
        return
    session = load(bare, "cpu", buckets={source: BUCKETS})
    assert session.padding is not None
    assert session.padding.why is not None
    assert session.padding.why.split()[0] in ("Attention", "Softmax")
    assert "at bert.arch:" in session.padding.why


def test_a_decoder_that_keeps_states_is_refused(project: Path) -> None:
    model = archonnx.compile(project / "models" / "gpt2.arch", "GPT2", context=48, cache=True, **SMALL)
    session = load(model, "cpu", buckets={"attention_mask": BUCKETS})
    assert session.padding is not None
    assert session.padding.why == (
        "axis 1 of input input_ids: int64[B, T] changes with the P + T of attention_mask, and would not be padded"
    )


def test_a_bucket_past_the_positions_is_refused(folder: Path, project: Path) -> None:
    session = load(ours("BERT", folder, project), "cpu", buckets={"attention_mask": [16, 64]})
    assert session.padding is not None
    assert session.padding.why is not None
    assert "a bucket of 64 takes a place for each token, of 48 there are" in session.padding.why


def _exported(kind: str, path: Path) -> None:
    """A small model of transformers with drawn weights, exported with its mask, by tracing."""
    import torch
    import transformers

    sizes: dict[str, Any] = {"vocab_size": 50, "hidden_size": 32, "num_attention_heads": 2, "num_hidden_layers": 2}
    sizes |= {"intermediate_size": 64, "max_position_embeddings": 48}
    made: dict[str, Any] = {
        "bert": lambda: transformers.BertModel(transformers.BertConfig(**sizes)),
        "roberta": lambda: transformers.RobertaModel(transformers.RobertaConfig(**sizes)),
        "distilbert": lambda: transformers.DistilBertModel(
            transformers.DistilBertConfig(
                vocab_size=50, dim=32, n_heads=2, n_layers=2, hidden_dim=64, max_position_embeddings=48
            )
        ),
        "gpt2": lambda: transformers.GPT2Model(
            transformers.GPT2Config(vocab_size=50, n_embd=32, n_head=2, n_layer=2, n_positions=48, use_cache=False)
        ),
    }
    torch.manual_seed(0)
    model = made[kind]().eval()

    class Named(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.model = model

        def forward(self, input_ids: Any, attention_mask: Any) -> Any:
            return self.model(input_ids=input_ids, attention_mask=attention_mask, return_dict=False)[0]

    example = (torch.randint(2, 50, (2, 6)), torch.ones(2, 6, dtype=torch.int64))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        torch.onnx.export(
            Named(),
            example,
            str(path),
            dynamo=False,
            opset_version=17,
            input_names=["input_ids", "attention_mask"],
            output_names=["y"],
            dynamic_axes={"input_ids": {0: "N", 1: "T"}, "attention_mask": {0: "N", 1: "T"}},
        )


@pytest.mark.parametrize("kind", ["bert", "roberta", "distilbert", "gpt2"])
def test_exports_of_transformers_give_the_same(kind: str, folder: Path) -> None:
    pytest.importorskip("transformers")
    path = folder / f"{kind}.onnx"
    _exported(kind, path)
    _, worst = compared(path)
    assert worst < 1e-5


@pytest.mark.parametrize("name", OURS)
def test_other_tokens_behind_the_mask_change_no_bit(name: str, folder: Path, project: Path) -> None:
    """What is filled up reaches nothing: any tokens there give the same, to the last bit."""
    session = load(ours(name, folder, project), "cpu")
    rng = np.random.default_rng(8)
    for feeds in calls(session):
        hidden = feeds["attention_mask"] == 0
        if not hidden.any():
            continue
        length = feeds["input_ids"].shape[1]
        filled = {key: np.pad(array, [(0, 0), (0, 40 - length)]) for key, array in feeds.items()}
        first = session.run_with_timing(filled)[0]
        for _ in range(3):
            for key in set(filled) - {"attention_mask"}:
                most = 2 if key == "token_type_ids" else 50
                filled[key][:, length:] = rng.integers(0, most, (3, 40 - length))
            for output, value in session.run_with_timing(filled)[0].items():
                cut = (slice(None), slice(length)) if value.ndim == 3 else ()
                np.testing.assert_array_equal(value[cut], first[output][cut])


def test_on_openvino_they_give_the_same(folder: Path, project: Path) -> None:
    from importlib import metadata

    try:
        metadata.version("openvino")
    except metadata.PackageNotFoundError:
        pytest.skip("the package openvino is not installed")
    session, worst = compared(ours("sentences", folder, project), "openvino")
    assert worst < 1e-4
    assert session.device == "openvino"
