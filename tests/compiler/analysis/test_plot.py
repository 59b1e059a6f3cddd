"""Pictures: what they hold, how they fold, and that nothing in them overlaps."""

from __future__ import annotations

import os
import xml.etree.ElementTree as ET
from itertools import combinations, pairwise
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import archonnx
from archonnx.compiler.analysis.plot import plot
from archonnx.compiler.analysis.plotting import drawing, folding, png, references, svg, tree
from archonnx.compiler.analysis.plotting.columns import breaks_of
from archonnx.compiler.analysis.plotting.coordinates import place
from archonnx.compiler.analysis.plotting.elements import Box, Picture, boxes, groups
from archonnx.compiler.analysis.plotting.layering import Vertex, layered
from archonnx.compiler.analysis.plotting.scene import Rect, Scene, Text
from archonnx.compiler.analysis.plotting.texts import clean, shorten, width, wrap
from archonnx.compiler.graph import LayerGraph
from archonnx.contract.diagnostics import UsageError

MODELS = Path(archonnx.__file__).parent / "models"

SMALL = """
block pair(units):
    Dense(units, activation="relu")
    Dense(units)

model Small():
    input x: float32[N, 8]
    input other: int32[N, 8]
    shared = Dense(8)
    (a, b) = split(x -> shared, 2, axis=-1)
    y = concat([a, b], axis=-1) -> pair(8)
    z = y -> shared
    output first = x + (z -> pair(8))
    output second = other * 2
"""

DEEP = """
block inner(units):
    Dense(units)
    ReLU()

block outer(units):
    input x
    output x + (x -> inner(units) -> inner(units))

model Deep(depth):
    input x: float32[N, 8]
    for i in range(depth):
        outer(8)
    Dense(4)
    output y
"""

WEIGHT = """
model A():
    input x: float32[N, 3]
    weight w: [3] = [1, 2, 3]
    output y = x
    output w
"""


def graph_of(text: str, model: str, **parameters: int) -> LayerGraph:
    return archonnx.compile(text=text, model=model, **parameters).graph  # type: ignore[arg-type]


def folded(graph: LayerGraph, depth: int | None = None) -> Picture:
    picture = tree.build(graph)
    folding.fold(picture, depth)
    return picture


def titles(picture: Picture) -> list[str]:
    return [box.title for box in boxes(picture.root)]


def texts(scene: Scene) -> list[str]:
    return [shape.text for entry in scene.entries for shape in entry.shapes if isinstance(shape, Text)]


def test_the_articles_network_shows_layers_arguments_and_shapes() -> None:
    picture = folded(archonnx.compile(MODELS / "dnn.arch").graph)
    assert titles(picture) == [
        "image", "Conv2D", "MaxPooling2D", "Conv2D", "MaxPooling2D", "Conv2D", "MaxPooling2D", "Flatten", "Dense",
        "Dense", "logits",
    ]  # fmt: skip
    shown = texts(drawing.draw(picture, "down"))
    assert "[N, 256, 256, 3]" in shown
    assert "[N, 65536]" in shown
    assert "256, (3, 3), padding=same," in shown
    assert {"convolution", "pooling", "dense", "input or output"} < set(shown)
    assert "attention" not in shown  # the legend has what the picture has
    assert picture.notes == []


def test_hidden_layers_are_left_out_and_shared_ones_marked() -> None:
    picture = folded(graph_of(SMALL, "Small"))
    assert "constant" not in titles(picture)
    marks = [line for box in boxes(picture.root) for line in box.details if line.startswith("shared")]
    assert marks == ["shared, use 1 of 2", "shared, use 2 of 2"]
    assert [group.title for group, _ in groups(picture.root)] == ["Small", "pair", "pair"]
    assert "int32[N, 8]" in texts(drawing.draw(picture, "down"))


def test_a_hidden_layer_that_is_an_output_is_shown() -> None:
    picture = folded(graph_of(WEIGHT, "A"))
    assert titles(picture) == ["x", "weight", "y", "w"]
    _, weight, _, output = boxes(picture.root)
    assert weight.gives == output.reads


