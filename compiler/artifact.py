"""What compiling returns: a model with its layer graph, its summary, and `save`.

The whole pipeline, in order: parse, elaborate (here), lower and pass (`save`), check, write.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, Literal

from archonnx.compiler.sharding.methods import Shardable
from archonnx.contract.diagnostics import Diagnostic, Diagnostics, UsageError

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

    from archonnx.compiler.analysis.summary import Summary
    from archonnx.compiler.elaborate.loader import Loader, Module
    from archonnx.compiler.graph import LayerGraph
    from archonnx.compiler.ir import OperatorGraph
    from archonnx.compiler.recipes import Evaluation, Recipe
    from archonnx.compiler.saving import SaveReport
    from archonnx.compiler.weights.exporting import Written

    KerasModel = Any  # keras.Model, which is not imported for its name


@dataclass(slots=True, eq=False, repr=False)
class CompiledModel(Shardable):
    """A compiled model.

    graph: the layer graph, typed, with source places. diagnostics: warnings, such as layers that no output needs.
    models: the names of all models of the file. opset: the ONNX operator set that it was compiled for.
    given: where the numbers of weights come from, by path; those that are not in it are drawn from their initializers.
    file: the model's file as it was given, None for a text. files: the paths of all, imported too, by their names.
    maps: the paths of the maps by which weights were found.
    """

    graph: LayerGraph
    opset: int
    source: str
    models: tuple[str, ...]
    diagnostics: tuple[Diagnostic, ...] = ()
    sources: Mapping[str, str] = field(default_factory=dict)
    below_root: Mapping[str, str] = field(default_factory=dict)
    given: Mapping[str, Recipe] = field(default_factory=dict)
    file: str | None = None
    files: Mapping[str, str] = field(default_factory=dict)
    maps: tuple[str, ...] = ()

    def __repr__(self) -> str:
        return f"<CompiledModel {self.name} of {self.source}: {self.graph.inputs} -> {self.graph.outputs}>"

    @property
    def name(self) -> str:
        """The model's name in its source."""
        return self.graph.name

    @property
    def text(self) -> str:
        """The source that it was compiled from."""
        return self.sources[self.source]

    def save_source(self, path: str | os.PathLike[str]) -> None:
        """Write the source as an .arch file; an old one is replaced. Raises OSError where it cannot be written."""
        from archonnx.contract.files import replace_file

        replace_file(path, self.text.encode("utf-8"))

    def summary(self) -> Summary:
        """Layers, shapes, parameters, multiply-accumulates, peak of activation memory; `str()` of it is a table."""
        from archonnx.compiler.analysis.summary import summarize

        return summarize(self.graph)

    def lower(
        self,
        *,
        weight_bits: int | None = None,
        block_size: int = 32,
        optimization: int = 2,
        precision: str = "float32",
    ) -> OperatorGraph:
        """The model as ONNX operators, its weights as recipes: what `save` checks and writes.

        weight_bits, block_size, optimization, precision: as `save` takes them.
        """
        options = {name: value for name, value in locals().items() if name != "self"}
        from archonnx.compiler.lowering.lower import lower
        from archonnx.compiler.lowering.places import below_root
        from archonnx.contract import metadata

        operators = lower(
            self.graph,
            opset=self.opset,
            sources=self.sources,
            weight_bits=weight_bits,
            block_size=block_size,
            optimization=optimization,
            precision=precision,
        )
        operators.metadata[metadata.SOURCE] = self.below_root.get(self.source, self.source)
        operators.options = options
        texts = ((self.below_root.get(name, name), text) for name, text in self.sources.items())
        operators.metadata[metadata.SOURCES] = metadata.digests(texts)
        below_root(operators, self.below_root)
        return operators

    @property
    def path(self) -> Path | None:
        """The model's file, None for a text."""
        from pathlib import Path

        return None if self.file is None else Path(self.file)

    def with_weights(
        self,
        source: str | os.PathLike[str] | Mapping[str, Any] | KerasModel,
        *,
        map: str | os.PathLike[str] | None = None,  # noqa: A002 (what users call it)
        scope: str = "",
    ) -> CompiledModel:
        """The same model with weights from a file, from arrays by name, or from what `to_keras` made of it.

        Names are the weights' paths (`stage_1/conv2d/kernel`), those of a file that archonnx wrote of this model, or
        what a map says they are. A file's tensors are read when they are needed, slice by slice: it stays as it is
        until the model is saved.

        map: a map's path, or the name of one beside the model's file (`torchvision` for resnet.torchvision.map).
        Without one, those beside the model are tried where names do not agree. scope: fills one block or layer alone.

        Raises WeightsError where names, shapes or types do not agree, with all that is left over; CompileError for what
        is wrong with a map; UsageError where there is no such scope or map; TensorFileError where the file is none of
        weights, OSError where it cannot be opened.
        """
        from archonnx.compiler.weights.filling import fill

        if not isinstance(source, (str, os.PathLike, Mapping)):
            from archonnx.compiler.keras.reading.reader import from_keras

            if not hasattr(source, "layers"):
                kind = type(source).__name__
                raise UsageError(f"weights come from a file, from arrays by name or from a keras.Model, got {kind}")
            if map is not None or scope:
                raise UsageError("with_weights() of a keras.Model takes neither map= nor scope=")
            return from_keras(source, like=self)
        found = fill(self, source, map=map, scope=scope)
        return self.with_given(found.given, maps=found.maps)

    def with_assets(self, **files: str | os.PathLike[str] | bytes) -> CompiledModel:
        """The same model with files that travel in it, by name, in place of those that its source declares:
        `model.with_assets(tokenizer="tokenizer.json")`. Their bytes are read now.

        Raises ArchonnxError for a file that is too large or not what its name says (a `tokenizer` that is none, or has
        more tokens than the model, `labels` of another number than its scores), OSError where it cannot be read.
        """
        from archonnx.compiler.assets import with_files

        return replace(self, graph=with_files(self.graph, files))

    def with_given(self, recipes: Mapping[str, Recipe], *, maps: tuple[str, ...] = ()) -> CompiledModel:
        """The same model with these recipes for some weights, by path, each of its weight's dtype and shape.

        Those that were given before stay, where these do not replace them. maps: the paths of those that found them.
        Raises UsageError for what is no weight.
        """
        weights = {weight.path: weight for weight in self.graph.weights()}
        for path, recipe in recipes.items():
            if path not in weights:
                raise UsageError(f"the model {self.name} has no weight {path}")
            wanted, got = (f"{w.dtype}{list(w.shape)}" for w in (weights[path], recipe))
            if wanted != got:
                raise UsageError(f"the weight {path} is {wanted}, got {got}")
        return replace(self, given={**self.given, **recipes}, maps=(*self.maps, *maps))

    def evaluation(self, seed: int = 0) -> Evaluation:
        """What recipes of this model's weights are read with. Raises UsageError for a wrong seed."""
        from archonnx.compiler.recipes import Evaluation

        if not isinstance(seed, int) or isinstance(seed, bool) or not 0 <= seed < 2**64:
            raise UsageError(f"seed is a whole number from 0 to 2**64 - 1, got {seed!r}")
        return Evaluation(seed, self.given)

    def values(self, seed: int = 0) -> dict[str, NDArray[Any]]:
        """Every weight's numbers by its path, all of them in memory. Those that are not given are drawn by the seed."""
        from archonnx.compiler.recipes import Draw

        evaluation = self.evaluation(seed)
        return {w.path: Draw(w).whole(evaluation).reshape(w.shape) for w in self.graph.weights()}

    def save_weights(
        self,
        path: str | os.PathLike[str],
        *,
        layout: Literal["none", "torch", "keras"] | None = None,
        seed: int = 0,
        progress: Callable[[int, int], None] | None = None,
    ) -> Written:
        """Write the weights alone, in the format that the path's ending names: .pth, .safetensors, .npz, .h5, others.

        layout: names and layout of the tensors: "torch" as `to_torch(model).state_dict()` has them, "keras" as the
        variables of `to_keras(model)`, "none" under their paths, as they are. By default PyTorch's in its files, Keras'
        in a .h5, and our own in others. seed: of the weights that are not given. progress: bytes done and in all.

        Raises TensorFileError where the format cannot hold them, UsageError for a wrong argument, OSError. A failure
        leaves an old file as it was.
        """
        from archonnx.compiler.weights.exporting import save_weights

        return save_weights(self.graph, path, self.evaluation(seed), layout=layout, progress=progress)

    def save(
        self,
        path: str | os.PathLike[str],
        *,
        seed: int = 0,
        weights: Literal["init", "none"] = "init",
        external_data: Literal["auto", "always", "never"] = "auto",
        progress: Callable[[int, int], None] | None = None,
        via: Literal["keras"] | None = None,
        weight_bits: Literal[4, 8] | None = None,
        block_size: Literal[32, 64, 128] = 32,
        optimization: Literal[0, 1, 2] = 2,
        precision: Literal["float32", "float16", "bfloat16"] = "float32",
        lock: str | os.PathLike[str] | None = None,
        update_lock: bool = False,
    ) -> SaveReport:
        """Write the model as an ONNX file, checked before it appears; a failure leaves the old file as it was.

        seed: of the initial weights, 0 to 2**64 - 1; the same seed gives the same bytes on every machine.
        weights: "init" draws those that are not given from their initializers, "none" leaves all of them out, for
        `write_weights` to fill in. external_data: whether they stand in NAME.<hash>.data beside the model: "auto" past
        what ONNX holds in one file, "always" or "never".
        progress: called with bytes done and bytes in all.
        via: "keras" lets Keras and tf2onnx write the graph, in their newest operator set where that is older.
        weight_bits: keeps matrices that are multiplied with or looked up in so many bits, rounded, `block_size` numbers
        with a scale of their own. Such a file runs in onnxruntime alone.
        optimization: 0 keeps layers one to one, 1 what each of them computes, 2 merges them where that computes the
        same (docs/optimization.md). The report's `changes` say what was done.
        precision: what large float32 weights are stored in, rounded; all is computed in float32 (docs/half.md).
        lock: the path of a lock, which is written where there is none; else a build that is not what it says is an
        error, and nothing is written (docs/locks.md). update_lock: writes it anew.

        Raises ArchonnxError where the graph does not pass the checks or the file cannot be written.
        """
        if via == "keras":
            from archonnx.compiler.keras.route import saving as route

            if weights != "init":
                raise UsageError('via="keras": the graph has its weights in it; leave weights="none" out')
            if weight_bits is not None:
                raise UsageError('via="keras": Keras\' graph keeps its weights as they are; leave weight_bits out')
            if optimization != 2:
                raise UsageError('via="keras": Keras\' graph stays as it is; leave optimization out')
            if lock is not None:
                raise UsageError('via="keras": what Keras and tf2onnx write is theirs to change; leave lock out')
            if external_data != "auto":
                raise UsageError('via="keras": Keras\' graph has its weights in it; leave external_data out')
            if precision != "float32":
                raise UsageError('via="keras": Keras\' graph keeps its weights as they are; leave precision out')
            return route.save(self, path, seed=seed, progress=progress)
        if via is not None:
            raise UsageError(f'via is "keras" or None, got {via!r}')
        from archonnx.compiler.locking import asked
        from archonnx.compiler.saving import save

        held = asked(self, lock, update_lock)
        values = {v.name: v.type for n in self.graph.nodes for v in n.outputs}
        return save(
            self.lower(weight_bits=weight_bits, block_size=block_size, optimization=optimization, precision=precision),
            path,
            seed=seed,
            given=self.given,
            weights=weights,
            external_data=external_data,
            lock=held,
            progress=progress,
            values=values,
            facts=self.graph.facts,
            sources={**self.sources, **{short: self.sources[name] for name, short in self.below_root.items()}},
        )


