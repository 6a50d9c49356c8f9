"""Turn a live folder into one commit on the runs branch, and rescue orphans.

The order of writes is the promise of this module: objects, then the tree, then
the commit, then the branch, and only then the live folder goes. A crash between
two steps leaves at worst unreachable data in git and the live folder, which the
next gitml command commits.
"""

from __future__ import annotations

import stat
import time
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

from gitml.entities.run import Run, RunStatus
from gitml.errors import ConflictError, RefusedError
from gitml.formats import commit_message, history, run_tree
from gitml.formats.pointer import decode_pointer, encode_attributes, encode_pointer
from gitml.git.repo import TREE_MODE, TreeEntry
from gitml.journal import BASE_FILE
from gitml.repo import LIVE_REFS, RUNS_REF, Repo
from gitml.tracking.live import LiveRun

_ATTEMPTS = 20
_RESCUE_NOTE = "the process died before it could end the run"


class ForeignBranchError(RefusedError):
    """The runs branch was made by something else; gitml does not write to it."""

    def __init__(self, commit: str) -> None:
        super().__init__(
            f"the branch 'gitml/runs' holds commit '{commit[:12]}', which gitml did not make",
            hint="rename that branch, then run the command again: git branch -m gitml/runs NEW-NAME",
        )
        self.commit = commit