def test_blocks_read_and_give_what_crosses_their_border() -> None:
    picture = folded(graph_of(DEEP, "Deep", depth=1))
    outer = groups(picture.root)[1][0]
    assert outer.title == "outer"
    image, dense = picture.root.children[0], picture.root.children[2]
    assert outer.reads == image.gives
    assert outer.gives == dense.reads


@pytest.mark.parametrize(("depth", "expected"), [(0, ["x", "outer", "outer", "Dense", "y"]),
                                                 (1, ["x", *["inner", "inner", "add"] * 2, "Dense", "y"])])  # fmt: skip
def test_fold_draws_deeper_blocks_as_one_box(depth: int, expected: list[str]) -> None:
    picture = folded(graph_of(DEEP, "Deep", depth=2), depth)
    assert titles(picture) == expected
    assert any(f"fold={depth + 1}" in note for note in picture.notes)
    block = next(box for box in boxes(picture.root) if box.kind == "block")
    assert block.details == (("5 layers, 144 parameters",) if depth == 0 else ("2 layers, 72 parameters",))


def test_large_models_draw_repeated_blocks_once_and_say_so() -> None:
    picture = folded(graph_of(DEEP, "Deep", depth=30))
    repeated = picture.root.children[1]
    assert [group.repeats for group, _ in groups(picture.root)] == [1, 30, 2]
    assert titles(picture) == ["x", "Dense", "ReLU", "add", "Dense", "y"]
    assert picture.root.children[2].reads == repeated.gives
    assert picture.notes == [
        "a block marked x N stands for N identical ones in a row",
        "fold=2 draws every one of them",
    ]
    assert "outer x 30" in texts(drawing.draw(picture, "down"))
    assert len(titles(folded(graph_of(DEEP, "Deep", depth=30), 2))) == 30 * 5 + 3


@pytest.mark.parametrize("change", ["ReLU() if i < 20 else ELU()", "it * (2 if i < 20 else 3)"])
def test_blocks_that_differ_are_not_drawn_as_one(change: str) -> None:
    text = f"block step(i):\n    Dense(8)\n    {change}\nmodel A():\n    input x: float32[N, 8]\n"
    text += "    for i in range(40):\n        step(i)\n    output y\n"
    picture = folded(graph_of(text, "A"))
    assert [group.repeats for group, _ in groups(picture.root)] == [1, 20, 20]


def test_blocks_side_by_side_are_not_drawn_as_one() -> None:
    text = "block arm():\n    Dense(8)\n    ReLU()\nmodel A():\n    input x: float32[N, 8]\n"
    text += "    arms = [x -> arm() for i in range(40)]\n    output y = concat(arms, axis=-1)\n"
    assert {group.repeats for group, _ in groups(folded(graph_of(text, "A")).root)} == {1}


def long(lines: str, turns: int = 500) -> Picture:
    body = "".join(f"        {line}\n" for line in lines.splitlines())
    text = f"model A():\n    input x: float32[N, 8]\n    Dense(8)\n    for i in range({turns}):\n{body}    output y\n"
    return folded(graph_of(text, "A"))


def test_layers_alike_in_a_row_are_one_box_that_says_so() -> None:
    picture = long("Dense(8, activation='relu')")
    assert titles(picture) == ["x", "Dense", "Dense x 500", "y"]
    _, first, row, y = boxes(picture.root)
    assert (row.name, row.reads, row.gives) == ("dense_1 to dense_500", first.gives, y.reads)
    assert "\nto Dense dense_500" in row.tooltip
    assert picture.notes == [
        "what is marked x N stands for N identical ones in a row",
        "fold=0 draws every one of them",
    ]


def test_a_turn_of_several_layers_is_framed() -> None:
    picture = long("before = it\nDense(8)\nit + before\nReLU()")
    assert titles(picture) == ["x", "Dense", "Dense", "add", "ReLU", "y"]
    assert [(group.title, group.repeats) for group, _ in groups(picture.root)] == [("A", 1), ("Dense to ReLU", 500)]
    _, group = (group for group, _ in groups(picture.root))
    y = picture.root.children[-1]
    assert isinstance(y, Box)
    assert group.gives == y.reads


