"""Fields of a run by name: what `--columns`, `--group-by` and `--format` ask for."""

from __future__ import annotations

import difflib
import re
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from gitml.entities.run import Run
from gitml.errors import UsageError
from gitml.render.numbers import format_age, format_duration, format_param, utc_text
from gitml.render.text import clean

SHORT_ID = 7

ATTRIBUTES: Mapping[str, Callable[[Run], Any]] = {
    "id": lambda run: run.id,
    "name": lambda run: run.name,
    "experiment": lambda run: run.experiment,
    "experiment_id": lambda run: run.experiment_id,
    "status": lambda run: run.status.value,
    "start": lambda run: utc_text(run.start_ms),
    "end": lambda run: utc_text(run.end_ms) if run.end_ms is not None else None,
    "duration_s": lambda run: run.duration_s,
    "user": lambda run: run.user,
    "host": lambda run: run.host,
    "parent": lambda run: run.parent_id,
    "entry_point": lambda run: run.entry_point,
    "command": lambda run: " ".join(run.command) or None,
    "exit_code": lambda run: run.exit_code,
    "error": lambda run: run.error,
    "code.commit": lambda run: run.code.commit,
    "code.branch": lambda run: run.code.branch,
    "code.dirty": lambda run: run.code.dirty,
    "note": lambda run: run.note or None,
    "live": lambda run: run.live,
    "deleted": lambda run: utc_text(run.deleted_ms) if run.deleted_ms is not None else None,
    "commit": lambda run: run.commit,
}
_ALIASES = {
    "run_id": "id", "run": "id", "run_name": "name", "start_time": "start", "end_time": "end",
    "duration": "duration_s", "user_id": "user", "branch": "code.branch", "dirty": "code.dirty",
    "code_commit": "code.commit", "when": "start", "time": "duration_s",
}  # fmt: skip
_STATS = ("last", "min", "max", "step", "min_step", "max_step", "count")
_PREFIXES = {
    "metrics": "metrics", "metric": "metrics", "m": "metrics",
    "params": "params", "param": "params", "p": "params",
    "tags": "tags", "tag": "tags", "t": "tags",
}  # fmt: skip
# git's letters where git has one for the same thing.
_LETTERS: Mapping[str, Callable[[Run], str]] = {
    "H": lambda run: run.id,
    "h": lambda run: run.id[:SHORT_ID],
    "s": lambda run: run.name,
    "e": lambda run: run.experiment,
    "S": lambda run: run.status.value,
    "C": lambda run: run.code.commit or "",
    "c": lambda run: (run.code.commit or "")[:SHORT_ID],
    "an": lambda run: run.user or "",
    "ad": lambda run: utc_text(run.start_ms),
    "ar": lambda run: format_age(run.start_ms, int(time.time() * 1000)),
    "at": lambda run: str(run.start_ms // 1000),
    "d": lambda run: format_duration(run.duration_s),
    "N": lambda run: run.note,
}
_PLACEHOLDER = re.compile(
    r"%(?:\((?P<field>[^()]*(?:\([^()]*\)[^()]*)*)\)|x(?P<hex>[0-9a-fA-F]{2})|(?P<letter>a[a-z]|.|$))",
    re.DOTALL,
)


class UnknownColumnError(UsageError):
    """No run shown has a field of that name."""

    def __init__(self, name: str, known: Sequence[str]) -> None:
        spelled: dict[str, str] = {}
        for field in known:
            spelled.setdefault(field.partition(".")[2] or field, field)
            spelled[field] = field
        close = [spelled[match] for match in difflib.get_close_matches(name, spelled, n=3)]
        super().__init__(
            f"no run here has '{name}'",
            hint=f"did you mean {', '.join(dict.fromkeys(close))}?"
            if close
            else "gitml log --all-columns shows what there is",
        )


class FormatError(UsageError):
    """A template that can't be read."""

    def __init__(self, what: str) -> None:
        super().__init__(f"--format has {what}", hint="gitml help formats lists what it can have")


def find_field(name: str, runs: Sequence[Run]) -> str:
    """Find the full name of a field: 'acc' may be `metrics.acc`, `params.acc` or `tags.acc`.

    Raises:
        UnknownColumnError: None of the runs has it.
    """
    plain_name = name.replace("`", "")
    attribute = _ALIASES.get(plain_name, plain_name)
    if attribute.startswith(("attributes.", "attribute.")):
        attribute = attribute.partition(".")[2]
    if attribute in ATTRIBUTES:
        return attribute
    prefix, dot, key = plain_name.partition(".")
    if dot and prefix in _PREFIXES and any(_has(run, _PREFIXES[prefix], key) for run in runs):
        return f"{_PREFIXES[prefix]}.{key}"
    for kind in ("metrics", "params", "tags"):
        if any(_has(run, kind, plain_name) for run in runs):
            return f"{kind}.{plain_name}"
    raise UnknownColumnError(name, [*ATTRIBUTES, *known_fields(runs)])


def known_fields(runs: Sequence[Run]) -> list[str]:
    """Name the metrics, params and tags that some run has, in the order logged."""
    found: dict[str, None] = {}
    for kind in ("metrics", "params", "tags"):
        for run in runs:
            found.update((f"{kind}.{key}", None) for key in getattr(run, kind))
    return list(found)


def field_value(run: Run, field: str) -> Any:
    """Read a field by its full name, as `find_field` gives it; None if the run lacks it."""
    if field in ATTRIBUTES:
        return ATTRIBUTES[field](run)
    kind, _, key = field.partition(".")
    if kind == "metrics":
        name, stat = split_metric(run, key)
        return getattr(run.metrics[name], stat) if name in run.metrics else None
    values: Mapping[str, Any] = getattr(run, kind)
    return values.get(key)


def split_metric(run: Run, key: str) -> tuple[str, str]:
    """Split 'loss.min' into metric and statistic; a metric of that whole name goes first."""
    name, dot, stat = key.rpartition(".")
    if key in run.metrics or not dot or stat not in _STATS:
        return key, "last"
    return name, stat


def _has(run: Run, kind: str, key: str) -> bool:
    if kind == "metrics":
        return split_metric(run, key)[0] in run.metrics
    return key in getattr(run, kind)


def fill_template(template: str, run: Run) -> str:
    r"""Fill git-like placeholders from a run.

    `%h` `%H` `%s` … and `%(metrics.acc)`, `%(params.lr)`, `%(tags.team)`,
    `%(status)`; `%n` is a line end, `%x09` a byte by its number, `%%` a percent sign.

    Raises:
        FormatError: A placeholder means nothing.
    """

    def fill(match: re.Match[str]) -> str:
        if match["field"] is not None:
            return _field_text(run, match["field"])
        if match["hex"] is not None:
            return chr(int(match["hex"], 16))
        letter = match["letter"]
        if letter in ("n", "%"):
            return "\n" if letter == "n" else "%"
        if letter not in _LETTERS:
            raise FormatError(f"the unknown placeholder '%{letter}'")
        return _LETTERS[letter](run)

    return _PLACEHOLDER.sub(fill, template)


def _field_text(run: Run, name: str) -> str:
    attribute = _ALIASES.get(name, name)
    if attribute not in ATTRIBUTES:
        prefix, dot, key = name.partition(".")
        if not dot or prefix not in _PREFIXES or not key:
            raise FormatError(f"the unknown field '%({clean(name)})'")
        attribute = f"{_PREFIXES[prefix]}.{key}"
    value = field_value(run, attribute)
    return "" if value is None else value if isinstance(value, str) else format_param(value)
