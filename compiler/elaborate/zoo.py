"""Files of a zoo by name: `zoo:resnet` for the models that ship, `PACKAGE:NAME` for those of another package."""

from __future__ import annotations

import os
import re
from dataclasses import dataclass
from pathlib import Path

from archonnx.compiler.elaborate.loader import zoo_folder, zoo_packages
from archonnx.contract.diagnostics import UsageError, did_you_mean

NAMED = re.compile(
    r"([A-Za-z_][A-Za-z0-9_.-]+):([A-Za-z0-9_][A-Za-z0-9_./-]*|)"
)  # two letters at least: C:x is a drive


@dataclass(frozen=True, slots=True)
class ZooFile:
    """A file of a zoo. `about`: the first sentence of its comment or documentation; `maps`: the names of its maps."""

    name: str
    path: Path
    about: str
    models: tuple[str, ...]
    maps: tuple[str, ...]


def located(path: str) -> str:
    """The path of a file that may be named `zoo:NAME`; a file that is there by that very name is meant first.

    Raises UsageError where the package has no such file.
    """
    named = NAMED.fullmatch(path)
    if named is None or os.path.exists(path):
        return path
    package, name = named[1], named[2].removesuffix(".arch")
    if package not in zoo_packages():
        return path
    folder = zoo_folder(package)
    assert folder is not None
    if not name:
        raise UsageError(f"{path} names no file of {package}, as in zoo:resnet; `archonnx zoo` lists what there is")
    found = os.path.join(folder, *name.split("/")) + ".arch"
    if not os.path.isfile(found) or ".." in name.split("/"):
        near = did_you_mean(name, names_of(folder))
        help = f"did you mean {package}:{near[0]}?" if near else "`archonnx zoo` lists what there is"
        raise UsageError(f"{path}: there is no such file in {package}; {help}")
    return found


def names_of(folder: str | os.PathLike[str]) -> list[str]:
    """The files of a zoo, sorted, without their ending."""
    return sorted(path.stem for path in Path(folder).glob("*.arch"))


def zoo_files(package: str = "zoo") -> list[ZooFile]:
    """What a zoo holds, sorted by name. Nothing is compiled."""
    folder = zoo_folder(package)
    assert folder is not None
    return [_read(Path(folder), name) for name in names_of(folder)]


def _read(folder: Path, name: str) -> ZooFile:
    path = folder / f"{name}.arch"
    text = path.read_text(encoding="utf-8")
    models = re.findall(r"^model\s+([A-Za-z_]\w*)", text, re.MULTILINE)
    maps = sorted(found.name[len(name) + 1 : -len(".map")] for found in folder.glob(f"{name}.*.map"))
    return ZooFile(name, path, _about(text), tuple(dict.fromkeys(models)), tuple(maps))


def _about(text: str) -> str:
    """The first sentence of the comment that a file begins with, else of its first documentation; "" without either."""
    lines = []
    for line in text.splitlines():
        if not line.startswith("#"):
            break
        lines.append(line.lstrip("# "))
    said = " ".join(lines)
    if not said:
        documented = re.search(r'"""(.*?)"""', text, re.DOTALL)
        said = " ".join(documented[1].split()) if documented else ""
    return re.split(r"(?<=[^\d.])\.(?: |$)|:$|: {2,}", said, maxsplit=1)[0].rstrip(".: ")
