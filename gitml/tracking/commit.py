"""Turn a live folder into one commit on the runs branch, and rescue orphans.

The order of writes is the promise of this module: objects, then the tree, then
the commit, then the branch, and only then the live folder goes. A crash between
two steps leaves at worst unreachable data in git and the live folder, which the
next gitml command commits.
"""

from __future__ import annotations

import time
import warnings
from dataclasses import replace
from typing import TYPE_CHECKING

from gitml.entities.run import Run, RunStatus
from gitml.errors import ConflictError, DamagedError, GitmlError, RefusedError
from gitml.formats import commit_message, run_tree
from gitml.git.runs_branch import refuse_foreign, refuse_foreign_branch
from gitml.journal import LOCK_FILE, change_facts
from gitml.repo import LIVE_REFS, RUNS_REF, Repo
from gitml.tracking.redaction import redacted_text
from gitml.tracking.run_record import write_run_tree

if TYPE_CHECKING:
    from gitml.tracking.live import LiveRun

_ATTEMPTS = 20
_IN_THE_WAY = "refs/heads/gitml"
_RESCUE_NOTE = "the process died before it could end the run"


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
        complete = not live.lost
        start = live.facts().start_ms
        end = max(time.time_ns() // 1_000_000, start)
        live.update(
            status=status,
            error=redacted_text("error", error) if error else None,
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
    forget_live(repo, run_id)
    return commit


def record_live(repo: Repo, run_id: str) -> str:
    """Commit a live run as it is now; it goes on, and its next record stands over this one.

    What its processes hold back because the disk was full is not in it.

    Raises:
        NotLiveError: It is not live (any more).
        ConflictError: The branch moved too often.
    """
    run, tree = write_run_tree(repo, run_id)
    return append_record(repo, tree, commit_message.run_message(run, "so far"))


def forget_live(repo: Repo, run_id: str) -> None:
    """Remove what only a live run needs; the folder last, so that this can be repeated."""
    ref = LIVE_REFS + run_id
    pinned = repo.git.tip(ref)
    if pinned is not None:
        repo.git.move_ref(ref, pinned, None)
    repo.journal.discard(run_id)


class OrphanedRunWarning(UserWarning):
    """A run whose process died could not be committed; its live folder stays."""


def rescue_orphans(repo: Repo) -> list[str]:
    """Commit live runs whose processes are dead, as `killed`, with all they logged.

    One that can't be committed (a damaged folder, a full disk) is told by an
    OrphanedRunWarning and stays for the next time: it must not stop others.

    Returns:
        The ids of the runs that were committed.
    """
    rescued = []
    for run_id in repo.journal.ids():
        lock = repo.journal.try_take(run_id)
        if lock is None:
            continue
        try:
            if rescue(repo, run_id):
                rescued.append(run_id)
        except (GitmlError, OSError) as err:
            warnings.warn(
                f"run '{run_id[:8]}' lost its process and can't be committed yet: {err}; "
                f"its files are in '{repo.journal.folder(run_id)}'",
                OrphanedRunWarning,
                stacklevel=3,
            )
        finally:
            lock.release()
    return rescued


def rescue(repo: Repo, run_id: str, status: RunStatus = RunStatus.KILLED, error: str = _RESCUE_NOTE) -> bool:
    """Commit a live run that nobody writes to; the caller holds its lock alone.

    Returns:
        Whether it was committed now; False if a crash came just after its
        commit and only the folder was left.
    """
    run = _facts_of_orphan(repo, run_id)
    if run.status.is_final:
        _, tree = write_run_tree(repo, run_id)
        if any(repo.git.commit_info(commit).tree == tree for commit in _records(repo, run_id)):
            forget_live(repo, run_id)
            return False
    else:
        end = max(run.start_ms, repo.journal.last_change_ms(run_id))
        run = replace(run, status=status, error=error, end_ms=end, duration_s=(end - run.start_ms) / 1000)
        _put_facts(repo, run)
    commit_live(repo, run_id)
    return True


def _facts_of_orphan(repo: Repo, run_id: str) -> Run:
    """Read the facts of a dead run; a run.yaml that a power cut emptied is made anew."""
    try:
        return repo.journal.read_facts(run_id)
    except DamagedError:
        folder = repo.journal.folder(run_id)
        born_ms = (folder / LOCK_FILE).stat().st_mtime_ns // 1_000_000
        bare = Run(id=run_id, name=run_id[:8], start_ms=born_ms, incomplete=True)
        _put_facts(repo, bare)
        return repo.journal.read_facts(run_id)


def _put_facts(repo: Repo, run: Run) -> None:
    facts = run_tree.encode_run_file(run)
    change_facts(repo.journal.folder(run.id) / run_tree.RUN_FILE, lambda _: facts)


def _records(repo: Repo, run_id: str) -> list[str]:
    repo.index.catch_up()
    return repo.index.records(run_id)


# The branch


def check_branch(repo: Repo) -> None:
    """Make sure that runs can be recorded here, before a program is started for nothing.

    Raises:
        ForeignBranchError: The branch was made by something else.
        RefusedError: A branch named `gitml` is in its way.
    """
    refuse_foreign_branch(repo.git)
    if repo.git.tip(RUNS_REF) is None and repo.git.tip(_IN_THE_WAY) is not None:
        raise RefusedError(
            f"'{RUNS_REF}' can't be made: a branch named 'gitml' is in its way",
            hint="rename it: git branch -m gitml NEW-NAME",
        )


def append_record(repo: Repo, tree: str, message: str) -> str:
    """Put a commit with this tree on top of the runs branch.

    Safe from many processes at once: the branch moves by compare-and-swap. In a
    clone that has no such branch yet, it begins where its remote's stands.

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
            base = _tip_to_begin_at(repo) if tip is None else tip
            if base is not None:
                parent = git.commit_info(base)
                refuse_foreign(git, parent)
                # A clock that runs backwards must not put a child before its parent.
                now = max(now, parent.time_ms // 1000)
            commit = git.write_commit(
                tree, [base] if base else [], message, author=repo.settings.author, time_s=now
            )
            if git.move_ref(RUNS_REF, tip, commit, message.partition("\n")[0]):
                return commit
    raise ConflictError(RUNS_REF, _ATTEMPTS)


def remote_tips(repo: Repo) -> dict[str, str]:
    """Where the runs of each remote stood when it was last fetched, `origin` first."""
    tips = {}
    for remote in sorted(repo.settings.remotes, key=lambda name: name != "origin"):
        tip = repo.git.tip(f"refs/remotes/{remote}/gitml/runs")
        if tip is not None:
            commit = repo.git.commit_info(tip)
            if commit_message.is_ours(commit.message, commit.parents):
                tips[remote] = tip
    return tips


def _tip_to_begin_at(repo: Repo) -> str | None:
    """Choose the parent of the first record here: an unrelated root could not be pushed."""
    return next(iter(remote_tips(repo).values()), None)
