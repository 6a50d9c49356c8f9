"""The names a filter may use: MLflow's, with their aliases, and gitml's own."""

from __future__ import annotations

import difflib
import re
from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum

from gitml.index.expressions import Field, Kind


class Type(Enum):
    """What can be compared with an attribute."""

    TEXT = "text"
    NUMBER = "a number"
    TIME = "a time"
    DURATION = "a duration"
    BOOLEAN = "true or false"
    STATUS = "a status"
    COMMIT = "a commit id"
    ADDRESS = "an address"


@dataclass(frozen=True, slots=True)
class Attribute:
    """A fact that every run may have.

    `column` is where the index keeps it in its table of runs; the note has a
    table of its own.
    """

    name: str
    type: Type
    column: str
    aliases: tuple[str, ...] = ()


# What the address of a run's artifacts has before the run's id.
ADDRESS_START = "runs:/"

_ATTRIBUTES = (
    Attribute("run_id", Type.TEXT, "run_id", ("id", "run_uuid")),
    Attribute("run_name", Type.TEXT, "name", ("name", "run name", "runname")),
    Attribute("status", Type.STATUS, "status"),
    Attribute("user_id", Type.TEXT, "user", ("user",)),
    Attribute("host", Type.TEXT, "host"),
    Attribute("artifact_uri", Type.ADDRESS, "run_id"),
    Attribute("start_time", Type.TIME, "start_ms", ("created", "created_at", "start")),
    Attribute("end_time", Type.TIME, "end_ms", ("end",)),
    Attribute("duration", Type.DURATION, "duration_s"),
    Attribute("experiment_id", Type.TEXT, "experiment_id"),
    Attribute("experiment", Type.TEXT, "experiment", ("experiment_name",)),
    Attribute("code.commit", Type.COMMIT, "code_commit", ("code_commit", "git_commit")),
    Attribute("branch", Type.TEXT, "branch", ("code.branch",)),
    Attribute("dirty", Type.BOOLEAN, "dirty", ("code.dirty",)),
    Attribute("parent_run_id", Type.TEXT, "parent_id", ("parent", "parent_id")),
    Attribute("entry_point", Type.TEXT, "entry_point"),
    Attribute("exit_code", Type.NUMBER, "exit_code"),
    Attribute("error", Type.TEXT, "error"),
    Attribute("note", Type.TEXT, "", ("description",)),
    Attribute("live", Type.BOOLEAN, "live"),
)
ATTRIBUTES = {attribute.name: attribute for attribute in _ATTRIBUTES}
_BY_ALIAS = {alias: a for a in _ATTRIBUTES for alias in (a.name, *a.aliases)}

KINDS = {
    "metric": Kind.METRIC, "metrics": Kind.METRIC,
    "param": Kind.PARAM, "params": Kind.PARAM, "parameter": Kind.PARAM, "parameters": Kind.PARAM,
    "tag": Kind.TAG, "tags": Kind.TAG,
    "attribute": Kind.ATTRIBUTE, "attributes": Kind.ATTRIBUTE, "attr": Kind.ATTRIBUTE, "run": Kind.ATTRIBUTE,
    "dataset": Kind.DATASET, "datasets": Kind.DATASET,
}  # fmt: skip
# MLflow's names of tags that are attributes here.
SYSTEM_TAGS = {
    "mlflow.runName": "run_name",
    "mlflow.parentRunId": "parent_run_id",
    "mlflow.note.content": "note",
    "mlflow.user": "user_id",
    "mlflow.source.git.commit": "code.commit",
    "mlflow.source.git.branch": "branch",
    "mlflow.gitBranch": "branch",
    "mlflow.source.name": "entry_point",
    "mlflow.project.entryPoint": "entry_point",
}
_DATASET_KEYS = ("name", "digest", "context")
STATS = ("last", "min", "max", "step", "min_step", "max_step", "count")
_PLAIN = re.compile(r"[\w./:@-]+")  # what needs no quotes behind a kind
_QUOTED = re.compile(
    r"""(?P<kind>\w+)\.(?P<quote>[`"'])(?P<key>.*)(?P=quote)(?:\.(?P<stat>\w+))?""", re.DOTALL
)


