"""What is measured beside the loss: chosen by the loss, or asked for by name."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

from archonnx.compiler.keras.training.objectives import Objective
from archonnx.contract.diagnostics import UsageError, did_you_mean

Metric = tuple[str, dict[str, Any]]  # a class of keras.metrics and its arguments

VALUES = {
    "mean_absolute_error": "MeanAbsoluteError",
    "mean_squared_error": "MeanSquaredError",
    "root_mean_squared_error": "RootMeanSquaredError",
    "r2_score": "R2Score",
}
BINARY = {"precision": "Precision", "recall": "Recall", "auc": "AUC"}
ALIASES = {"mae": "mean_absolute_error", "mse": "mean_squared_error", "rmse": "root_mean_squared_error"}
NAMES = ("accuracy", "top_5_accuracy", *BINARY, *VALUES)


def metrics_of(chosen: Objective, asked: str | Sequence[str] = "auto") -> list[Metric]:
    """The metrics of one output. Raises UsageError for a name not known, or one that does not fit the loss."""
    if asked == "auto":
        if not isinstance(chosen.loss, tuple):
            return []
        return [_metric(chosen, "mean_absolute_error" if chosen.family == "values" else "accuracy")]
    names = [asked] if isinstance(asked, str) else list(asked)
    return [_metric(chosen, name) for name in names if name != "none"]


def _metric(chosen: Objective, asked: str) -> Metric:
    name = ALIASES.get(asked, asked)
    family, logits = chosen.family, chosen.logits
    if name in VALUES:
        return VALUES[name], {"name": name}
    if name == "accuracy":
        if family == "binary":
            return "BinaryAccuracy", {"name": name, "threshold": 0.0 if logits else 0.5}
        if family in ("classes", "one-hot"):
            return ("SparseCategoricalAccuracy" if family == "classes" else "CategoricalAccuracy"), {"name": name}
        raise _unfit(chosen, asked, "classes")
    if found := re.fullmatch(r"top_([1-9]\d*)_accuracy", name):
        if family not in ("classes", "one-hot"):
            raise _unfit(chosen, asked, "several classes")
        kind = "SparseTopKCategoricalAccuracy" if family == "classes" else "TopKCategoricalAccuracy"
        return kind, {"name": name, "k": int(found[1])}
    if name in BINARY:
        if family != "binary":
            raise _unfit(chosen, asked, "targets of 0 and 1 for each column alone")
        if name != "auc":
            return BINARY[name], {"name": name, "thresholds": 0.0 if logits else 0.5}
        several = {"multi_label": True, "num_labels": chosen.width} if chosen.width not in (None, 1) else {}
        return "AUC", {"name": name, "from_logits": logits, **several}
    near = did_you_mean(asked, [*NAMES, *ALIASES], 1)
    hint = f"did you mean {near[0]}?" if near else f"there are: auto, none, {', '.join(NAMES)}"
    raise UsageError(f"there is no metric {asked!r}; {hint}")


def _unfit(chosen: Objective, name: str, needs: str) -> UsageError:
    return UsageError(f"the metric {name} needs {needs}, and {chosen.output} is trained by {chosen.said}")
