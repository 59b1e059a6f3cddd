"""The groups of Keras' HDF5 files: where its variables stand in them, and under which names.

Keras 3 numbers variables in groups named `vars`: `layers/dense/vars/0`. Older files name them in attributes. A group is
read as it is: no link leads out of a file. Several files may hold the groups of one model between them.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from archonnx.compiler.weights.files.base import TensorFileError
from archonnx.compiler.weights.files.keras_names import Classes

MOST_GROUPS = 1_000_000
Way = tuple[str, ...]  # the names of the groups around one


@dataclass(slots=True)
class Variable:
    """A dataset with its name, and in Keras 3 its group: `layers/dense/vars/0`, and the layer's name beside it."""

    name: str
    dataset: Any
    place: str = ""
    label: str = ""


@dataclass(slots=True)
class Vars:
    """A group `vars` of Keras 3: the layer's name, and the datasets by their keys."""

    label: str | None = None
    datasets: dict[str, Any] = field(default_factory=dict)


class Group:
    """A group of an HDF5 file whose members are its own: no link leads out of it."""

    def __init__(self, path: Path, item: Any) -> None:
        self.path, self.item = path, item

    def member(self, name: str) -> Any:
        import h5py

        if not isinstance(self.item.get(name, getlink=True), h5py.HardLink):
            raise TensorFileError(self.path, f"its member {self.item.name}/{name} is a link, which is not followed")
        return self.item[name]

    def group(self, name: str) -> Group:
        import h5py

        item = self.member(name)
        if not isinstance(item, h5py.Group):
            raise TensorFileError(self.path, f"{item.name} in it is no group")
        return Group(self.path, item)

    def dataset(self, name: str) -> Any:
        """The dataset under a name, which may lead through groups."""
        import h5py

        *way, last = [n for n in name.split("/") if n]
        group = self
        for step in way:
            group = group.group(step)
        item = group.member(last)
        own = isinstance(item, h5py.Dataset)
        if own:
            stored = item.id.get_create_plist()
            own = stored.get_layout() != h5py.h5d.VIRTUAL and not stored.get_external_count()
        if not own:
            raise TensorFileError(self.path, f"{self.item.name}/{name} in it is no dataset with data of its own")
        return item

    def strings(self, name: str) -> list[str]:
        """An attribute that is a list of strings, which Keras cuts into parts where it is long."""
        attributes = self.item.attrs
        parts = [attributes[name]] if name in attributes else []
        while name not in attributes and f"{name}{len(parts)}" in attributes:
            parts.append(attributes[f"{name}{len(parts)}"])
        flat = [item for part in parts for item in np.asarray(part).reshape(-1).tolist()]
        return [item.decode("utf-8") if isinstance(item, bytes) else str(item) for item in flat]


def legacy(root: Group) -> Iterator[Variable]:
    """Variables by the attributes that name them: of layers, and of the model itself."""
    seen: set[str] = set()
    top = ["top_level_model_weights"] if "top_level_model_weights" in root.item else []
    for layer in root.strings("layer_names") + top:
        group = root
        for step in layer.split("/"):
            group = group.group(step)
        for weight in group.strings("weight_names"):
            name = weight.removesuffix(":0")
            if layer not in top and not name.startswith(f"{layer}/"):
                # A model may stand before its layer, `sequential/dense/kernel`; or the layer's name may be missing.
                name = f"{layer}/{name.partition(f'/{layer}/')[2] or name}"
            if name in seen:
                raise TensorFileError(root.path, f'two variables in it are named "{name}"')
            seen.add(name)
            yield Variable(name, group.dataset(weight))


def collected(root: Group, into: dict[Way, Vars]) -> None:
    """Add the variables of a file of Keras 3 by the ways to their groups, in the order of the file."""
    import h5py

    visited: set[Any] = set()

    def walk(group: Group, way: Way) -> None:
        where = h5py.h5o.get_info(group.item.id).addr
        if where in visited or len(visited) > MOST_GROUPS or len(way) > 100:
            raise TensorFileError(root.path, "its groups hold each other without end")
        visited.add(where)
        keys = list(group.item)
        if "vars" in keys:
            variables, found = group.group("vars"), into.setdefault(way, Vars())
            told = variables.item.attrs.get("name")
            if isinstance(told, str) and told:
                found.label = told
            for key in variables.item:
                if key in found.datasets:
                    raise TensorFileError(root.path, f"{variables.item.name}/{key} stands in two files")
                found.datasets[key] = variables.dataset(key)
        for key in keys:
            if key == "vars" or (not way and key in ("optimizer", "optimizer_weights")):
                continue
            member = group.member(key)
            if isinstance(member, h5py.Dataset):
                raise TensorFileError(root.path, f"{member.name} in it is no variable of Keras")
            walk(Group(root.path, member), (*way, key))

    walk(root, ())


def numbered(path: Path, groups: dict[Way, Vars], classes: Classes) -> Iterator[Variable]:
    """Variables in groups `vars`, by the names of the groups around them."""
    names: set[str] = set()
    spelt: dict[Way, Way] = {(): ()}

    def spell(way: Way) -> Way:
        """The names of the layers on a way, as Keras gave them; what only holds them is left out."""
        if way not in spelt:
            key = way[-1]
            own = spell(way[:-1]) if len(way) > 1 else ()
            container = key in ("layers", "cells", "_layer_checkpoint_dependencies") or key.startswith("container")
            own = own if container else (*own, key)
            told = groups[way].label if way in groups else None
            spelt[way] = own if told is None else (*own[:-1], told)
        return spelt[way]

    for way, group in groups.items():
        keys = sorted(group.datasets, key=lambda k: (not k.isdecimal(), int(k) if k.isdecimal() else 0, k))
        known = None
        if all(key == str(i) for i, key in enumerate(keys)):
            ranks = [group.datasets[key].ndim for key in keys]
            known = classes.variables(way[-1] if way else "", group.label, ranks)
        prefix = "/".join(spell(way)) if way else group.label or ""
        if any(f"{prefix}/{key}" in names for key in known or keys):
            prefix = "/".join(way)
        for key, own in zip(keys, known or keys, strict=True):
            name = f"{prefix}/{own}" if prefix else own
            if name in names:
                raise TensorFileError(path, f'two variables in it are named "{name}"')
            names.add(name)
            yield Variable(name, group.datasets[key], "/".join((*way, "vars", key)), group.label or "")