def attribute_named(name: str) -> str | None:
    """Find the name under which an attribute is kept in `ATTRIBUTES` by any of its names."""
    found = _BY_ALIAS.get(name.lower())
    return None if found is None else found.name


def qualified(kind: Kind, key: str, stat: str = "last") -> str:
    """Write the name of a metric, param or tag as a filter takes it, in quotes if it needs them."""
    looks_like_stat = kind is Kind.METRIC and key.rpartition(".")[2] in STATS
    if not _PLAIN.fullmatch(key) or looks_like_stat:
        quote = next((letter for letter in "`\"'" if letter not in key), "`")
        key = f"{quote}{key}{quote}"
    return f"{kind.value}.{key}" + ("" if stat == "last" else f".{stat}")


class UnknownFieldError(Exception):
    """A name that stands for nothing.

    `name` is what was not found, without quotes; `close` are names that it may be meant to be.
    """

    def __init__(self, problem: str, name: str, close: tuple[str, ...] = ()) -> None:
        super().__init__(problem)
        self.problem = problem
        self.name = name
        self.close = close


def resolve(spelled: str, is_metric: Callable[[str], bool]) -> Field:
    """Find what a name in a filter stands for.

    Args:
        spelled: The name as written, quotes included.
        is_metric: Tells whether any run has a metric of that name. Decides
            what `metrics.loss.min` is where there is a metric 'loss.min' but
            no 'loss'.

    Raises:
        UnknownFieldError: It is no name that a filter knows.
    """
    quoted = _QUOTED.fullmatch(spelled)
    if quoted:
        return _of_kind(quoted["kind"], quoted["key"], quoted["stat"] or "last", spelled)
    if spelled[:1] in ('"', "`"):
        return _attribute(spelled[1:-1])
    if spelled.lower() in _BY_ALIAS:
        return _attribute(spelled)
    kind, dot, key = spelled.partition(".")
    if not dot:
        return _attribute(spelled)
    stat = "last"
    if KINDS.get(kind.lower()) is Kind.METRIC:
        name, _, suffix = key.rpartition(".")
        if name and suffix in STATS and (is_metric(name) or not is_metric(key)):
            key, stat = name, suffix
    return _of_kind(kind, key, stat, spelled)


def _of_kind(entity: str, key: str, stat: str, spelled: str) -> Field:
    kind = KINDS.get(entity.lower())
    if kind is None:
        close = difflib.get_close_matches(entity.lower(), KINDS, n=1, cutoff=0.6)
        suggestions = tuple(f"{word}.{spelled.partition('.')[2]}" for word in close)
        raise UnknownFieldError(
            f"'{entity}' is not one of metrics, params, tags, attributes, datasets", spelled, suggestions
        )
    if not key:
        raise UnknownFieldError(f"a name is missing after '{entity}.'", "")
    if kind is Kind.ATTRIBUTE:
        return _attribute(key)
    if kind is Kind.TAG and key in SYSTEM_TAGS:
        return Field(Kind.ATTRIBUTE, SYSTEM_TAGS[key])
    if kind is Kind.DATASET and key not in _DATASET_KEYS:
        raise UnknownFieldError(
            f"data sets have no '{key}'", key, tuple(f"datasets.{name}" for name in _DATASET_KEYS)
        )
    return Field(kind, key, stat if kind is Kind.METRIC else "last")


def _attribute(name: str) -> Field:
    found = _BY_ALIAS.get(name.lower())
    if found is not None:
        return Field(Kind.ATTRIBUTE, found.name)
    close = difflib.get_close_matches(name.lower(), _BY_ALIAS, n=1, cutoff=0.7)
    raise UnknownFieldError(f"runs have no attribute '{name}'", name, tuple(close))
