"""Files and what they declare: reading, imports below one root, the zoo."""

from __future__ import annotations

import os
from dataclasses import dataclass, field, replace
from typing import Any

from archonnx.compiler.elaborate import limits
from archonnx.compiler.elaborate.values import Abort
from archonnx.compiler.syntax import tree
from archonnx.contract.diagnostics import CompileError, Diagnostic, Diagnostics, Label, Place, did_you_mean

RESERVED_PARAMETERS = ("name", "trainable")  # every layer takes these two


@dataclass(slots=True, eq=False)
class Module:
    """One file: its declarations by name, its imports as modules, its constants as they are asked for."""

    name: str  # as diagnostics show it, relative to the root
    folder: str | None  # the real folder, for imports and assets; None for a text without one
    file: tree.File
    root: str | None
    declared: dict[str, tree.Body | tree.Variant | tree.Def | tree.Assign] = field(default_factory=dict)
    imported: dict[str, tuple[Module, str]] = field(default_factory=dict)
    failed_imports: set[str] = field(
        default_factory=set
    )  # and declarations that are wrong: what uses them stays silent
    places: dict[str, Place] = field(default_factory=dict)  # where each name is declared or imported first
    constants: dict[str, Any] = field(default_factory=dict)
    defaults: list[tree.Defaults] = field(default_factory=list)

    def models(self) -> list[tree.Body | tree.Variant]:
        """The models declared here, in order."""
        return [
            d
            for d in self.declared.values()
            if isinstance(d, tree.Variant) or (isinstance(d, tree.Body) and d.kind == "model")
        ]


