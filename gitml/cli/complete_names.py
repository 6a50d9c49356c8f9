"""Names for completion straight from the index's file, without loading the library.

A key press waits for this, and loading what a command needs would take longer
than answering. So it reads only, and only where all is in plain sight: an
ordinary repository whose index is at the branch's tip. Of everything else it
says that it does not know, and the slow way answers.
"""

from __future__ import annotations

import json
import os
import sqlite3
from collections.abc import Callable, Iterable, Iterator
from contextlib import closing
from pathlib import Path
from urllib.parse import quote

from gitml.git.refs import read_ref

Offer = tuple[str, str]
Reader = Callable[[sqlite3.Connection, Path], list[Offer]]

_BRANCH = "refs/heads/gitml/runs"
_NEWEST = 200
_METRIC, _PARAM = 0, 1


def read(reader: Reader) -> list[Offer] | None:
    """Ask the index of the repository that we are in; None where it can't be asked this way."""
    git_dir = plain_git_dir()
    if git_dir is None:
        return None
    path = git_dir / "gitml" / "index.sqlite"
    try:
        with closing(sqlite3.connect(f"file:{quote(str(path))}?mode=ro", uri=True)) as connection:
            if not _is_current(connection, git_dir):
                return None
            return reader(connection, git_dir)
    except (sqlite3.Error, OSError, ValueError):  # not there, locked, of another version
        return None


def plain_git_dir() -> Path | None:
    """Find the `.git` folder, unless only git itself can tell which it is."""
    if any(name in os.environ for name in ("GIT_DIR", "GIT_COMMON_DIR")):
        return None
    here = Path.cwd()
    for folder in (here, *here.parents):
        git_dir = folder / ".git"
        if git_dir.is_dir():
            config = (git_dir / "config").read_bytes().lower()
            return git_dir if b"objectformat" not in config and b"worktree" not in config else None
        if git_dir.exists():
            return None
    return None


def runs(connection: sqlite3.Connection, git_dir: Path) -> list[Offer]:
    """Names, then ids, of the newest runs; live ones first."""
    rows = connection.execute(
        "SELECT run_id, name, status FROM run WHERE deleted_ms IS NULL AND NOT live"
        " ORDER BY start_ms DESC, run_id LIMIT ?",
        (_NEWEST,),
    ).fetchall()
    return run_offers([*live_runs(git_dir), *rows])


def deleted_runs(connection: sqlite3.Connection, _: Path) -> list[Offer]:
    """Names, then ids, of the newest runs that were deleted."""
    rows = connection.execute(
        "SELECT run_id, name, status FROM run WHERE deleted_ms IS NOT NULL"
        " ORDER BY start_ms DESC, run_id LIMIT ?",
        (_NEWEST,),
    ).fetchall()
    return run_offers(rows)


def run_offers(rows: Iterable[tuple[str, str, str]]) -> list[Offer]:
    """Offer runs (id, name, status) by name, and then by id."""
    found = {run_id: (name, status) for run_id, name, status in reversed(list(rows))}
    newest = list(reversed(found.items()))
    named = [(name, f"{run_id[:7]} {status}") for run_id, (name, status) in newest if name]
    return named + [(run_id[:8], name) for run_id, (name, _) in newest]


def experiments(connection: sqlite3.Connection, _: Path) -> list[Offer]:
    """Names of experiments, recorded ones and those that only runs tell of."""
    rows = connection.execute(
        "SELECT name FROM experiment WHERE NOT deleted UNION SELECT experiment FROM run"
        " WHERE experiment_id NOT IN (SELECT experiment_id FROM experiment) ORDER BY 1"
    )
    return [(name, "") for (name,) in rows if name]


def metrics(connection: sqlite3.Connection, _: Path) -> list[Offer]:
    """Names of metrics."""
    return [(name, "metric") for name in _keys(connection, "metric", _METRIC)]


def fields(connection: sqlite3.Connection, git_dir: Path) -> list[Offer]:
    """Names of metrics and of params."""
    return [
        *metrics(connection, git_dir),
        *((name, "param") for name in _keys(connection, "param", _PARAM)),
    ]


def _keys(connection: sqlite3.Connection, table: str, kind: int) -> Iterator[str]:
    rows = connection.execute(
        f"SELECT name FROM key WHERE kind = ? AND EXISTS (SELECT 1 FROM {table} t WHERE t.key_id = key.key_id)"  # noqa: S608 - fixed names
        " ORDER BY name",
        (kind,),
    )
    return (name for (name,) in rows)


def _is_current(connection: sqlite3.Connection, git_dir: Path) -> bool:
    row = connection.execute("SELECT value FROM meta WHERE name = 'tip'").fetchone()
    return row is not None and row[0] == read_ref(git_dir, _BRANCH)


def live_runs(git_dir: Path) -> list[tuple[str, str, str]]:
    """Id, name and status of the live runs, by the first lines of their records."""
    found = []
    try:
        folders = sorted((git_dir / "gitml" / "live").iterdir(), key=lambda f: -f.stat().st_mtime)
    except OSError:  # there never was a live run, or one ended just now
        return []
    for folder in folders[:_NEWEST]:
        try:
            lines = (folder / "run.yaml").read_text("utf-8", "replace").splitlines()
        except OSError:
            continue
        facts = dict(line.partition(": ")[::2] for line in lines if line[:1].isalpha())
        name = facts.get("name", "")
        found.append(
            (folder.name, json.loads(name) if name.startswith('"') else name, facts.get("status", ""))
        )
    return found
