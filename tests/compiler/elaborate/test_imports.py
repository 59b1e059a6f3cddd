"""Imports: files below one root, circles, links, the zoo, names as other names."""

from __future__ import annotations

from pathlib import Path

import pytest
from elaboration import HEAD, body, codes, found, graph, only, paths, shape

import archonnx
from archonnx.compiler.artifact import compile_file
from archonnx.contract.diagnostics import CompileError

BLOCKS = "width = 6\n\ndefaults Dense(use_bias=False)\n\nblock head(units = width):\n    Dense(units)\n\ndef double(n) = 2 * n\n"


@pytest.fixture
def root(tmp_path: Path) -> Path:
    folder = tmp_path / "root"
    (folder / "deep").mkdir(parents=True)
    (folder / "blocks.arch").write_text(BLOCKS)
    (folder / "deep" / "inner.arch").write_text(
        'from "../blocks" import head\n\nblock two():\n    head(2)\n    head(3)\n'
    )
    return folder


def test_blocks_constants_and_functions_are_imported(root: Path) -> None:
    text = 'from "blocks" import head, width, double\n\n' + body("head(double(width))")
    assert shape(text, root=root) == "float32[N, 12]"


def test_a_name_is_imported_as_another(root: Path) -> None:
    text = 'from "blocks.arch" import head as top, width as units\n\n' + body("top(units + 1)")
    assert shape(text, root=root) == "float32[N, 7]"


def test_paths_are_relative_to_the_file_that_names_them(root: Path) -> None:
    text = 'from "deep/inner" import two\n\n' + body("two()")
    assert paths(graph(text, root=root)) == ["two/head/dense", "two/head_1/dense"]


def test_defaults_stay_in_their_file(root: Path) -> None:
    text = 'from "blocks" import head\n\n' + body("head()", "Dense(2)")
    assert [n.layer.arguments["use_bias"] for n in graph(text, root=root).nodes] == [False, True]


def test_imported_names_do_not_travel_on(root: Path) -> None:
    one = only('from "deep/inner" import head\n\n' + body("head()"), "E0209", root)
    assert one.help == "import it from blocks.arch, where it is declared"


def test_a_missing_file_is_one_error_and_guessed(root: Path) -> None:
    one = only('from "block" import head\n\n' + body("head()"), "E0204", root)
    assert one.help == "did you mean blocks?"


def test_a_name_that_is_not_declared_is_one_error_and_guessed(root: Path) -> None:
    assert only('from "blocks" import hed\n\n' + body("hed()"), "E0209", root).help == "did you mean head?"


def test_a_folder_and_a_file_that_is_no_text_are_errors(root: Path) -> None:
    (root / "folder.arch").mkdir()
    (root / "bytes.arch").write_bytes(b"\xff\xfe\x00\x01")
    assert codes('from "folder" import a\n\n' + body("a()"), root=root) == ["E0204"]
    assert codes('from "bytes" import a\n\n' + body("a()"), root=root)[0].startswith("E00")


@pytest.mark.parametrize("path", ["../secret", "deep/../../secret", "/etc/passwd", "../root/../secret"])
def test_an_import_does_not_climb_out(root: Path, path: str) -> None:
    (root.parent / "secret.arch").write_text("block a():\n    ReLU()\n")
    assert codes(f'from "{path}" import a\n\n' + body("a()"), root=root) == ["E0206"]


def test_a_link_does_not_climb_out(root: Path) -> None:
    (root.parent / "secret.arch").write_text("block a():\n    ReLU()\n")
    (root / "link.arch").symlink_to(root.parent / "secret.arch")
    assert codes('from "link" import a\n\n' + body("a()"), root=root) == ["E0206"]


def test_a_file_below_its_root_only(root: Path) -> None:
    with pytest.raises(CompileError, match="E0206"):
        compile_file(root / "blocks.arch", root=root / "deep")


def test_circles_of_imports_are_errors(root: Path) -> None:
    (root / "a.arch").write_text('from "b" import second\n\nblock first():\n    second()\n')
    (root / "b.arch").write_text('from "a" import first\n\nblock second():\n    ReLU()\n')
    (root / "self.arch").write_text('from "self" import me\n')
    assert codes('from "a" import first\n\n' + body("first()"), root=root) == ["E0208"]
    assert codes('from "self" import me\n\n' + body("me()"), root=root)[0] == "E0208"


def test_a_text_without_a_folder_imports_nothing() -> None:
    assert codes('from "blocks" import head\n\n' + body("head()")) == ["E0204"]


def test_errors_of_an_imported_file_point_into_it(root: Path) -> None:
    (root / "wrong.arch").write_text("block a():\n    Dens(3)\n")
    (one,) = found('from "wrong" import a\n\n' + body("a()"), root=root)
    assert one.place is not None
    assert (one.place.file, one.place.line) == ("wrong.arch", 2)
    assert [(f.name, f.place.file) for f in one.trail] == [("a", "example.arch")]


def test_the_zoo_is_imported_by_its_dotted_name() -> None:
    text = "from zoo.resnet import ResNet50 as Base\n\nmodel A():\n    input x: float32[N, 224, 224, 3]\n    Base()\n"
    assert paths(graph(text))[0].startswith("res_net/")


@pytest.mark.parametrize("path", ["zoo.nothing", "nobody.resnet", "zoo"])
def test_a_dotted_name_that_is_not_there(path: str) -> None:
    assert codes(f"from {path} import ResNet50\n\n" + body("Dense(3)")) == ["E0204"]


def test_a_dotted_name_is_guessed_and_a_file_beside_stands_in_quotes(root: Path) -> None:
    near = only("from zoo.resne import ResNet50\n\n" + body("Dense(3)"), "E0204")
    assert (near.message, near.help) == ("there is no zoo.resne", "did you mean resnet?")
    assert (
        only("from zoo.qqq import A\n\n" + body("Dense(3)"), "E0204").help == "`archonnx zoo` lists the files that ship"
    )
    beside = only("from deep.inner import two\n\n" + body("two()"), "E0204", root)
    assert beside.help == 'a path stands in quotes: from "deep/inner" import ...'


def test_a_name_is_imported_once(root: Path) -> None:
    text = 'from "blocks" import head\nfrom "deep/inner" import two as head\n\n' + HEAD + "    head()\n"
    assert codes(text, root=root) == ["E0203"]


def test_a_model_that_ships_copied_alone_says_where_the_rest_is(tmp_path: Path) -> None:
    shipped = Path(archonnx.__file__).parent / "models"
    (tmp_path / "resnet.arch").write_bytes((shipped / "resnet.arch").read_bytes())
    with pytest.raises(archonnx.CompileError) as caught:
        archonnx.compile(tmp_path / "resnet.arch", "ResNet50Classifier")
    blocks, labels = caught.value.diagnostics
    assert (blocks.code, labels.code) == ("E0204", "E0791")
    assert blocks.help == "a file of that name ships with archonnx: from zoo.blocks.pictures import ..."
    assert labels.help == f"a file of that name ships with archonnx, copy it: {shipped / 'imagenet.txt'}"

    text = (tmp_path / "resnet.arch").read_text().replace('"blocks/pictures.arch"', "zoo.blocks.pictures")
    (tmp_path / "resnet.arch").write_text(text)
    (tmp_path / "imagenet.txt").write_bytes((shipped / "imagenet.txt").read_bytes())
    assert archonnx.compile(tmp_path / "resnet.arch", "ResNet50Classifier").name == "ResNet50Classifier"
