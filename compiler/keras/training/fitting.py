"""`archonnx.fit`: plan (what Keras is not needed for), build, train with watch kept, take the best weights home."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from typing import TYPE_CHECKING, Any

from archonnx.compiler.keras.training.plan import OPTIMIZERS, Part, Plan
from archonnx.compiler.keras.training.settled import inside
from archonnx.contract.diagnostics import ArchonnxError, MachineError

if TYPE_CHECKING:
    from archonnx.compiler.graph import Value
    from archonnx.compiler.keras.building import Built
    from archonnx.compiler.keras.training.history import Epoch
    from archonnx.compiler.keras.training.result import FitResult
    from archonnx.compiler.keras.training.watching import Progress, Watch


def train(
    made: Plan,
    *,
    tensorboard: str | os.PathLike[str] | None = None,
    callbacks: Sequence[Any] = (),
    report: Callable[[Epoch], None] | None = None,
    progress: Progress | None = None,
) -> FitResult:
    """Carry a plan out. See `archonnx.fit`."""
    from archonnx.compiler.keras.building import build
    from archonnx.compiler.keras.training.events import EpochLog
    from archonnx.compiler.keras.training.features import computed, hold_still
    from archonnx.compiler.keras.training.result import FitResult
    from archonnx.compiler.keras.training.surroundings import Interruption, seeded, unreached
    from archonnx.compiler.recipes import Constant

    with seeded(made.settings.seed):
        built = build(made.model, made.model.evaluation(made.settings.seed))
    from archonnx.compiler.keras.training.watching import Watch

    for path in made.frozen:
        built.layers[path].trainable = False
    for path, layer in built.layers.items():
        if inside(path, made.settings.freeze):
            hold_still(layer)
    ends = None if callbacks else made.settled  # a callback of the caller's is shown the whole model
    with ExitStack() as stack:
        interruption = stack.enter_context(Interruption())
        log = None if tensorboard is None else stack.enter_context(EpochLog(tensorboard))
        if ends is not None:
            try:
                made = computed(made, built, ends, interruption, progress)
            except _tensorflow_errors() as error:
                raise _explained(error) from error
        model = _compiled(made, built, ends)
        watch = Watch(made.settings.patience, _both(report, log), progress, interruption)
        names = stack.enter_context(unreached())
        _run(made, model, watch, callbacks)
    watch.restore()
    assert watch.best is not None
    test = None if made.test is None else _evaluated(made, model, made.test)
    left = tuple(weight.path for weight, variable in built.variables if variable.path in names)
    given = {w.path: Constant(variable.numpy(), w.dtype) for w, variable in built.variables}
    trained = made.model.with_given(given)
    return FitResult(trained, tuple(watch.epochs), watch.best, watch.stopped, test, left, made)


def _both(report: Callable[[Epoch], None] | None, log: Any) -> Callable[[Epoch], None]:
    def told(epoch: Epoch) -> None:
        if log is not None:
            log.write(epoch)
        if report is not None:
            report(epoch)

    return told


def _compiled(made: Plan, built: Built, ends: Sequence[Value] | None) -> Any:
    """The model of Keras, of the outputs that are trained, with losses, metrics and optimizer.

    ends: where it begins, with what is computed already; None: at the inputs.
    """
    import keras

    from archonnx.compiler.keras.training.features import rest_of

    model = built.model
    names = [one.output for one in made.objectives]
    output = model.output
    if len(made.model.graph.outputs) > 1:
        output = {name: output[name] for name in names} if len(names) > 1 else output[names[0]]
    if ends is not None:
        model = rest_of(built, ends, output)
    elif output is not model.output:
        model = keras.Model(model.inputs, output, name=model.name)
    losses = {one.output: _loss(one.loss) for one in made.objectives}
    metrics = {
        name: [getattr(keras.metrics, kind)(**options) for kind, options in wanted]
        for name, wanted in made.metrics.items()
    }
    several = len(names) > 1
    model.compile(
        _optimizer(made),
        loss=losses if several else losses[names[0]],
        metrics=metrics if several else metrics[names[0]],
        jit_compile=False,
    )
    return model


def _loss(loss: Any) -> Any:
    import keras

    if not isinstance(loss, tuple):
        return loss
    kind, options = loss
    return getattr(keras.losses, kind)(**options)


def _optimizer(made: Plan) -> Any:
    import keras

    asked, rate = made.settings.optimizer, made.settings.learning_rate
    if isinstance(asked, str):
        kind, options = OPTIMIZERS[asked]
        return getattr(keras.optimizers, kind)(**options, **({} if rate is None else {"learning_rate": rate}))
    if rate is not None:
        asked.learning_rate = rate
    return asked


def _run(made: Plan, model: Any, watch: Watch, callbacks: Sequence[Any]) -> None:
    """Keras' own fit. Interrupted after the first epoch, it is as if it had ended there."""
    settings = made.settings
    training = _batches(made, made.training, seed=settings.seed, weights=made.weights)
    validation = None if made.validation is None else _batches(made, made.validation)
    try:
        model.fit(
            training,
            validation_data=validation,
            epochs=settings.epochs,
            shuffle=False,  # the batches themselves are drawn anew each epoch
            verbose=0,
            callbacks=[*callbacks, watch],
        )
    except KeyboardInterrupt:
        if watch.best is None:
            raise
        watch.stopped = "interrupted"
    except ValueError as error:
        if "No gradients provided" not in str(error):
            raise
        outputs = ", ".join(one.output for one in made.objectives)
        raise ArchonnxError(f"nothing can be learned: no gradient reaches a weight from {outputs}") from error
    except _tensorflow_errors() as error:
        raise _explained(error) from error


def _batches(made: Plan, part: Part, seed: int | None = None, weights: dict[int, float] | None = None) -> Any:
    from archonnx.compiler.keras.training.batches import Batches

    one_hot = made.objectives[0].family == "one-hot"
    return Batches(part.inputs, part.targets, part.index, made.settings.batch_size, seed, weights, one_hot)


def _evaluated(made: Plan, model: Any, part: Part) -> dict[str, float]:
    found = model.evaluate(_batches(made, part), verbose=0, return_dict=True)
    return {key: float(value) for key, value in found.items()}


def _tensorflow_errors() -> tuple[type[BaseException], ...]:
    import keras

    if keras.backend.backend() != "tensorflow":
        return ()
    import tensorflow

    return (tensorflow.errors.OpError,)


def _explained(error: Any) -> ArchonnxError:
    """What TensorFlow says of a batch that it cannot compute, in one line."""
    lines = [line.strip() for line in str(error.message).splitlines() if line.strip()]
    plain = [line for line in lines if not re.search(r"Graph execution error|node|Traceback|^File |errors?:?$", line)]
    told = (plain or lines)[-1 if "Graph execution error" in lines[0] else 0]
    if type(error).__name__ == "ResourceExhaustedError":
        return MachineError(f"there is not enough memory for this batch; a smaller batch size takes less ({told})")
    return ArchonnxError(f"TensorFlow could not compute a batch: {told}")
