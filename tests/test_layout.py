"""The folders, the direction of imports, and what is shipped."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest

import archonnx

ROOT = Path(__file__).resolve().parent.parent
LINKS = {"compiler": "archonnx.compiler", "runtime": "archonnx.runtime", "models": "archonnx.models"}
HEAVY = {"numpy", "onnx", "onnxruntime", "rich", "PIL", "keras", "tensorflow", "torch", "ml_dtypes", "safetensors"}

# Folder -> what nothing in it may import, at any depth of its code.
NEVER = {
    "compiler": {"archonnx.runtime", "archonnx.verifying", "archonnx.cli", "onnxruntime", "click"},
    "runtime": {"archonnx.compiler", "archonnx.verifying", "archonnx.cli", "click"},
    "src/archonnx/contract": {
        "archonnx.compiler",
        "archonnx.runtime",
        "archonnx.verifying",
        "archonnx.cli",
        "click",
    },
    "src/archonnx/verifying": {"archonnx.cli", "onnxruntime", "click"},
    "compiler/syntax": {"archonnx.compiler.elaborate", "archonnx.compiler.layers", "archonnx.compiler.graph"},
    "compiler/passes": {
        "archonnx.compiler.elaborate",
        "archonnx.compiler.layers",
        "archonnx.compiler.graph.LayerGraph",
    },
    "compiler/weights": {"archonnx.compiler.elaborate", "archonnx.compiler.layers", "archonnx.compiler.syntax"},
}

# Folders that stand above the one that they are in, with what they may import all the same: layouts are about layers.
ABOVE = {"compiler/weights/layouts": "archonnx.compiler.layers"}

# Modules past 400 lines, each with the reason why it is one thing.
LONG: dict[str, str] = {}


def modules(folder: str) -> list[Path]:
    return sorted(p for p in (ROOT / folder).rglob("*.py") if "__pycache__" not in p.parts)


def imports(tree: ast.AST) -> Iterator[tuple[str, int]]:
    """Every module a piece of code imports, with the line."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from ((alias.name, node.lineno) for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            yield node.module, node.lineno
            yield from ((f"{node.module}.{alias.name}", node.lineno) for alias in node.names)


@pytest.mark.parametrize("name", LINKS)
def test_links_resolve_and_are_relative(name: str) -> None:
    link = ROOT / "src" / "archonnx" / name
    assert link.is_symlink(), f"{link} must be a link to the folder {name}"
    assert str(link.readlink()) == f"../../{name}"
    assert (link / "__init__.py").is_file()


@pytest.mark.parametrize("name", LINKS)
def test_a_bare_import_is_refused_with_the_right_name(name: str) -> None:
    run = subprocess.run(
        [sys.executable, "-c", f"import {name}"], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert run.returncode == 1
    assert f"this folder is imported as {LINKS[name]}, not as {name}" in run.stderr


@pytest.mark.parametrize("folder", NEVER)
def test_imports_run_one_way(folder: str) -> None:
    found = [
        f"{path.relative_to(ROOT)}:{line} imports {name}"
        for path in modules(folder)
        for name, line in imports(ast.parse(path.read_text(encoding="utf-8")))
        if any(name == banned or name.startswith(banned + ".") for banned in NEVER[folder])
        and not name.startswith(ABOVE.get(path.parent.relative_to(ROOT).as_posix(), "nothing"))
    ]
    assert not found, "\n".join(found)


def test_the_contract_loads_nothing_heavy() -> None:
    found = []
    for path in modules("src/archonnx/contract"):
        for statement in ast.parse(path.read_text(encoding="utf-8")).body:
            if isinstance(statement, ast.Import | ast.ImportFrom):
                found += [f"{path.name}: {name}" for name, _ in imports(statement) if name.split(".")[0] in HEAVY]
    assert not found, "import inside the function that uses it: " + "; ".join(found)


@pytest.mark.parametrize(
    "command", [["--help"], ["check", "models/dnn.arch"], ["build", "--help"], ["run", "--help"], ["explain"]]
)
def test_light_commands_load_nothing_heavy(command: list[str]) -> None:
    code = (
        f"import sys; from archonnx.cli import main; assert main({command!r}) == 0;"
        f"print('LOADED', *sorted(set(sys.modules) & {HEAVY!r}))"
    )
    run = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=False)
    assert run.returncode == 0, run.stderr
    assert run.stdout.splitlines()[-1] == "LOADED", run.stdout.splitlines()[-1]


def test_modules_are_short() -> None:
    lengths = {
        str(path.relative_to(ROOT)): len(path.read_text(encoding="utf-8").splitlines())
        for folder in (
            "compiler",
            "runtime",
            "src/archonnx/contract",
            "src/archonnx/verifying",
            "src/archonnx/cli",
            "tools",
        )
        for path in modules(folder)
    }
    assert not {name: n for name, n in lengths.items() if n > 400 and name not in LONG}
    assert not [name for name in LONG if lengths.get(name, 0) <= 400], "no longer long: take it off the list"