class Loader:
    """Reads files once each, and keeps their texts for diagnostics."""

    def __init__(self, diagnostics: Diagnostics) -> None:
        self.diagnostics = diagnostics
        self.sources: dict[str, str] = {}
        self.modules: dict[str, Module] = {}
        self.below_root: dict[str, str] = {}  # names that diagnostics show -> paths below the root
        self._loading: list[str] = []

    def load_text(self, text: str | bytes, name: str, root: str | None) -> Module:
        """A module of a text. `root` is the folder that its imports reach, None for none."""
        folder = os.path.realpath(root) if root is not None else None
        return self._module(
            text if isinstance(text, bytes) else text.encode("utf-8", "surrogatepass"), name, folder, folder
        )

    def load_file(self, path: str, root: str | None) -> Module:
        """The module of a file. Raises OSError where it cannot be read, CompileError E0206 outside the root."""
        real = os.path.realpath(path)
        base = os.path.realpath(root) if root is not None else os.path.dirname(real)
        if not _is_below(real, base):
            raise CompileError(
                [Diagnostic("E0206", f"{path} is not below the root {root}", help="name a --root that holds the file")]
            )
        return self._load_real(real, path if root is None else os.path.relpath(real, base), base, path)

    def _load_real(self, real: str, name: str, root: str, path: str | None = None) -> Module:
        known = self.modules.get(real)
        if known is not None:
            return known
        with open(path or real, "rb") as stream:
            data = stream.read(limits.FILE_BYTES + 1)
        if len(data) > limits.FILE_BYTES:
            what = f"{name} is larger than {limits.FILE_BYTES:,} bytes: that is no architecture file"
            raise CompileError([Diagnostic("E0205", what)])
        self.below_root[name.replace(os.sep, "/")] = os.path.relpath(real, root).replace(os.sep, "/")
        self._loading.append(real)
        try:
            module = self._module(data, name.replace(os.sep, "/"), os.path.dirname(real), root)
        finally:
            self._loading.pop()
        self.modules[real] = module
        return module

    def _module(self, data: bytes, name: str, folder: str | None, root: str | None) -> Module:
        from archonnx.compiler.syntax.parser import parse_bytes

        file, found = parse_bytes(data, name)
        self.sources[name] = file.text
        for diagnostic in found:
            self.diagnostics.add(diagnostic)
        module = Module(name, folder, file, root)
        for declaration in file.declarations:
            if isinstance(declaration, tree.Defaults):
                module.defaults.append(declaration)
            elif isinstance(declaration, tree.Import):
                self._import(module, declaration)
            else:
                self._declare(module, declaration)
        return module

    def _declare(self, module: Module, declaration: tree.Body | tree.Variant | tree.Def | tree.Assign) -> None:
        if isinstance(declaration, tree.Assign):
            if not isinstance(declaration.target, tree.Name):
                self._error("E0203", "a constant has one name: NAME = expression", declaration.target.place)
                return
            name, place = declaration.target.id, declaration.target.place
        else:
            name, place = declaration.name, declaration.name_place
        if name in module.places:
            self._twice(module, name, place, "give one of them another name")
            return
        module.places[name] = place
        if isinstance(declaration, (tree.Body, tree.Def)) and not self._check_parameters(declaration):
            module.failed_imports.add(name)
            return
        module.declared[name] = declaration

    def _twice(self, module: Module, name: str, place: Place, help: str) -> None:
        first = (Label(module.places[name], "first here"),)
        self.diagnostics.add(
            Diagnostic("E0203", f"{name} is declared twice in this file", place, labels=first, help=help)
        )

    def _check_parameters(self, declaration: tree.Body | tree.Def) -> bool:
        """Whether each parameter stands once and is not one that every layer takes; E0207 where not."""
        seen: set[str] = set()
        good = True
        for parameter in declaration.parameters:
            problem = help = None
            if parameter.name in seen:
                problem = f"{declaration.name} has two parameters {parameter.name}"
            elif parameter.name in RESERVED_PARAMETERS and isinstance(declaration, tree.Body):
                problem = f"{declaration.name} has a parameter {parameter.name}, which every layer takes by itself"
                help = "give the parameter another name"
            if problem is not None:
                self._error("E0207", problem, parameter.place, help)
                good = False
            seen.add(parameter.name)
        return good

    def _import(self, module: Module, node: tree.Import) -> None:
        try:
            source = self._resolve_dotted(module, node) if node.dotted else self._resolve_path(module, node)
        except Abort as abort:
            assert abort.diagnostic is not None
            self.diagnostics.add(abort.diagnostic)
            module.failed_imports.update(n.alias for n in node.names)
            return
        for wanted in node.names:
            if wanted.name not in source.declared:
                module.failed_imports.add(wanted.alias)
                if wanted.name in source.failed_imports:
                    continue  # said there
                if wanted.name in source.imported:
                    help = f"import it from {source.imported[wanted.name][0].name}, where it is declared"
                else:
                    near = did_you_mean(wanted.name, list(source.declared))
                    help = (
                        f"did you mean {near[0]}?"
                        if near
                        else "it declares " + (", ".join(source.declared) or "nothing")
                    )
                self._error("E0209", f"{source.name} declares no {wanted.name}", wanted.place, help)
            elif wanted.alias in module.places:
                self._twice(module, wanted.alias, wanted.place, "import it `as` another name")
            else:
                module.places[wanted.alias] = wanted.place
                module.imported[wanted.alias] = (source, wanted.name)

    def _resolve_path(self, module: Module, node: tree.Import) -> Module:
        if module.folder is None or module.root is None:
            raise _abort(
                "E0204",
                "a text without a folder cannot import",
                node.path_place,
                "say which folder it stands in: root=",
            )
        wanted = node.path if node.path.endswith(".arch") else node.path + ".arch"
        if "\0" in wanted or os.path.isabs(wanted):
            raise _abort(
                "E0206",
                f"the import {node.path!r} is no relative path",
                node.path_place,
                "paths are relative to the importing file",
            )
        real = os.path.realpath(os.path.join(module.folder, wanted))
        if not _is_below(real, module.root):
            raise _abort(
                "E0206",
                f"the import {node.path!r} climbs out of the root",
                node.path_place,
                "name a --root that holds both files",
            )
        return self._open(real, os.path.relpath(real, module.root), module.root, node, relative_to=module.name)

    def _resolve_dotted(self, module: Module, node: tree.Import) -> Module:
        package, *rest = node.path.split(".")
        base = zoo_folder(package)
        if base is None or not rest:
            help = f"dotted imports name a zoo and a file of it: {', '.join(sorted(zoo_packages()))}"
            if module.folder is not None and os.path.isfile(os.path.join(module.folder, package, *rest) + ".arch"):
                help = f'a path stands in quotes: from "{"/".join([package, *rest])}" import ...'
            raise _abort("E0204", f"there is no {node.path}", node.path_place, help)
        real = os.path.realpath(os.path.join(base, *rest) + ".arch")
        return self._open(
            real, node.path.replace(".", "/") + ".arch", os.path.realpath(base), node, relative_to=package
        )

    def _open(self, real: str, name: str, root: str, node: tree.Import, relative_to: str) -> Module:
        if real in self._loading:
            chain = " -> ".join(os.path.basename(p) for p in [*self._loading[self._loading.index(real) :], real])
            raise _abort(
                "E0208",
                f"the import of {node.path!r} closes a circle: {chain}",
                node.path_place,
                "move what both need to a third file",
            )
        if len(self._loading) > 100:
            raise _abort("E0208", "imports are nested more than 100 deep", node.path_place)
        try:
            return self._load_real(real, name, root)
        except FileNotFoundError:
            folder = os.path.dirname(real)
            others = os.listdir(folder) if os.path.isdir(folder) else []
            names = [f.removesuffix(".arch") for f in sorted(others) if f.endswith(".arch")]
            near = did_you_mean(os.path.basename(real).removesuffix(".arch"), names)
            help = f"did you mean {near[0]}?" if near else _help_of(node.path, name)
            what = node.path if node.dotted else f"file {node.path!r} beside {relative_to}"
            raise _abort("E0204", f"there is no {what}", node.path_place, help) from None
        except CompileError as error:
            raise Abort(replace(error.diagnostics[0], place=node.path_place)) from None
        except OSError as error:
            raise _abort("E0204", f"{node.path!r} cannot be read: {error.strerror}", node.path_place) from None

    def _error(self, code: str, message: str, place: Place, help: str | None = None) -> None:
        self.diagnostics.add(Diagnostic(code, message, place, help=help))