@pytest.mark.parametrize("line", ["Dense(8 if i % 100 else 9)", "(it -> Dense(8)) + (it -> Dense(8, name=f'n{i}'))"])
def test_rows_end_where_layers_differ(line: str) -> None:
    picture = long(line, 200)
    drawn = sum(1 for _ in boxes(picture.root))
    assert drawn < 20
    turns = [int(t.rpartition(" x ")[2]) for t in titles(picture) if " x " in t]
    turns += [group.repeats for group, _ in groups(picture.root)]
    assert 95 <= max(turns) <= 200


def test_layers_alike_that_do_not_follow_each_other_stay_apart() -> None:
    # each reads the one before and the one before that, which no picture of one turn can show
    lines = "\n".join(["    h = h -> Dense(8)", "    (g, h) = (h, g + h)"] * 60)
    text = f"model A():\n    input x: float32[N, 8]\n    g = x\n    h = x\n{lines}\n    output y = g + h\n"
    picture = folded(graph_of(text, "A"))
    produced = {wire for box in boxes(picture.root) for wire in box.gives}
    assert {wire for box in boxes(picture.root) for wire in box.reads} <= produced


def test_layers_alike_side_by_side_are_one_box_that_says_so() -> None:
    text = "model A():\n    input x: float32[N, 8]\n    arms = [x -> Dense(8) for i in range(1000)]\n"
    text += "    output y = concat(arms, axis=-1)\n"
    picture = folded(graph_of(text, "A"))
    assert titles(picture) == ["x", "Dense x 1,000 side by side", "concat", "y"]
    _, arms, joined, _ = boxes(picture.root)
    assert joined.reads == arms.gives
    assert picture.notes[0] == "what is marked x N stands for N identical ones side by side"
    assert len(titles(folded(graph_of(text, "A"), 0))) == 1003


def test_resnet50_is_folded_until_it_can_be_read() -> None:
    picture = folded(archonnx.compile(MODELS / "resnet.arch", model="ResNet50").graph)
    assert 40 <= len(titles(picture)) <= folding.MOST
    assert sorted(group.repeats for group, _ in groups(picture.root))[-4:] == [2, 2, 3, 5]
    scene = drawing.draw(picture, "down")
    assert 0.5 < scene.width / scene.height < 2


def cards(picture: Picture, direction: drawing.Direction) -> list[tuple[float, float, float, float]]:
    """Left, top, right and bottom of every box, by the title of its SVG group."""
    scene = drawing.draw(picture, direction)
    tooltips = {box.tooltip for box in boxes(picture.root)}
    return [
        (shape.x, shape.y, shape.x + shape.width, shape.y + shape.height)
        for entry in scene.entries
        if entry.tooltip in tooltips
        for shape in entry.shapes
        if isinstance(shape, Rect)
    ]


@pytest.mark.parametrize("direction", ["down", "right"])
@pytest.mark.parametrize("name", ["small", "deep", "dnn", "resnet"])
def test_boxes_never_overlap(name: str, direction: drawing.Direction) -> None:
    if name == "resnet":
        picture = folded(archonnx.compile(MODELS / "resnet.arch", model="ResNet50").graph, 99)
    elif name == "dnn":
        picture = folded(archonnx.compile(MODELS / "dnn.arch").graph)
    else:
        picture = folded(graph_of(SMALL, "Small") if name == "small" else graph_of(DEEP, "Deep", depth=4))
    found = cards(picture, direction)
    assert len(found) == len(titles(picture))
    for a, b in combinations(found, 2):
        assert a[2] <= b[0] or b[2] <= a[0] or a[3] <= b[1] or b[3] <= a[1]


