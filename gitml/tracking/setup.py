"""What `gitml init` does to a folder: only what was asked for, and it says what.

Recording needs no set-up at all in a git repository. A remote's settings are
changed so that a plain `git fetch` brings runs; what a plain `git push` sends
is never changed: `remote.<name>.push` would replace the user's `push.default`,
so runs are pushed by name, `git push <remote> gitml/runs`.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

from gitml.errors import NotARepositoryError, NotFoundError, UsageError
from gitml.git.process import GitProcess
from gitml.git.repo import GitRepo
from gitml.repo import RUNS_REF, Repo

_RUNS_BRANCH = RUNS_REF.removeprefix("refs/heads/")
_FOLDER_OF_RUNS = RUNS_REF.rpartition("/")[0]


@dataclass(frozen=True, slots=True)
class Step:
    """One thing that was done, or found to need no doing.

    Attributes:
        changed: Whether something is different now.
        text: What, in words.
    """

    changed: bool
    text: str


class RemoteNotFoundError(NotFoundError):
    """The repository has no remote of that name."""

    def __init__(self, name: str, known: tuple[str, ...]) -> None:
        super().__init__(
            f"there is no remote '{name}'",
            hint=f"it has: {', '.join(known)}" if known else "git remote add origin URL",
        )
        self.name = name


def init_repository(folder: Path) -> tuple[Repo, list[Step]]:
    """Make a folder a git repository, unless it is in one.

    Args:
        folder: The folder; made if it does not exist.

    Returns:
        The opened repository, and what was done.

    Raises:
        UsageError: It is a file.
        GitCommandFailedError: git refuses the folder.
    """
    if folder.exists() and not folder.is_dir():
        raise UsageError(f"'{folder}' is a file", hint="give a folder: gitml init FOLDER")
    try:
        git = GitRepo.discover(_nearest_folder(folder))
    except NotARepositoryError:
        folder.mkdir(parents=True, exist_ok=True)
        GitProcess(folder).run(["init", "--quiet"])
        git = GitRepo.discover(folder)
        steps = [Step(True, f"made a git repository in '{git.work_tree or git.git_dir}'")]
    else:
        steps = [Step(False, f"'{git.work_tree or git.git_dir}' is a git repository already")]
    repo = Repo(git)
    if repo.settings.author == "unknown <unknown@localhost>":
        steps.append(Step(False, "git knows no name for you: runs will be recorded as by 'unknown'; "
                                 "git config user.name NAME and git config user.email EMAIL"))  # fmt: skip
    return repo, steps


def _nearest_folder(path: Path) -> Path:
    """The folder, or the first one above it that exists."""
    path = Path(os.path.abspath(path))
    return next(folder for folder in (path, *path.parents) if folder.is_dir())


def configure_remote(repo: Repo, name: str) -> list[Step]:
    """Let `git fetch` bring runs from a remote, and let git tell what is not pushed.

    Adds a fetch refspec if the remote's own ones leave runs out, and makes the
    remote's branch the upstream of the runs branch (as `git push -u` would).

    Raises:
        RemoteNotFoundError: There is no such remote.
    """
    known = tuple(repo.settings.remotes)
    if name not in known:
        raise RemoteNotFoundError(name, known)
    return [
        _fetch_step(repo.git.process, name),
        _upstream_step(repo, name),
        Step(False, f"left 'git push' as it is; send runs with: git push {name} {_RUNS_BRANCH}"),
    ]


def _fetch_step(process: GitProcess, remote: str) -> Step:
    key = f"remote.{remote}.fetch"
    out = process.run(["config", "--null", "--get-all", key], check=False)
    refspecs = [text for text in os.fsdecode(out).split("\0") if text]
    if any(text.startswith("^") and _matches(text[1:], RUNS_REF) for text in refspecs):
        return Step(False, f"'{key}' leaves runs out on purpose (a '^' refspec); left as it is")
    if any(_matches(text.removeprefix("+").partition(":")[0], RUNS_REF) for text in refspecs):
        return Step(False, f"'git fetch {remote}' brings runs already")
    if not refspecs:
        # With a first refspec, `git fetch` would stop to bring the remote's HEAD.
        return Step(False, f"'{key}' is not set; fetch runs with: git fetch {remote} {_RUNS_BRANCH}")
    # A pattern, because a refspec of one branch makes `git fetch` fail until that branch exists.
    refspec = f"+{_FOLDER_OF_RUNS}/*:refs/remotes/{remote}/gitml/*"
    process.run(["config", "--local", "--add", key, refspec])
    return Step(True, f"added '{refspec}' to '{key}': 'git fetch {remote}' brings runs")


def _matches(pattern: str, ref: str) -> bool:
    before, star, after = pattern.partition("*")
    if not star:
        return pattern == ref
    return ref.startswith(before) and ref.endswith(after) and len(ref) >= len(before) + len(after)


def _upstream_step(repo: Repo, remote: str) -> Step:
    key = f"branch.{_RUNS_BRANCH}"
    present = repo.settings.values.get(f"{key}.remote")
    if present is not None:
        same = "" if present == remote else "; left as it is"
        return Step(False, f"the upstream of '{_RUNS_BRANCH}' is on '{present}' already{same}")
    repo.git.process.run(["config", "--local", f"{key}.remote", remote])
    repo.git.process.run(["config", "--local", f"{key}.merge", RUNS_REF])
    return Step(
        True, f"made '{remote}' the upstream of '{_RUNS_BRANCH}': 'git branch -vv' counts what is not pushed"
    )
