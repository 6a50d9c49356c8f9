"""Making a clone by the user's own git."""

from __future__ import annotations

from pathlib import Path

from gitml.errors import UsageError
from gitml.git.process import GitProcess
from gitml.git.remote import Progress, Remote

ORIGIN = "origin"


def clone(
    url: str, folder: Path, *, shallow: bool = False, filter_: str | None = None, bare: bool = False,
    progress: Progress | None = None,
) -> None:  # fmt: skip
    """Clone a repository; its runs are left to `pull`.

    Args:
        url: Where it is, as git has it.
        folder: Where to; must be empty or not exist.
        shallow: Only the newest commit.
        filter_: What a partial clone leaves out, such as `blob:none`.
        bare: Without a work tree.
        progress: Told phase, done and total.

    Raises:
        UsageError: The folder is taken, or a word would be an option to git.
        RemoteUnreachableError: It can't be read.
    """
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise UsageError(f"'{folder}' exists and is not empty", hint=f"gitml clone {url} ANOTHER-FOLDER")
    if filter_ is not None and (not filter_ or filter_.startswith("-")):
        raise UsageError(f"'{filter_}' is no filter", hint="gitml clone --filter blob:none URL")
    # Never by links to files of a repository that others may write to.
    options = ["--progress", "--no-local", f"--origin={ORIGIN}"]
    options += ["--depth=1", "--no-single-branch"] if shallow else []
    options += [f"--filter={filter_}"] if filter_ else []
    options += ["--bare"] if bare else []
    remote = Remote(GitProcess(Path.cwd()), url)
    remote.clone([*options, "--", url, str(folder)], progress)
