"""What a profile looks like: text of any width, a page, trace events."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path

import pytest
from profiled_models import CELL, LOOPED, Profiles

import archonnx
from archonnx.runtime.profiling.profile import VIEWS, Part, View

VOID = {"meta", "br"}


class Page(HTMLParser):
    """Notes tags that do not match, and whatever would be fetched."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.fetched: list[str] = []
        self.texts: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag not in VOID:
            self.open.append(tag)
        self.fetched += [str(value) for name, value in attrs if name in ("src", "href")]

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.texts.append(data)


@pytest.mark.parametrize("by", VIEWS)
@pytest.mark.parametrize("width", [50, 80, 200])
def test_text_keeps_to_its_width(profiles: Profiles, by: View, width: int) -> None:
    text = profiles(LOOPED).text(by, width=width)
    head, *tables = text.split("\n\n")
    assert head.startswith("Looped on cpu, 1 thread: ")
    rows = [line for table in tables for line in table.split("\n")]
    assert max(map(len, rows)) <= max(width, 60), "less than that, columns that matter would go"
    assert "\x1b" not in text
    assert rows[-1].endswith("total")


def test_lines_are_the_source_with_figures(profiles: Profiles) -> None:
    text = profiles(LOOPED).text(width=160)
    table = text.split("\n\n", 1)[1]
    for number, line in enumerate(LOOPED.splitlines(), 1):
        assert re.search(rf"(?m)(?:^|\s){number}(?:  {re.escape(line)})?$", table), line
    assert re.search(r"(?m)^ *[\d.]+ .s +[\d.]+% +x6 +24.6k .* 3 {6}y = x -> Dense", table)
    assert re.search(r"(?m)^ +[\d.]+ .s +[\d.]+% +x3 .* 9 {10}unit\(8\)$", table)


def test_what_took_no_part_is_one_line(profiles: Profiles) -> None:
    blocks = "".join(f"block other{n}():\n    Dense({n + 1})\n\n" for n in range(4))
    text = profiles(blocks + LOOPED.replace("Looped", "Other")).text(width=160)
    assert "... 12 lines that took no part" in text
    assert "other1" not in text


def test_colours_are_asked_for(profiles: Profiles) -> None:
    profile = profiles(LOOPED)
    colored = profile.text(width=100, color=True)
    assert "\x1b[1m" in colored
    assert re.sub(r"\x1b\[[\d;]*m", "", colored) == profile.text(width=100)


def test_names_of_files_cannot_move_the_cursor(profiles: Profiles) -> None:
    profile = profiles(LOOPED)
    odd = replace(profile.nodes[0], name="a\x1b[2Jb\nc", origin=None, layer=None, place=None)
    text = replace(profile, nodes=(odd,)).text("node")
    assert "\x1b" not in text
    assert "a?[2Jb?c" in text


def test_times_of_another_provider_are_called_so(profiles: Profiles) -> None:
    profile = replace(profiles(LOOPED), borrowed=True, device="openvino", seconds=0.0123)
    head = profile.text().split("\n\n")[0]
    assert "on openvino, 1 thread: 12.3 ms a call" in head
    assert "of CPUExecutionProvider in float32, where a run takes" in head
    assert "what the session runs has no times for its parts" in head
    assert profile.json()["nodes_of"]["another_than_the_session"] is True


def test_a_plan_is_told(profiles: Profiles) -> None:
    profile = profiles(LOOPED)
    assert "plan " not in profile.text()
    planned = replace(profile, plan="m.plan.json")
    assert "m.plan.json, by which calls run" in planned.text()
    assert planned.json()["plan"] == "m.plan.json"


def test_a_busy_machine_is_told(profiles: Profiles) -> None:
    profile = profiles(LOOPED)
    assert "half of the calls took from 10.0 ms to 20.0 ms" in replace(profile, spread=(0.010, 0.020)).text()
    assert "busy     9.2 processes wanted a core when it began: " in replace(profile, load=9.2, spread=(1, 1)).text()
    assert "busy" not in replace(profile, load=None, spread=(0.010, 0.011)).text()