def compile_file(
    path: str | os.PathLike[str],
    *,
    model: str | None = None,
    root: str | os.PathLike[str] | None = None,
    parameters: Mapping[str, Any] | None = None,
    opset: int | None = None,
) -> CompiledModel:
    """Compile a model of an .arch file. Raises CompileError, UsageError (no such model), OSError (no such file)."""
    from archonnx.compiler.elaborate.zoo import located

    loader, file = _loader(), located(os.fspath(path))
    module = loader.load_file(file, None if root is None else os.fspath(root))
    return replace(_compile(loader, module, model, parameters, opset), file=file)


def compile_text(
    text: str | bytes,
    *,
    model: str | None = None,
    root: str | os.PathLike[str] | None = None,
    name: str = "text.arch",
    parameters: Mapping[str, Any] | None = None,
    opset: int | None = None,
) -> CompiledModel:
    """Compile a model of a source text. `name` stands for the file in diagnostics; `root` is where its imports are."""
    loader = _loader()
    return _compile(
        loader, loader.load_text(text, name, None if root is None else os.fspath(root)), model, parameters, opset
    )


@dataclass(frozen=True, slots=True)
class FileReport:
    """What checking a file found. `models` were compiled, `waiting` need arguments; diagnostics in source order."""

    models: tuple[CompiledModel, ...]
    waiting: tuple[str, ...]
    diagnostics: tuple[Diagnostic, ...]
    sources: Mapping[str, str]


