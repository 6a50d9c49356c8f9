"""Where the code can be fetched from, without the credentials to do so."""

from __future__ import annotations

from typing import TYPE_CHECKING

from gitml.git.repo import GitRepo
from gitml.tracking.secrets import strip_url_credentials

if TYPE_CHECKING:
    from dulwich.config import ConfigFile


def find_remote(git: GitRepo, branch: str | None) -> str | None:
    """Return the URL of the remote that a branch belongs to.

    That is the branch's own remote, else `origin`, else the only one there is.

    Args:
        git: The repository.
        branch: The branch's short name; None when HEAD is detached.

    Returns:
        The URL with user, password and tokens removed; None if there is no remote.
    """
    config = _read_config(git)
    remotes = [
        section[1] for section in config.sections() if len(section) == 2 and section[0].lower() == b"remote"
    ]
    wanted = [b"origin", *(remotes if len(remotes) == 1 else [])]
    if branch is not None:
        own = _get(config, (b"branch", branch.encode("utf-8", "replace")), b"remote")
        wanted = [own, *wanted] if own else wanted
    for name in wanted:
        url = _get(config, (b"remote", name), b"url")
        if url:
            return strip_url_credentials(url.decode("utf-8", "backslashreplace"))
    return None


def _read_config(git: GitRepo) -> ConfigFile:
    from dulwich.config import ConfigFile

    # In process: asking git would cost a third of what recording a short run may.
    try:
        return ConfigFile.from_path(str(git.common_dir / "config"))
    except FileNotFoundError:
        return ConfigFile()


def _get(config: ConfigFile, section: tuple[bytes, ...], name: bytes) -> bytes | None:
    """Return the first value, which is the one git fetches from."""
    try:
        return next(iter(config.get_multivar(section, name)), None)
    except KeyError:
        return None
