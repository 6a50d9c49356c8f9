"""The source a run is made from: commit, branch, and the exact tree.

Nothing of the user's is touched: not the work tree, HEAD or stash, not the
staging area (not even its file times), and no hook runs. A snapshot of a dirty
work tree is made in a copy of the staging area, by git itself, so that line
endings, filters, links and modes come out as `git add` would store them.
"""

from __future__ import annotations

import os
import shutil
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

from gitml.config import CodeMode
from gitml.entities.run import CodeState
from gitml.errors import GitmlError
from gitml.git.process import GitCommandFailedError
from gitml.git.repo import GitRepo
from gitml.tracking.capture.remote import find_remote
from gitml.tracking.capture.selection import select
from gitml.tracking.capture.status import TrackedChange, read_status

_EMPTY_TREES = frozenset(
    (
        "4b825dc642cb6eb9a060e54bf8d69288fbee4904",
        "6ef19b41225c5369f1c104d45d8d85efa9b057b53b14b4b9b939dd74decc5321",
    )
)


class CodeNotCapturedWarning(UserWarning):
    """The code that ran is not recorded as a whole."""


def capture_code(git: GitRepo, mode: CodeMode = "tree", *, max_file_size: int = 1 << 20) -> CodeState:
    """Record the state of the code.

    Args:
        git: The repository. A bare one is recorded as its HEAD.
        mode: "tree" records commit, branch, remote and the tree of the code as
            it is on disk; "commit" leaves out the tree; "off" records nothing.
        max_file_size: In bytes; larger untracked files are not taken.

    Returns:
        The state. `dirty` says that the code differs from the commit. The tree
        of a dirty state is reachable from no ref yet: keep one until the run
        is committed. If no snapshot could be made, or git can't tell the
        state of the work tree, `tree` is None and `left_out` says why.

    Raises:
        GitCommandFailedError: git can't read the repository's state.
    """
    if mode == "off":
        return CodeState()
    if git.work_tree is None:
        return _capture_bare(git, mode)
    try:
        status = read_status(git)
    except GitCommandFailedError as err:  # a damaged staging area must not stop a training
        return _capture_head(git, err)
    chosen = select(git, status, max_file_size) if status.changes or status.untracked else None
    state = CodeState(
        commit=status.commit,
        branch=status.branch,
        dirty=bool(status.changes) or (chosen is not None and bool(chosen.paths)),
        remote=find_remote(git, status.branch),
        left_out=tuple(chosen.left_out) if chosen is not None and mode == "tree" else (),
    )
    if mode == "commit":
        return state
    if not state.dirty or chosen is None:
        return replace(state, tree=_tree_of(git, status.commit))
    try:
        tree = write_snapshot(git, chosen.paths, chosen.removed, chosen.restored)
    except (GitmlError, OSError) as err:
        return replace(state, left_out=(f"all uncommitted changes ({err})", *state.left_out))
    return replace(state, tree=None if tree in _EMPTY_TREES else tree)


def write_snapshot(
    git: GitRepo,
    paths: Sequence[bytes],
    removed: Sequence[bytes] = (),
    restored: Sequence[TrackedChange] = (),
) -> str:
    """Store the tree of what is staged, with some paths as they are on disk.

    Args:
        git: A repository with a work tree.
        paths: To take from disk, relative to the work tree's root.
        removed: To leave out, likewise.
        restored: To take as they are in the commit, whatever is staged.

    Returns:
        The tree's object id.

    Raises:
        GitCommandFailedError: A path can't be read, or the object store can't be written.
        OSError: The git directory can't be written.
    """
    with _copy_of_index(git) as index:
        env = {
            "GIT_INDEX_FILE": str(index),
            **_settings({"core.safecrlf": "false", "core.splitIndex": "false"}),
        }
        # Removals apart and by force: what is "beyond a symbolic link" now git wouldn't look at.
        for options, names in ((["--force-remove"], removed), (["--add", "--remove", "--replace"], paths)):
            if names:
                git.process.run(
                    ["update-index", *options, "-z", "--stdin"],
                    input=b"".join(name + b"\0" for name in names),
                    env=env,
                    cwd=git.work_tree,
                )
        if restored:
            git.process.run(
                ["update-index", "-z", "--index-info"],
                input=b"".join(map(_as_committed, restored)),
                env=env,
                cwd=git.work_tree,
            )
        return git.process.run(["write-tree"], env=env, cwd=git.work_tree).decode().strip()


def _as_committed(change: TrackedChange) -> bytes:
    """Write the line that makes git take a path as the commit has it; mode 0 removes it."""
    # Any id will do to remove; that of what is staged has the right length.
    mode, oid = (change.head_mode, change.head_oid) if change.head_oid else ("0", change.staged_oid)
    return f"{mode} {oid}\t".encode() + change.path + b"\0"


@contextmanager
def _copy_of_index(git: GitRepo) -> Iterator[Path]:
    folder = git.git_dir / "gitml" / "tmp"
    folder.mkdir(parents=True, exist_ok=True)
    copy = folder / f"index-{os.getpid()}-{os.urandom(6).hex()}"
    try:
        # With its times: by them git knows which files may have changed unnoticed.
        if (git.git_dir / "index").exists():
            shutil.copy2(git.git_dir / "index", copy)
        yield copy
    finally:
        copy.unlink(missing_ok=True)
        copy.with_name(copy.name + ".lock").unlink(missing_ok=True)


def _settings(values: dict[str, str]) -> dict[str, str]:
    """Make git settings for one call, in addition to those already in the environment."""
    given = os.environ.get("GIT_CONFIG_COUNT", "")
    first = int(given) if given.isdigit() else 0
    variables = {"GIT_CONFIG_COUNT": str(first + len(values))}
    for number, (key, value) in enumerate(values.items(), first):
        variables[f"GIT_CONFIG_KEY_{number}"] = key
        variables[f"GIT_CONFIG_VALUE_{number}"] = value
    return variables


def _tree_of(git: GitRepo, commit: str | None) -> str | None:
    if commit is None:
        return None
    tree = git.commit_info(commit).tree
    return None if tree in _EMPTY_TREES else tree


def _capture_bare(git: GitRepo, mode: CodeMode) -> CodeState:
    commit, branch = _read_head(git)
    state = CodeState(commit=commit, branch=branch, remote=find_remote(git, branch))
    return state if mode == "commit" else replace(state, tree=_tree_of(git, commit))


def _capture_head(git: GitRepo, err: GitCommandFailedError) -> CodeState:
    """Record at least the commit, and warn, where git can't say what of the work tree differs.

    Raises:
        GitCommandFailedError: `err`: there is no commit either, or no repository any more.
    """
    commit, branch = _read_head(git)
    if commit is None:
        raise err
    warnings.warn(
        f"the run is tied to the commit alone, since git can't tell the state of the work tree: {err}; "
        "if its index is damaged, `rm .git/index && git reset` makes it again from the commit",
        CodeNotCapturedWarning,
        stacklevel=4,
    )
    return CodeState(
        commit=commit,
        branch=branch,
        dirty=True,  # nobody knows
        remote=find_remote(git, branch),
        left_out=(f"all uncommitted changes ({err})",),
    )


def _read_head(git: GitRepo) -> tuple[str | None, str | None]:
    try:
        out = git.process.run(["rev-parse", "HEAD", "--symbolic-full-name", "HEAD"])
    except GitCommandFailedError:  # no commit yet
        return None, None
    commit, _, ref = out.decode("utf-8", "replace").strip().partition("\n")
    branch = ref.removeprefix("refs/heads/") if ref.startswith("refs/heads/") else None
    return commit, branch
