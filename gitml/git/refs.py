"""Read a ref from its files, as git lays them out (gitrepository-layout(5)).

Every command reads the tip of the runs branch; loading dulwich for that takes ten
times as long as the rest of it. Moving refs is dulwich's.
"""

from __future__ import annotations

import re
from pathlib import Path

from gitml.errors import DamagedError

_OID = re.compile(rb"[0-9a-f]{40}(?:[0-9a-f]{24})?")
_SYMBOLIC = b"ref: "
_MAX_LINKS = 5  # as git allows


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
