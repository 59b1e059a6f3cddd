"""archonnx: a compiler from declarative architecture files to ONNX, and a runtime that runs them.

    import archonnx

    dnn = archonnx.compile("models/dnn.arch")  # or compile(text="model A(): ...")
    print(dnn.summary())
    dnn.save("dnn.onnx")
    logits = archonnx.load("dnn.onnx")(image)  # image: float32[N, 256, 256, 3] -> logits: float32[N, 10]

Importing the package loads nothing heavy: compiler and runtime come in when they are first asked for.
"""

from __future__ import annotations

from os import PathLike
from typing import TYPE_CHECKING, Any, Literal, TypeVar

from archonnx._version import __version__
from archonnx.contract.diagnostics import ArchonnxError, CompileError, Diagnostic, MachineError, UsageError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from archonnx.compiler.artifact import CompiledModel
    from archonnx.compiler.keras.training.history import Epoch
    from archonnx.compiler.keras.training.result import FitResult
    from archonnx.compiler.saving import SaveReport
    from archonnx.compiler.together import SavedTogether
    from archonnx.runtime.errors import InputError, ModelFileError, RunError
    from archonnx.runtime.generation.result import Generation
    from archonnx.runtime.samples import Data
    from archonnx.runtime.session import Session

Key = TypeVar("Key", bound="str | PathLike[str]")

__all__ = [
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
]

_LAZY = {
    "CompiledModel": "archonnx.compiler.artifact",
    "FitResult": "archonnx.compiler.keras.training.result",
    "Generation": "archonnx.runtime.generation.result",
    "InputError": "archonnx.runtime.errors",
    "ModelFileError": "archonnx.runtime.errors",
    "RunError": "archonnx.runtime.errors",
    "Session": "archonnx.runtime.session",
}


def compile(
    path: str | PathLike[str] | None = None,
    model: str | None = None,
    *,
    text: str | None = None,
    root: str | PathLike[str] | None = None,
    opset: int | None = None,
    **parameters: Any,
) -> CompiledModel:
    """Compile one model of an architecture file, or of a text.

    path: the .arch file, or "zoo:resnet" for one that ships; text: its source, instead. One of the two is given.
    model: which of its models, by name; without it the file's only model, or the only one that needs no argument.
    root: the folder that imports may reach, by default the file's own.
    opset: the ONNX operator set to compile for, 17 or newer.
    parameters: the model's parameters, as Python numbers, strings, lists, tuples, booleans or None.

    Raises CompileError, which holds every diagnostic, where the source is wrong; UsageError where the call is; OSError
    where the file cannot be read.
    """
    if (path is None) == (text is None):
        raise UsageError("compile() takes a path or text=, one of the two")
    from archonnx.compiler import artifact

    if path is None:
        assert text is not None
        return artifact.compile_text(text, model=model, root=root, parameters=parameters, opset=opset)
    return artifact.compile_file(path, model=model, root=root, parameters=parameters, opset=opset)


def load(
    model: str | PathLike[str] | bytes | CompiledModel,
    device: str | Sequence[str] = "auto",
    *,
    threads: int | None = None,
    precision: str | None = None,
    max_error: float | None = None,
    data: Data | None = None,
    cache: str | PathLike[str] = "auto",
    graphs: bool | Literal["auto"] = "auto",
    plan: str | PathLike[str] | None = "auto",
    batch: int | Sequence[int] | None = None,
    buckets: Mapping[str, Sequence[int]] | None = None,
    tokenizer: str | PathLike[str] | bytes | None = None,
) -> Session:
    """Load a model for running: the path of any .onnx file or of a model in stages (NAME.shards.json), the bytes of a
    file, or what `compile` returned.

    device: "auto" takes CUDA where it works, else the CPU; "cpu", "cuda", "tensorrt" and "openvino" insist on it. Of a
    model in stages it may be a list, one each.
    threads: how many one call uses on the CPU, by default those of the environment variable ARCHONNX_THREADS, else
    the physical cores that this process may use.
    precision: what products are computed in: "float32" (also where nothing is said), "tf32", "bfloat16", "float16" or
    "int8"; nothing else lowers it. max_error: take the fastest that is measured to stay within this error of float32,
    max|y - ref| / max|ref| of each output; with `precision`, of that one and float32 alone. data: what is measured on:
    the path of an .npz file, arrays by input name, a list of such mappings, or the only input's array; drawn at
    random where none is given.
    cache: where the optimised model is kept for the next start: "auto", a folder of the user's, "off", "beside" the
    model, or a folder.
    graphs: on CUDA, whether calls that repeat with the same shapes are captured as CUDA graphs: "auto" where it is
    possible, True or an error, False never.
    plan: "auto" takes the one that `archonnx tune` has left beside the model, where it fits, and says in a line of the
    log where it does not; a path insists on it; None takes none. What else is asked for goes before it.
    batch: run at most so many rows of a batch at a time; of several numbers, exactly one of them in each run. By
    default a batch is run in parts where memory does not hold it, and rows are shown not to depend on one another.
    buckets: the input that is the mask, with sizes: {"attention_mask": [32, 64, 128]}. A call is filled up to the
    smallest that holds it where the graph proves that what the mask hides changes no result, and runs in its exact
    shape where it does not, or is longer; `session.padding` tells.
    tokenizer: the file that makes tokens of texts, or its bytes, in place of the one that travels in the model.

    Raises OSError where a file cannot be read, ArchonnxError where it is no ONNX model or no tokenizer, MachineError
    where the device or a library is missing (the text says which, and what to install).
    """
    from archonnx.runtime import loading

    return loading.load(
        model,
        device=device,
        threads=threads,
        precision=precision,
        max_error=max_error,
        data=data,
        cache=cache,
        graphs=graphs,
        plan=plan,
        batch=batch,
        buckets=buckets,
        tokenizer=tokenizer,
    )


