"""Manifests of stages: read as they were written, and what is none is refused in one line."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from archonnx.contract.shards import Manifest, ManifestError, Shard, Value, read_manifest

DIGEST = "0" * 32
GOOD = Manifest(
    "Two",
    (Value("x", "float32", ("N", 3)),),
    (Value("y", "float32", ("N", "2*N")),),
    {"archonnx.model": "Two", "archonnx.version": "1"},
    (
        Shard("two.1-of-2.onnx", DIGEST, 7, ("x",), ("a",)),
        Shard("two.2-of-2.onnx", DIGEST, 8, ("a", "x"), ("y",)),
    ),
)


def written(folder: Path, found: Manifest | object) -> Path:
    path = folder / "two.shards.json"
    path.write_bytes(found.to_json() if isinstance(found, Manifest) else json.dumps(found).encode())
    return path


def test_a_manifest_is_read_as_it_was_written(tmp_path: Path) -> None:
    path = written(tmp_path, GOOD)
    assert read_manifest(path) == GOOD
    assert path.read_bytes() == read_manifest(path).to_json()


def test_stages_in_the_wrong_order_are_named(tmp_path: Path) -> None:
    path = written(tmp_path, replace(GOOD, stages=GOOD.stages[::-1]))
    with pytest.raises(ManifestError) as caught:
        read_manifest(path)
    said = "its stages stand in the wrong order: stage 1 (two.2-of-2.onnx) reads a, and stage 2 makes it"
    assert str(caught.value) == f"{path}: {said}"


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"stages": ()}, "it has no stages"),
        ({"stages": GOOD.stages[:1]}, "no stage makes the output y"),
        ({"stages": (replace(GOOD.stages[0], inputs=("q",)),)}, "reads q, and nothing makes it"),
        ({"stages": (replace(GOOD.stages[0], file="../two.onnx"),)}, "'../two.onnx' is no file beside it"),
        ({"stages": (replace(GOOD.stages[0], nbytes="7"),)}, "'7' is no number of bytes"),
        ({"inputs": (Value("x", "float32", (1.5,)),)}, "1.5 stands where a text belongs"),  # type: ignore[arg-type]
    ],
)
def test_what_cannot_be_run_is_refused(change: dict[str, Any], said: str, tmp_path: Path) -> None:
    with pytest.raises(ManifestError, match=said.replace("(", r"\(")):
        read_manifest(written(tmp_path, replace(GOOD, **change)))


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (b"\xff\xfe", "no JSON"),
        (b"[" * 100_000, "no JSON"),
        (b"{}", "no manifest of stages"),
        (b"[]", "no manifest of stages"),
        (b'{"archonnx.shards": 2}', "form 2, and this archonnx reads form 1"),
        (b'{"archonnx.shards": 1}', "model is missing"),
    ],
)
def test_what_is_no_manifest_is_refused(text: bytes, said: str, tmp_path: Path) -> None:
    path = tmp_path / "a.shards.json"
    path.write_bytes(text)
    with pytest.raises(ManifestError, match=said):
        read_manifest(path)


JUNK = st.recursive(st.none() | st.booleans() | st.integers() | st.text(max_size=3), lambda x: st.lists(x, max_size=3))
PATHS = st.sampled_from(
    [("model",), ("inputs",), ("outputs", 0), ("metadata",), ("stages", 0), ("stages", 1, "inputs")]
)


@given(PATHS, JUNK)
def test_a_damaged_manifest_is_refused_in_one_line(
    tmp_path_factory: pytest.TempPathFactory, where: tuple[Any, ...], junk: object
) -> None:
    document = json.loads(GOOD.to_json())
    at = document
    for step in where[:-1]:
        at = at[step]
    at[where[-1]] = junk
    try:
        read_manifest(written(tmp_path_factory.mktemp("manifest"), document))
    except ManifestError as error:
        assert len(str(error).splitlines()) == 1
