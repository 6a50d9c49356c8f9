"""Which files of a dirty work tree a snapshot takes, and why it leaves others out.

What was committed before is taken whatever it is; what the author never gave
to git is taken if it looks like source: small, no secret, not made by a tool.
"""

from __future__ import annotations

import os
import re
import stat
from collections.abc import Sequence
from functools import cache

from gitml.errors import DamagedError
from gitml.git.repo import GitRepo
from gitml.tracking import left_out
from gitml.tracking.capture.status import TrackedChange, WorkTreeStatus
from gitml.tracking.secrets import find_tokens, token_kinds

MAX_TRACKED_SIZE = 100 << 20
MAX_UNTRACKED_FILES = 5_000
MAX_UNTRACKED_TOTAL = 64 << 20
_MAX_SCANNED = 16 << 20

_SECRET_NAME = rb"""
    \.env(?:rc|\.(?!example$|sample$|template$|dist$).*)? | .+\.env
    | id_(?:rsa|dsa|ecdsa|ed25519)(?:_sk)?
    | .+\.(?:pem|key|p12|pfx|jks|keystore|kdbx|ppk)
    | (?:.*[._-])?(?:credentials?|secrets?)(?:\.(?:json|ya?ml|toml|ini|cfg|csv|txt|env))?
    | client_secrets?.*\.json | .*service[_-]?account.*\.json | kaggle\.json
    | [._]netrc | \.pgpass | \.pypirc | \.npmrc | \.htpasswd | \.git-credentials | \.dockercfg
    """
_SECRET_FOLDERS = frozenset((b".ssh", b".aws", b".gnupg", b".kube", b".docker"))


class Selection:
    """Paths to take from disk, to remove and to put back, and what stays out with the reason."""

    def __init__(self) -> None:
        self.paths: list[bytes] = []
        self.removed: list[bytes] = []
        self.restored: list[TrackedChange] = []
        self.left_out: list[str] = []

    def leave_out(self, path: bytes, reason: str) -> None:
        """Name a path that is not taken."""
        self.left_out.append(left_out.entry(path, reason))


def select(git: GitRepo, status: WorkTreeStatus, max_file_size: int) -> Selection:
    """Decide about every changed and every untracked path.

    Args:
        git: A repository with a work tree.
        status: Its state.
        max_file_size: In bytes; larger untracked files are left out.
    """
    root = os.fsencode(str(git.work_tree))
    selection = Selection()
    for change in status.changes:
        _select_change(git, root, change, selection)
    _select_untracked(root, status.untracked, max_file_size, selection)
    selection.left_out = left_out.cut(selection.left_out)
    return selection


def is_secret_name(path: bytes) -> bool:
    """Whether a file of this name usually holds credentials."""
    *folders, name = path.split(b"/")
    return _secret_name().fullmatch(name) is not None or not _SECRET_FOLDERS.isdisjoint(folders)


@cache
def _secret_name() -> re.Pattern[bytes]:
    return re.compile(_SECRET_NAME, re.VERBOSE | re.IGNORECASE)


def _select_change(git: GitRepo, root: bytes, change: TrackedChange, selection: Selection) -> None:
    if change.submodule_dirty:
        selection.leave_out(change.path, "a submodule; its own uncommitted changes are not taken")
    if change.submodule_dirty and not change.submodule_moved:
        return
    if change.differs_on_disk and change.removed:
        selection.removed.append(change.path)
        return
    # An unmerged path must be settled, or git makes no tree.
    checked = not change.is_submodule and not change.unmerged
    if change.differs_on_disk:
        reason = _reason_against_change(git, root, change) if checked else None
        if reason is None:
            selection.paths.append(change.path)
            return
    else:
        reason = None
    staged = _new_tokens(git, change) if checked else ()
    if staged:
        selection.restored.append(change)
        reason = reason or f"what is staged holds what looks like a {' and a '.join(staged)}"
        selection.leave_out(
            change.path, f"{reason}; " + ("taken as committed" if change.head_oid else "not taken")
        )
    elif reason is not None:
        selection.leave_out(change.path, f"{reason}; taken as it was staged")


def _reason_against_change(git: GitRepo, root: bytes, change: TrackedChange) -> str | None:
    path = os.path.join(root, change.path)
    try:
        status = os.lstat(path)
    except OSError:  # gone since git looked: git will notice too
        return None
    if not stat.S_ISREG(status.st_mode):
        return None
    if status.st_size > MAX_TRACKED_SIZE:
        return _too_large(status.st_size, MAX_TRACKED_SIZE)
    if not os.access(path, os.R_OK):
        return "not readable"
    tokens = find_tokens(_read(path)) if status.st_size <= _MAX_SCANNED else frozenset()
    if tokens and not tokens <= _tokens_in(git, change.head_oid):
        return f"its changes hold what looks like a {_kinds(path)}"
    return None


