"""The file of a plan: what is written is read, and whatever happened to it is said, never a traceback."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from plans import EXACT, LOWER, NOWHERE, part

from archonnx.runtime.settings import OPTIMISATIONS, PRECISIONS, Options, Settings
from archonnx.runtime.tuning import plan as plans
from archonnx.runtime.tuning.plan import Kept, PlanError, plan_path, read_plan
from archonnx.runtime.tuning.reading import Damaged, parse
from archonnx.runtime.tuning.recipe import Recipe, read_recipe


def read_text(text: str) -> plans.Plan:
    return plans._read(parse(text.encode()))


def test_what_is_written_is_read(tmp_path: Path) -> None:
    path = tmp_path / "net.plan.json"
    NOWHERE.write(path)
    assert read_plan(path) == NOWHERE
    assert read_plan(path).text() == path.read_text(), "the same plan gives the same bytes"


@given(st.text(), st.text())
def test_odd_names_are_written_so_that_they_can_be_read(name: str, said: str) -> None:
    tried = (replace(NOWHERE.parts[0].tried[0], reason=said),)
    odd = replace(part(), inputs={name: said}, tried=tried)
    plan = replace(NOWHERE, model=name, data=said, parts=(odd,))
    assert read_text(plan.text()).text() == plan.text()


def test_a_plan_is_called_by_its_model() -> None:
    assert plan_path("a/net.onnx") == Path("a/net.plan.json")
    assert plan_path("a/net.v2.onnx") == Path("a/net.v2.plan.json")
    assert plan_path("net") == Path("net.plan.json")


recipes = st.builds(
    Recipe,
    st.sampled_from(["cpu", "cuda", "openvino"]),
    st.sampled_from(PRECISIONS),
    threads=st.none() | st.integers(1, 1024),
    options=st.builds(Options, st.sampled_from(OPTIMISATIONS), st.booleans()),
    rows=st.none() | st.integers(1, 2**31 - 1),
    callers=st.integers(1, 1024),
    graphs=st.none() | st.booleans(),
)


@given(recipes)
@example(Recipe("cuda", options=Options(provider=(("cudnn_conv_algo_search", "EXHAUSTIVE"), ("prefer_nhwc", "1")))))
def test_every_recipe_survives_its_file(recipe: Recipe) -> None:
    assert read_recipe(parse(json.dumps(recipe.json()).encode())) == recipe


def test_a_recipe_reads_well() -> None:
    assert str(Recipe()) == "cpu float32"
    assert str(EXACT) == "cpu float32, 1 thread, optimisation basic, spinning"
    many = Recipe("cuda", "float16", None, Options(provider=(("prefer_nhwc", "1"),)), rows=16, callers=2)
    assert str(many) == "cuda float16, 2 callers, prefer_nhwc 1, 16 rows at once"


class TestDamage:
    @given(st.data())
    def test_a_value_of_any_kind_in_any_place(self, data: st.DataObject) -> None:
        """Replace, drop or add one value anywhere: it is a plan still, or is said to be damaged."""
        document = json.loads(NOWHERE.text())
        places: list[tuple[Any, Any]] = []

        def walk(value: Any) -> None:
            for key in value if isinstance(value, dict) else range(len(value)) if isinstance(value, list) else ():
                places.append((value, key))
                walk(value[key])

        walk(document)
        inside, key = data.draw(st.sampled_from(places))
        odd = st.sampled_from([None, True, -1, 0, 1, 1.5, 1e400, "", "cpu", "a\nb", [], {}, [1], {"a": 1}, 10**400])
        what = data.draw(st.sampled_from(["replace", "drop", "add"]))
        if what == "replace":
            inside[key] = data.draw(odd)
        elif what == "drop":
            del inside[key]
        elif isinstance(inside, dict):
            inside["extra"] = data.draw(odd)
        try:
            found = read_text(json.dumps(document))
        except Damaged as error:
            assert "\n" not in str(error)
            return
        assert read_text(found.text()) == found

    @given(st.binary(max_size=40), st.integers(0, 4000), st.integers(0, 40))
    def test_bytes_of_any_kind_anywhere(self, junk: bytes, at: int, cut: int) -> None:
        whole = NOWHERE.text().encode()
        try:
            found = plans._read(parse(whole[:at] + junk + whole[at + cut :]))
        except Damaged as error:
            assert "\n" not in str(error)
            return
        assert found.parts

    @pytest.mark.parametrize(
        ("content", "said"),
        [
            (b"", "it is no JSON: Expecting value in line 1"),
            (b"[" * 100_000, "it is nested too deep"),
            (b"\xff\xfe", "it is no text in UTF-8"),
            (b"[]", "the whole is [], an object is expected"),
            (b"{}", "schema is missing, a whole number from 1 to"),
            (b'{"schema": 2}', "it has the layout 2, this version of archonnx reads 1"),
            (b'{"schema": NaN}', "NaN is no number of JSON"),
            (b'{"schema": 1, "schema": 1}', "'schema' is there twice"),
            (b'{"schema": ' + b"1" * 5000 + b"}", "it is no JSON: Exceeds the limit"),
        ],
    )
    def test_is_said_with_its_place(self, content: bytes, said: str, tmp_path: Path) -> None:
        path = tmp_path / "net.plan.json"
        path.write_bytes(content)
        with pytest.raises(PlanError) as caught:
            read_plan(path)
        assert str(caught.value).startswith(f"{path}: the plan is damaged: {said}")

    @pytest.mark.parametrize(
        ("old", "new", "said"),
        [
            (
                '"threads": 1',
                '"thread": 1',
                '"thread" in batches[0].kept[0].recipe is no part of a plan; did you mean threads',
            ),
            (
                '"device": "cpu"',
                '"device": "tpu"',
                'batches[0].kept[0].recipe.device is "tpu", one of cpu, cuda, tensorrt, openvino',
            ),
            ('"spinning": true', '"spinning": 1', "batches[0].kept[0].recipe.spinning is 1, true or false is expected"),
            (
                '"spinning": true',
                '"provider": {"a": "b"}',
                "recipe.provider: a = 'b' is no option that a plan sets on cpu",
            ),
            (
                '"milliseconds": 2.0',
                '"milliseconds": -2',
                "batches[0].kept[0].milliseconds is -2, a number of at least 0",
            ),
            ('"batch": 16', '"batch": 1', "it holds a batch twice: 1, 1"),
            ('"precision": "bfloat16"', '"precision": "float32"', "batches[0].kept holds a precision twice"),
        ],
    )
    def test_by_hand_is_said_with_its_place(self, old: str, new: str, said: str) -> None:
        text = NOWHERE.text()
        assert old in text
        with pytest.raises(Damaged) as caught:
            read_text(text.replace(old, new, 1))
        assert said in str(caught.value)

    def test_what_is_too_large_is_not_read(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(plans, "_MOST", 1 << 20)
        path = tmp_path / "net.plan.json"
        path.write_bytes(b" " * (1 << 20) + b" {}")
        with pytest.raises(PlanError, match="it is larger than 1 MiB"):
            read_plan(path)


class TestBest:
    @pytest.mark.parametrize(
        ("asked", "best"),
        [
            (Settings(), EXACT),
            (Settings(precision="float32"), EXACT),
            (Settings(max_error=1e-2), LOWER),
            (Settings(max_error=1e-3), EXACT),
            (Settings(max_error=1e-9), None),
            (Settings(precision="bfloat16"), LOWER),
            (Settings(precision="bfloat16", max_error=1e-3), EXACT),
            (Settings(precision="int8", max_error=1e-2), EXACT),
            (Settings(precision="int8"), None),
            (Settings("cpu", max_error=1e-2), EXACT),
            (Settings("openvino"), None),
            (Settings("openvino", max_error=1e-2), LOWER),
        ],
    )
    def test_precision_is_lowered_where_somebody_said_so(self, asked: Settings, best: Recipe | None) -> None:
        found = part().best(asked)
        assert (found.recipe if found else None) == best

    @given(
        st.lists(
            st.tuples(st.sampled_from(PRECISIONS), st.floats(0.1, 10), st.floats(0, 1)),
            unique_by=lambda kept: kept[0],
        ),
        st.none() | st.sampled_from(PRECISIONS),
        st.none() | st.floats(1e-9, 1),
    )
    def test_never_beyond_what_was_asked(self, found: Any, precision: Any, bound: float | None) -> None:
        kept = tuple(Kept(Recipe(precision=name), time, error, "") for name, time, error in found)
        best = plans.Part(1, {}, kept, ()).best(Settings(precision=precision, max_error=bound))
        for other in kept:
            name = other.recipe.precision
            if bound is None:
                allowed = name == (precision or "float32")
            else:
                allowed = other.error <= bound and (precision is None or name in ("float32", precision))
            if allowed:
                assert best is not None
                assert best.milliseconds <= other.milliseconds
            elif best is not None:
                assert best is not other
