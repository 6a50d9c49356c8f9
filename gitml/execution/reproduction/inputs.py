"""Whether the data sets that a run used are still what they were.

A data set that was a file or folder (`gitml.data.from_file`) has a digest of
its bytes, so it can be looked at again before anything runs. Frames, arrays and
what came from elsewhere can't: their digests are compared after the run.
"""

from __future__ import annotations

import json
import posixpath
import re
from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum
from pathlib import Path, PurePosixPath
from urllib.parse import unquote, urlsplit

from gitml.entities.run import DatasetInput, Run
from gitml.errors import RefusedError
from gitml.execution.sources import Source
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
        lent: Where it belongs below the root of the code, if it is in the work
            tree and not in the code; None if the program finds it by itself.
        reason: Why it can't be checked, or where it was looked for.
    """

    data: DatasetInput
    state: InputState
    found: str | None = None
    path: Path | None = None
    lent: PurePosixPath | None = None
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


def check_inputs(run: Run, source: Source, work_tree: Path | None) -> list[InputCheck]:
    """Look again at the data sets that a run used.

    Args:
        run: The run.
        source: Its code, laid out.
        work_tree: Where files are that are no part of the code; None if there is none.
    """
    given = run.command if run.project is None else tuple(run.project.parameters.values())
    return [_check(data, source, work_tree, given) for data in run.inputs]


def _check(data: DatasetInput, source: Source, work_tree: Path | None, given: Sequence[str]) -> InputCheck:
    reason = _not_checkable(data)
    if reason:
        return InputCheck(data, InputState.UNCHECKED, reason=reason)
    path = _local_path(data.source)
    inside = _place(path, source, work_tree, is_given=any(data.source in text for text in given))
    places: list[tuple[Path, PurePosixPath | None]] = [(path, None)]
    if inside is not None:
        places = [(source.root / inside, None)]
        places += [] if work_tree is None else [(work_tree / inside, inside)]
    elif not path.is_absolute():
        return InputCheck(data, InputState.UNCHECKED, reason=f"'{data.source}' leads out of the code")
    for place, lent in places:
        if place.is_file() or place.is_dir():
            try:
                found = path_digest(place)
            except OSError as err:
                return InputCheck(data, InputState.UNCHECKED, path=place, reason=f"{err.strerror}")
            state = InputState.SAME if found == data.digest else InputState.CHANGED
            return InputCheck(data, state, found, place, lent)
    return InputCheck(data, InputState.MISSING, reason=f"there is no '{data.source}' here")


def _place(path: Path, source: Source, work_tree: Path | None, *, is_given: bool) -> PurePosixPath | None:
    """Say where below the root of the code the program is going to look; None if elsewhere.

    An absolute path that the program was not given it has made from its own
    place, which is another one now.
    """
    if path.is_absolute():
        if is_given or work_tree is None or not path.is_relative_to(work_tree):
            return None
        inside = path.relative_to(work_tree).as_posix()
    else:
        inside = posixpath.normpath(posixpath.join(source.directory, path.as_posix()))
    parts = PurePosixPath(inside).parts
    return PurePosixPath(inside) if parts and ".." not in parts else None


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
