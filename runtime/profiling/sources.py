"""The source texts of a model file: found again on this machine, and known by the digests that the file carries."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path, PurePosixPath

from archonnx.contract import metadata as keys
from archonnx.runtime.modelfile import ModelFile


def find_sources(model: ModelFile, folders: Iterable[Path]) -> tuple[dict[str, str], str | None]:
    """Name -> text of those sources that lie in one of the folders, or among the models that ship, as they were when
    the model was built; and a line on what is missing, None where all are there, and for others' models."""
    if not model.is_ours:
        return {}, None
    listed = model.json(keys.SOURCES, {})
    if not isinstance(listed, dict) or not listed:
        return {}, f"{model.path} does not say which source it was built from; build it again to see its lines"
    places = [*folders, Path(__file__).resolve().parent.parent.parent / "models"]
    found: dict[str, str] = {}
    missing: list[str] = []
    for name, digest in listed.items():
        text, other = _find(str(name), str(digest), places)
        if text is not None:
            found[str(name)] = text
        else:
            missing.append(f"{other} has changed since" if other else f"{name} is not there")
    if not missing:
        return found, None
    return (
        found,
        f"source of {model.path}: {', '.join(missing)}; profile the .arch file itself, or build the model again",
    )


def _find(name: str, digest: str, folders: Iterable[Path]) -> tuple[str | None, Path | None]:
    """The text, and where there is none, a file of that name that is another one."""
    path, other = PurePosixPath(name), None
    if path.is_absolute() or ".." in path.parts:  # a file may say anything
        return None, None
    for folder in folders:
        for candidate in (folder / path, folder / path.name):
            try:
                text = candidate.read_text(encoding="utf-8")
            except (OSError, UnicodeDecodeError):
                continue
            if keys.digest(text) == digest:
                return text, None
            other = other or candidate
    return None, other