def check_file(path: str | os.PathLike[str], *, root: str | os.PathLike[str] | None = None) -> FileReport:
    """Compile every model of a file that needs no argument, and look through the bodies that none of them uses.

    Whatever is wrong is in the report's diagnostics. Raises OSError where the file cannot be read.
    """
    from archonnx.compiler.elaborate.elaborate import elaborate_all
    from archonnx.compiler.elaborate.zoo import located
    from archonnx.compiler.lowering.opsets import checked_opset

    loader = _loader()
    opset = checked_opset(None)
    module = loader.load_file(located(os.fspath(path)), None if root is None else os.fspath(root))
    graphs, waiting, found = elaborate_all(loader, module, opset)
    names = tuple(m.name for m in module.models())
    models = tuple(CompiledModel(g, opset, module.name, names, (), loader.sources, loader.below_root) for g in graphs)
    return FileReport(models, tuple(waiting), tuple(found), loader.sources)


def models_of(path: str | os.PathLike[str], root: str | os.PathLike[str] | None = None) -> list[tuple[str, bool]]:
    """The models of a file, in order, each with whether it needs no argument. Raises CompileError, OSError."""
    from archonnx.compiler.elaborate.choosing import declared_models
    from archonnx.compiler.elaborate.zoo import located

    loader = _loader()
    module = loader.load_file(located(os.fspath(path)), None if root is None else os.fspath(root))
    return declared_models(loader, module)


