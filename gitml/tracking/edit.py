"""Change a run after the fact: each change is a new record on the branch."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import replace

from gitml.entities.run import Run
from gitml.errors import NotFoundError, RefusedError
from gitml.formats import commit_message, run_tree
from gitml.formats.names import check_name
from gitml.git.repo import TreeEntry
from gitml.journal import NotLiveError
from gitml.repo import Repo
from gitml.tracking.commit import append_record
from gitml.tracking.history import get_run
from gitml.tracking.live import LiveRun
from gitml.tracking.redaction import redacted_tags, redacted_text
from gitml.tracking.start import attach_run
from gitml.tracking.united import entries_of
from gitml.tracking.values import clean_text


def set_tags(repo: Repo, run_id: str, tags: Mapping[str, object]) -> None:
    """Set tags of a run, live or not.

    Raises:
        RunNotFoundError: There is no such run.
    """
    clean = redacted_tags(tags)
    _edit(
        repo,
        run_id,
        lambda live: live.set_tags(clean),
        lambda run: replace(run, tags={**run.tags, **clean}),
        f"tag {', '.join(clean)}",
    )


def delete_tag(repo: Repo, run_id: str, key: str) -> None:
    """Remove a tag of a run, live or not.

    Raises:
        NotFoundError: There is no such run, or it has no such tag.
    """
    if key not in get_run(repo, run_id).tags:
        raise NotFoundError(
            f"run '{run_id[:8]}' has no tag '{key}'", hint=f"gitml show {run_id[:8]} lists its tags"
        )
    _edit(
        repo,
        run_id,
        lambda live: live.delete_tag(key),
        lambda run: replace(run, tags={k: v for k, v in run.tags.items() if k != key}),
        f"tag {key} removed",
    )


def set_note(repo: Repo, run_id: str, text: str) -> None:
    """Set the note of a run, live or not; an empty one removes it."""
    note = redacted_text("note", clean_text(text))
    _edit(repo, run_id, lambda live: live.set_note(note), lambda run: replace(run, note=note), "note")


def rename_run(repo: Repo, run_id: str, name: str) -> None:
    """Give a run another name, live or not."""
    name = redacted_text("run's name", check_name("run", name))

    def rename_live(live: LiveRun) -> None:
        live.update(name=name)

    _edit(repo, run_id, rename_live, lambda run: replace(run, name=name), f"renamed to {name}")


def refuse_live(run: Run) -> None:
    """Make sure that a run is over.

    Raises:
        RefusedError: It is live.
    """
    if run.live:
        raise RefusedError(
            f"run '{run.id[:8]}' is still live", hint=f"end it first: gitml runs finish {run.id[:8]}"
        )


def delete_run(repo: Repo, run_id: str) -> None:
    """Hide a run; `restore_run` brings it back. Nothing is removed from history.

    Raises:
        RefusedError: The run is live.
    """
    refuse_live(get_run(repo, run_id))
    now = time.time_ns() // 1_000_000
    _edit(repo, run_id, None, lambda run: replace(run, deleted_ms=run.deleted_ms or now), "deleted")


def restore_run(repo: Repo, run_id: str) -> None:
    """Bring a deleted run back."""
    _edit(repo, run_id, None, lambda run: replace(run, deleted_ms=None), "restored")


def _edit(
    repo: Repo,
    run_id: str,
    change_live: Callable[[LiveRun], None] | None,
    change: Callable[[Run], Run],
    action: str,
) -> None:
    """Change a live run in place, or add a record of the changed run."""
    if change_live is not None:
        with suppress(NotLiveError):
            live = attach_run(repo, run_id, strict=True)
            try:
                change_live(live)
            finally:
                live.close()
            return
    old = get_run(repo, run_id)
    new = change(old)
    if new != old:
        write_record(repo, new, action)


def write_record(repo: Repo, run: Run, action: str, files: Mapping[str, bytes] | None = None) -> str:
    """Add a record of a run whose curves and files are those of its last one.

    Args:
        repo: The repository.
        run: The run as it shall be; `run.commit` is the record to build on.
        action: What was done, for the commit's subject.
        files: More files for it, each one folder deep.

    Returns:
        The new record's commit.
    """
    if run.commit is None:
        raise RefusedError(f"run '{run.id[:8]}' has no record yet")
    entries = entries_of(repo, run)
    for folder in {path.partition("/")[0] for path in files or {}} & entries.keys():
        tree = entries.pop(folder).oid
        entries |= {f"{folder}/{e.path}": TreeEntry(e.oid, e.mode) for e in repo.git.list_tree(tree)}
    for name, data in {**run_tree.encode_run(run), **(files or {})}.items():
        entries[name] = TreeEntry(repo.git.write_blob(data))
    return append_record(repo, repo.git.write_tree(entries), commit_message.run_message(run, action))