def test_public_names_are_the_documented_ones() -> None:
    assert archonnx.__all__ == [
        "ArchonnxError",
        "CompileError",
        "CompiledModel",
        "Diagnostic",
        "FitResult",
        "Generation",
        "InputError",
        "MachineError",
        "ModelFileError",
        "RunError",
        "Session",
        "UsageError",
        "__version__",
        "compile",
        "fit",
        "from_keras",
        "load",
        "save_all",
        "to_keras",
        "to_torch",
        "write_weights",
    ], "the public surface changed: say so in CHANGELOG.md and in the README, then here"
    for name in archonnx.__all__:
        assert getattr(archonnx, name) is not None
    with pytest.raises(AttributeError, match="no attribute 'nonsense'"):
        archonnx.nonsense  # noqa: B018


def test_the_changelog_speaks_of_this_version() -> None:
    text = (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")
    assert re.search(rf"^## {re.escape(archonnx.__version__)}\b", text, re.MULTILINE)


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel, built from a copy of what git would ship, so that nothing is written into the checkout."""
    source = tmp_path_factory.mktemp("source")
    listed = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    ).stdout.splitlines()
    for name in listed:
        origin, target = ROOT / name, source / name
        target.parent.mkdir(parents=True, exist_ok=True)
        if origin.is_symlink():
            target.symlink_to(origin.readlink())
        elif origin.is_file():
            target.write_bytes(origin.read_bytes())
    out = tmp_path_factory.mktemp("wheel")
    command = [sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", str(out), str(source)]
    run = subprocess.run(command, capture_output=True, text=True, check=False)
    assert run.returncode == 0, run.stdout + run.stderr
    (built,) = out.glob("*.whl")
    return built


def test_the_wheel_holds_every_module_and_data_file(wheel: Path) -> None:
    held = set(zipfile.ZipFile(wheel).namelist())
    expected = {"archonnx/py.typed", "archonnx/models/dnn.arch", "archonnx/models/photographs/chelsea.jpg"}
    for folder, name in (*((f, f"archonnx/{f}") for f in LINKS), ("src/archonnx", "archonnx")):
        for path in (ROOT / folder).rglob("*"):
            inside = path.relative_to(ROOT / folder)
            if (
                path.suffix in (".py", ".arch", ".md", ".safetensors", ".txt", ".json")
                and "__pycache__" not in inside.parts
            ):
                expected.add(f"{name}/{inside}")
    assert expected <= held, f"missing from the wheel: {sorted(expected - held)}"
    assert not [n for n in held if n.startswith(("compiler/", "runtime/", "models/", "tests/", "tools/"))]


def test_the_wheel_works_where_nothing_else_is(wheel: Path, tmp_path: Path) -> None:
    zipfile.ZipFile(wheel).extractall(tmp_path / "site")
    (tmp_path / "mine.arch").write_text("from zoo.dnn import DNN\n\nmodel Mine = DNN(classes=3)\n")
    code = (
        "import sys; sys.path.insert(0, sys.argv[1]); import archonnx;"
        "assert archonnx.__file__.startswith(sys.argv[1]);"
        "from archonnx.cli import main;"
        "sys.exit(main(['check', sys.argv[1] + '/archonnx/models', 'mine.arch']))"
    )
    command = [sys.executable, "-I", "-c", code, str(tmp_path / "site")]
    run = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert run.returncode == 0, run.stdout + run.stderr
    rows = {tuple(line.split()[:2]) for line in run.stdout.splitlines()}
    assert {("dnn.arch", "DNN"), ("mine.arch", "Mine"), ("gpt3.arch", "GPT3_175B")} <= rows, run.stdout


def test_the_wheel_says_what_it_needs(wheel: Path) -> None:
    archive = zipfile.ZipFile(wheel)
    (name,) = (n for n in archive.namelist() if n.endswith(".dist-info/METADATA"))
    text = archive.read(name).decode("utf-8")
    assert f"Version: {archonnx.__version__}" in text
    assert "License-Expression: Apache-2.0" in text
    extras = set(re.findall(r"^Provides-Extra: (\w+)", text, re.MULTILINE))
    assert extras == {"cpu", "gpu", "openvino", "keras", "torch", "text", "dev"}
    for requirement in re.findall(r"^Requires-Dist: ([^;\n]+)", text, re.MULTILINE):
        if not requirement.startswith("setuptools"):
            assert ">=" in requirement, f"{requirement} lacks a lower bound"
            assert "<" in requirement, f"{requirement} lacks an upper bound"
