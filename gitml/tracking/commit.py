"""Turn a live folder into one commit on the runs branch, and rescue orphans.

The order of writes is the promise of this module: objects, then the tree, then
the commit, then the branch, and only then the live folder goes. A crash between
two steps leaves at worst unreachable data in git and the live folder, which the
next gitml command commits.
"""

from __future__ import annotations

import time
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

from gitml.entities.run import RunStatus
from gitml.errors import ConflictError, RefusedError
from gitml.formats import commit_message, run_tree
from gitml.repo import LIVE_REFS, RUNS_REF, Repo
from gitml.tracking.live import LiveRun
from gitml.tracking.run_record import write_run_tree

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
        start = live.facts().start_ms
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
    run, tree = write_run_tree(repo, run_id)
    commit = append_record(repo, tree, commit_message.run_message(run))
    _forget(repo, run_id)
    return commit


def _forget(repo: Repo, run_id: str) -> None:
    """Remove what only a live run needs; the folder last, so that this can be repeated."""
    ref = LIVE_REFS + run_id
    pinned = repo.git.tip(ref)
    if pinned is not None:
        repo.git.move_ref(ref, pinned, None)
    repo.journal.discard(run_id)


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
    run = repo.journal.read_facts(run_id)
    if run.status.is_final:
        _, tree = write_run_tree(repo, run_id)
        if any(repo.git.commit_info(commit).tree == tree for commit in _records(repo, run_id)):
            _forget(repo, run_id)
            return False
    else:
        end = max(run.start_ms, _last_change_ms(repo, run_id))
        run = replace(run, status=status, error=error, end_ms=end, duration_s=(end - run.start_ms) / 1000)
        _replace_file(repo.journal.folder(run_id) / run_tree.RUN_FILE, run_tree.encode_run_file(run))
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
    for _, entry in repo.journal.files(run_id):
        with suppress(FileNotFoundError):
            times.append(entry.stat().st_mtime_ns // 1_000_000)
    return max(times)


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