def finish_run(
    repo: Repo, live: LiveRun, status: RunStatus, *, error: str | None = None, exit_code: int | None = None,
    duration_s: float | None = None,
) -> str:  # fmt: skip
    """End a run: commit it and forget its live folder.

    Args:
        repo: The repository the run was started in.
        live: The run. It is closed, whatever happens.
        status: How it ended.
        error: Why, if it did not end well.
        exit_code: The program's, if there was one.
        duration_s: Seconds it took by a clock that never runs backwards; from
            start and end if not given.

    Returns:
        The commit that holds the run.

    Raises:
        ConflictError: The branch moved too often. The live folder is kept, so
            nothing is lost and the next gitml command commits it.
    """
    try:
        complete = live.flush() and not live.troubles
        start = live.update().start_ms
        end = max(time.time_ns() // 1_000_000, start)
        live.update(
            status=status,
            error=error,
            exit_code=exit_code,
            end_ms=end,
            duration_s=round((end - start) / 1000 if duration_s is None else duration_s, 3),
            incomplete=not complete,
        )
        return commit_live(repo, live.run_id)
    finally:
        live.close()


def commit_live(repo: Repo, run_id: str) -> str:
    """Commit a live folder as it is and remove it; safe to repeat after a crash."""
    run = replace(repo.journal.read(run_id), live=False)
    commit = append_record(repo, _write_run_tree(repo, run), commit_message.run_message(run))
    _forget(repo, run_id)
    return commit


def _forget(repo: Repo, run_id: str) -> None:
    repo.journal.discard(run_id)
    ref = LIVE_REFS + run_id
    pinned = repo.git.tip(ref)
    if pinned is not None:
        repo.git.move_ref(ref, pinned, None)


def rescue_orphans(repo: Repo) -> list[str]:
    """Commit live runs whose processes are dead, as `killed`, with all they logged.

    Returns:
        The ids of the runs that were committed.
    """
    rescued = []
    for run_id in repo.journal.ids():
        lock = repo.journal.try_take(run_id)
        if lock is not None:
            try:
                if rescue(repo, run_id):
                    rescued.append(run_id)
            finally:
                lock.release()
    return rescued


def rescue(repo: Repo, run_id: str, status: RunStatus = RunStatus.KILLED, error: str = _RESCUE_NOTE) -> bool:
    """Commit a live run that nobody writes to; the caller holds its lock alone.

    Returns:
        Whether it was committed now; False if a crash came just after its
        commit and only the folder was left.
    """
    folder = repo.journal.folder(run_id)
    run = repo.journal.read(run_id)
    if run.status.is_final:
        tree = _write_run_tree(repo, replace(run, live=False))
        if any(repo.git.commit_info(commit).tree == tree for commit in _records(repo, run_id)):
            _forget(repo, run_id)
            return False
    else:
        end = max(run.start_ms, _last_change_ms(repo, run_id))
        run = replace(run, status=status, error=error, end_ms=end, duration_s=(end - run.start_ms) / 1000)
        _replace_file(folder / run_tree.RUN_FILE, run_tree.encode_run_file(run))
    commit_live(repo, run_id)
    return True


def _records(repo: Repo, run_id: str) -> list[str]:
    repo.index.catch_up()
    return repo.index.records(run_id)


def _replace_file(path: Path, data: bytes) -> None:
    temporary = path.with_name(f".gitml-{path.name}")
    temporary.write_bytes(data)
    temporary.replace(path)


def _last_change_ms(repo: Repo, run_id: str) -> int:
    times = [0]
    for path in repo.journal.files(run_id):
        with suppress(FileNotFoundError):
            times.append(path.stat().st_mtime_ns // 1_000_000)
    return max(times)


# The tree


def _write_run_tree(repo: Repo, run: Run) -> str:
    """Store a live folder as a tree, on top of the record it resumes (if any)."""
    entries = _base_entries(repo, run.id)
    if run.code.tree is not None:
        entries[run_tree.CODE] = TreeEntry(run.code.tree, TREE_MODE)
    folder = repo.journal.folder(run.id)
    for path, data in _live_files(repo, run.id, folder):
        entries[path] = TreeEntry(repo.git.write_blob(data))
    for name, data in run_tree.encode_run(run).items():
        entries[name] = TreeEntry(repo.git.write_blob(data))
    pointers = _pointers(repo, entries, folder)
    if pointers:
        entries[run_tree.ATTRIBUTES_FILE] = TreeEntry(repo.git.write_blob(encode_attributes(pointers)))
    return repo.git.write_tree(entries)


def _base_entries(repo: Repo, run_id: str) -> dict[str, TreeEntry]:
    """The files of the record that a live run resumes, flat; code stays one tree."""
    base = base_of(repo, run_id)
    if base is None:
        return {}
    entries: dict[str, TreeEntry] = {}
    for entry in repo.git.list_tree(base, recursive=False):
        if entry.is_tree and entry.path != run_tree.CODE:
            for inner in repo.git.list_tree(base, entry.path):
                entries[f"{entry.path}/{inner.path}"] = TreeEntry(inner.oid, inner.mode)
        else:
            entries[entry.path] = TreeEntry(entry.oid, entry.mode)
    for name in (*run_tree.RECORD_FILES, run_tree.ATTRIBUTES_FILE):
        entries.pop(name, None)
    return entries


def base_of(repo: Repo, run_id: str) -> str | None:
    """The record that a live run goes on from, None if it is new."""
    with suppress(FileNotFoundError):
        return (repo.journal.folder(run_id) / BASE_FILE).read_text().strip() or None
    return None


def _live_files(repo: Repo, run_id: str, folder: Path) -> Iterator[tuple[str, bytes]]:
    """The files of a live run that go into its tree as they are."""
    for path in repo.journal.files(run_id):
        name = path.relative_to(folder).as_posix()
        if name in run_tree.RECORD_FILES:
            continue
        if name.startswith(run_tree.HISTORY + "/"):
            yield name, _history_blob(repo, path)
        else:
            yield name, path.read_bytes()


def _history_blob(repo: Repo, path: Path) -> bytes:
    """A history as it goes into the tree: whole lines, or a pointer if it is large."""
    if path.stat().st_size <= repo.settings.history_limit:
        return history.whole_lines(path.read_bytes())
    _drop_torn_line(path)
    return encode_pointer(repo.objects.put_file(path, lfs=repo.settings.artifacts_url is None))


def _drop_torn_line(path: Path) -> None:
    with path.open("r+b") as stream:
        size = stream.seek(0, 2)
        stream.seek(max(0, size - 4096))
        tail = stream.read()
        stream.truncate(size - len(tail) + tail.rfind(b"\n") + 1)


def _pointers(repo: Repo, entries: dict[str, TreeEntry], folder: Path) -> dict[str, bool]:
    """Which files of the tree are pointers: path to whether of Git LFS's kind."""
    found: dict[str, bool] = {}
    for path, entry in entries.items():
        if not path.startswith((run_tree.ARTIFACTS + "/", run_tree.HISTORY + "/")) or not stat.S_ISREG(
            entry.mode
        ):
            continue
        live = folder / path
        is_small = not live.exists() or live.stat().st_size < 1024 or path.startswith(run_tree.HISTORY)
        pointer = decode_pointer(repo.git.read_blob(entry.oid)) if is_small else None
        if pointer is not None:
            found[path] = pointer.lfs
    return found


# The branch


def append_record(repo: Repo, tree: str, message: str) -> str:
    """Put a commit with this tree on top of the runs branch.

    Safe from many processes at once: the branch moves by compare-and-swap.

    Returns:
        The commit's id.

    Raises:
        ConflictError: Others moved the branch too many times in a row.
        ForeignBranchError: The branch was made by something else.
    """
    git = repo.git
    with repo.journal.branch_lock():
        for _ in range(_ATTEMPTS):
            tip = git.tip(RUNS_REF)
            now = time.time_ns() // 1_000_000_000
            if tip is not None:
                parent = git.commit_info(tip)
                if not commit_message.is_ours(parent.message, parent.parents):
                    raise ForeignBranchError(tip)
                # A clock that runs backwards must not put a child before its parent.
                now = max(now, parent.time_ms // 1000)
            commit = git.write_commit(
                tree, [tip] if tip else [], message, author=repo.settings.author, time_s=now
            )
            if git.move_ref(RUNS_REF, tip, commit, message.partition("\n")[0]):
                return commit
    raise ConflictError(RUNS_REF, _ATTEMPTS)
