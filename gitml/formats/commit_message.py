"""The message of a record: a subject for people, git trailers for programs."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from gitml.entities.run import Experiment, Number, Run

if TYPE_CHECKING:
    from gitml.entities.registry import ModelRecord

RUN_ID = "Run-Id"
EXPERIMENT_ID = "Experiment-Id"
MODEL_ID = "Model-Id"
_HEADLINES = 3


def run_message(run: Run, action: str | None = None) -> str:
    """Write the message of a run's record.

    Args:
        run: The run as recorded.
        action: What a later record did to it ("tagged", "deleted"), None for
            the record that ended it.
    """
    what = action or " ".join(
        f"{key}={short_number(summary.last)}" for key, summary in list(run.metrics.items())[:_HEADLINES]
    )
    lines = [
        f"{run.experiment}/{run.name}: {what or run.status.value}",
        "",
        f"{RUN_ID}: {run.id}",
        f"Experiment: {run.experiment}",
        f"Status: {run.status.value}",
    ]
    if run.code.commit:
        lines.append(f"Code-Commit: {run.code.commit}")
    return "\n".join(lines) + "\n"


def experiment_message(experiment: Experiment, action: str) -> str:
    """Write the message of an experiment's record."""
    return f"experiment {experiment.name}: {action}\n\n{EXPERIMENT_ID}: {experiment.id}\n"


def model_message(model: ModelRecord, action: str) -> str:
    """Write the message of a model's record."""
    return f"model {model.name}: {' '.join(action.split())}\n\n{MODEL_ID}: {model.id}\n"


def trailers(message: str) -> dict[str, str]:
    """Read the trailers of a message: the `Key: value` lines of its last paragraph."""
    return dict(trailer_lines(message))


def trailer_lines(message: str) -> list[tuple[str, str]]:
    """Read the trailers of a message; one that stands twice twice."""
    paragraph = message.rstrip().rpartition("\n\n")[2]
    pairs = [line.partition(": ") for line in paragraph.split("\n")]
    return [(key, value.strip()) for key, colon, value in pairs if colon and key and " " not in key]


def is_ours(message: str, parents: Sequence[str]) -> bool:
    """Whether a commit on the runs branch is gitml's: a record, or a joint of histories."""
    if len(parents) > 1:
        return True
    found = trailers(message)
    return not found.keys().isdisjoint((RUN_ID, EXPERIMENT_ID, MODEL_ID))


def short_number(value: Number) -> str:
    """Write a number with four significant digits; integers whole while they are short."""
    if not isinstance(value, int):
        return f"{value:.4g}"
    if abs(value) < 10**12:
        return str(value)
    from decimal import Decimal  # a float could not hold it

    return f"{Decimal(value):.4g}"