@pytest.mark.parametrize("text", [LOOPED, CELL])
def test_the_page_needs_nothing_else(profiles: Profiles, text: str) -> None:
    profile = profiles(text)
    page = Page()
    html = profile.html()
    page.feed(html)
    assert page.open == []
    assert page.fetched == []
    assert "http" not in html
    assert "@import" not in html
    assert "url(" not in html
    for line in text.splitlines():
        assert line in page.texts or not line
    for node in profile.nodes:
        assert node.name in page.texts


def test_the_page_escapes(profiles: Profiles) -> None:
    profile = profiles(LOOPED)
    evil = '<script>alert("&")</script>'
    odd = replace(profile.nodes[0], name=evil, parts=(Part(evil, evil, None, None),))
    html = replace(profile, model=evil, nodes=(odd,), sources={evil: evil}, inputs={evil: evil}).html()
    assert evil not in html
    assert html.count("<script>") == 1


@pytest.mark.parametrize("text", [LOOPED, CELL])
def test_trace_events_are_what_viewers_take(profiles: Profiles, text: str) -> None:
    profile = profiles(text)
    found = json.loads(json.dumps(profile.chrome()))
    names = {(e["tid"], e["args"]["name"]) for e in found["traceEvents"] if e["ph"] == "M"}
    assert (2, "layers") in names
    slices = [event for event in found["traceEvents"] if event["ph"] == "X"]
    assert all({"name", "cat", "ph", "ts", "dur", "pid", "tid", "args"} == event.keys() for event in slices)
    assert all(event["dur"] >= 0 and event["ts"] >= 0 for event in slices)
    nodes = [event for event in slices if event["tid"] == 1]
    assert len(nodes) == sum(node.calls for node in profile.nodes)
    for track in (1, 2):
        ends: list[float] = []
        for event in sorted((e for e in slices if e["tid"] == track), key=lambda e: (e["ts"], -e["dur"])):
            while ends and ends[-1] <= event["ts"] + 1e-6:
                ends.pop()
            assert not ends or event["ts"] + event["dur"] <= ends[-1] + 1.01, "one lies in the other, or after it"
            ends.append(event["ts"] + event["dur"])


def test_layers_of_a_trace_lie_in_their_blocks(profiles: Profiles) -> None:
    slices = [e for e in profiles(LOOPED).chrome()["traceEvents"] if e["ph"] == "X" and e["tid"] == 2]
    units = [event for event in slices if event["name"].startswith("unit")]
    assert len(units) == 3
    inner = next(event for event in slices if event["name"] == "dense")
    outer = units[0]
    assert outer["ts"] <= inner["ts"]
    assert inner["ts"] + inner["dur"] <= outer["ts"] + outer["dur"] + 1e-6


def test_json_holds_all(profiles: Profiles) -> None:
    profile = profiles(LOOPED)
    found = json.loads(json.dumps(profile.json()))
    assert found["total"]["milliseconds"] == pytest.approx(profile.total * 1000)
    times = sum(line["milliseconds"] for line in found["lines"]) + found["milliseconds_between_nodes"]
    assert times == pytest.approx(found["total"]["milliseconds"])
    assert [line["line"] for line in found["lines"]] == [3, 4, 9, 10]
    assert found["lines"][2]["source"] == "        unit(8)"
    assert found["lines"][2]["milliseconds_of_blocks"] > 0
    assert {node["operator"] for node in found["nodes"]} == {one["operator"] for one in found["operators"]}
    assert found["inputs"] == {"x": "float32[1, 128, 8]"}


def test_print_of_a_profile(tmp_path: Path) -> None:
    archonnx.compile(text=LOOPED).save(tmp_path / "m.onnx")
    with archonnx.load(tmp_path / "m.onnx", "cpu") as session:
        assert str(session.profile(runs=1)).startswith("Looped on cpu")
