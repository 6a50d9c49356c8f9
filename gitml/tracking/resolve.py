"""One resolver of run names, everywhere: commands, Python, completion.

A name is, in this order: a full id, `@` (the newest), `@~N` (the N-th before),
`@{best:METRIC}` (or `min`, `max`), a unique prefix of an id (4 characters or more), a run's name,
the commit of a record, or a branch, tag or commit of the code, which means the
newest run made from it. git's `@`, which is its HEAD, is never meant.
"""

from __future__ import annotations

import difflib
import re
from datetime import datetime, timezone

from gitml.entities.run import Run
from gitml.errors import NotFoundError, UsageError
from gitml.index import Query
from gitml.repo import Repo
from gitml.tracking.direction import lower_is_better
from gitml.tracking.history import RunNotFoundError, get_run, refresh

MIN_PREFIX = 4
_RELATIVE = re.compile(r"@((?:~[0-9]{0,9}|\^)*)")
_STEP = re.compile(r"[~^]([0-9]*)")
_BEST = re.compile(r"@\{(best|min|max):(.+)\}", re.DOTALL)
_HEX = re.compile(r"[0-9a-f]{4,64}")


class AmbiguousNameError(UsageError):
    """A prefix or name fits several runs."""

    def __init__(self, name: str, matches: list[Run], hint: str) -> None:
        lines = "".join(f"\n  {_described(run)}" for run in matches[:10])
        more = f"\n  … {len(matches) - 10} more" if len(matches) > 10 else ""
        super().__init__(f"run '{name}' is ambiguous ({len(matches)} matches){lines}{more}", hint=hint)
        self.name = name
        self.matches = tuple(run.id for run in matches)


def _described(run: Run) -> str:
    started = datetime.fromtimestamp(run.start_ms / 1000, tz=timezone.utc).astimezone()
    deleted = "  deleted" if run.deleted_ms is not None else ""
    return f"{run.id[:8]}  {run.name}  {run.status.value}  {started:%Y-%m-%d %H:%M}{deleted}"


def resolve_run(repo: Repo, name: str) -> Run:
    """Find the run that a name means.

    Raises:
        RunNotFoundError: It means none.
        AmbiguousNameError: It means several.
    """
    refresh(repo)
    return (
        _by_position(repo, name)
        or _by_best(repo, name)
        or _by_id(repo, name)
        or _by_name(repo, name)
        or _by_id(repo, name.lower())
        or _by_record(repo, name)
        or _by_code(repo, name)
        or _not_found(repo, name)
    )


def _not_found(repo: Repo, name: str) -> Run:
    newest = repo.index.search(Query(limit=200))
    raise RunNotFoundError(name, difflib.get_close_matches(name, [run.name for run in newest], n=3))


def _by_position(repo: Repo, name: str) -> Run | None:
    match = _RELATIVE.fullmatch(name)
    if match is None:
        return None
    back = sum(int(count or 1) for count in _STEP.findall(match[1]))
    found = repo.index.search(Query(limit=1, offset=back))
    if not found:
        if back == 0:
            raise NotFoundError("there are no runs yet", hint="gitml run python train.py")
        raise NotFoundError(f"there are fewer than {back + 1} runs", hint="gitml log lists them")
    return found[0]


def _by_best(repo: Repo, name: str) -> Run | None:
    match = _BEST.fullmatch(name)
    if match is None:
        return None
    wanted, metric = match.groups()
    ascending = lower_is_better(metric) if wanted == "best" else wanted == "min"
    order = f"metrics.`{metric}` {'ASC' if ascending else 'DESC'}"
    found = repo.index.search(Query(filter=f"metrics.`{metric}` IS NOT NULL", order_by=(order,), limit=1))
    if not found:
        raise NotFoundError(
            f"no run has the metric '{metric}'", hint="gitml log --all-columns shows the metrics"
        )
    return found[0]


def _by_id(repo: Repo, name: str) -> Run | None:
    exact = repo.index.get(name)
    if exact is not None:
        return exact
    if len(name) < MIN_PREFIX:
        return None
    ids = repo.index.ids_by_prefix(name, 50)
    if len(ids) > 1:
        matches = [get_run(repo, run_id) for run_id in ids]
        length = _distinct_length(ids)
        raise AmbiguousNameError(name, matches, f"use at least {length} characters: {ids[0][:length]}")
    return get_run(repo, ids[0]) if ids else None


def _distinct_length(ids: list[str]) -> int:
    return next(
        (
            length
            for length in range(1, max(map(len, ids)) + 1)
            if len({run_id[:length] for run_id in ids}) == len(ids)
        ),
        8,
    )


def _by_name(repo: Repo, name: str) -> Run | None:
    ids = repo.index.ids_by_name(name)
    if len(ids) > 1:
        raise AmbiguousNameError(name, [get_run(repo, run_id) for run_id in ids], f"use an id: {ids[0][:8]}")
    return get_run(repo, ids[0]) if ids else None


def _by_record(repo: Repo, name: str) -> Run | None:
    commit = name.lower()
    run_id = repo.index.run_of_commit(commit) if _HEX.fullmatch(commit) else None
    return get_run(repo, run_id) if run_id else None


def _by_code(repo: Repo, name: str) -> Run | None:
    if name[:1] == "@" and name[1:2] in ("{", "~", "^"):
        raise NotFoundError(
            f"'{name}' is no position of a run",
            hint="@ is the newest run, @~1 the one before, @{best:METRIC} the best; in git's words HEAD@{1}",
        )
    commit = repo.git.resolve_commit(name)
    if commit is None:
        return None
    run_id = repo.index.run_of_commit(commit)
    if run_id is not None:
        return get_run(repo, run_id)
    ids = repo.index.ids_by_code_commit(commit)
    if not ids:
        raise NotFoundError(
            f"no run was made from '{name}' ({commit[:7]})", hint="gitml log --graph shows runs by commit"
        )
    return get_run(repo, ids[0])
