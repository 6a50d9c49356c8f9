"""What PROJECT means on the command line: a folder or a git URL, perhaps with `#subfolder`."""

from __future__ import annotations

import re
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from gitml.errors import NotFoundError, UsageError
from gitml.formats.names import is_git_folder
from gitml.tracking.secrets import strip_url_credentials

SCHEMES = ("https", "http", "ssh", "git", "file")
_LIKE_URL = re.compile(r"(?P<scheme>[A-Za-z][A-Za-z0-9+.-]*)(?P<mark>://|::)")
# As git has it: `[user@]host:path` with no '/' before the first ':'.
_LIKE_SCP = re.compile(
    r"(?:(?P<user>[^/:@\s]+)@)?(?P<host>[A-Za-z0-9_.-]+|\[[0-9A-Fa-f:.]+\]):(?P<path>[^:\s].*)"
)
_HOST = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*://(?:[^/@]*@)?(?P<host>[^/]*)")
_CONTROL = re.compile(r"[\x00-\x1f\x7f]")


class TargetError(UsageError):
    """What was given can't be a project."""

    def __init__(self, text: str, why: str, *, hint: str | None = None) -> None:
        super().__init__(f"'{shown(text)}' can't be a project: {why}", hint=hint)
        self.why = why


class FolderNotFoundError(NotFoundError):
    """There is no folder where the project should be."""

    def __init__(self, folder: Path) -> None:
        hint = "check the path; a git URL begins with https://, ssh:// or host:"
        super().__init__(f"there is no folder '{folder}'", hint=hint)
        self.folder = folder


@dataclass(frozen=True, slots=True)
class Target:
    """Where a project is: one of `folder` and `url` is given.

    Attributes:
        folder: A folder on this machine.
        url: A git URL as it was given, with the credentials that may be in it.
        subdirectory: The project's folder below that, with '/' between parts; '' at the top.
    """

    folder: Path | None = None
    url: str | None = None
    subdirectory: str = ""


def is_project(word: str, environ: Mapping[str, str]) -> bool:
    """Whether the first word after `gitml run` is a project; everything else is a program.

    It is one if it is a git URL, or `.` or `..`, or has a '/' and is a folder, or is
    the name of a folder that no program on PATH has.

    Args:
        word: The word.
        environ: `PATH` says where programs are.
    """
    if not word or word.startswith("-"):
        return False
    if is_url(word):
        return True
    name = str(_split_folder(word)[0])
    if name in (".", ".."):
        return True
    if not Path(name).is_dir():
        return False
    return "/" in word.partition("#")[0] or shutil.which(name, path=environ.get("PATH", "")) is None


def is_url(text: str) -> bool:
    """Whether a text has the form of a URL, also of one that `parse_target` refuses."""
    return _LIKE_URL.match(text) is not None or _LIKE_SCP.fullmatch(text) is not None


def parse_target(text: str) -> Target:
    """Read what was given as PROJECT.

    Raises:
        TargetError: It is a URL of another kind, could be taken for an option, or its
            subfolder leads out of the project.
        FolderNotFoundError: It is no URL, and no folder of that name is there.
    """
    if not text or text.startswith("-") or _CONTROL.search(text):
        raise TargetError(text, "it is empty, begins with '-' or has control characters")
    if is_url(text):
        url, _, subdirectory = text.partition("#")
        return Target(url=check_url(url), subdirectory=_check_subdirectory(text, subdirectory))
    folder, subdirectory = _split_folder(text)
    if not folder.is_dir():
        raise FolderNotFoundError(folder)
    return Target(folder=folder, subdirectory=_check_subdirectory(text, subdirectory))


def check_url(url: str) -> str:
    """Accept a URL that git may be given.

    Raises:
        TargetError: Its transport is none of git's own, or a part could be taken for an option.
    """
    if not url or url.startswith("-") or _CONTROL.search(url):
        raise TargetError(url, "it is empty, begins with '-' or has control characters")
    like_url = _LIKE_URL.match(url)
    if like_url is not None:
        if like_url["mark"] != "://" or like_url["scheme"].lower() not in SCHEMES:
            which = f"git URLs begin with {', '.join(f'{scheme}://' for scheme in SCHEMES)} or are host:path"
            raise TargetError(url, f"'{like_url['scheme']}{like_url['mark']}' is not a git URL", hint=which)
        address = _HOST.match(url)
        host, user = (address["host"] if address else ""), url.partition("://")[2]
        if host.startswith("-") or user.startswith("-"):
            raise TargetError(url, "its host begins with '-'")
        return url
    like_scp = _LIKE_SCP.fullmatch(url)
    if like_scp is None:
        raise TargetError(url, "it is not a git URL")
    if any((part or "").startswith("-") for part in like_scp.group("user", "host", "path")):
        raise TargetError(url, "its user, host or path begins with '-'")
    return url


def shown(text: str) -> str:
    """A project as messages may show it: without credentials and control characters, not too long."""
    return _CONTROL.sub("?", strip_url_credentials(text))[:200]


def _split_folder(text: str) -> tuple[Path, str]:
    """Split off `#subfolder`, unless the folder's own name has the '#'."""
    path, mark, subdirectory = text.partition("#")
    if not mark or not path or Path(text).is_dir():
        return Path(text), ""
    return Path(path), subdirectory


def _check_subdirectory(text: str, subdirectory: str) -> str:
    parts = [part for part in subdirectory.split("/") if part not in ("", ".")]
    if subdirectory.startswith("/") or ".." in parts or any(map(is_git_folder, parts)):
        hint = "give it relative to the top of the project, as in URL#examples/train"
        raise TargetError(text, f"the subfolder '{subdirectory[:100]}' leads out of it", hint=hint)
    return "/".join(parts)
