"""Whether the data sets that a run used are still what they were.

A data set that was a file or folder (`gitml.data.from_file`) has a digest of
its bytes, so it can be looked at again before anything runs. Frames, arrays and
what came from elsewhere can't: their digests are compared after the run.
"""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum
from pathlib import Path, PurePosixPath
from urllib.parse import unquote, urlsplit

from gitml.entities.run import DatasetInput
from gitml.errors import RefusedError
from gitml.tracking.digest import DIGEST_LENGTH, path_digest

_DIGEST = re.compile(rf"[0-9a-f]{{{DIGEST_LENGTH}}}")


class InputState(Enum):
    """What is known of a data set before a run."""

    SAME = "same"
    CHANGED = "changed"
    MISSING = "missing"
    UNCHECKED = "unchecked"


@dataclass(frozen=True, slots=True)
class InputCheck:
    """A data set that a run used, looked at again.

    Attributes:
        data: What was recorded of it.
        state: Whether it is the same.
        found: The digest that it has now, None if that is not known.
        path: Where it was looked at; None if nowhere.
        outside: Whether it is in the work tree, and not in the code laid out.
        reason: Why it can't be checked, or where it was looked for.
    """

    data: DatasetInput
    state: InputState
    found: str | None = None
    path: Path | None = None
    outside: bool = False
    reason: str = ""


class InputsChangedError(RefusedError):
    """A data set is not what it was when the run used it."""

    def __init__(self, changed: Sequence[InputCheck]) -> None:
        lines = "".join(
            f"\n  {one.data.name}: {one.data.digest} then, {one.found} now ({one.path})" for one in changed
        )
        super().__init__(
            f"the run can't be done again: {'a data set' if len(changed) == 1 else f'{len(changed)} data sets'} "
            f"changed{lines}",
            hint="bring the data back, or run on what is there: --allow-changed-inputs",
        )
        self.changed = tuple(changed)


def check_inputs(inputs: Sequence[DatasetInput], folder: Path, here: Path | None) -> list[InputCheck]:
    """Look again at the data sets that a run used.

    Args:
        inputs: What was recorded of them.
        folder: The folder that the program is going to run in.
        here: The same folder in the work tree, for files that are no part of
            the code; None if there is none.
    """
    return [_check(data, folder, here) for data in inputs]


def _check(data: DatasetInput, folder: Path, here: Path | None) -> InputCheck:
    reason = _not_checkable(data)
    if reason:
        return InputCheck(data, InputState.UNCHECKED, reason=reason)
    source = _local_path(data.source)
    for base, outside in ((folder, False), (here, True)):
        path = None if base is None else base / source
        if path is not None and (path.is_file() or path.is_dir()):
            try:
                found = path_digest(path)
            except OSError as err:
                return InputCheck(data, InputState.UNCHECKED, path=path, reason=f"{err.strerror}")
            state = InputState.SAME if found == data.digest else InputState.CHANGED
            return InputCheck(data, state, found, path, outside and not source.is_absolute())
    return InputCheck(data, InputState.MISSING, reason=f"there is no '{data.source}' here")


def _not_checkable(data: DatasetInput) -> str:
    """Say why a data set has no bytes here that its digest could be of."""
    if data.source_type != "local" or not data.source:
        return f"it came from {data.source or data.source_type}"
    if data.schema is not None or not _DIGEST.fullmatch(data.digest) or not _is_of_bytes(data.profile):
        return "its digest is not one of a file's bytes"
    if "\0" in data.source:
        return "its source is no path"
    return ""


def _is_of_bytes(profile: str | None) -> bool:
    try:
        facts = json.loads(profile or "{}")
    except ValueError:
        return False
    return isinstance(facts, dict) and "num_bytes" in facts


def _local_path(source: str) -> Path:
    return Path(unquote(urlsplit(source).path)) if source.lower().startswith("file://") else Path(source)


def place_below(source: str) -> PurePosixPath | None:
    """Give a data set's path if it is a relative one that stays below its folder."""
    path = PurePosixPath(source)
    return None if path.is_absolute() or ".." in path.parts or not path.parts else path
