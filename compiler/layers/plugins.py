"""Layers of other packages: found through the entry point group `archonnx.layers`, loaded and checked when asked for.

    E0920   the package's module cannot be imported
    E0921   what its entry point names cannot be used as a layer
    E0922   two packages claim one name, or a package claims a name of the library
    E0923   one of the layer's rules failed
    E0924   one of the layer's rules gave what it must not
    E0925   one of the layer's rules refused arguments or inputs, where no code of the library says it

What goes wrong in a package is a LayerError that names the layer and the package; the library itself is not guarded.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cache
from types import TracebackType
from typing import Any, Literal

from archonnx.compiler.graph import TensorType
from archonnx.compiler.layers.base import Argument, Layer, LayerError
from archonnx.contract.diagnostics import ArchonnxError
from archonnx.contract.dims import DimTooLargeError, Expr
from archonnx.contract.dtypes import DTYPES

GROUP = "archonnx.layers"
REFUSED = "E0925"
TAKEN = ("name", "trainable")  # arguments that every layer has


class PluginError(LayerError):
    """A layer of another package that cannot be used, or whose rules failed."""


@dataclass(frozen=True, slots=True)
class Claim:
    """One line of the group: the package `package` says that the layer `name` is `target`, `module:Class`."""

    name: str
    target: str
    package: str
    version: str
    point: Any  # importlib.metadata.EntryPoint

    def __str__(self) -> str:
        return f"{self.package} {self.version}".rstrip()


@cache
def claims() -> dict[str, tuple[Claim, ...]]:
    """Every claim by the name of the layer, sorted; nothing is imported."""
    from importlib.metadata import entry_points

    found: dict[str, list[Claim]] = {}
    for point in entry_points(group=GROUP):
        package, version = (point.dist.name, point.dist.version) if point.dist is not None else ("unknown", "")
        found.setdefault(point.name, []).append(Claim(point.name, point.value, package, version, point))
    return {name: tuple(sorted(found[name], key=str)) for name in sorted(found)}


def plugin_names(library: Sequence[str] = ()) -> list[str]:
    """The names that packages claim, sorted, without those of the library; what they name may prove to be unusable."""
    return [name for name in claims() if name not in library]


def shadowed(library: Sequence[str]) -> list[PluginError]:
    """An error for each name of the library that a package claims; the library's layer is the one that is used."""
    return [
        PluginError(
            "E0922",
            f"the package {claim} claims the name {name}, which is a layer of the library: that one is used",
            help=f"give the package's layer another name in its entry point group {GROUP}",
        )
        for name, several in claims().items()
        if name in library
        for claim in several
    ]


def find_plugin(name: str) -> type[Layer] | None:
    """The layer of that name of another package, or None. Raises PluginError where it cannot be used."""
    several = claims().get(name, ())
    if len(several) > 1:
        listed = " and ".join(map(str, several))
        remove = " or ".join(f"pip uninstall {claim.package}" for claim in several)
        raise PluginError("E0922", f"the layer {name} is claimed by {listed}", help=f"keep one of them: {remove}")
    return _load(several[0]) if several else None


@cache
def _load(claim: Claim) -> type[Layer]:
    try:
        found = claim.point.load()
    except (Exception, SystemExit) as error:  # noqa: BLE001 - importing runs whatever the package's author wrote
        _show(error)
        what = f"the layer {claim.name} of {claim} cannot be loaded: {_said(error)}{_where(error)}"
        help = f"mend the package, or remove it: pip uninstall {claim.package}"
        if isinstance(error, ModuleNotFoundError) and error.name and not claim.target.startswith(error.name):
            help = (
                f"the package needs the module {error.name}: install that, or remove it: pip uninstall {claim.package}"
            )
        raise PluginError("E0920", what, help=help) from None
    problem = _unusable(claim, found)
    if problem is not None:
        what, help = problem
        raise PluginError("E0921", f"{claim.target} of {claim} is no layer {claim.name}: {what}", help=help)
    layer: type[Layer] = found
    layer.package = str(claim)
    return layer


def _unusable(claim: Claim, found: Any) -> tuple[str, str] | None:
    """Why what an entry point names is no layer, and the mend; None where it is one."""
    if not isinstance(found, type) or not issubclass(found, Layer):
        what = f"the class {found.__name__}" if isinstance(found, type) else kind(found)
        return f"it is {what}", "name a subclass of archonnx.layers.Layer"
    if not claim.name.isidentifier() or not claim.name[:1].isupper():
        return "the name of a layer is an identifier that begins with a capital", "rename it"
    if found.__name__ != claim.name:
        return f"the class is called {found.__name__}", "give the entry point and the class one name"
    if found.abstract:
        return "it says `abstract = True`", "name a class that can be made"
    taken = [a.name for a in found.declared.values() if a.name in TAKEN]
    if taken:
        return f"it has an argument {taken[0]}, which every layer has", "give the argument another name"
    missing = [rule for rule in ("infer", "lower") if getattr(found, rule) is getattr(Layer, rule)]
    if missing:
        return f"it has no {' and no '.join(missing)}", "define the shape rule `infer` and the lowering `lower`"
    inputs: Any = found.inputs
    if not isinstance(inputs, tuple) or not all(isinstance(name, str) for name in inputs):
        return "its `inputs` is no tuple of names", 'write inputs = ("x",)'
    if found.masking not in ("pass", "drop", "use"):
        return f"its `masking` is {found.masking!r}", 'it is "pass", "drop" or "use"'
    return _arguments(found.declared.values())


