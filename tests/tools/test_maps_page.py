"""docs/maps.md: its examples fill their models, its table of functions is the parser's."""

from __future__ import annotations

import re
import textwrap
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import archonnx
from archonnx.compiler.weights.filling.places import maps_for
from archonnx.compiler.weights.maps.functions import FUNCTIONS

PAGE = (Path(__file__).resolve().parents[2] / "docs" / "maps.md").read_text(encoding="utf-8")
BLOCK = re.compile(r"^```(\w+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)


def examples() -> list[tuple[str, str, str]]:
    blocks = BLOCK.findall(PAGE)
    assert [kind for kind, _ in blocks] == ["arch", "tensors", "map"] * (len(blocks) // 3)
    texts = [text for _, text in blocks]
    return list(zip(texts[::3], texts[1::3], texts[2::3], strict=True))


def arrays(listed: str) -> dict[str, Any]:
    """`name.{a,b}: float32[3, 4]`, a line a tensor or several."""
    rng = np.random.default_rng(0)
    made = {}
    for line in listed.splitlines():
        name, dtype, shape = re.fullmatch(r"(\S+): (\w+)\[(.*)\]", line).groups()  # type: ignore[union-attr]
        extents = tuple(int(extent) for extent in shape.split(",") if extent)
        choice = re.search(r"\{(.*)\}", name)
        for word in choice[1].split(",") if choice else [""]:
            full = name.replace(choice[0], word) if choice else name
            made[full] = rng.uniform(0, 9, extents).astype(dtype)
    return made


@pytest.mark.parametrize(("model", "tensors", "text"), examples(), ids=["layers", "attention"])
def test_the_examples_fill_their_models(tmp_path: Path, model: str, tensors: str, text: str) -> None:
    (tmp_path / "x.map").write_text(text)
    given = arrays(tensors)
    filled = archonnx.compile(text=model).with_weights(given, map=tmp_path / "x.map")
    values = filled.values()
    if "head/kernel" in values:
        np.testing.assert_array_equal(values["head/kernel"], given["fc.weight"].T)
        np.testing.assert_array_equal(
            values["bottleneck_2/conv2d_1/kernel"], given["layer3.conv2.weight"].transpose(2, 3, 1, 0)
        )
        assert set(values) - set(filled.given) == {"dense/kernel", "dense/bias"}
    else:
        fused = given["attn.c_attn.weight"]
        np.testing.assert_array_equal(values["attention/key/kernel"].reshape(8, 8), fused[:, 8:16])
        np.testing.assert_array_equal(
            values["attention/attention_output/kernel"].reshape(8, 8), given["attn.c_proj.weight"]
        )


def test_the_table_of_functions_is_that_of_the_parser() -> None:
    rows = dict(re.findall(r"^\| `(\w+\(.*?)` \| (.*?) \|$", PAGE, re.MULTILINE))
    assert rows == {function.example: function.summary for function in FUNCTIONS.values()}


def test_the_block_of_the_zoo_has_its_map() -> None:
    found = re.search(r"^    from zoo(?:.*\n)+?(?=^`)", PAGE, re.MULTILINE)
    assert found is not None
    model = archonnx.compile(text=textwrap.dedent(found[0]))
    assert maps_for(model, "backbone")["torchvision"].name == "resnet.torchvision.map"
