"""Make a tag of the registry: the one place where any comes into being."""

from __future__ import annotations

import time
from collections.abc import Callable

from gitml.registry.signing import Sign, Signer, signer_of
from gitml.repo import Repo

__all__ = ["Sign", "Signer", "make_tag", "now_ms", "write_tag"]


def now_ms() -> int:
    """The time as tags have it: whole seconds."""
    return time.time_ns() // 1_000_000_000 * 1000


def make_tag(
    repo: Repo, ref: str, target: str, kind: str, message: str, *, time_ms: int, sign: Sign = None,
    accept: Callable[[str], None] | None = None,
) -> str | None:  # fmt: skip
    """Make an annotated tag under a name that is free.

    Args:
        repo: The repository.
        ref: The tag's full name.
        target: The object that it tags.
        kind: What that is: `commit` or `tag`.
        message: The whole message.
        time_ms: When.
        sign: Whether it is signed, or who signs it; if not given, what git is set up for.
        accept: Looks at the object before it gets its name, and raises if it may not have it.

    Returns:
        The tag object; None if the name is taken, then nothing was changed.

    Raises:
        SigningError: It can't be signed; nothing was changed.
    """
    oid = write_tag(repo, ref, target, kind, message, time_ms=time_ms, sign=sign)
    if accept is not None:
        accept(oid)
    return oid if repo.git.move_ref(ref, None, oid, message.partition("\n")[0]) else None


def write_tag(
    repo: Repo, ref: str, target: str, kind: str, message: str, *, time_ms: int, sign: Sign = None
) -> str:
    """Write a tag object, to which no ref leads yet; arguments are those of `make_tag`."""
    name = ref.removeprefix("refs/tags/")
    content = (
        f"object {target}\ntype {kind}\ntag {name}\ntagger {repo.settings.author} {time_ms // 1000} +0000\n"
        f"\n{message}"
    ).encode("utf-8", "replace")
    signer = signer_of(repo, sign)
    if signer is not None:
        content += signer(content)
    return repo.git.write_tag(content)
