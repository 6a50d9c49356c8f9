"""gitml's names made into those that MLflow's file store can hold."""

from __future__ import annotations

import hashlib
import os
import posixpath
import re
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import IO

from gitml.entities.run import DEFAULT_EXPERIMENT_ID, Experiment
from gitml.interop.experiments import ID_TAG

_ALLOWED = re.compile(r"[/\w.\- :]+")
_EXPERIMENT_ID = re.compile(r"[a-zA-Z0-9][\w\-]{0,63}", re.ASCII)
_HEX = re.compile(r"[0-9a-f]{16}")


class NamedFiles:
    """Files of a folder that are named by a param, metric or tag.

    A name that MLflow refuses, or that would be both a file and a folder, gets another
    one, which is noted so that an import finds the first one again.
    """

    def __init__(self, folder: Path, kind: str, renamed: dict[str, dict[str, str]]) -> None:
        """Begin with an empty folder.

        Args:
            folder: Where the files are; made with the first of them.
            kind: "param", "metric" or "tag".
            renamed: Where new names are noted: kind to new name to old.
        """
        self._folder = folder
        self._kind = kind
        self._renamed = renamed

    def write(self, name: str, chunks: Iterable[bytes]) -> None:
        """Write the file of a name."""
        new = name if _is_allowed(name) else _marked(re.sub(r"[^\w.\- :/]", "_", name), name)
        try:
            stream = self._open(new)
        except (FileExistsError, NotADirectoryError, IsADirectoryError):
            # It would be both a file and a folder; or this disk takes letters of either case for the same.
            new = _marked(new, name)
            stream = self._open(new)
        if new != name:
            self._renamed.setdefault(self._kind, {})[new] = name
        with stream:
            stream.writelines(chunks)

    def _open(self, name: str) -> IO[bytes]:
        path = f"{self._folder}/{name}"
        try:
            return open(path, "xb")
        except FileNotFoundError:
            os.makedirs(os.path.dirname(path), exist_ok=True)
            return open(path, "xb")


def _is_allowed(name: str) -> bool:
    plain = _ALLOWED.fullmatch(name) is not None and len(name) <= 250
    return plain and posixpath.normpath(name) == name and not name.startswith(("/", "..")) and name != "."\
        and all(len(part.encode()) <= 250 for part in name.split("/"))  # fmt: skip


def _marked(new: str, name: str) -> str:
    """Make a name of one part that nothing else has."""
    digest = hashlib.sha256(name.encode("utf-8", "replace")).hexdigest()[:8]
    return f"{new.replace('/', '_')[:50].strip('. ') or 'name'}_{digest}"


def experiment_ids(experiments: Iterable[Experiment]) -> Mapping[str, str]:
    """Give experiments the ids that they have in MLflow: the one they came with, or a number."""
    return dict(_experiment_ids(experiments))


def _experiment_ids(experiments: Iterable[Experiment]) -> Iterator[tuple[str, str]]:
    taken = {DEFAULT_EXPERIMENT_ID}
    yield DEFAULT_EXPERIMENT_ID, DEFAULT_EXPERIMENT_ID
    for experiment in experiments:
        if experiment.id == DEFAULT_EXPERIMENT_ID:
            continue
        wanted = experiment.tags.get(ID_TAG, "")
        if not _EXPERIMENT_ID.fullmatch(wanted) or wanted in taken or wanted == "models":
            wanted = _number(experiment.id)
        taken.add(wanted)
        yield experiment.id, wanted


def _number(experiment_id: str) -> str:
    """Derive a number of up to 18 digits, as MLflow's databases count experiments."""
    digits = (
        experiment_id if _HEX.fullmatch(experiment_id) else hashlib.sha256(experiment_id.encode()).hexdigest()
    )
    return str(int(digits[:14], 16) + 1)