@settings(deadline=None, max_examples=60)
@given(st.lists(st.lists(st.integers(0, 30), max_size=4), min_size=1, max_size=25))
def test_ranks_rise_along_every_wire_and_vertices_keep_apart(reads: list[list[int]]) -> None:
    vertices = []
    for number, sources in enumerate(reads):
        pins = [(source % number, 20.0) for source in sources if number]
        box = Box("layer", "dense", str(number))
        vertices.append(Vertex(40.0, 20.0, box, pins_in=pins, pins_out={number: 20.0}))
    graph = layered(vertices)
    place(graph)
    assert sorted(v.element.title for rank in graph.ranks for v in rank if v.element) == sorted(
        map(str, range(len(reads)))
    )
    for segment in graph.segments:
        assert segment.head.rank == segment.tail.rank + 1
    reached = {(segment.wire, id(segment.head), segment.slot) for segment in graph.segments}
    for vertex in vertices:
        assert all((wire, id(vertex), slot) in reached for slot, (wire, _) in enumerate(vertex.pins_in))
    for rank in graph.ranks:
        for left, right in pairwise(rank):
            assert left.x + left.cross < right.x


def test_a_long_wire_stands_upright() -> None:
    first = Vertex(40.0, 20.0, Box("layer", "dense", "0"), pins_out={0: 20.0})
    chain = [
        Vertex(40.0, 20.0, Box("layer", "dense", str(i)), pins_in=[(i - 1, 20.0)], pins_out={i: 20.0})
        for i in range(1, 6)
    ]
    last = Vertex(40.0, 20.0, Box("layer", "dense", "6"), pins_in=[(5, 20.0), (0, 20.0)], pins_out={6: 20.0})
    graph = layered([first, *chain, last])
    place(graph)
    assert len({v.x for rank in graph.ranks for v in rank if v.element is None}) == 1
    assert len({v.x for v in chain}) == 1


def test_columns_are_as_even_as_the_breaks_allow() -> None:
    assert breaks_of([1.0] * 9, list(range(1, 9)), 3) == [3, 6]
    assert breaks_of([1.0] * 9, [1, 8], 3) == [1, 8]
    assert breaks_of([5.0, 1.0, 1.0], [], 3) == []


def test_a_long_chain_is_wrapped_and_a_short_one_is_not() -> None:
    def chain(length: int) -> Scene:
        text = (
            f"model A():\n    input x: float32[N, 8]\n    for i in range({length}):\n        Dense(8)\n    output y\n"
        )
        return drawing.draw(folded(graph_of(text, "A")), "down")

    assert chain(8).width < chain(8).height
    assert 0.5 < chain(100).width / chain(100).height < 2


def test_the_longest_lines_of_a_huge_picture_are_cut(monkeypatch: pytest.MonkeyPatch) -> None:
    text = "model A():\n    input x: float32[N, 8]\n    kept = []\n    for i in range(12):\n        Dense(8)\n"
    text += "        kept = kept + [it]\n    for i in range(12):\n        kept[11 - i] + it\n    output y\n"
    picture = folded(graph_of(text, "A"))
    references.cut_longest(picture)
    assert picture.notes == []
    monkeypatch.setattr(references, "MOST", 60)
    references.cut_longest(picture)
    cut = [box for box in boxes(picture.root) if box.kind == "reference"]
    assert cut
    assert cut[0].title.startswith("from dense")
    assert picture.notes[0].startswith(f"{len(cut)} long lines are cut")
    given_out = {wire for box in boxes(picture.root) for wire in box.gives}
    assert all(wire in given_out for box in boxes(picture.root) for wire in box.reads)


# Texts ---------------------------------------------------------------------------------------------------------------


def test_texts_are_cut_in_the_middle_and_wrapped() -> None:
    name = "a_rather_long_name_of_a_layer_1"
    cut = shorten(name, 10.0, 80.0)
    assert width(cut, 10.0) <= 80.0
    assert cut.startswith("a_r")
    assert cut.endswith("r_1")
    assert shorten(name, 10.0, 1000.0) == name
    assert wrap(["64", "padding=same", "activation=relu"], 10.0, 90.0, 2) == ("64, padding=same,", "activation=relu")
    assert wrap(["aaaaaaaaaa"] * 6, 10.0, 70.0, 2)[-1].endswith("…")
    assert clean("a\nb\ud800\x07") == "a\\nb\\ud800\\x07"


@settings(deadline=None, max_examples=80)
@given(st.text(max_size=40), st.floats(1.0, 200.0))
def test_what_is_shortened_fits(text: str, room: float) -> None:
    cut = shorten(text, 10.0, room)
    assert cut in (text, "…") or width(cut, 10.0) <= room


