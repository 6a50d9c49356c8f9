"""Send artifacts before the branch or tag that points at them.

git calls the pre-push hook when it knows what it will push and nothing has
left yet. Only commits that the remote does not have are looked at, so a push
after each run costs the same with one run before it and with 100,000.
"""

from __future__ import annotations

import os
import re
import uuid
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import unquote

from gitml.entities.artifact import Pointer
from gitml.errors import RemoteError, UsageError
from gitml.formats import run_tree
from gitml.formats.pointer import decode_attributes, decode_pointer
from gitml.git.process import GitCommandFailedError
from gitml.repo import Repo
from gitml.store.local import ObjectStore

_NAMESPACES = ("refs/heads/gitml/", "refs/tags/gitml/", "refs/gitml/")
_LFS_BATCH = 200  # object ids on one command line
Progress = Callable[[int], None]


@dataclass(frozen=True, slots=True)
class PushedRef:
    """One line of what git tells a pre-push hook; an `oid` of zeros is nothing."""

    local: str
    local_oid: str
    remote: str
    remote_oid: str

    @property
    def concerns_runs(self) -> bool:
        """Whether runs or their versions go out by it."""
        is_deletion = set(self.local_oid) == {"0"}
        return not is_deletion and (self.local.startswith(_NAMESPACES) or self.remote.startswith(_NAMESPACES))


@dataclass(frozen=True, slots=True)
class SentObjects:
    """What was sent and what was there already."""

    sent: tuple[Pointer, ...] = ()
    present: tuple[Pointer, ...] = ()

    @property
    def sent_bytes(self) -> int:
        """How much was sent."""
        return sum(pointer.size for pointer in self.sent)


class ArtifactsNotSentError(RemoteError):
    """Some artifacts can't reach the remote, so what points at them must not either."""

    def __init__(self, remote: str, count: int, reason: str, hint: str) -> None:
        noun = "artifact" if count == 1 else "artifacts"
        super().__init__(f"{count:,} {noun} could not be sent to '{remote}': {reason}", hint=hint)
        self.remote = remote
        self.count = count


@dataclass(frozen=True, slots=True)
class _Wanted:
    """Objects that pushed runs need: each with one file that it stands for."""

    files: dict[Pointer, str] = field(default_factory=dict)

    def of_kind(self, *, lfs: bool) -> list[Pointer]:
        return [pointer for pointer in self.files if pointer.lfs == lfs]


def parse_refs(text: str) -> list[PushedRef]:
    """Read what git writes to a pre-push hook.

    Raises:
        UsageError: It is something else.
    """
    refs = []
    for line in text.splitlines():
        words = line.split(" ")
        if line and (len(words) != 4 or not re.fullmatch("[0-9a-f]{40,64}", words[1])):
            raise UsageError(
                f"'{line[:100]}' is not what git writes to a pre-push hook",
                hint="git runs this command by itself; to install it: gitml init --hooks",
            )
        if line:
            refs.append(PushedRef(*words))
    return refs


def send_artifacts(
    repo: Repo, remote: str, url: str, refs: Sequence[PushedRef], progress: Progress | None = None
) -> SentObjects:
    """Send the objects that pushed runs need and the remote lacks.

    Args:
        repo: The repository that is pushed from.
        remote: The remote's name, or its URL if it has none.
        url: Where it is.
        refs: What is pushed.
        progress: Called with the number of bytes done since the last call.

    Returns:
        What was sent. Objects that go through Git LFS count as sent, though
        Git LFS skips those that the server has.

    Raises:
        ArtifactsNotSentError: At least one could not be; nothing that points
            at it should be pushed.
    """
    relevant = [ref for ref in refs if ref.concerns_runs]
    wanted = _objects_of(repo, relevant, remote) if relevant else _Wanted()
    done = [
        _send_to_store(repo, remote, wanted, progress),
        _send_to_remote(repo, remote, url, wanted, progress),
    ]
    return SentObjects(
        tuple(pointer for part in done for pointer in part.sent),
        tuple(pointer for part in done for pointer in part.present),
    )


# What is needed


def _objects_of(repo: Repo, refs: Sequence[PushedRef], remote: str) -> _Wanted:
    """Find the pointers in the commits that the remote does not have yet."""
    known = _known_to_remote(repo, remote)
    known += [ref.remote_oid for ref in refs if repo.git.has_object(ref.remote_oid)]
    commits: dict[str, None] = {}
    for ref in refs:
        commits |= dict.fromkeys(commit for commit, _ in repo.git.rev_list(ref.local_oid, known))
    wanted = _Wanted()
    paths = list(_pointer_paths(repo, commits))
    for name, data in zip(paths, repo.git.cat_paths(paths)):
        pointer = decode_pointer(data) if data is not None else None
        if pointer is not None:
            wanted.files.setdefault(pointer, name)
    return wanted


def _pointer_paths(repo: Repo, commits: Iterable[str]) -> Iterator[str]:
    names = [f"{commit}:{run_tree.ATTRIBUTES_FILE}" for commit in commits]
    seen: set[bytes] = set()
    for name, data in zip(names, repo.git.cat_paths(names)):
        if data is None:
            continue
        commit = name.partition(":")[0]
        fresh = data not in seen
        seen.add(data)
        # Records of one run share the list of pointers; what they point at can only differ between runs.
        yield from (f"{commit}:{path}" for path in decode_attributes(data))
        del fresh


def _known_to_remote(repo: Repo, remote: str) -> list[str]:
    """Tips that this repository saw at the remote when it last looked."""
    if "/" in remote and remote not in repo.settings.remotes:
        return []  # a bare URL has no tracking branches
    out = repo.git.process.run(
        ["for-each-ref", "--format=%(objectname)", f"refs/remotes/{remote}/gitml/", f"refs/gitml/remotes/{remote}/"]
    )
    return out.decode().split()