def to_keras(model: CompiledModel, seed: int = 0) -> Any:
    """A functional `keras.Model` that computes what a compiled model does, with the same weights, ready for training.

    Layers are called by their paths with `.` for `/`, which Keras refuses: `stage_1.conv2d`. Inputs have their names
    and order; one output is a tensor, several are a dictionary by name. Sizes that only a run tells are None.
    What `require` says of sizes is not checked.

    model: what `compile` returned. seed: of the initial weights, 0 to 2**64 - 1; they are those that `save` writes.

    Raises MachineError where Keras is not installed, ArchonnxError where the model holds what Keras has no counterpart
    of (the text lists every such layer with its place), UsageError for a wrong seed.
    """
    from archonnx.compiler.keras import building

    return building.to_keras(model, seed)


def fit(
    model: CompiledModel,
    data: str | PathLike[str] | Mapping[str, Any],
    *,
    epochs: int = 20,
    batch_size: int = 32,
    optimizer: Any = "adam",
    learning_rate: float | None = None,
    loss: Any = "auto",
    metrics: str | Sequence[str] = "auto",
    validation_split: float = 0.1,
    validation_data: str | PathLike[str] | Mapping[str, Any] | None = None,
    test_data: str | PathLike[str] | Mapping[str, Any] | None = None,
    patience: int | None = None,
    freeze: Sequence[str] = (),
    class_weights: str | Mapping[int, float] | None = None,
    seed: int = 0,
    tensorboard: str | PathLike[str] | None = None,
    callbacks: Sequence[Any] = (),
    report: Callable[[Epoch], None] | None = None,
    progress: Callable[[int, int, Mapping[str, float]], None] | None = None,
) -> FitResult:
    """Train a compiled model with Keras: `fit(model, data).model` has the weights that were learned.

    model: what `compile` returned, with the weights it has: given ones, or initial ones drawn by `seed`.
    data: an .npz file, or arrays (or .npy, .npz files) by name: one for every input, one of targets for each output
    that is trained. Their first axis counts the examples. Arrays that a file stores uncompressed are not loaded whole.
    epochs: passes over the examples, at most. batch_size: examples a step.
    optimizer: "adam", "adamw", "sgd", "momentum", "rmsprop" and others, or an optimizer of Keras. learning_rate: its
    own by default.
    loss: "auto" chooses by the targets and by what the output computes last; a name, a loss of Keras, or either by
    output. metrics: "auto", or names.
    validation_split: the share of the examples that nothing is learned from; validation_data: those, instead.
    test_data: evaluated once, at the end.
    patience: stop after so many epochs without a lower validation loss (training loss, where nothing is validated).
    The weights of the best epoch are kept, with patience or without.
    freeze: scopes or layers whose weights stay as they are, and which compute as at inference; their results are
    computed once, where nothing before them learns or draws random numbers.
    class_weights: "balanced", or a weight for each class.
    seed: of the initial weights, the split, the order of examples, dropout and augmentation.
    tensorboard: a folder for TensorBoard's logs. callbacks: Keras'. report: called after each epoch. progress: called
    after each batch with batches done, batches in all, and the values so far.

    Ctrl-C ends the training after the batch that is being computed; with an epoch done, that is a result as any other.

    Raises ArchonnxError where data and model do not fit, the model cannot become one of Keras, or the loss becomes
    infinite; UsageError for a wrong argument, MachineError where Keras is not installed, OSError for files.
    """
    from archonnx.compiler.keras.training import fitting, plan

    settings = plan.Settings(
        epochs=epochs,
        batch_size=batch_size,
        optimizer=optimizer,
        learning_rate=learning_rate,
        loss=loss,
        metrics=metrics,
        validation_split=validation_split,
        patience=patience,
        freeze=freeze,
        class_weights=class_weights,
        seed=seed,
    )
    made = plan.plan(model, data, settings, validation_data, test_data)
    return fitting.train(made, tensorboard=tensorboard, callbacks=callbacks, report=report, progress=progress)


