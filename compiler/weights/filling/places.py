"""Map files: where they are looked for, and how they are read."""

from __future__ import annotations

from pathlib import Path

from archonnx.compiler.weights.maps.parser import parse_map
from archonnx.compiler.weights.maps.tree import MapFile
from archonnx.contract.diagnostics import ArchonnxError, CompileError, UsageError, did_you_mean

LONGEST = 1_000_000  # bytes


def maps_beside(model: Path | None) -> dict[str, Path]:
    """The maps beside a model's file, by name: `resnet.torchvision.map` beside resnet.arch is `torchvision`."""
    if model is None or not model.parent.is_dir():
        return {}
    stem = model.name.removesuffix(".arch") + "."
    found = sorted(p for p in model.parent.glob("*.map") if p.name.startswith(stem) and p.is_file())
    return {p.name[len(stem) : -len(".map")]: p for p in found if len(p.name) > len(stem) + len(".map") - 1}


def chosen_map(given: str | Path, model: Path | None) -> Path:
    """The map that is asked for: a name of one beside the model, or a path. UsageError where there is none."""
    known = maps_beside(model)
    if str(given) in known:
        return known[str(given)]
    path = Path(given)
    if path.exists() or len(path.parts) > 1 or path.suffix == ".map":
        return path
    near = did_you_mean(str(given), list(known), most=1)
    listed = f"there are {', '.join(known)}" if known else "there is none"
    help = f"did you mean {near[0]}?" if near else listed
    where = f"beside {model}" if model is not None else "(the model is no file)"
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
