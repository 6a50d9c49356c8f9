"""Read a ref from its files, make or move it, as git lays them out (gitrepository-layout(5)).

Every command reads the tip of the runs branch; loading dulwich for that takes ten
times as long as the rest of it. To make or move a ref it would read and check all packed
ones, which takes 0.2 s with twenty thousand. What is symbolic, and removing, is dulwich's.
"""

from __future__ import annotations

import errno
import os
import re
from contextlib import suppress
from pathlib import Path

from gitml.errors import DamagedError

_OID = re.compile(rb"[0-9a-f]{40}(?:[0-9a-f]{24})?")
_SYMBOLIC = b"ref: "
_MAX_LINKS = 5  # as git allows
_ATTEMPTS = 10


def is_symbolic(common_dir: Path, ref: str) -> bool:
    """Whether a ref stands for another one."""
    try:
        with open(common_dir / ref, "rb") as file:
            return file.read(len(_SYMBOLIC)) == _SYMBOLIC
    except (FileNotFoundError, IsADirectoryError, NotADirectoryError):
        return False


def read_ref(common_dir: Path, ref: str) -> str | None:
    """Read what a ref points at: its own file, or else the packed ones.

    Args:
        common_dir: The repository's folder, which all worktrees share.
        ref: Full name, `refs/…`.

    Raises:
        DamagedError: Its file holds something else, or refs go round in a circle.
    """
    for _ in range(_MAX_LINKS):
        try:
            content = (common_dir / ref).read_bytes().rstrip()
        except (FileNotFoundError, IsADirectoryError, NotADirectoryError):
            return _packed(common_dir, ref)
        if not content.startswith(_SYMBOLIC):
            if not _OID.fullmatch(content):
                raise DamagedError(f"the ref '{ref}' holds no object id", hint="git fsck tells more")
            return content.decode()
        ref = content[len(_SYMBOLIC) :].decode("utf-8", "surrogateescape")
        if not ref.startswith("refs/") or ".." in ref:
            break
    raise DamagedError(f"the ref '{ref}' can't be followed", hint="git symbolic-ref tells where it leads")


def _packed(common_dir: Path, ref: str) -> str | None:
    try:
        content = (common_dir / "packed-refs").read_bytes()
    except FileNotFoundError:
        return None
    name = b" " + ref.encode("utf-8", "surrogateescape") + b"\n"
    end = content.find(name)
    while end >= 0:
        start = content.rfind(b"\n", 0, end) + 1
        if _OID.fullmatch(content[start:end]):
            return content[start:end].decode()
        end = content.find(name, end + 1)  # a comment that ends like it
    return None


class RefLockedError(Exception):
    """Another program holds the lock of a ref."""


def set_ref(common_dir: Path, ref: str, old: str | None, new: str) -> bool:
    """Make a ref, or move it, by compare-and-swap; as safe against a power cut as git's own update-ref.

    Args:
        common_dir: The repository's folder, which all worktrees share.
        ref: Full name, `refs/…`; no symbolic one.
        old: What it must point at now; None if it may not exist.
        new: What it shall point at.

    Returns:
        False if it was not at `old`: nothing was changed.

    Raises:
        RefLockedError: Another program holds its lock.
        OSError: Something that is no ref is in its way.
    """
    path = common_dir / ref
    lock = path.with_name(f"{path.name}.lock")
    file = os.fdopen(_open_lock(lock), "wb", buffering=0)
    done = False
    try:
        with file:
            # Whoever wants to make or pack it too has to wait for the lock.
            fits = read_ref(common_dir, ref) == old
            if fits:
                if old is None:
                    _refuse_in_the_way(common_dir, ref)
                if path.is_dir():
                    _remove_empty(path)
                content = f"{new}\n".encode()
                if file.write(content) != len(content):
                    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(lock))
        if fits:  # only what is closed is whole: a full disk of a server is told at that moment
            lock.rename(path)
            done = True
    finally:
        if not done:  # else the name is free again, and may be the lock of another program
            lock.unlink()
    return done


def _refuse_in_the_way(common_dir: Path, ref: str) -> None:
    """Refuse a new ref where a packed one is its folder, or lies below it."""
    try:
        packed = (common_dir / "packed-refs").read_bytes()
    except FileNotFoundError:
        return
    parts = ref.split("/")
    above = ["/".join(parts[:end]) for end in range(3, len(parts))]
    if any(f" {name}\n".encode() in packed for name in above) or f" {ref}/".encode() in packed:
        raise NotADirectoryError(f"a packed ref is in the way of '{ref}'")


def _open_lock(lock: Path) -> int:
    """Take the lock as git does; git may remove the folder, while it is empty, at any moment."""
    for attempt in range(_ATTEMPTS):
        try:
            return os.open(lock, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o666)
        except FileExistsError:
            raise RefLockedError from None
        except FileNotFoundError:
            if attempt == _ATTEMPTS - 1:
                raise
            with suppress(FileExistsError):
                lock.parent.mkdir(parents=True)
    raise AssertionError("unreachable")


def _remove_empty(folder: Path) -> None:
    """Remove folders that refs left, as git does; one with refs in it is in the way."""
    for root, _, files in os.walk(folder, topdown=False):
        if files:
            raise IsADirectoryError(f"'{root}' holds refs")
        os.rmdir(root)
