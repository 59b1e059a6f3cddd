"""Whether the weights that a model needs are where it says."""

from __future__ import annotations

from pathlib import Path

from archonnx.contract import metadata
from archonnx.runtime.errors import ModelFileError
from archonnx.runtime.modelfile import ModelFile


def check_weights(source: str | bytes, model: ModelFile) -> None:
    """Raise ModelFileError where the weights of a model are missing, cut short, or outside its folder."""
    if model.weights == "none":
        help = f"write them to run it: archonnx weights write {model.path}"
        if metadata.SHARD in model.metadata:
            help = "it is one stage of a model; build all of them again with the weights: --shards"
        raise ModelFileError(model.path, f"it was built without weights (--weights none); {help}")
    if not model.external:
        return
    if isinstance(source, bytes):
        name = min(model.external)
        raise ModelFileError(model.path, f"its weights lie in another file, {name}: load the model by its path")
    for name, needed in sorted(model.external.items()):
        path = Path(source).parent / name
        if Path(name).is_absolute() or ".." in Path(name).parts:
            raise ModelFileError(model.path, f"its weights lie outside its folder, in {name}: that is refused")
        if not path.is_file():
            raise ModelFileError(model.path, f"its weights are missing: expected the file {path} beside it")
        size = path.stat().st_size
        if size < needed:
            reason = f"its weights are cut short: {path} has {size:,} bytes of {needed:,}; copy or build it again"
            raise ModelFileError(model.path, reason)


def external_files(source: str | bytes, model: ModelFile, folder: str = "") -> tuple[Path, ...]:
    """The files that hold weights of the model. folder: where those of bytes lie, "" where they have all within."""
    if isinstance(source, bytes) and not folder:
        return ()
    place = Path(folder) if isinstance(source, bytes) or folder else Path(source).parent
    return tuple(place / name for name in sorted(model.external))
