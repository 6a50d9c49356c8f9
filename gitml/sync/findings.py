"""What an inspection looks for, and what it says when it found something."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from gitml.errors import RefusedError
from gitml.formats import yaml

_SHOWN = 3


@dataclass(frozen=True, slots=True)
class Limits:
    """How large things may be that join the runs.

    Attributes:
        blob_bytes: A file that git itself holds, code included.
        object_bytes: What a pointer may stand for.
        record_bytes: A record's YAML, note and list of pointers.
        paths: Files and folders of one run, its code not counted.
    """

    blob_bytes: int = 100 * 1024**2
    object_bytes: int = 16 * 1024**4
    record_bytes: int = yaml.MAX_BYTES
    paths: int = 1_000_000


@dataclass(frozen=True, slots=True)
class Trouble:
    """A rule that something in a tree breaks; `path` is empty for the tree as a whole."""

    path: str
    rule: str
    message: str


@dataclass(frozen=True, slots=True)
class Finding:
    """A rule of the format that a commit breaks.

    Attributes:
        commit: The commit.
        path: Where in its tree; empty for the commit itself.
        rule: A word for programs: `foreign`, `message`, `record`, `join`, `tree`, `mode`,
            `name`, `pointer`, `size`, `code` or `missing`.
        message: What is wrong, in words.
    """

    commit: str
    path: str
    rule: str
    message: str

    def __str__(self) -> str:
        where = f":{self.path}" if self.path else ""
        return f"{self.commit[:12]}{where}: {self.message}"


class UnsoundRecordsError(RefusedError):
    """Commits that were to join the runs are not what the format allows."""

    def __init__(self, source: str, findings: Sequence[Finding], hint: str | None = None) -> None:
        told = "; ".join(map(str, findings[:_SHOWN])) + ("; …" if len(findings) > _SHOWN else "")
        super().__init__(
            f"what came from '{source}' can't join the runs: {told}",
            hint=hint
            or "nothing was joined; ask who made these records to record them again, with gitml as it is now",
        )
        self.source = source
        self.findings = tuple(findings)