def from_keras(model: Any, like: CompiledModel | None = None) -> CompiledModel:
    """A compiled model of a `keras.Model`, with its weights: `from_keras(model).save("model.onnx")`.

    Its source is written from the graph of Keras: `.text` is the text, `.save_source("model.arch")` writes it. Layers
    keep their names, sizes that are None become symbols, models inside become blocks. What only training uses, such as
    regularizers, is left out.

    model: a Sequential or functional model; what its layers compute is what ours compute, or it is refused.
    like: a compiled model that `to_keras` made the other of; then it is given the weights, and nothing else is read.

    Raises MachineError where Keras is not installed, ArchonnxError where the model holds what the language has no
    counterpart of, or, with `like`, has other layers (the text lists every one), UsageError for what is no model.
    """
    from archonnx.compiler.keras.reading import reader

    return reader.from_keras(model, like)


def save_all(
    models: Mapping[Key, CompiledModel],
    *,
    data: str | None = None,
    seed: int = 0,
    weights: Literal["init", "none"] = "init",
    external_data: Literal["auto", "always", "never"] = "auto",
    progress: Callable[[int, int], None] | None = None,
    lock: str | PathLike[str] | None = None,
    update_lock: bool = False,
    **options: Any,
) -> SavedTogether:
    """Write several models, by path, so that weights that are the same in them are stored once, in one data file.

    models: all in one folder: `save_all({"out/reader.onnx": reader, "out/writer.onnx": writer})`. Weights are the same
    where they are drawn for one path from one seed and initializer, or given by one tensor of one file.
    data: what the name of the data file begins with, by default the name of the first model's source: DATA.<hash>.data.
    seed, weights, progress: as `CompiledModel.save` takes them, and so are `options`: weight_bits and others.
    external_data: "auto" shares a data file where that saves anything, "always" in any case, "never" gives each model
    its own weights. lock, update_lock: one lock for all of the models, otherwise as `CompiledModel.save` takes it.

    Each model takes its place as a whole. Raises as `save` does; models that were not replaced yet stay as they were.
    """
    from archonnx.compiler import together

    return together.save_all(
        models,
        data=data,
        seed=seed,
        weights=weights,
        external_data=external_data,
        progress=progress,
        lock=lock,
        update_lock=update_lock,
        **options,
    )


def write_weights(
    path: str | PathLike[str] | Sequence[str | PathLike[str]],
    *,
    source: str | PathLike[str] | None = None,
    root: str | PathLike[str] | None = None,
    weights: str | PathLike[str] | Mapping[str, Any] | None = None,
    map: str | PathLike[str] | None = None,  # noqa: A002 (as in CompiledModel.with_weights)
    seed: int = 0,
    external_data: Literal["auto", "always", "never"] = "always",
    progress: Callable[[int, int], None] | None = None,
) -> list[SaveReport]:
    """Write the weights of a model that was saved without them, with `weights="none"`.

    The source is compiled again, as the file says that it was, and the two are compared, down to the place of each
    weight. What is written is what `save(external_data="always")` would have written at once, byte for byte.

    path: of the .onnx file; of several that share their data, a list. source: the .arch file, by default where it is
    found: beside the model and above, in the working folder, in the zoo. root: the folder that its imports may reach.
    weights, map: a file of weights, or arrays by name, as `CompiledModel.with_weights` takes them; without them,
    weights are drawn from `seed`. external_data: as `save` takes it; "always" keeps the layout of the file.

    Raises ArchonnxError where the file and what becomes of its source differ (the text lists how), or it has its
    weights already; UsageError where no source is found; others as `with_weights` and `save` do. A failure leaves the
    files as they were.
    """
    from archonnx.compiler import bare

    return bare.write_weights(
        path,
        source=source,
        root=root,
        weights=weights,
        map=map,
        seed=seed,
        external_data=external_data,
        progress=progress,
    )


def to_torch(model: CompiledModel, seed: int = 0) -> Any:
    """A `torch.nn.Module` that computes what a compiled model does, with the same weights, ready for training.

    Submodules are called by the layers' paths, `stage_1.conv2d`: PyTorch's own modules where there are such, so that
    `state_dict()` has the names and the layout that PyTorch has for them. Inputs and outputs are as the model has them,
    channels last; inputs come by position, by name or as one dictionary, several outputs are a dictionary by name.
    What `require` says of sizes is not checked. The module is in training mode, as PyTorch's are: `.eval()` ends it.

    model: what `compile` returned. seed: of the initial weights, 0 to 2**64 - 1; they are those that `save` writes.

    Raises MachineError where PyTorch is not installed, ArchonnxError where the model holds what is not computed in
    PyTorch (the text lists every such layer with its place), UsageError for a wrong seed.
    """
    from archonnx.compiler.torch import building

    return building.to_torch(model, seed)


def __getattr__(name: str) -> Any:
    if name in _LAZY:
        import importlib

        return getattr(importlib.import_module(_LAZY[name]), name)
    raise AttributeError(f"module 'archonnx' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted(__all__)
