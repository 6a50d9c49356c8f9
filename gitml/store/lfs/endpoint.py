"""Where the Git LFS server of a remote is, found as git-lfs finds it.

https://github.com/git-lfs/git-lfs/blob/main/docs/api/server-discovery.md
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import unquote, urlsplit

from gitml.store.base import StoreUnreachableError
from gitml.store.folder import local_path
from gitml.store.lfs.urls import UnusableUrlError, origin, shown, split_http, without_user

_SUFFIX = "/info/lfs"
_SCP_LIKE = re.compile(r"(?:(?P<user>[^@/:\[]+)@)?(?P<host>\[[^\]]+\]|[^/:\[\]]+):(?P<path>.*)", re.DOTALL)
# What git-lfs takes from a file that comes with the repository; nothing there may start a program.
_SAFE = frozenset({"lfs.gitprotocol", "lfs.pushurl", "lfs.url"})


class NoLfsServerError(StoreUnreachableError):
    """A remote has no Git LFS server that we could find."""

    def __init__(self, name: str, reason: str) -> None:
        super().__init__(
            name,
            reason,
            hint="git config lfs.url URL sets the server; gitml remote artifacts URL sets another place",
        )


@dataclass(frozen=True, slots=True)
class SshTarget:
    """Whom to ask by ssh, and for which repository."""

    user_and_host: str
    port: int | None
    path: str


@dataclass(frozen=True, slots=True)
class Endpoint:
    """A Git LFS server.

    Attributes:
        url: Its URL, without a user.
        credential_url: What credentials are asked for: the git remote, if that is the same host.
        username: Who to be there, if the URL said so.
        password: The password in the URL, for people who must.
        ssh: Whom to ask for the real URL and a way in.
    """

    url: str
    credential_url: str
    username: str | None = None
    password: str | None = field(default=None, repr=False)
    ssh: SshTarget | None = None

    @property
    def name(self) -> str:
        """What messages call it."""
        if self.ssh is None:
            return shown(self.url)
        port = f":{self.ssh.port}" if self.ssh.port else ""
        return f"ssh://{self.ssh.user_and_host.rpartition('@')[2]}{port}/{self.ssh.path.lstrip('/')}"


def find_endpoint(
    values: Mapping[str, str],
    remote: str,
    url: str,
    *,
    upload: bool,
    lfsconfig: Mapping[str, str] | None = None,
) -> Endpoint:
    """Find the server that belongs to a remote.

    Args:
        values: git's configuration, keys as git prints them.
        remote: The remote's name; a URL or path where it has none.
        url: Where git fetches from it, rewritten as git does (`insteadOf`).
        upload: Whether it is to be written to: that may be another server.
        lfsconfig: What stands in the repository's `.lfsconfig`; only harmless keys are taken.

    Raises:
        NoLfsServerError: There is none, or its URL can't be used.
    """
    values = {**_harmless(lfsconfig or {}), **values}
    configured, url = _target(values, remote, url, upload=upload)
    try:
        if configured is not None:
            return _from_url(values, configured, url, "")
        return _from_url(values, url, url, _SUFFIX)
    except UnusableUrlError as err:
        raise NoLfsServerError(shown(configured or url), f"{err} can't be that of a Git LFS server") from None


def find_place(
    values: Mapping[str, str],
    remote: str,
    url: str,
    *,
    upload: bool,
    base: Path,
    lfsconfig: Mapping[str, str] | None = None,
) -> Endpoint | Path:
    """Find the server that belongs to a remote, or the repository on this machine.

    Args:
        values: git's configuration, keys as git prints them.
        remote: The remote's name; a URL or path where it has none.
        url: Where git fetches from it, rewritten as git does (`insteadOf`).
        upload: Whether it is to be written to: that may be another place.
        base: What a relative path of the remote is relative to.
        lfsconfig: What stands in the repository's `.lfsconfig`; only harmless keys are taken.

    Raises:
        NoLfsServerError: There is none, or its URL can't be used.
    """
    configured, target = _target({**_harmless(lfsconfig or {}), **values}, remote, url, upload=upload)
    if configured is None or _is_local(configured):
        path = local_path(target if configured is None else configured, base)
        if path is not None:
            return path
    return find_endpoint(values, remote, url, upload=upload, lfsconfig=lfsconfig)


def _target(values: Mapping[str, str], remote: str, url: str, *, upload: bool) -> tuple[str | None, str]:
    """Look up what the configuration says of where objects are, and where the git remote is."""
    keys = ["lfs.pushurl"] * upload + ["lfs.url"]
    keys += [f"remote.{remote}.lfspushurl"] * upload + [f"remote.{remote}.lfsurl"]
    configured = next((values[key] for key in keys if values.get(key)), None)
    if upload and values.get(f"remote.{remote}.pushurl"):
        url = _expand(values, values[f"remote.{remote}.pushurl"])
    return None if configured is None else _expand(values, configured), url


def _is_local(url: str) -> bool:
    """Whether Git LFS takes a URL for a path."""
    return url.startswith(("/", "file://"))


def _harmless(values: Mapping[str, str]) -> dict[str, str]:
    """Leave out what could start a program, or have us write into folders of this machine."""
    return {
        key: value
        for key, value in values.items()
        if (key in _SAFE or (key.startswith("remote.") and key.endswith(".lfsurl"))) and not _is_local(value)
    }


def _expand(values: Mapping[str, str], url: str) -> str:
    """Apply the longest `url.<base>.insteadOf` that fits."""
    fitting = [
        (len(value), key[len("url.") : -len(".insteadof")])
        for key, value in values.items()
        if key.startswith("url.") and key.endswith(".insteadof") and value and url.startswith(value)
    ]
    if not fitting:
        return url
    length, base = max(fitting)
    return base + url[length:]


def _from_url(values: Mapping[str, str], url: str, git_url: str, suffix: str) -> Endpoint:
    scheme = url.partition("://")[0].lower() if "://" in url else ""
    if scheme in ("ssh", "git+ssh", "ssh+git"):
        return _from_ssh_url(url, suffix)
    if scheme == "git":
        protocol = values.get("lfs.gitprotocol", "https")
        return _over_http(f"{protocol}{url[len('git') :]}", git_url, suffix)
    if scheme in ("http", "https"):
        return _over_http(url, git_url, suffix)
    match = _SCP_LIKE.fullmatch(url)
    if scheme or match is None or re.match(r"[A-Za-z0-9+.-]+::", url):
        raise UnusableUrlError(f"'{shown(url)}'")
    user, host, port = match["user"], match["host"], None
    if host.startswith("["):  # [user@host:port]:path, or an address of IPv6
        inner = re.fullmatch(r"\[(?:([^@:\[\]]+)@)?([^@:\[\]]+):([0-9]+)\]", host)
        user, host, port = (inner[1] or user, inner[2], inner[3]) if inner else (user, host[1:-1], None)
    return _over_ssh(user, host, port, match["path"], suffix)


def _from_ssh_url(url: str, suffix: str) -> Endpoint:
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        raise UnusableUrlError("an ssh URL that makes no sense") from None
    user = None if parts.username is None else unquote(parts.username)
    return _over_ssh(user, parts.hostname or "", port, unquote(parts.path), suffix)


def _over_ssh(user: str | None, host: str, port: int | str | None, path: str, suffix: str) -> Endpoint:
    """Refuse what ssh could take for an option; the rest is the user's own to say."""
    if any(
        not word or word.startswith("-") or re.search(r"[\x00-\x1f\x7f]", word)
        for word in (user or "x", host, path)
    ):
        raise UnusableUrlError("an ssh URL without a host or path, or with one that looks like an option,")
    who = f"{user}@{host}" if user else host
    bracketed = f"[{host}]" if ":" in host else host
    over_https = _with_suffix(f"https://{bracketed}/{path.lstrip('/')}", suffix)
    return Endpoint(over_https, over_https, ssh=SshTarget(who, int(port) if port else None, path))


def _over_http(url: str, git_url: str, suffix: str) -> Endpoint:
    bare, username, password = without_user(_with_suffix(url, suffix) if suffix else url.rstrip("/"))
    asked = bare
    try:
        git_bare, git_username, git_password = without_user(git_url)
        if origin(git_bare) == origin(bare):  # the same host: git's own credentials are meant
            asked = git_bare
            username, password = username or git_username, password or git_password
    except UnusableUrlError:  # the remote itself goes by ssh, or is a folder
        pass
    split_http(bare)
    return Endpoint(bare, asked, username, password)


def _with_suffix(url: str, suffix: str) -> str:
    url = url.rstrip("/")
    return url + (suffix if url.endswith(".git") else f".git{suffix}") if suffix else url