def _abort(code: str, message: str, place: Place, help: str | None = None) -> Abort:
    return Abort(Diagnostic(code, message, place, help=help))


def _help_of(path: str, name: str) -> str:
    """The way out where there is no file `path`: a model that ships, copied alone, lacks its blocks."""
    if path.startswith("zoo."):
        return "`archonnx zoo` lists the files that ship"
    parts = path.removesuffix(".arch").split("/")
    zoo = zoo_folder("zoo")
    if zoo is not None and ".." not in parts and os.path.isfile(os.path.join(zoo, *parts) + ".arch"):
        return f"a file of that name ships with archonnx: from {'.'.join(['zoo', *parts])} import ..."
    return f"looked for {name}"


def _is_below(path: str, root: str) -> bool:
    return path == root or path.startswith(root.rstrip(os.sep) + os.sep)


def zoo_packages() -> dict[str, Any]:
    """The names that dotted imports may begin with: `zoo`, and the entry points `archonnx.models`."""
    from importlib.metadata import entry_points

    return {"zoo": None, **{e.name: e for e in entry_points(group="archonnx.models")}}


def zoo_folder(package: str) -> str | None:
    """The folder of `zoo`, the models that ship, or of the package that an entry point `archonnx.models` names."""
    if package == "zoo":
        import archonnx

        return os.path.join(os.path.dirname(os.path.abspath(archonnx.__file__)), "models")
    entry = zoo_packages().get(package)
    if entry is None:
        return None
    loaded = entry.load()
    return str(loaded) if isinstance(loaded, (str, os.PathLike)) else os.path.dirname(os.path.abspath(loaded.__file__))