# Files ---------------------------------------------------------------------------------------------------------------


def test_svg_is_well_formed_repeatable_and_selectable(tmp_path: Path) -> None:
    graph = graph_of(SMALL, "Small")
    plot(graph, tmp_path / "a.svg")
    plot(graph_of(SMALL, "Small"), tmp_path / "b.SVG")
    assert (tmp_path / "a.svg").read_bytes() == (tmp_path / "b.SVG").read_bytes()
    root = ET.parse(tmp_path / "a.svg").getroot()
    name = "{http://www.w3.org/2000/svg}"
    assert {"split", "concat", "first", "second"} <= {text.text for text in root.iter(f"{name}text")}
    tips = [tip.text or "" for tip in root.iter(f"{name}title")]
    assert any("Dense pair_1/dense\n" in tip and "text.arch:3:5" in tip and "72 parameters" in tip for tip in tips)
    paper = root.find(f"{name}rect")
    assert paper is not None
    assert paper.get("fill") == "#ffffff"
    assert "href" not in (tmp_path / "a.svg").read_text()


@settings(deadline=None, max_examples=60)
@given(st.text(max_size=20))
def test_any_text_is_escaped(text: str) -> None:
    graph = LayerGraph(text)
    picture = folded(graph)
    picture.root.children.append(Box("layer", "dense", clean(f"<&\"'>{text}"), tooltip=clean(f"]]>{text}")))
    document = "".join(svg.render(drawing.draw(picture, "down")))
    assert ET.fromstring(document.encode("utf-8")) is not None


@pytest.mark.parametrize("direction", ["down", "right"])
def test_png_is_the_same_picture(direction: str, tmp_path: Path) -> None:
    from PIL import Image

    graph = graph_of(SMALL, "Small")
    done: list[tuple[int, int]] = []
    plot(graph, tmp_path / "a.png", direction=direction, progress=lambda part, whole: done.append((part, whole)))
    plot(graph, tmp_path / "a.svg", direction=direction)
    root = ET.parse(tmp_path / "a.svg").getroot()
    with Image.open(tmp_path / "a.png") as image:
        expected = (round(float(root.get("width", "0")) * 2), round(float(root.get("height", "0")) * 2))
        assert image.size == expected
        colours = {colour for _, colour in image.getcolors(1 << 20) or []}
        assert (0xED, 0xE9, 0xFE) in colours  # Dense
        assert (255, 255, 255) in colours
    assert done[-1][0] == done[-1][1] == len(done)


def test_a_huge_png_is_made_smaller_and_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from PIL import Image

    monkeypatch.setattr(png, "MOST_PIXELS", 100_000)
    seen: list[Scene] = []
    save = png.save

    def watched(scene: Scene, stream: object, progress: None = None) -> None:
        seen.append(scene)
        save(scene, stream, progress)

    monkeypatch.setattr(png, "save", watched)
    plot(graph_of(SMALL, "Small"), tmp_path / "a.png")
    with Image.open(tmp_path / "a.png") as image:
        assert image.width * image.height <= 101_000
    assert any("of its size" in text for text in texts(seen[0]))


@pytest.mark.parametrize(
    ("name", "arguments", "said"),
    [
        ("a.docx", {}, "ends in .svg or .png, not .docx"),
        ("a", {}, "has no ending"),
        ("a.svg", {"direction": "up"}, "'up'"),
        ("a.svg", {"fold": -1}, "-1"),
    ],
)
def test_a_wrong_call_writes_nothing(name: str, arguments: dict[str, object], said: str, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=said):
        plot(graph_of(SMALL, "Small"), tmp_path / name, **arguments)  # type: ignore[arg-type]
    assert os.listdir(tmp_path) == []


def test_a_failure_leaves_the_old_picture(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    target = tmp_path / "a.png"
    target.write_bytes(b"old")

    def interrupted(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(png, "save", interrupted)
    with pytest.raises(KeyboardInterrupt):
        plot(graph_of(SMALL, "Small"), target)
    assert target.read_bytes() == b"old"
    assert os.listdir(tmp_path) == ["a.png"]
