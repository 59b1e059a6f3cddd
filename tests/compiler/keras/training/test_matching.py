"""Arrays against a model's inputs and outputs: what fits, and what is said of what does not."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

import archonnx
from archonnx.compiler.keras.training.data import Source, open_data
from archonnx.compiler.keras.training.matching import Examples, match
from archonnx.contract.diagnostics import ArchonnxError, UsageError

IMAGES = """model Images():
    input image: float32[N, 8, 6, 3]
    Flatten()
    Dense(4)
    output kind
"""
TOKENS = """model Tokens():
    input tokens: int32[N, T]
    input scores: float32[N, 2 * T]
    require T % 2 == 0, "steps come in pairs"
    y = tokens -> Embedding(10, 3) -> GlobalAveragePooling1D()
    z = scores[:, :2]
    output far = concat([y, z], axis=1)
"""


def matched(text: str, data: Source) -> Examples:
    return match(archonnx.compile(text=text).graph, open_data(data))


def images(**changed: Any) -> dict[str, Any]:
    return {"image": np.zeros((5, 8, 6, 3)), "kind": np.zeros(5, np.int64)} | changed


def tokens(steps: int = 4, **changed: Any) -> dict[str, Any]:
    return {
        "tokens": np.ones((3, steps), np.int64),
        "scores": np.zeros((3, 2 * steps), np.float32),
        "far": np.zeros((3, 5), np.float32),
    } | changed


def test_examples_come_in_the_models_types() -> None:
    found = matched(IMAGES, images(image=np.arange(5 * 144, dtype=np.uint8).reshape(5, 8, 6, 3), more=np.zeros(2)))
    assert found.count == 5
    assert found.unused == ["more"]
    part = found.inputs["image"].rows(np.array([1, 4]))
    assert part.dtype == np.float32
    assert np.array_equal(part, (np.arange(5 * 144) % 256).reshape(5, 8, 6, 3)[[1, 4]])


def test_symbols_are_those_of_the_data() -> None:
    found = matched(TOKENS, tokens())
    assert found.sizes == {"T": 4}
    assert found.inputs["tokens"].rows(slice(0, 2)).dtype == np.int32


WRONG = [
    (IMAGES, {"kind": np.zeros(5)}, "there is no array image, which the model takes as float32[N, 8, 6, 3]"),
    (
        IMAGES,
        {"image": np.zeros((5, 8, 6, 3))},
        "there is no array kind, the targets of the output kind, float32[N, 4]",
    ),
    (
        IMAGES,
        {"image": np.zeros((5, 8, 6, 3)), "labels": np.zeros(5)},
        "there is image float64[5, 8, 6, 3], labels float64[5]; rename it, or say kind=FILE.npz:labels",
    ),
    (IMAGES, images(image=np.zeros((5, 3, 8, 6))), "its channels are first: numpy.moveaxis(image, 1, -1)"),
    (IMAGES, images(image=np.zeros((5, 144))), "reshape it: image.reshape(-1, 8, 6, 3)"),
    (
        IMAGES,
        images(image=np.zeros((5, 8, 7, 3))),
        "image is float64[5, 8, 7, 3], and the model takes float32[N, 8, 6, 3]",
    ),
    (IMAGES, images(image=np.zeros((5, 8, 7, 3))), "its axis 2 is 7, not 6"),
    (IMAGES, images(kind=np.zeros(4)), "image has 5 examples and kind 4"),
    (IMAGES, images(kind=np.array(4)), "kind is one number; an array of targets is expected"),
    (IMAGES, images(image=np.zeros((0, 8, 6, 3)), kind=np.zeros(0)), "image has no examples"),
    (
        IMAGES,
        images(image=np.zeros((5, 8, 6, 3), complex)),
        "image is complex128[5, 8, 6, 3]; arrays of numbers are expected",
    ),
    (TOKENS, tokens(tokens=np.ones((3, 4))), "whole numbers are expected"),
    (TOKENS, tokens(tokens=np.full((3, 4), 2**40)), "a number of example 0 is outside -2147483648 to 2147483647"),
    (TOKENS, tokens(scores=np.zeros((3, 9), np.float32)), "its axis 1 is 9, not 2*T = 8"),
    (TOKENS, tokens(3), "the model requires T % 2 == 0, and T = 3 here: steps come in pairs (text.arch:4:5)"),
    (TOKENS, tokens(0), "its axis 1 is 0, not T = 1 or more"),
]


@pytest.mark.parametrize(("text", "data", "said"), WRONG, ids=range(len(WRONG)))
def test_what_does_not_fit_is_said_in_one_line(text: str, data: dict[str, Any], said: str) -> None:
    with pytest.raises(ArchonnxError) as caught:
        matched(text, data)
    assert said in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("odd", [np.nan, np.inf, -np.inf])
def test_what_is_no_number_is_found(odd: float) -> None:
    image = np.zeros((5, 8, 6, 3))
    image[3, 2, 1, 0] = odd
    with pytest.raises(ArchonnxError, match="a value of example 3 is not a number, or infinite"):
        matched(IMAGES, images(image=image))


@pytest.mark.parametrize(
    ("shape", "mend"),
    [((5, 8), "x[..., None]"), ((5, 8, 1, 1), "x[..., 0]")],
)
def test_an_axis_too_few_or_too_many_is_mended(shape: tuple[int, ...], mend: str) -> None:
    text = "model A():\n    input x: float32[N, 8, 1]\n    output y = x\n"
    with pytest.raises(ArchonnxError) as caught:
        matched(text, {"x": np.zeros(shape), "y": np.zeros((5, 8, 1))})
    assert mend in str(caught.value)


@pytest.mark.parametrize(
    ("declared", "said"),
    [
        ("input x: float32[5, 3]", "give it a symbol: float32[N, 3]"),
        ("input x: float32[2 * N, 3]", "its first axis counts the examples of a batch"),
        ("input x: float32[N, 3]\n    input z: float32[M, 3]", "their first axes are one symbol"),
    ],
)
def test_a_batch_of_fixed_size_is_refused(declared: str, said: str) -> None:
    uses = "x -> Dense(2)" if "z" not in declared else "concat([x, z], axis=0) -> Dense(2)"
    with pytest.raises(ArchonnxError) as caught:
        matched(
            f"model A():\n    {declared}\n    {uses}\n    output y\n", {"x": np.zeros((5, 3)), "z": np.zeros((5, 3))}
        )
    assert said in str(caught.value) or "no array y" in str(caught.value)


# files ---------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("save", [np.savez, np.savez_compressed])
def test_archives_are_read_and_mapped_where_they_are_stored(save: Any, tmp_path: Path) -> None:
    arrays = images(image=np.random.default_rng(0).normal(size=(5, 8, 6, 3)), columns=np.asfortranarray(np.eye(5)))
    save(tmp_path / "train.npz", **arrays)
    data = open_data(tmp_path / "train.npz")
    for name, array in arrays.items():
        assert np.array_equal(data.arrays[name], array)
    assert isinstance(data.arrays["image"], np.memmap) == (save is np.savez)
    found = match(archonnx.compile(text=IMAGES).graph, data)
    assert np.array_equal(found.inputs["image"].rows(np.array([4, 0])), arrays["image"][[4, 0]].astype(np.float32))


def test_single_arrays_are_named(tmp_path: Path) -> None:
    image, labels = np.ones((5, 8, 6, 3), np.float32), np.arange(5) % 4
    np.save(tmp_path / "images.npy", image)
    np.savez(tmp_path / "y.npz", labels=labels, others=labels + 1)
    np.savez(tmp_path / "one.npz", whatever=labels)
    for written in (f"{tmp_path}/y.npz:labels", f"{tmp_path}/one.npz"):
        found = open_data({"image": f"{tmp_path}/images.npy", "kind": written})
        assert np.array_equal(found.arrays["kind"], labels)
        assert isinstance(found.arrays["image"], np.memmap)
    with pytest.raises(ArchonnxError, match=r"there is no array kind \(labels, others\); name one: kind="):
        open_data({"kind": f"{tmp_path}/y.npz"})
    with pytest.raises(ArchonnxError, match="there is no array label; did you mean labels"):
        open_data({"kind": f"{tmp_path}/y.npz:label"})
    with pytest.raises(UsageError, match="one array alone has no name"):
        open_data(tmp_path / "images.npy")


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        ("x.npz", b"nothing", "cannot be unpacked"),
        ("x.npz", b"", "cannot be unpacked"),
        ("x=x.npy", b"nothing", "no array that can be read"),
    ],
)
def test_damaged_files_are_one_line(name: str, content: bytes, said: str, tmp_path: Path) -> None:
    array, _, file = name.rpartition("=")
    (tmp_path / file).write_bytes(content)
    source: Source = {array: str(tmp_path / file)} if array else tmp_path / file
    with pytest.raises(ArchonnxError) as caught:
        open_data(source)
    assert said in str(caught.value)
    assert "\n" not in str(caught.value)


def test_texts_beside_the_numbers_are_passed_over(tmp_path: Path) -> None:
    names = np.array(["one", "two"])
    np.savez(tmp_path / "train.npz", names=names, objects=np.array([None]), **images())
    found = match(archonnx.compile(text=IMAGES).graph, open_data(tmp_path / "train.npz"))
    assert found.unused == ["names", "objects"]
    np.savez(tmp_path / "train.npz", **images(kind=np.array(["a"] * 5)))
    with pytest.raises(ArchonnxError, match=r"there is no array kind.* kind, which holds no numbers"):
        match(archonnx.compile(text=IMAGES).graph, open_data(tmp_path / "train.npz"))


def test_pickles_and_texts_are_refused(tmp_path: Path) -> None:
    np.save(tmp_path / "o.npy", np.array([{}, {}], dtype=object), allow_pickle=True)
    with pytest.raises(ArchonnxError, match="no array that can be read"):
        open_data({"x": f"{tmp_path}/o.npy"})
    with pytest.raises(ArchonnxError, match="arrays of numbers are expected"):
        open_data({"x": np.array(["a", "b"])})
