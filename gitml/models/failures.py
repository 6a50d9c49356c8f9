"""What code of a model raises, told as the model's failure: whoever started a command is not its author."""

from __future__ import annotations

import os
import sysconfig
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from gitml.errors import GitmlError

_LIBRARIES = {sysconfig.get_path(name) for name in ("stdlib", "platstdlib", "purelib", "platlib")}
_NOT_THE_MAKERS = (
    "<frozen ",
    *(f"{folder}{os.sep}" for folder in (Path(__file__).parents[1], *sorted(_LIBRARIES))),
)
_HINT = "that is the model's own code, or its framework's; gitml --traceback … shows where"


class ModelFailedError(GitmlError):
    """The model raised an error.

    Attributes:
        doing: What it was to do.
        reason: Its error.
    """

    exit_code = 1
    error_code = "BAD_REQUEST"

    def __init__(self, doing: str, reason: Exception, hint: str | None = None) -> None:
        said = str(reason).strip().partition("\n")[0]
        super().__init__(
            f"the model can't {doing}: {type(reason).__name__}{f': {said:.500}' if said else ''}{_place(reason)}",
            hint=f"{hint}; {_HINT}" if hint else _HINT,
        )
        self.doing = doing
        self.reason = reason


@contextmanager
def model_at_work(doing: str, *, hint: str | None = None) -> Iterator[None]:
    """Tell what a model raises as its failure; errors of gitml stay as they are.

    Args:
        doing: What it is to do: `be loaded`, `predict rows 1 to 9`.
        hint: What helps beside looking at its code.

    Raises:
        ModelFailedError: It raised an error.
    """
    try:
        yield
    except GitmlError:
        raise
    except Exception as err:
        raise ModelFailedError(doing, err, hint) from err


def _place(error: Exception) -> str:
    """Where in code of the model's maker it was raised; nothing if that was in a library."""
    for frame in reversed(traceback.extract_tb(error.__traceback__)):
        if not frame.filename.startswith(_NOT_THE_MAKERS):
            return f" ({Path(frame.filename).name}, line {frame.lineno}, in {frame.name})"
    return ""
