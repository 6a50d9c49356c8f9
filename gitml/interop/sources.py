"""What every importer hands over: experiments and runs, as their source has them.

A reader of some other tool's data yields these; one writer (`run_import`) makes
records of them. Readers never write, and the writer knows no other tool.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from gitml.entities.run import Experiment, Run


@dataclass(frozen=True, slots=True)
class Problem:
    """Something of the source that was not taken as it is.

    Attributes:
        what: The run, model or file, by a name that its owner knows.
        reason: Why, and what became of it.
        lost: Whether it is missing in gitml now (else it was changed visibly).
        damaged: Whether the source can't be read, as opposed to what gitml does not take.
    """

    what: str
    reason: str
    lost: bool = True
    damaged: bool = False


@dataclass(frozen=True, slots=True)
class Curve:
    """All points of a metric, as the lines of its history.

    `problem` says what of it could not be read.
    """

    name: str
    lines: bytes
    problem: str | None = None


@dataclass(frozen=True, slots=True)
class SourceFile:
    """A file that a run keeps: its path below `artifacts/`, and where it is now."""

    path: str
    source: Path
    size: int


@dataclass(frozen=True, slots=True)
class SourceRun:
    """A run as its source has it.

    Attributes:
        run: Its facts, with names and values as the source has them; metrics are
            in `curves`. `run.experiment_id` is the source's id.
        curves: Reads its metrics; called each time they are needed.
        files: Finds its artifacts; called only if they are needed. A Problem stands
            for one that can't be had now: a later import tries again.
        kept: Further files of the record: path in the tree to content.
        facts: What the source knows that a run has no field for; goes into
            `imported/source.yaml`.
        models: Registered and logged models, for `imported/models.json`.
        stamp: Tells a changed run from an unchanged one together with the facts
            and curves, where that can be known without fetching its files. None
            if the content of the files has to tell.
        problems: What could not be taken.
        uncounted: Fields of the run that the source does not say, such as its start;
            that they differ makes no changed run.
    """

    run: Run
    curves: Callable[[], Iterable[Curve]] = tuple
    files: Callable[[], Iterable[SourceFile | Problem]] = tuple
    kept: Mapping[str, bytes] = field(default_factory=dict)
    facts: Mapping[str, object] = field(default_factory=dict)
    models: Mapping[str, object] | None = None
    stamp: str | None = None
    problems: tuple[Problem, ...] = ()
    uncounted: tuple[str, ...] = ()


class Source(Protocol):
    """Where runs come from."""

    kind: str

    def ids(self) -> Sequence[str] | None:
        """List the ids of the runs, if they are known before the runs are read."""
        ...

    def experiments(self) -> Iterable[Experiment]:
        """List experiments, deleted ones too; `id` is the source's."""
        ...

    def runs(self) -> Iterator[SourceRun | Problem]:
        """Read runs one by one; one that can't be read is a Problem and stops nothing."""
        ...
