"""What is decided, or refused, before a training begins and Keras is there: data, losses, the split, what is frozen."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from archonnx.compiler.keras.training.data import Source, described, open_data
from archonnx.compiler.keras.training.matching import Column, Examples, Index, match
from archonnx.compiler.keras.training.metrics import Metric, metrics_of
from archonnx.compiler.keras.training.objectives import Objective, class_weights, objective
from archonnx.compiler.keras.training.settled import inside, settled
from archonnx.contract.diagnostics import ArchonnxError, UsageError, did_you_mean

if TYPE_CHECKING:
    from archonnx.compiler.artifact import CompiledModel
    from archonnx.compiler.graph import Value

# Names of Keras' optimizers: the class and its arguments.
OPTIMIZERS: dict[str, tuple[str, dict[str, Any]]] = {
    "adam": ("Adam", {}),
    "adamw": ("AdamW", {}),
    "sgd": ("SGD", {}),
    "momentum": ("SGD", {"momentum": 0.9}),
    "rmsprop": ("RMSprop", {}),
    "nadam": ("Nadam", {}),
    "adamax": ("Adamax", {}),
    "adagrad": ("Adagrad", {}),
    "adadelta": ("Adadelta", {}),
    "lion": ("Lion", {}),
}


@dataclass(frozen=True, slots=True)
class Settings:
    """How to train. The names are those of `archonnx.fit`, whose documentation tells of each."""

    epochs: int = 20
    batch_size: int = 32
    optimizer: Any = "adam"
    learning_rate: float | None = None
    loss: Any = "auto"
    metrics: str | Sequence[str] = "auto"
    validation_split: float = 0.1
    patience: int | None = None
    freeze: Sequence[str] = ()
    class_weights: Any = None
    seed: int = 0

    def __post_init__(self) -> None:
        for name, least in (("epochs", 1), ("batch_size", 1), ("patience", 1)):
            value = getattr(self, name)
            if value is None and name == "patience":
                continue
            if isinstance(value, bool) or not isinstance(value, int) or value < least:
                raise UsageError(f"{name} is a whole number, {least} or more, got {value!r}")
        rate = self.learning_rate
        if rate is not None and not (isinstance(rate, int | float) and 0 < rate < math.inf):
            raise UsageError(f"learning_rate is a number above 0, got {rate!r}")
        split = self.validation_split
        if isinstance(split, bool) or not isinstance(split, int | float) or not 0 <= split < 1:
            raise UsageError(f"validation_split is a share from 0 to less than 1, got {split!r}")
        if isinstance(self.optimizer, str) and self.optimizer not in OPTIMIZERS:
            near = did_you_mean(self.optimizer, list(OPTIMIZERS), 1)
            hint = f"did you mean {near[0]}?" if near else f"there are: {', '.join(OPTIMIZERS)}"
            raise UsageError(f"there is no optimizer {self.optimizer!r}; {hint}")
        balanced = self.class_weights in (None, "balanced")
        if not balanced and not isinstance(self.class_weights, Mapping):
            raise UsageError(f'class_weights is "balanced", or weights by class number, got {self.class_weights!r}')


@dataclass(frozen=True, slots=True)
class Part:
    """Some of the examples: those of `index`, with the targets as the losses take them."""

    inputs: Mapping[str, Column]
    targets: Mapping[str, Column]
    index: Index


@dataclass(slots=True)
class Plan:
    """Everything that a training needs but Keras.

    settled: the values that are computed once, before the first epoch, where something is frozen. remarks: what was
    chosen, a line each.
    """

    model: CompiledModel
    settings: Settings
    objectives: list[Objective]
    metrics: dict[str, list[Metric]]
    training: Part
    validation: Part | None
    test: Part | None
    weights: dict[int, float] | None
    frozen: list[str]
    settled: list[Value] | None = None
    remarks: list[str] = field(default_factory=list)


def plan(
    model: CompiledModel,
    data: Source,
    settings: Settings,
    validation_data: Source | None = None,
    test_data: Source | None = None,
) -> Plan:
    """Look at everything once, in this order. Raises ArchonnxError for what is wrong with the data, UsageError else."""
    model.evaluation(settings.seed)
    frozen = _frozen(model, settings.freeze)
    examples = match(model.graph, open_data(data))
    objectives = _objectives(model, examples, settings.loss)
    metrics = {one.output: metrics_of(one, settings.metrics) for one in objectives}
    everything = _part(examples, objectives)
    training: Part
    validation: Part | None
    if validation_data is not None:
        training, validation = everything, _other(model, validation_data, objectives, "the validation data")
    else:
        training, validation = _split(everything, settings.validation_split, settings.seed)
    test = None if test_data is None else _other(model, test_data, objectives, "the test data")
    weights = _class_weights(settings, objectives, training)
    made = Plan(model, settings, objectives, metrics, training, validation, test, weights, frozen)
    count = sum(len(part.index) for part in (training, validation, test) if part is not None)
    made.settled = settled(model.graph, settings.freeze, [one.output for one in objectives], count)
    made.remarks = list(_remarks(made, examples))
    return made


def _frozen(model: CompiledModel, scopes: Sequence[str]) -> list[str]:
    """The paths of the layers with weights in these scopes. UsageError for a scope without any, or all being frozen."""
    weighty = {node.path: node.layer for node in model.graph.nodes if node.layer.weights}
    found: dict[str, None] = {}
    for scope in scopes:
        within = [path for path in weighty if inside(path, [scope])]
        if not within:
            parts = (path.split("/") for path in weighty)
            known = list(dict.fromkeys("/".join(part[: n + 1]) for part in parts for n in range(len(part))))
            near = did_you_mean(scope, known, 1)
            hint = f"did you mean {near[0]}?" if near else f"there are: {', '.join(known[:12])}"
            raise UsageError(f"freeze {scope}: there is no such scope or layer with weights; {hint}")
        found |= dict.fromkeys(within)
    learned = [w for path, layer in weighty.items() if path not in found for w in layer.weights.values() if w.trainable]
    if not learned:
        why = "everything that could be is frozen" if found else "it has no trainable weights"
        raise UsageError(f"{model.name} has nothing to learn: {why}")
    return list(found)


def _objectives(model: CompiledModel, examples: Examples, loss: Any) -> list[Objective]:
    if isinstance(loss, Mapping):
        names = [output.name for output in model.graph.outputs]
        for name in loss:
            if name not in names:
                raise UsageError(f"a loss is given for {name}, which is no output; there are: {', '.join(names)}")
    asked = loss if isinstance(loss, Mapping) else dict.fromkeys(examples.targets, loss)
    outputs = [output for output in model.graph.outputs if output.name in examples.targets]
    return [objective(output, examples, asked.get(output.name, "auto")) for output in outputs]


def _part(examples: Examples, objectives: Sequence[Objective]) -> Part:
    return Part(examples.inputs, {one.output: one.column for one in objectives}, np.arange(examples.count))


def _other(model: CompiledModel, source: Source, objectives: Sequence[Objective], said: str) -> Part:
    """Examples that nothing is learned from, their targets of the same kind as those of the training."""
    examples = match(model.graph, open_data(source, said), [one.output for one in objectives])
    found = []
    for one in objectives:
        output = next(output for output in model.graph.outputs if output.name == one.output)
        asked = one.name if isinstance(one.loss, tuple) else one.loss
        found.append(objective(output, examples, asked))
        if found[-1].family != one.family:
            got = described(examples.targets[one.output])
            raise ArchonnxError(
                f"{examples.data.said_of(one.output)}: {one.output} is {got}; its targets are to be as those that are "
                f"trained on, {described(one.column.array)}: {one.said}"
            )
    return _part(examples, found)


def _split(everything: Part, share: float, seed: int) -> tuple[Part, Part | None]:
    """Training and validation, drawn by the seed."""
    count = len(everything.index)
    if not share:
        return everything, None
    held = max(1, round(count * share))
    if held >= count:
        said = f"{count} example{'' if count == 1 else 's'}"
        raise ArchonnxError(f"{said} cannot be split into training and validation; a validation split of 0 takes none")
    order = np.random.default_rng(seed).permutation(count)
    return (
        Part(everything.inputs, everything.targets, np.sort(order[held:])),
        Part(everything.inputs, everything.targets, np.sort(order[:held])),
    )


def _class_weights(settings: Settings, objectives: Sequence[Objective], training: Part) -> dict[int, float] | None:
    if settings.class_weights is None:
        return None
    if len(objectives) != 1:
        raise UsageError(f"class weights are for one output, and {len(objectives)} are trained")
    found = class_weights(objectives[0], training.targets[objectives[0].output].rows(training.index))
    if settings.class_weights == "balanced":
        return found
    given = {int(number): float(weight) for number, weight in settings.class_weights.items()}
    if any(number not in given for number in found):
        missing = ", ".join(str(number) for number in found if number not in given)
        raise UsageError(f"class_weights lacks the classes {missing}, which the targets have")
    return given


def _remarks(made: Plan, examples: Examples) -> list[str]:
    count = len(made.training.index)
    line = f"{count:,} {'example' if count == 1 else 'examples'} to train on"
    line += f", {len(made.validation.index):,} to validate" if made.validation is not None else ", none to validate"
    line += f", {len(made.test.index):,} to test" if made.test is not None else ""
    lines = [line]
    for one in made.objectives:
        beside = ", ".join(options["name"].replace("_", " ") for _, options in made.metrics[one.output])
        lines.append(f"{one.output}: {one.said}" + (f"; measured: {beside}" if beside else ""))
    left = [output.name for output in made.model.graph.outputs if output.name not in examples.targets]
    if left:
        lines.append(f"no targets for {', '.join(left)}, not trained")
    if examples.unused:
        lines.append(f"not used of the data: {', '.join(examples.unused)}")
    if made.frozen:
        count = len(made.frozen)
        lines.append(f"frozen: {', '.join(made.settings.freeze)}, {count} layer{'' if count == 1 else 's'}")
        lines[-1] += "" if made.settled is None else ", whose results are computed once"
    return lines
