"""Map files: where they are looked for, and how they are read."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from archonnx.compiler.weights.maps.parser import parse_map
from archonnx.compiler.weights.maps.tree import MapFile
from archonnx.contract.diagnostics import ArchonnxError, CompileError, UsageError, did_you_mean

if TYPE_CHECKING:
    from archonnx.compiler.artifact import CompiledModel

LONGEST = 1_000_000  # bytes


def maps_beside(model: Path | None) -> dict[str, Path]:
    """The maps beside a model's file, by name: `resnet.torchvision.map` beside resnet.arch is `torchvision`."""
    if model is None or not model.parent.is_dir():
        return {}
    stem = model.name.removesuffix(".arch") + "."
    found = sorted(p for p in model.parent.glob("*.map") if p.name.startswith(stem) and p.is_file())
    return {p.name[len(stem) : -len(".map")]: p for p in found if len(p.name) > len(stem) + len(".map") - 1}


def maps_for(model: CompiledModel, scope: str = "") -> dict[str, Path]:
    """The maps beside the model's file and beside those whose blocks it applies in a scope, by name.

    A name that two have is the nearest file's; the other's has its file's name before it: `resnet.torchvision`.
    """
    known = maps_beside(model.path)
    prefix = f"{scope}/" if scope else ""
    files = dict.fromkeys(n.place.file for n in model.graph.nodes if n.place and f"{n.path}/".startswith(prefix))
    for real in (Path(model.files[name]) for name in files if name in model.files):
        if model.path is not None and real == model.path.resolve():
            continue
        for name, path in maps_beside(real).items():
            known.setdefault(name if name not in known else f"{real.stem}.{name}", path)
    return known


def chosen_map(given: str | Path, model: CompiledModel, scope: str = "") -> Path:
    """The map that is asked for: a name of one that there is, or a path. UsageError where there is none."""
    known = maps_for(model, scope)
    if str(given) in known:
        return known[str(given)]
    path = Path(given)
    if path.exists() or len(path.parts) > 1 or path.suffix == ".map":
        return path
    near = did_you_mean(str(given), list(known), most=1)
    listed = f"there are {', '.join(known)}" if known else "there is none"
    if model.path is not None and not known:
        listed = f"its file is {model.path.stem}.{given}.map, and `archonnx weights map` proposes one"
    help = f"did you mean {near[0]}?" if near else listed
    where = f"beside {model.path}" if model.path is not None else "(the model is no file)"
    raise UsageError(f"there is no map {given} {where}; {help}")


def read_map(path: Path) -> MapFile:
    """The map in a file. CompileError with all that is wrong with it; OSError."""
    with open(path, "rb") as stream:
        data = stream.read(LONGEST + 1)
    if len(data) > LONGEST:
        raise ArchonnxError(f"{path}: a map of more than {LONGEST:,} bytes; this is no map, perhaps the weights?")
    try:
        text = data.decode("utf-8")
    except UnicodeDecodeError as error:
        raise ArchonnxError(f"{path}: it is no UTF-8 text (byte {error.start}); is it a map?") from None
    made, found = parse_map(text, str(path))
    if found:
        raise CompileError(found, {made.name: text})
    return made
