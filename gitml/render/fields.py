"""Fields of a run by name: what `--columns`, `--group-by` and `--format` ask for."""

from __future__ import annotations

import difflib
import re
import time
from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Any, NamedTuple

from gitml.entities.run import Run
from gitml.errors import UsageError
from gitml.render.numbers import format_age, format_duration, format_param, utc_text
from gitml.render.text import clean, clean_block

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
    "command": lambda run: run.command_line or None,
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
_QUOTED = re.compile(r"`(?P<name>[^`]+)`(?:\.(?P<stat>last|min|max|step|min_step|max_step|count))?")
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


class Names(NamedTuple):
    """The names of metrics, params and tags that there are."""

    metrics: Collection[str] = ()
    params: Collection[str] = ()
    tags: Collection[str] = ()


def find_field(name: str, runs: Sequence[Run], elsewhere: Names = Names()) -> str:  # noqa: B008  # immutable
    """Find the full name of a field: 'acc' may be `metrics.acc`, `params.acc` or `tags.acc`.

    Args:
        name: As written; backticks may stand around what is a name for sure.
        runs: The runs shown.
        elsewhere: Names that runs not shown have.

    Raises:
        UnknownColumnError: None of the runs has it.
    """
    plain_name = name.replace("`", "")
    attribute = _ALIASES.get(plain_name, plain_name)
    if attribute.startswith(("attributes.", "attribute.")):
        attribute = attribute.partition(".")[2]
        attribute = _ALIASES.get(attribute, attribute)
    if attribute in ATTRIBUTES:
        return attribute
    known = {
        kind: dict.fromkeys(key for run in runs for key in getattr(run, kind)).keys()
        | getattr(elsewhere, kind)
        for kind in Names._fields
    }
    prefix, dot, key = name.partition(".")
    asked = [(_PREFIXES[prefix], key)] if dot and prefix in _PREFIXES else []
    for kind, spelled in [*asked, *((kind, name) for kind in known)]:
        if kind == "metrics":
            field = metric_field(spelled, known[kind])
            if field is not None:
                return field
        elif spelled.replace("`", "") in known[kind]:
            return f"{kind}.{spelled.replace('`', '')}"
    raise UnknownColumnError(
        name, [*ATTRIBUTES, *(f"{kind}.{key}" for kind in known for key in sorted(known[kind]))]
    )


def metric_field(key: str, metrics: Collection[str]) -> str | None:
    """Find the full name of a metric or of one of its statistics, as filters do.

    'loss.min' is the smallest value of 'loss' wherever there is such a metric, and else a
    metric of that name; '`loss.min`' is always the metric. Full names have backticks only
    where there are both.
    """
    quoted = _QUOTED.fullmatch(key)
    name, stat = (quoted["name"], quoted["stat"]) if quoted else _split(key)
    if stat is None or name not in metrics:
        name, stat = (name if quoted and stat is None else key), None
    if name not in metrics:
        return None
    if stat is not None:
        return f"metrics.`{name}`.{stat}" if f"{name}.{stat}" in metrics else f"metrics.{name}.{stat}"
    base, suffix = _split(name)
    return f"metrics.`{name}`" if suffix is not None and base in metrics else f"metrics.{name}"


def _split(key: str) -> tuple[str, str | None]:
    name, dot, stat = key.rpartition(".")
    return (name, stat) if dot and stat in _STATS else (key, None)


def known_fields(runs: Sequence[Run]) -> list[str]:
    """Name the metrics, params and tags that some run has, in the order logged."""
    metrics = dict.fromkeys(key for run in runs for key in run.metrics)
    found = [metric_field(f"`{key}`", metrics) or f"metrics.{key}" for key in metrics]
    for kind in ("params", "tags"):
        found += [f"{kind}.{key}" for key in dict.fromkeys(key for run in runs for key in getattr(run, kind))]
    return found


def field_title(field: str) -> str:
    """Name a field in a heading: without its kind."""
    kind, _, key = field.partition(".")
    if kind == "metrics":
        quoted = _QUOTED.fullmatch(key)
        return f"{quoted['name']}.{quoted['stat']}" if quoted and quoted["stat"] else key
    return key if kind in ("params", "tags") else field


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
    """Split 'loss.min' into metric and statistic where the run has such a metric; see `metric_field`."""
    quoted = _QUOTED.fullmatch(key) if key.startswith("`") else None
    if quoted:
        return quoted["name"], quoted["stat"] or "last"
    name, stat = _split(key)
    return (name, stat) if stat is not None and name in run.metrics else (key, "last")


def fill_template(template: str, run: Run, metrics: Collection[str] = (), *, safe: bool = False) -> str:
    r"""Fill git-like placeholders from a run.

    `%h` `%H` `%s` … and `%(metrics.acc)`, `%(params.lr)`, `%(tags.team)`,
    `%(status)`; `%n` is a line end, `%x09` a byte by its number, `%%` a percent sign.

    Args:
        template: The template.
        run: The run.
        metrics: The names of metrics that there are, see `metric_field`.
        safe: Whether what the run holds is made safe to look at on a terminal.

    Raises:
        FormatError: A placeholder means nothing.
    """
    shown = clean_block if safe else str

    def fill(match: re.Match[str]) -> str:
        if match["field"] is not None:
            return shown(_field_text(run, match["field"], metrics))
        if match["hex"] is not None:
            return chr(int(match["hex"], 16))
        letter = match["letter"]
        if letter in ("n", "%"):
            return "\n" if letter == "n" else "%"
        if letter not in _LETTERS:
            raise FormatError(f"the unknown placeholder '%{letter}'")
        return shown(_LETTERS[letter](run))

    return _PLACEHOLDER.sub(fill, template)


def _field_text(run: Run, name: str, metrics: Collection[str]) -> str:
    attribute = _ALIASES.get(name, name)
    if attribute not in ATTRIBUTES:
        prefix, dot, key = name.partition(".")
        if not dot or prefix not in _PREFIXES or not key:
            raise FormatError(f"the unknown field '%({clean(name)})'")
        kind = _PREFIXES[prefix]
        found = metric_field(key, {*metrics, *run.metrics}) if kind == "metrics" else None
        attribute = found or f"{kind}.{key}"
    value = field_value(run, attribute)
    return "" if value is None else value if isinstance(value, str) else format_param(value)