def _arguments(arguments: Iterable[Argument]) -> tuple[str, str] | None:
    """What is wrong with the arguments: a domain that is none, a default outside it."""
    from archonnx.compiler.layers.domains import Domain, DomainError

    for argument in arguments:
        domain: Any = argument.domain
        if not isinstance(domain, Domain):
            return f"the argument {argument.name} has no domain", "write arg(domains.Whole(minimum=1), doc=...)"
        if argument.required or argument.default is None:
            continue
        try:
            domain.parse(argument.default)
        except DomainError as error:
            what = f"the default {argument.default!r} of {argument.name} is not {error.expected}"
            return what, "give a default inside the domain"
    return None


class Guard:
    """`with Guard(layer, "the rule infer"):` around a rule: what fails in one of a package's becomes E0923.

    `passing` are further errors that go through as they are, beside those that rules raise on purpose.
    """

    __slots__ = ("_layer", "_passing", "_what")

    def __init__(self, layer: Layer | type[Layer], what: str, *passing: type[BaseException]) -> None:
        self._layer, self._what, self._passing = layer, what, passing

    def __enter__(self) -> None:
        return None

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> Literal[False]:
        if self._layer.package is None or not isinstance(error, Exception) or isinstance(error, self._passing):
            return False
        from archonnx.compiler.layers.domains import DomainError

        if isinstance(
            error, LayerError | DomainError | ArchonnxError | DimTooLargeError | RecursionError | MemoryError
        ):
            return False
        _show(error)
        layer = self._layer if isinstance(self._layer, type) else type(self._layer)
        what = f"{self._what} of {layer.__name__} of {layer.package} failed: {_said(error)}{_where(error)}"
        help = (
            "a mistake in that package (ARCHONNX_TRACEBACK=1 shows the traceback); a rule refuses by raising LayerError"
        )
        raise PluginError("E0923", what, help=help) from error


def check_types(layer: Layer, inferred: Any) -> None:
    """E0924 unless a shape rule of a package gave types."""
    if layer.package is None:
        return
    several = inferred if isinstance(inferred, tuple) else (inferred,)
    for one in several:
        if not isinstance(one, TensorType):
            raise broken(layer, f"its rule infer gives {kind(one)}, not a TensorType")
        if one.dtype not in DTYPES:
            raise broken(layer, f"its rule infer gives the element type {one.dtype!r}, which there is not")
        for axis, size in enumerate(one.shape):
            if not is_size(size):
                raise broken(layer, f"its rule infer gives the size {size!r} at axis {axis}, which is no whole number")


def is_size(value: Any) -> bool:
    """Whether a value is a dimension: a whole number, or an expression over symbols."""
    return (isinstance(value, int) and not isinstance(value, bool)) or isinstance(value, Expr)


def broken(layer: Layer, what: str) -> PluginError:
    """E0924: a rule of a package's layer that does not keep to what rules promise."""
    help = "a mistake in that package: infer gives a TensorType, lower a Tensor of that very type, or tuples of them"
    return PluginError("E0924", f"{layer.type_name} of {layer.package} breaks the rules: {what}", help=help)


def kind(value: Any) -> str:
    name = type(value).__name__
    return "None" if value is None else f"{'an' if name[0] in 'aeiou' else 'a'} {name}"


def _said(error: BaseException) -> str:
    lines = str(error).strip().splitlines()
    return f"{type(error).__name__}: {lines[0]}" if lines else type(error).__name__


def _where(error: BaseException) -> str:
    """The innermost place in code that is neither archonnx nor Python's own import machinery."""
    import traceback

    for frame, line in reversed(list(traceback.walk_tb(error.__traceback__))):
        module = frame.f_globals.get("__name__", "")
        if module.partition(".")[0] not in ("archonnx", "importlib", ""):
            return f" ({module}, line {line})"
    return ""


def _show(error: BaseException) -> None:
    """The traceback on stderr, for the package's author who asks for it."""
    if os.environ.get("ARCHONNX_TRACEBACK"):
        import traceback

        traceback.print_exception(error)
