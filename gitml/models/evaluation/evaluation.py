"""An evaluation in the making: metrics gathered, files drawn and kept with the run."""

from __future__ import annotations

import io
import warnings
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import PurePosixPath
from typing import TYPE_CHECKING, Any

from gitml.api.fluent import get_client
from gitml.models.evaluation.data import Examples
from gitml.models.evaluation.predicting import Predicted
from gitml.models.evaluation.result import EvaluationArtifact, EvaluationResult
from gitml.models.plots import has_matplotlib

if TYPE_CHECKING:
    from matplotlib.figure import Figure


class EvaluationWarning(UserWarning):
    """Something of an evaluation could not be computed or drawn."""


@dataclass(slots=True)
class Evaluation:
    """An evaluation in the making.

    Attributes:
        model: What predicts; None if the predictions were there before.
        examples: What it is evaluated on.
        predicted: What it predicted.
        config: What the caller wants it done like.
        run_id: The run that it is logged to; None: nothing is logged.
        metrics: What was found so far.
        artifacts: The files so far.
    """

    model: Any
    examples: Examples
    predicted: Predicted
    config: Mapping[str, Any]
    run_id: str | None
    metrics: dict[str, float] = field(default_factory=dict)
    artifacts: dict[str, EvaluationArtifact] = field(default_factory=dict)

    @property
    def prefix(self) -> str:
        """What stands before the names of metrics and plots."""
        return str(self.config.get("metric_prefix") or "")

    @property
    def weights(self) -> Any:
        """How much each example counts; None: all the same."""
        return self.config.get("sample_weights")

    def measure(self, what: str, find: Callable[[], Mapping[str, Any]]) -> None:
        """Add metrics; where the data does not allow them, as with one class only, that is told.

        Args:
            what: What is measured, for the warning.
            find: Measures it.
        """
        try:
            found = find()
        except ValueError as err:
            warnings.warn(f"{what} can't be computed: {err}", EvaluationWarning, stacklevel=6)
            return
        self.metrics.update({name: _number(value) for name, value in found.items()})

    def draw(self, name: str, make: Callable[[], Figure]) -> None:
        """Keep a plot, in PNG; without matplotlib there is none.

        Args:
            name: What it is called; the file has the prefix and an ending besides.
            make: Draws it.
        """
        if not has_matplotlib():
            return
        try:
            figure = make()
        except ValueError as err:
            warnings.warn(f"the plot '{name}' can't be drawn: {err}", EvaluationWarning, stacklevel=6)
            return
        buffer = io.BytesIO()
        figure.savefig(buffer, format="png")
        self.keep(name, f"{self.prefix}{name}.png", buffer.getvalue())

    def keep(self, name: str, file: str, data: bytes) -> None:
        """Keep a file with the run.

        Args:
            name: What it is called among the artifacts of the evaluation.
            file: What the file is called.
            data: What is in it.
        """
        if self.run_id is not None:
            get_client().log_bytes(self.run_id, data, file)
        uri = file if self.run_id is None else f"runs:/{self.run_id}/{file}"
        self.artifacts[name] = EvaluationArtifact(uri, data)

    def result(self) -> EvaluationResult:
        """Give what was found, names with their prefix, and log the metrics."""
        metrics = {self.prefix + name: value for name, value in self.metrics.items()}
        if self.run_id is not None and metrics:
            get_client().writer(self.run_id).log_metrics(metrics)
        return EvaluationResult(metrics, dict(self.artifacts), self.run_id)


def _number(value: Any) -> float:
    item = getattr(value, "item", None)
    return item() if item is not None else value  # type: ignore[no-any-return]


def ending(file: str) -> str:
    """The ending of a file's name, with its dot."""
    return PurePosixPath(file).suffix
