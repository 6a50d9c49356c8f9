"""Arguments and options that several commands share, with their completion."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Annotated

import typer

from gitml.cli import complete

if TYPE_CHECKING:
    from gitml.repo import Repo

RunName = Annotated[
    str,
    typer.Argument(
        metavar="RUN",
        help="A run: id (from 4 characters on), name, @, @~1, @{best:acc}, or a commit or branch of the code.",
        autocompletion=complete.runs,
    ),
]
RunNames = Annotated[
    list[str],
    typer.Argument(
        metavar="RUN...", help="Runs: ids, names, @, @~1, @{best:acc}.", autocompletion=complete.runs
    ),
]
ExperimentOption = Annotated[
    str | None,
    typer.Option(
        "--experiment",
        "-e",
        metavar="NAME",
        help="Only runs of this experiment.",
        autocompletion=complete.experiments,
    ),
]
FilterOption = Annotated[
    str | None,
    typer.Option(
        "--filter",
        "-f",
        metavar="FILTER",
        help="Only runs that match: 'metrics.acc > 0.9 and params.depth = 8'.",
    ),
]
OrderOption = Annotated[
    list[str] | None,
    typer.Option(
        "--order-by", "-s", metavar="KEY", help="Sort by: -acc, 'metrics.acc DESC', duration. Repeatable.",
        autocompletion=complete.fields,
    ),
]  # fmt: skip

_GIT_AGE = re.compile(r"(\d+)[ .](second|minute|hour|day|week|month|year)s?[ .]ago", re.IGNORECASE)
_AGE_UNITS = {"second": "s", "minute": "m", "hour": "h", "day": "d", "week": "w"}
_AGE_DAYS = {"month": 30, "year": 365}


def moment(text: str) -> str:
    """Read a time as git users write it ('2 days ago') in the words of the filter language ('2d ago')."""

    def shorten(match: re.Match[str]) -> str:
        count, unit = int(match[1]), match[2].lower()
        return f"{count * _AGE_DAYS[unit]}d ago" if unit in _AGE_DAYS else f"{count}{_AGE_UNITS[unit]} ago"

    return _GIT_AGE.sub(shorten, text)


def quoted(text: str) -> str:
    """Write text as a string of the filter language."""
    return "'" + text.replace("'", "''") + "'"


def order_keys(repo: Repo, keys: list[str]) -> tuple[str, ...]:
    """Read sort keys as people write them: '-acc' is `metrics.acc DESC`."""
    return tuple(_order_key(repo, key) for key in keys)


def _order_key(repo: Repo, key: str) -> str:
    from gitml.index.fields import UnknownFieldError, resolve

    name, direction = (key[1:], " DESC") if key.startswith("-") else (key, "")
    bare, _, last = name.rpartition(" ")
    if last.upper() in ("ASC", "DESC") and bare:
        name, direction = bare.strip(), f" {last.upper()}"
    known = {
        "metrics": repo.index.metric_names(),
        "params": repo.index.param_names(),
        "tags": repo.index.tag_names(),
    }
    for kind, names in known.items():
        if name in names:
            return f"{kind}.`{name}`{direction}"
    try:
        resolve(name, known["metrics"].__contains__)
    except UnknownFieldError:
        return key  # the parser of the language says what is wrong with it
    return name + direction


def order_field(key: str) -> str:
    """Name the field that a sort key of the filter language sorts by."""
    return re.sub(r"(?i)\s+(asc|desc)$", "", key).lstrip("-").replace("`", "")
