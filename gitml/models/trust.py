"""Whether a model may run code when it is loaded.

A pickle, a `PythonModel`, a loader module, modules that come with a model: whoever wrote them runs
as you. They are loaded only if one of these holds:

1. The caller says so: `trust=True`, `--trust`, `GITML_TRUST_MODELS=1`.
2. You made the model, on this machine. What gitml saves is remembered by the hash of its files, in
   a folder that only you can write to. So it does not matter where the files come back from, and who
   an author says to be, which anybody can write, does not matter either. A changed byte makes it
   another model.
3. It is a version in the registry whose chain verifies, with a signature by a key that your git
   trusts (`gitml verify NAME@v3 --signed`).

Data alone (skops without other types than its own, safetensors, ONNX) needs none of that.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from gitml.entities.registry import ModelVersion
from gitml.entities.verification import Proof
from gitml.errors import GitmlError
from gitml.execution.cache import cache_dir
from gitml.models.errors import UntrustedModelError
from gitml.registry.verification import Wanted, verify
from gitml.repo import Repo

VARIABLE = "GITML_TRUST_MODELS"
_NO = ("", "0", "false", "no", "off")


@dataclass(frozen=True, slots=True)
class Origin:
    """Where a model comes from.

    Attributes:
        name: What the caller called it.
        digest: Gives the hash of its files.
        repo: The repository that it is in; None of a folder.
        version: The version, if it is one.
        asked: What led to the version: its stage or alias can be signed too.
    """

    name: str
    digest: Callable[[], str]
    repo: Repo | None = None
    version: ModelVersion | None = None
    asked: str = ""


def require_trust(origin: Origin, reasons: Sequence[str], trust: bool | None) -> None:
    """See to it that code in a model may run.

    Args:
        origin: Where the model comes from.
        reasons: What of it runs code, a sentence each; if nothing does, nothing is asked.
        trust: What the caller says: True, it may; False, it may not; None, see for yourself.

    Raises:
        UntrustedModelError: Nothing vouches for it.
    """
    if not reasons or trust:
        return
    if trust is False:
        raise UntrustedModelError(origin.name, reasons, "That was forbidden: trust=False")
    if os.environ.get(VARIABLE, "").strip().lower() not in _NO or is_own(origin.digest()):
        return
    doubt = _doubt(origin)
    if doubt:
        raise UntrustedModelError(origin.name, reasons, doubt)


def _doubt(origin: Origin) -> str:
    """Say why the signatures of a version do not vouch for it; empty if they do."""
    if origin.repo is None or origin.version is None:
        return "You did not save it on this machine, and only versions of the registry can be signed"
    doubt = ""
    for name in dict.fromkeys((f"{origin.version.name}@v{origin.version.version}", origin.asked)):
        try:
            found = verify(origin.repo, name, Wanted(signature=True, fetch=True)) if name else None
        except GitmlError as err:
            doubt = doubt or str(err)
            continue
        if found is None or found.version != origin.version.version:
            continue
        if found.proof is Proof.PROVED:
            return ""
        bad = [one.message for one in found.findings if one.proof in (Proof.FAILED, Proof.CHANGED)]
        doubt = doubt or "; ".join(bad)
    return f"You did not save it on this machine, and its signatures do not vouch for it: {doubt}"


# What was saved here


def remember(digest: str) -> None:
    """Remember that this user made the model whose files have this hash.

    Where nothing can be written, as for a user without a home, it is not remembered: such a user
    says `trust=True`.
    """
    marks = _marks()
    with suppress(OSError):
        marks.mkdir(mode=0o700, parents=True, exist_ok=True)
        os.close(os.open(marks / _name(digest), os.O_CREAT | os.O_WRONLY, 0o600))


def is_own(digest: str) -> bool:
    """Whether this user saved a model with these files on this machine."""
    marks = _marks()
    try:
        status = marks.lstat()
        mark = (marks / _name(digest)).lstat()
    except OSError:
        return False
    writable = status.st_mode & (stat.S_IWGRP | stat.S_IWOTH)
    return status.st_uid == mark.st_uid == os.getuid() and not writable and stat.S_ISREG(mark.st_mode)


def _marks() -> Path:
    return cache_dir(os.environ) / "own-models"


def _name(digest: str) -> str:
    return digest.removeprefix("sha256:")