def _new_tokens(git: GitRepo, change: TrackedChange) -> tuple[str, ...]:
    """Name the kinds of credentials that are staged and not committed."""
    oid = change.staged_oid
    if oid is None or oid == change.head_oid or git.blob_sizes([oid]).get(oid, 0) > _MAX_SCANNED:
        return ()
    text = _text_of(git, oid)
    tokens = find_tokens(text)
    return tuple(token_kinds(text)) if tokens and not tokens <= _tokens_in(git, change.head_oid) else ()


def _tokens_in(git: GitRepo, oid: str | None) -> frozenset[str]:
    return find_tokens(_text_of(git, oid)) if oid else frozenset()


def _text_of(git: GitRepo, oid: str) -> str:
    try:
        return git.read_blob(oid).decode("latin-1")
    except DamagedError:  # a partial clone: take the cautious way
        return ""


def _select_untracked(root: bytes, paths: Sequence[bytes], max_file_size: int, selection: Selection) -> None:
    environments = {path.rpartition(b"/")[0] for path in paths if path.endswith(b"/pyvenv.cfg")}
    named: set[bytes] = set()
    sized: list[tuple[int, bytes]] = []
    for path in paths:
        made = _made_by_tool(path, environments)
        if made is not None:
            if made[0] not in named:
                selection.leave_out(made[0] + b"/", made[1])
            named.add(made[0])
        elif path.endswith(b"/"):
            selection.leave_out(path, "a git repository of its own")
        else:
            _weigh(root, path, max_file_size, sized, selection)
    _take_within_limits(root, sized, selection)


def _made_by_tool(path: bytes, environments: set[bytes]) -> tuple[bytes, str] | None:
    """Return the folder that a tool made and what it is, if the path lies in one."""
    folders = path.split(b"/")[:-1]
    for depth, name in enumerate(folders, 1):
        folder = b"/".join(folders[:depth])
        if folder in environments:
            return folder, left_out.VIRTUAL_ENVIRONMENT
        if name in left_out.MADE_BY_TOOLS:
            return folder, left_out.MADE_BY_TOOLS[name]
    return None


def _weigh(
    root: bytes, path: bytes, limit: int, sized: list[tuple[int, bytes]], selection: Selection
) -> None:
    if is_secret_name(path):
        selection.leave_out(path, "named like a secret")
        return
    try:
        status = os.lstat(os.path.join(root, path))
    except OSError:  # gone since git looked
        return
    if not stat.S_ISREG(status.st_mode):
        sized.append((0, path))
    elif status.st_size > limit:
        selection.leave_out(path, _too_large(status.st_size, limit))
    elif not os.access(os.path.join(root, path), os.R_OK):
        selection.leave_out(path, "not readable")
    else:
        sized.append((status.st_size, path))


def _take_within_limits(root: bytes, sized: list[tuple[int, bytes]], selection: Selection) -> None:
    """Take the smallest files first: they are source rather than data."""
    total = 0
    beyond: list[bytes] = []
    for taken, (size, path) in enumerate(sorted(sized), 1):
        total += size
        if total > MAX_UNTRACKED_TOTAL or taken > MAX_UNTRACKED_FILES:
            beyond.append(path)
        elif kinds := _kinds(os.path.join(root, path)):
            selection.leave_out(path, f"holds what looks like a {kinds}")
        else:
            selection.paths.append(path)
    for path in sorted(beyond):
        selection.leave_out(
            path, f"beyond {MAX_UNTRACKED_FILES} untracked files or {_size(MAX_UNTRACKED_TOTAL)}"
        )


def _kinds(path: bytes) -> str:
    return " and a ".join(token_kinds(_read(path)))


def _read(path: bytes) -> str:
    """Read a file's bytes as characters of the same number; empty if it went away or is a link."""
    try:
        if not stat.S_ISREG(os.lstat(path).st_mode):
            return ""
        with open(path, "rb") as file:
            return file.read().decode("latin-1")
    except OSError:
        return ""


def _too_large(size: int, limit: int) -> str:
    return f"{_size(size)}, over {_size(limit)}"


def _size(size: int) -> str:
    for unit, scale in (("GiB", 1 << 30), ("MiB", 1 << 20), ("KiB", 1 << 10)):
        if size >= scale:
            return f"{size / scale:.1f} {unit}".replace(".0 ", " ")
    return f"{size} bytes"
