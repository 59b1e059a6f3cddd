"""Packages whose layers cannot be used, or whose rules fail: what is said, of which package, and what to do."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

import archonnx
from archonnx.cli import main
from archonnx.compiler.layers import plugins, registry
from archonnx.compiler.layers.plugins import PluginError
from archonnx.contract.diagnostics import CompileError, Diagnostic

Install = Callable[..., None]

GOOD = """
class Good(Layer):
    '''Twice its input.'''

    onnx = ("Add",)
    example = "input x: float32[N, 4]\\nGood()"

    def infer(self, c, x):
        return x

    def lower(self, b, x):
        return b.op("Add", x, x)
"""


@pytest.fixture
def installed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Install]:
    """Makes a package `name` of one module, which claims the layers `claimed`; what was found before is forgotten."""
    before = set(sys.modules)

    def make(code: str, *claimed: str, name: str = "foreign", version: str = "0.1", module: str = "") -> None:
        info = tmp_path / f"{name}-{version}.dist-info"
        info.mkdir()
        (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n")
        lines = [line if "=" in line else f"{line} = {module or name}:{line}" for line in claimed]
        (info / "entry_points.txt").write_text("[archonnx.layers]\n" + "\n".join(lines) + "\n")
        (tmp_path / f"{name}.py").write_text(f"from archonnx.layers import *\n{code}\n")

    monkeypatch.syspath_prepend(str(tmp_path))
    plugins.claims.cache_clear()
    yield make
    plugins.claims.cache_clear()
    plugins._load.cache_clear()
    for made in set(sys.modules) - before:
        if str(getattr(sys.modules[made], "__file__", "")).startswith(str(tmp_path)):
            del sys.modules[made]


def diagnose(*lines: str) -> Diagnostic:
    """The one error of a model with these lines, saved too."""
    text = "\n    ".join(["model A():", "input x: float32[N, 4]", *lines]) + "\n"
    with pytest.raises(CompileError) as caught:
        archonnx.compile(text=text).lower()
    (found,) = caught.value.diagnostics
    return found


def test_a_layer_of_another_package_is_found(installed: Install) -> None:
    installed(GOOD, "Good")
    found = registry.find_layer("Good")
    assert found is not None
    assert found.package == "foreign 0.1"
    assert "Good" not in registry.layer_names()
    assert plugins.plugin_names() == ["Good"]
    model = archonnx.compile(text="model A():\n    input x: float32[N, 4]\n    Good()\n")
    assert [o.type for o in model.lower().operators] == ["Add"]


UNUSABLE = [
    ("import no_such_module", "E0920", "ModuleNotFoundError: No module named 'no_such_module' (foreign, line 2)"),
    ("1 / 0", "E0920", "the layer Bad of foreign 0.1 cannot be loaded: ZeroDivisionError: division by zero (foreign, line 2)"),
    ("raise SystemExit(3)", "E0920", "the layer Bad of foreign 0.1 cannot be loaded: SystemExit: 3"),
    ("def Bad(:", "E0920", "the layer Bad of foreign 0.1 cannot be loaded: SyntaxError: invalid syntax"),
    ("pass", "E0920", "cannot be loaded: AttributeError: module 'foreign' has no attribute 'Bad'"),
    ("def Bad(): ...", "E0921", "foreign:Bad of foreign 0.1 is no layer Bad: it is a function"),
    ("class Bad: ...", "E0921", "it is the class Bad"),
    ("class Other(Layer): ...\nBad = Other", "E0921", "the class is called Other"),
    ("class Bad(Layer): ...", "E0921", "it has no infer and no lower"),
    (GOOD + "class Bad(Layer):\n    infer = Good.infer", "E0921", "it has no lower"),
    ("class Bad(KerasLayer):\n    abstract = True", "E0921", "it says `abstract = True`"),
    (GOOD + "class Bad(Good):\n    inputs = 'x'", "E0921", "its `inputs` is no tuple of names"),
    (GOOD + "class Bad(Good):\n    masking = 'keep'", "E0921", "its `masking` is 'keep'"),
    (GOOD + "class Bad(Good):\n    name = arg(domains.Text(), doc='.')", "E0921", "an argument name, which every layer has"),
    (GOOD + "class Bad(Good):\n    a = arg(int, doc='.')", "E0921", "the argument a has no domain"),
    (GOOD + "class Bad(Good):\n    a = arg(domains.Whole(1), default=0, doc='.')", "E0921", "the default 0 of a is not a whole"),
]  # fmt: skip


@pytest.mark.parametrize(("code", "number", "message"), UNUSABLE, ids=[m[-40:] for _, _, m in UNUSABLE])
def test_a_layer_that_cannot_be_used(code: str, number: str, message: str, installed: Install) -> None:
    installed(code, "Bad")
    found = diagnose("Bad()")
    assert found.code == number
    assert message in found.message
    assert "foreign 0.1" in found.message
    assert found.help
    assert found.place is not None
    assert (found.place.line, found.place.column) == (3, 5)
    for line in ("x -> layers.Bad()", "x -> keras.layers.Bad()"):
        assert diagnose(line).code == number


def test_a_missing_module_of_another_package_is_named(installed: Install) -> None:
    installed("import no_such_module", "Bad")
    assert "needs the module no_such_module" in str(diagnose("Bad()").help)


def test_an_entry_point_without_a_capital_is_no_layer(installed: Install) -> None:
    installed(GOOD, "good = foreign:Good")
    with pytest.raises(PluginError, match="begins with a capital"):
        plugins.find_plugin("good")


def test_two_packages_that_claim_one_name(installed: Install) -> None:
    installed(GOOD, "Good")
    installed(GOOD, "Good", name="strange", version="2")
    found = diagnose("Good()")
    assert found.code == "E0922"
    assert found.message == "the layer Good is claimed by foreign 0.1 and strange 2"
    assert found.help == "keep one of them: pip uninstall foreign or pip uninstall strange"


@pytest.mark.parametrize("name", ["Dense", "MaxPool2D"])
def test_the_library_keeps_its_names(name: str, installed: Install, capsys: pytest.CaptureFixture[str]) -> None:
    installed(GOOD.replace("Good", name), name)
    found = registry.find_layer(name)
    assert found is not None
    assert found.package is None
    for words in (["layers"], ["layers", name]):
        assert main(words) == 0
        said = capsys.readouterr().err
        assert f"error[E0922]: the package foreign 0.1 claims the name {name}, " in said
        assert "give the package's layer another name" in said


def test_the_list_goes_on_past_a_broken_package(installed: Install, capsys: pytest.CaptureFixture[str]) -> None:
    installed(GOOD, "Good")
    installed("import no_such_module", "Bad", name="strange")
    assert main(["layers"]) == 0
    captured = capsys.readouterr()
    assert "From the package foreign 0.1:\nGood " in captured.out
    assert "error[E0920]: the layer Bad of strange 0.1 cannot be loaded" in captured.err
    assert "Traceback" not in captured.err
    assert main(["layers", "Bad"]) == 1
    assert "error[E0920]" in capsys.readouterr().err


FAILING = [
    ("def infer(self, c, x):\n        return 1 / 0", "E0923", "the rule infer of Bad of foreign 0.1 failed: ZeroDivisionError"),
    ("def declare(self, c, x):\n        c.weight('w', None, 'zeros')", "E0923", "the rule declare of Bad"),
    ("def validate(self):\n        self.nothing", "E0923", "the rule validate of Bad of foreign 0.1 failed: AttributeError"),
    ("def lower(self, b, x):\n        raise KeyError", "E0923", "the rule lower of Bad of foreign 0.1 failed: KeyError"),
    ("def macs(self, inputs, outputs):\n        return inputs[3]", "E0923", "the rule macs of Bad of foreign 0.1 failed: IndexError"),
    ("def infer(self, c, x):\n        return 'x'", "E0924", "its rule infer gives a str, not a TensorType"),
    ("def infer(self, c, x):\n        pass", "E0924", "its rule infer gives None, not a TensorType"),
    ("def infer(self, c, x):\n        return TensorType('float33', x.shape)", "E0924", "the element type 'float33'"),
    ("def infer(self, c, x):\n        return TensorType('float32', (2.0,))", "E0924", "the size 2.0 at axis 0"),
    ("def lower(self, b, x):\n        return 3", "E0924", "its rule lower gives an int, not a tensor"),
    ("def lower(self, b, x):\n        return x, x", "E0924", "its lowering gives 2 results, its shape rule 1"),
    ("def lower(self, b, x):\n        return b.cast(x, 'float16')", "E0924", "its lowering gives float16[N, 4], its shape rule float32"),
    ("def macs(self, inputs, outputs):\n        return 'many'", "E0924", "its rule macs gives 'many'"),
]  # fmt: skip


@pytest.mark.parametrize(("rule", "number", "message"), FAILING, ids=[m[:60] for _, _, m in FAILING])
def test_a_rule_that_fails(rule: str, number: str, message: str, installed: Install) -> None:
    installed(f"{GOOD}class Bad(Good):\n    {rule}", "Bad")
    found = diagnose("Bad()")
    assert found.code == number
    assert message in found.message
    assert "a mistake in that package" in str(found.help)
    assert found.place is not None
    assert (found.place.line, found.place.column) == (3, 5)


def test_an_own_domain_that_fails(installed: Install) -> None:
    code = "class Odd(domains.Domain):\n    def parse(self, value):\n        return 1 / value"
    installed(f"{GOOD}{code}\nclass Bad(Good):\n    a = arg(Odd(), doc='.')", "Bad")
    found = diagnose("Bad(0)")
    assert found.code == "E0923"
    assert "the domain of a of Bad of foreign 0.1 failed: ZeroDivisionError" in found.message
    assert found.place is not None
    assert found.place.column == 9


def test_a_mask_rule_that_fails(installed: Install) -> None:
    installed(f"{GOOD}class Bad(Good):\n    def merge_masks(self, masks, apply):\n        return masks[7]", "Bad")
    found = diagnose("x[:, :, None] -> Masking() -> Bad()")
    assert found.code == "E0923"
    assert "the rule merge_masks of Bad" in found.message


def test_a_layer_inside_another_that_fails(installed: Install) -> None:
    rule = "acts_elementwise = True\n    def lower(self, b, x):\n        return 1 / 0"
    installed(f"{GOOD}class Bad(Good):\n    {rule}", "Bad")
    found = diagnose("Dense(3, activation=Bad())")
    assert found.code == "E0923"
    assert "the rule lower of Bad of foreign 0.1 failed" in found.message


def test_a_rule_may_refuse(installed: Install) -> None:
    rule = "def infer(self, c, x):\n        raise LayerError(REFUSED, 'not today', input=0, help='come tomorrow')"
    installed(f"{GOOD}class Bad(Good):\n    {rule}", "Bad")
    found = diagnose("Bad()")
    assert (found.code, found.message, found.help) == ("E0925", "not today", "come tomorrow")


def test_an_operator_that_onnx_refuses(installed: Install, tmp_path: Path) -> None:
    rule = "def lower(self, b, x):\n        return b.op('Relu', x, slope=2)"
    installed(f"{GOOD}class Bad(Good):\n    {rule}", "Bad")
    model = archonnx.compile(text="model A():\n    input x: float32[N, 4]\n    Bad()\n")
    with pytest.raises(CompileError) as caught:
        model.save(tmp_path / "model.onnx")
    (found,) = caught.value.diagnostics
    assert found.code == "E0990"
    assert "in a package's layer" in str(found.help)
    assert found.place is not None
    assert found.place.line == 3


def test_the_author_may_see_the_traceback(
    installed: Install, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    installed(f"{GOOD}class Bad(Good):\n    def lower(self, b, x):\n        return 1 / 0", "Bad")
    diagnose("Bad()")
    assert capsys.readouterr().err == ""
    monkeypatch.setenv("ARCHONNX_TRACEBACK", "1")
    diagnose("Bad()")
    assert "Traceback" in capsys.readouterr().err


def test_the_public_names_are_the_documented_ones() -> None:
    from archonnx import layers

    expected = """REFUSED Builder Context Dim Elementwise KerasLayer Layer LayerError Tensor TensorType arg domains product
    require_equal require_least_rank require_one_dtype require_rank resolve_axis""".split()
    assert layers.__all__ == expected, "what packages may import changed: say so in CHANGELOG.md and docs/own-layers.md"
