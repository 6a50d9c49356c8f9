"""Metrics and files of the caller's own."""

from __future__ import annotations

import copy
import inspect
import io
import json
import tempfile
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from gitml.errors import UsageError
from gitml.formats.names import check_artifact_path
from gitml.models.evaluation.evaluation import Evaluation, ending
from gitml.models.evaluation.metric import EvaluationMetric, MetricValue
from gitml.models.evaluation.result import KINDS

if TYPE_CHECKING:
    import pandas as pd

_MISSING: Any = object()
_TABLE = "eval_results_table"


class MetricFailedError(UsageError):
    """A metric of the caller's own raised an error, or gave something else than numbers."""


def add_metrics(evaluation: Evaluation, extra: Sequence[EvaluationMetric], predictions: str | None) -> None:
    """Compute metrics of the caller's own, each after those that it needs.

    Args:
        evaluation: What was predicted.
        extra: The metrics.
        predictions: What the column of predictions is called.

    Raises:
        UsageError: Something is no metric, or needs what is not there.
        MetricFailedError: One raised an error.
    """
    for metric in extra:
        if not isinstance(metric, EvaluationMetric):
            raise UsageError(
                f"'extra_metrics' has {type(metric).__name__}, which is no metric",
                hint="make_metric makes one",
            )
    rows: dict[str, Sequence[Any]] = {}
    waiting = list(extra)
    while waiting:
        later = []
        for metric in waiting:
            arguments, missing = _arguments(evaluation, metric, predictions)
            if missing:
                later.append((metric, missing))
            else:
                _add(evaluation, metric, arguments, rows)
        if len(later) == len(waiting):
            metric, missing = later[0]
            raise UsageError(
                f"the metric '{metric.name}' needs {', '.join(missing)}, which is not there",
                hint="name a column, another metric, or map it: evaluator_config={'col_mapping': {…}}",
            )
        waiting = [metric for metric, _ in later]
    if rows:
        _keep_table(evaluation, rows)


def _arguments(
    evaluation: Evaluation, metric: EvaluationMetric, predictions: str | None
) -> tuple[list[Any], list[str]]:
    parameters = inspect.signature(metric.eval_fn).parameters
    names = list(parameters)
    if len(names) == 2 and names[0] != "predictions" and names[1] != "targets":
        return [table_of(evaluation), dict(evaluation.metrics)], []
    found, missing = [], []
    for name, parameter in parameters.items():
        column = evaluation.config.get("col_mapping", {}).get(name, name)
        value = column if not isinstance(column, str) else _value(evaluation, column, predictions)
        if value is _MISSING and parameter.default is not parameter.empty:
            value = parameter.default
        if value is _MISSING:
            missing.append(f"'{name}'")
        found.append(value)
    return found, missing


def _value(evaluation: Evaluation, column: str, predictions: str | None) -> Any:
    import pandas as pd

    examples, others = evaluation.examples, evaluation.predicted.others
    if column == "predictions" or (predictions is not None and column == predictions):
        return pd.Series(evaluation.predicted.values)
    if column == "targets" or (examples.targets_name is not None and column == examples.targets_name):
        return _MISSING if examples.targets is None else pd.Series(examples.targets)
    if column == "metrics":
        return {
            name: MetricValue(aggregate_results={name: value}) for name, value in evaluation.metrics.items()
        }
    if column in examples.columns:
        return examples.columns[column]
    if others is not None and column in others:
        return others[column]
    if column in evaluation.config:
        return evaluation.config[column]
    return evaluation.metrics.get(column, _MISSING)


def _add(
    evaluation: Evaluation, metric: EvaluationMetric, arguments: list[Any], rows: dict[str, Sequence[Any]]
) -> None:
    try:
        found = metric.eval_fn(*copy.deepcopy(arguments))
    except Exception as err:
        raise MetricFailedError(
            f"the metric '{metric.name}' failed: {type(err).__name__}: {err}", hint="look at its function"
        ) from err
    name = metric.logged_name
    if isinstance(found, MetricValue):
        totals = dict(found.aggregate_results or {})
        evaluation.measure(
            name, lambda: {name if key == metric.name else f"{name}/{key}": v for key, v in totals.items()}
        )
        if found.scores is not None:
            rows[f"{name}/score"] = list(found.scores)
        if found.justifications is not None:
            rows[f"{name}/justification"] = list(found.justifications)
        return
    try:
        float(found)
    except (TypeError, ValueError):
        raise MetricFailedError(
            f"the metric '{metric.name}' gave {type(found).__name__}, and no number",
            hint="return a number or a MetricValue",
        ) from None
    evaluation.measure(name, lambda: {name: found})


def table_of(evaluation: Evaluation) -> pd.DataFrame:
    """Put predictions and answers beside each other."""
    import pandas as pd

    table = pd.DataFrame({"prediction": list(evaluation.predicted.values)})
    if evaluation.examples.targets is not None:
        table["target"] = evaluation.examples.targets
    return table


def _keep_table(evaluation: Evaluation, rows: Mapping[str, Sequence[Any]]) -> None:
    table = evaluation.examples.columns.reset_index(drop=True)
    if evaluation.examples.targets is not None:
        table[evaluation.examples.targets_name or "target"] = evaluation.examples.targets
    table["outputs"] = list(evaluation.predicted.values)
    for name, values in rows.items():
        table[name] = values
    split = table.to_json(orient="split", index=False)
    evaluation.keep(_TABLE, f"{evaluation.prefix}{_TABLE}.json", str(split).encode())


def add_artifacts(evaluation: Evaluation, makers: Sequence[Callable[..., Any]]) -> None:
    """Keep files that functions of the caller make of predictions, metrics and a folder to write to.

    Raises:
        UsageError: One gave no dictionary, or something that no file can be made of.
    """
    for make in makers:
        with tempfile.TemporaryDirectory() as folder:
            name = getattr(make, "__name__", repr(make))
            made = make(table_of(evaluation), dict(evaluation.metrics), folder)
            if not isinstance(made, Mapping):
                raise UsageError(
                    f"'{name}' of 'custom_artifacts' gave {type(made).__name__}, and no dictionary",
                    hint="return {'name': object or path}",
                )
            for key, value in made.items():
                file, data = _file_of(str(key), value, name)
                evaluation.keep(str(key), check_artifact_path(file), data)


def _file_of(name: str, value: Any, maker: str) -> tuple[str, bytes]:
    """Make a file of an object: its name, and what is in it."""
    import numpy as np
    import pandas as pd

    if isinstance(value, str | Path) and Path(value).is_file():
        if ending(str(value)) not in KINDS:
            raise UsageError(
                f"'{maker}' made '{Path(value).name}', a file of no kind that is known",
                hint=f"there are {', '.join(KINDS)}",
            )
        return name + ending(str(value)), Path(value).read_bytes()
    if isinstance(value, pd.DataFrame):
        return f"{name}.csv", value.to_csv(index=False).encode()
    buffer = io.BytesIO()
    if isinstance(value, np.ndarray):
        np.save(buffer, value, allow_pickle=False)
        return f"{name}.npy", buffer.getvalue()
    if hasattr(value, "savefig"):
        value.savefig(buffer, format="png")
        return f"{name}.png", buffer.getvalue()
    try:
        return f"{name}.json", json.dumps(value).encode()
    except (TypeError, ValueError) as err:
        raise UsageError(
            f"no file can be made of '{name}', {type(value).__name__}, which '{maker}' made",
            hint="write it to the folder that it gets, and return the path",
        ) from err
