"""Settings: git's configuration and the environment, read once, frozen.

Every key is in docs/reference/configuration.md. Nothing else in the library
reads the environment for settings.
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Literal, cast

from gitml.errors import UsageError

if TYPE_CHECKING:
    from gitml.git.repo import GitRepo

CodeMode = Literal["tree", "commit", "off"]
ReceiveMode = Literal["auto", "require", "ignore"]
_UNITS = {"": 1, "k": 1024, "m": 1024**2, "g": 1024**3}


@dataclass(frozen=True, slots=True)
class Settings:
    """What a repository's configuration says.

    Attributes:
        author: `Name <email>` of who records, as git has it.
        inline_limit: Bytes up to which an artifact stays plain in git.
        history_limit: Bytes up to which a metric's history stays plain in git.
        artifacts_url: Where artifacts travel instead of the host's Git LFS.
        code: What a run keeps of the source.
        snapshot_limit: Bytes above which an untracked file is left out of a snapshot.
        record_host: Whether runs name the machine.
        receive_blob_limit: Bytes above which a server takes no file into git.
        receive_lfs_objects: Whether a server wants the objects of pushed runs beside the repository.
        lfs_storage: Git LFS's own setting of where its objects live.
        remotes: Name to URL.
        values: All of git's configuration, keys as git prints them; of a key that stands
            several times, what counts for git: the last.
        extra_headers: `http.extraHeader` and `http.<url>.extraHeader`, each time that one
            stands there: git sends them all.
    """

    author: str
    inline_limit: int = 100_000
    history_limit: int = 4 * 1024**2
    artifacts_url: str | None = None
    code: CodeMode = "tree"
    snapshot_limit: int = 1024**2
    record_host: bool = False
    receive_blob_limit: int = 100 * 1024**2
    receive_lfs_objects: ReceiveMode = "auto"
    lfs_storage: str | None = None
    remotes: Mapping[str, str] = field(default_factory=dict)
    values: Mapping[str, str] = field(default_factory=dict)
    extra_headers: tuple[tuple[str, str], ...] = ()


def load_settings(git: GitRepo, environ: Mapping[str, str] | None = None) -> Settings:
    """Read the settings of a repository.

    Raises:
        UsageError: A `gitml.*` key has a value that means nothing.
    """
    pairs = _git_config(git)
    settings = _parse(dict(pairs), os.environ if environ is None else environ)
    return replace(settings, extra_headers=tuple(pair for pair in pairs if pair[0].endswith(".extraheader")))


def chosen_repository(environ: Mapping[str, str] | None = None) -> str | None:
    """Name the repository that `GITML_REPO` says; None: it says none, the current folder's counts."""
    return (os.environ if environ is None else environ).get("GITML_REPO") or None


def check_setting(key: str, value: str) -> None:
    """See whether a key can have a value, before it is written.

    Raises:
        UsageError: It can't.
    """
    _parse({key.lower(): value}, {})


def _parse(values: dict[str, str], environ: Mapping[str, str]) -> Settings:
    code = values.get("gitml.code", "tree")
    if code not in ("tree", "commit", "off"):
        raise UsageError(
            f"gitml.code is '{code}', it can be tree, commit or off", hint="git config gitml.code tree"
        )
    receive = values.get("gitml.receive.lfsobjects", "auto")
    if receive not in ("auto", "require", "ignore"):
        raise UsageError(
            f"gitml.receive.lfsObjects is '{receive}', it can be auto, require or ignore",
            hint="git config gitml.receive.lfsObjects auto",
        )
    return Settings(
        author=_author(values, environ),
        inline_limit=_size(values, "gitml.artifacts.inlinelimit", 100_000),
        history_limit=_size(values, "gitml.historylimit", 4 * 1024**2),
        artifacts_url=values.get("gitml.artifacts.url"),
        code=cast("CodeMode", code),
        snapshot_limit=_size(values, "gitml.snapshotlimit", 1024**2),
        record_host=_flag(values, "gitml.recordhost"),
        receive_blob_limit=_size(values, "gitml.receive.bloblimit", 100 * 1024**2),
        receive_lfs_objects=cast("ReceiveMode", receive),
        lfs_storage=values.get("lfs.storage"),
        remotes={
            key[len("remote.") : -len(".url")]: value
            for key, value in values.items()
            if key.startswith("remote.") and key.endswith(".url")
        },
        values=values,
    )


def _git_config(git: GitRepo) -> list[tuple[str, str]]:
    out = git.process.run(["config", "--null", "--list"])
    pairs = (item.partition("\n") for item in os.fsdecode(out).split("\0") if item)
    return [(key, value if newline else "true") for key, newline, value in pairs]


def _author(values: Mapping[str, str], environ: Mapping[str, str]) -> str:
    name = environ.get("GIT_AUTHOR_NAME") or values.get("author.name") or values.get("user.name") or "unknown"
    email = (
        environ.get("GIT_AUTHOR_EMAIL")
        or values.get("author.email")
        or values.get("user.email")
        or environ.get("EMAIL")
        or "unknown@localhost"
    )
    return f"{_identity_part(name)} <{_identity_part(email)}>"


def _identity_part(text: str) -> str:
    """Leave out what git does not allow in an identity."""
    return re.sub(r"[\x00-\x1f<>]", "", text).strip(" .,:;\"'") or "unknown"


def _flag(values: Mapping[str, str], key: str) -> bool:
    text = values.get(key, "false").lower()
    if text in ("true", "yes", "on", "1"):
        return True
    if text in ("false", "no", "off", "0", ""):
        return False
    raise UsageError(f"{key} is '{text}', it can be true or false", hint=f"git config {key} false")


def _size(values: Mapping[str, str], key: str, default: int) -> int:
    text = values.get(key)
    if text is None:
        return default
    match = re.fullmatch(r"([0-9]+)([kmg]?)", text.strip().lower())
    if match is None:
        raise UsageError(
            f"{key} is '{text}', it must be a size such as 100k or 4m", hint=f"git config {key} 100k"
        )
    return int(match[1]) * _UNITS[match[2]]
