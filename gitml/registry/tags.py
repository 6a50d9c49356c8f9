"""Make a tag of the registry: the one place where any comes into being."""

from __future__ import annotations

import time
from collections.abc import Callable

from gitml.repo import Repo

# Given what the tag says, gives the signature that is put below it.
Signer = Callable[[bytes], bytes]


def now_ms() -> int:
    """The time as tags have it: whole seconds."""
    return time.time_ns() // 1_000_000_000 * 1000


def make_tag(
    repo: Repo, ref: str, target: str, kind: str, message: str, *, time_ms: int, sign: Signer | None = None
) -> str | None:
    """Make an annotated tag under a name that is free.

    Args:
        repo: The repository.
        ref: The tag's full name.
        target: The object that it tags.
        kind: What that is: `commit` or `tag`.
        message: The whole message.
        time_ms: When.
        sign: Gives the signature.

    Returns:
        The tag object; None if the name is taken, then nothing was changed.
    """
    name = ref.removeprefix("refs/tags/")
    content = (
        f"object {target}\ntype {kind}\ntag {name}\ntagger {repo.settings.author} {time_ms // 1000} +0000\n"
        f"\n{message}"
    ).encode("utf-8", "replace")
    if sign is not None:
        content += sign(content)
    oid = repo.git.write_tag(content)
    return oid if repo.git.move_ref(ref, None, oid, message.partition("\n")[0]) else None