def _loader() -> Loader:
    from archonnx.compiler.elaborate.loader import Loader

    return Loader(Diagnostics())


def _compile(
    loader: Loader, module: Module, model: str | None, parameters: Mapping[str, Any] | None, opset: int | None
) -> CompiledModel:
    from archonnx.compiler.elaborate.elaborate import elaborate
    from archonnx.compiler.lowering.opsets import checked_opset

    chosen = checked_opset(opset)
    graph = elaborate(loader, module, model, _checked_parameters(parameters or {}), chosen)
    models = tuple(m.name for m in module.models())
    found = tuple(loader.diagnostics.found)
    files = {each.name: real for real, each in loader.modules.items()}
    return CompiledModel(graph, chosen, module.name, models, found, loader.sources, loader.below_root, files=files)


def _checked_parameters(parameters: Mapping[str, Any]) -> dict[str, Any]:
    """Parameters as compile-time values; UsageError for what is none."""
    made = {name: _plain(value) for name, value in parameters.items()}
    for name, value in made.items():
        stack = [value]
        while stack:
            top = stack.pop()
            if isinstance(top, (list, tuple)):
                stack.extend(top)
            elif not (top is None or isinstance(top, (bool, int, float, str))):
                raise UsageError(f"the parameter {name} is numbers, strings, lists or tuples, got {type(top).__name__}")
    return made


def _plain(value: Any) -> Any:
    """A parameter with Python's own numbers: NumPy's scalars count as what they hold."""
    if isinstance(value, (list, tuple)):
        return type(value)(_plain(v) for v in value) if type(value) in (list, tuple) else value
    if type(value).__module__ == "numpy" and getattr(value, "ndim", None) == 0:
        return value.item()
    return value
