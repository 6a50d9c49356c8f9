"""What a model is evaluated on: inputs, the answers, and predictions that were made before."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from gitml.errors import UsageError

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True, slots=True)
class Examples:
    """Inputs whose answers are known.

    Attributes:
        inputs: What the model gets.
        columns: The same as a table, for metrics of one's own.
        targets: The answers, as an array; None if nobody gave them.
        predictions: What was predicted before; None if the model is to predict.
        targets_name: The column that the answers came from.
    """

    inputs: Any
    columns: pd.DataFrame
    targets: Any
    predictions: Any
    targets_name: str | None = None

    def check_answers(self) -> None:
        """See that all answers are known.

        Raises:
            UsageError: Some are missing.
        """
        import pandas as pd

        if self.targets is None:
            return
        missing = pd.isna(self.targets).reshape(len(self), -1).any(axis=1)
        if count := int(missing.sum()):
            what = (
                "'targets'"
                if self.targets_name is None
                else f"the column '{self.targets_name}' of the answers"
            )
            first = int(missing.argmax()) + 1
            raise UsageError(
                f"{what} has no value in {count:,} of {len(self):,} rows, the first of them row {first:,}",
                hint="leave these rows out: data.dropna(subset=[…])",
            )

    def __len__(self) -> int:
        return len(self.columns)


def read_examples(
    data: Any, targets: Any, predictions: str | None, feature_names: Sequence[str] | None, *, has_model: bool
) -> Examples:
    """Take data apart.

    Args:
        data: A table, an array, or lists.
        targets: The answers: a column of the table, or values.
        predictions: The column with predictions, if there is no model; of what a model gives, otherwise.
        feature_names: The columns of the inputs, and their order; names for those of an array.
        has_model: Whether a model is to predict.

    Raises:
        UsageError: They don't fit together.
    """
    import numpy as np
    import pandas as pd

    if not isinstance(data, pd.DataFrame):
        return _of_arrays(data, targets, predictions, feature_names)
    answers, name = targets, None
    taken = []
    if isinstance(targets, str):
        answers, name = _column(data, targets, "targets"), targets
        taken.append(targets)
    made = None
    if not has_model and predictions is not None:
        made = _column(data, predictions, "predictions")
        taken.append(predictions)
    inputs = data.drop(columns=taken)
    if feature_names is not None:
        for feature in feature_names:
            _column(data, feature, "feature_names")
        inputs = data[list(feature_names)]
    known = None if answers is None else np.asarray(answers)
    _check_lengths(len(data), known)
    return Examples(inputs, inputs, known, None if made is None else np.asarray(made), name)


def _of_arrays(
    data: Any, targets: Any, predictions: str | None, feature_names: Sequence[str] | None
) -> Examples:
    import numpy as np
    import pandas as pd

    if isinstance(targets, str) or predictions is not None:
        raise UsageError(
            f"names of columns need a table, and 'data' is {type(data).__name__}",
            hint="give a pandas.DataFrame, or the values themselves as 'targets'",
        )
    values = np.asarray(data)
    if values.ndim == 0:
        raise UsageError(
            f"'data' is {type(data).__name__}, and not data",
            hint="give a pandas.DataFrame, an array or lists",
        )
    table = values.reshape(len(values), -1)
    width = len(str(table.shape[1]))
    names = [f"feature_{number:0{width}d}" for number in range(1, table.shape[1] + 1)]
    if feature_names is not None and len(feature_names) != table.shape[1]:
        raise UsageError(
            f"'feature_names' has {len(feature_names)} names, and the data {table.shape[1]} columns"
        )
    columns = pd.DataFrame(table, columns=list(feature_names or names))
    known = None if targets is None else np.asarray(targets)
    _check_lengths(len(values), known)
    return Examples(columns if feature_names is not None else values, columns, known, None)


def _column(data: pd.DataFrame, name: str, role: str) -> Any:
    if name not in data.columns:
        there = ", ".join(map(str, data.columns[:20]))
        raise UsageError(
            f"'{role}' names the column '{name}', which is not in the data", hint=f"there are {there}"
        )
    return data[name]


def _check_lengths(rows: int, targets: Any) -> None:
    if rows == 0:
        raise UsageError("there is nothing to evaluate on: 'data' has no rows")
    if targets is not None and len(targets) != rows:
        raise UsageError(f"'targets' has {len(targets)} values, and the data {rows} rows")
