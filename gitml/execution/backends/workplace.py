"""The repository that a job works from: its own, made of the remote's newest runs.

Bare, shallow and without files of code: what a job needs is one run and the code of
that run, whatever else the remote has.
"""

from __future__ import annotations

import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from gitml.entities.run import Run
from gitml.errors import RemoteError
from gitml.git.process import GitProcess
from gitml.repo import Repo
from gitml.sync.cloning import ORIGIN
from gitml.sync.pulling import pull
from gitml.sync.pushing import Pushed, PushOptions, push
from gitml.sync.refusal import PushRefusedError
from gitml.tracking.history import RunNotFoundError, get_run

if TYPE_CHECKING:
    from gitml.git.remote import Progress

_DEPTHS = ("--depth=100", "--depth=2000", "--unshallow")
_PAUSES_S = (1.0, 3.0, 8.0, 15.0, 30.0)
_ENDING = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGQUIT)


def make_workplace(url: str, folder: Path) -> Repo:
    """Make an empty bare repository that knows the remote.

    Args:
        url: Where the remote is.
        folder: An empty folder for it.
    """
    GitProcess(folder).run(["init", "--quiet", "--bare"])
    process = GitProcess(folder, git_dir=folder, common_dir=folder)
    for key, value in (
        (f"remote.{ORIGIN}.url", url),
        (f"remote.{ORIGIN}.promisor", "true"),
        (f"remote.{ORIGIN}.partialclonefilter", "blob:none"),
    ):
        process.run(["config", "--local", key, value])
    return Repo.open(folder)


def bring_run(repo: Repo, run_id: str, progress: Progress | None = None) -> Run:
    """Bring the newest records of the remote's branch and inbox, as far back as a run needs.

    Raises:
        RunNotFoundError: The remote does not have it.
        RemoteUnreachableError: It can't be read.
    """
    for depth in _DEPTHS:
        # git has nothing to unshallow where all came with the last step.
        if depth == "--unshallow" and not (repo.git.common_dir / "shallow").exists():
            break
        pull(repo, ORIGIN, options=[depth], progress=progress)
        try:
            return get_run(repo, run_id)
        except RunNotFoundError:
            continue
    raise RunNotFoundError(run_id)


def sign_as(repo: Repo, user: str | None) -> None:
    """Let what is recorded be by who submitted the job, where git knows nobody on this machine."""
    if user is None or repo.settings.author != "unknown <unknown@localhost>":
        return
    name, _, email = user.rpartition(" <")
    for key, value in (("user.name", name), ("user.email", email.rstrip(">"))):
        repo.git.process.run(["config", "--local", key, value])
    del repo.__dict__["settings"]  # read again when it is asked for


def push_result(repo: Repo, progress: Progress | None = None) -> Pushed:
    """Push what a job recorded, to the inbox, where no other job is in the way.

    Tried again for about a minute: whatever ends a job by force ends git too, and a
    network may come back.

    Raises:
        RemoteError: It did not get there.
        GitmlError: The remote refuses it.
    """
    for pause_s in (*_PAUSES_S, None):
        try:
            return _push(repo, progress)
        except RemoteError:
            if pause_s is None:
                raise
            time.sleep(pause_s)
    raise AssertionError("the last try returns or raises")


def _push(repo: Repo, progress: Progress | None) -> Pushed:
    from gitml.registry.settling import settle

    try:
        return push(repo, ORIGIN, PushOptions(inbox=True), progress=progress, settle=settle)
    except PushRefusedError:  # a host that keeps such refs out
        return push(repo, ORIGIN, progress=progress, settle=settle)


@contextmanager
def undisturbed() -> Iterator[None]:
    """Let no signal end what is done here, nor the git processes that it starts."""
    before = signal.pthread_sigmask(signal.SIG_BLOCK, _ENDING)
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
