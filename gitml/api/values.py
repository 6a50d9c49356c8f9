"""The small things MLflow's calls take and give: metrics, params, tags, files, pages.

Names, fields and meanings are MLflow's; everything is a frozen dataclass with a
`to_dictionary()`.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass, fields
from typing import Any, ClassVar, Generic, TypeVar

from gitml.entities.run import Number, ParamValue, RunStatus
from gitml.errors import UsageError

Item = TypeVar("Item")


class _Dictionary:
    """Gives a dataclass what every entity of MLflow has."""

    __slots__ = ()

    def __iter__(self) -> Iterator[tuple[str, Any]]:
        """Give names and values, so that `dict(run.info)` works."""
        return ((part.name, getattr(self, part.name)) for part in fields(self))  # type: ignore[arg-type]

    def to_dictionary(self) -> dict[str, Any]:
        """Turn into plain dictionaries and lists, as for JSON."""
        return asdict(self)  # type: ignore[call-overload, no-any-return]


@dataclass(frozen=True, slots=True)
class Metric(_Dictionary):
    """One value of a metric; `timestamp` is in ms since 1970, UTC."""

    key: str
    value: Number
    timestamp: int
    step: int = 0


@dataclass(frozen=True, slots=True)
class Param(_Dictionary):
    """One param. Its value keeps the type that it was logged with."""

    key: str
    value: ParamValue


@dataclass(frozen=True, slots=True)
class RunTag(_Dictionary):
    """A tag of a run."""

    key: str
    value: str


@dataclass(frozen=True, slots=True)
class ExperimentTag(_Dictionary):
    """A tag of an experiment."""

    key: str
    value: str


@dataclass(frozen=True, slots=True)
class InputTag(_Dictionary):
    """A tag of a data set as an input of one run."""

    key: str
    value: str


@dataclass(frozen=True, slots=True)
class FileInfo(_Dictionary):
    """A file or folder among a run's artifacts.

    `path` is relative to the run's artifacts; `file_size` is in bytes and None
    for a folder.
    """

    path: str
    is_dir: bool
    file_size: int | None


class PagedList(list[Item], Generic[Item]):
    """A list that is one page of a longer one.

    `token` asks for the next page and is None on the last one.
    """

    def __init__(self, items: Iterable[Item] = (), token: str | None = None) -> None:
        super().__init__(items)
        self.token = token

    def to_list(self) -> list[Item]:
        """Copy the page into a plain list."""
        return list(self)


class ViewType:
    """Whether to find what is there, what was deleted, or both."""

    ACTIVE_ONLY: ClassVar[int] = 1
    DELETED_ONLY: ClassVar[int] = 2
    ALL: ClassVar[int] = 3
    _NAMES: ClassVar[Mapping[int, str]] = {1: "active_only", 2: "deleted_only", 3: "all"}

    @classmethod
    def from_string(cls, view: str) -> int:
        """Turn 'active_only', 'deleted_only' or 'all' into its number.

        Raises:
            UsageError: It is none of them.
        """
        for number, name in cls._NAMES.items():
            if name == view.lower():
                return number
        raise UsageError(
            f"view type {view!r} is unknown", hint=f"use one of {', '.join(cls._NAMES.values())}"
        )

    @classmethod
    def to_string(cls, view_type: int) -> str:
        """Turn the number into its word.

        Raises:
            UsageError: There is no such view type.
        """
        try:
            return cls._NAMES[view_type]
        except KeyError:
            raise UsageError(f"view type {view_type!r} is unknown", hint="use 1, 2 or 3") from None


class LifecycleStage:
    """MLflow's words for what exists and what was deleted."""

    ACTIVE: ClassVar[str] = "active"
    DELETED: ClassVar[str] = "deleted"


class SourceType:
    """MLflow's numbers for what a run was started from."""

    NOTEBOOK: ClassVar[int] = 1
    JOB: ClassVar[int] = 2
    PROJECT: ClassVar[int] = 3
    LOCAL: ClassVar[int] = 4
    UNKNOWN: ClassVar[int] = 5
    _NAMES: ClassVar[tuple[str, ...]] = ("NOTEBOOK", "JOB", "PROJECT", "LOCAL", "UNKNOWN")

    @classmethod
    def from_string(cls, source: str) -> int:
        """Turn a word, as in the tag `mlflow.source.type`, into its number.

        Raises:
            UsageError: It is none of them.
        """
        if source not in cls._NAMES:
            raise UsageError(f"source type {source!r} is unknown", hint=f"use one of {', '.join(cls._NAMES)}")
        return cls._NAMES.index(source) + 1

    @classmethod
    def to_string(cls, source_type: int) -> str:
        """Turn the number into its word.

        Raises:
            UsageError: There is no such source type.
        """
        if source_type not in range(1, len(cls._NAMES) + 1):
            raise UsageError(f"source type {source_type!r} is unknown", hint="use 1 to 5")
        return cls._NAMES[source_type - 1]


class Done:
    """What a call returns that was asked not to wait: all is written already."""

    def wait(self) -> None:
        """Return at once."""


DONE = Done()


def done(synchronous: bool | None) -> Done | None:
    """Give what can be waited for to a caller that asked not to wait; else nothing."""
    return DONE if synchronous is False else None


def parse_status(status: str | int | RunStatus) -> RunStatus:
    """Read a run's status in any of the ways MLflow writes it.

    Args:
        status: A word in any case, MLflow's number (1 RUNNING, 2 SCHEDULED,
            3 FINISHED, 4 FAILED, 5 KILLED) or gitml's own enum.

    Raises:
        UsageError: It is none of them.

    Example:
        >>> parse_status("FINISHED")
        <RunStatus.FINISHED: 'finished'>
    """
    if isinstance(status, RunStatus):
        return status
    every = list(RunStatus)
    if isinstance(status, int) and 1 <= status <= len(every):
        return every[status - 1]
    if isinstance(status, str):
        for known in every:
            if known.value == status.lower():
                return known
    raise UsageError(f"status {status!r} is unknown", hint="use one of " + ", ".join(s.name for s in every))
