"""Send artifacts before the branch or tag that points at them.

git calls the pre-push hook when it knows what it will push and nothing has
left yet. Only commits that the remote does not have are looked at, so a push
after each run costs the same with one run before it and with 100,000.
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from gitml.entities.artifact import Pointer
from gitml.errors import RemoteError, UsageError
from gitml.formats import run_tree
from gitml.formats.pointer import decode_attributes, decode_pointer
from gitml.repo import Repo
from gitml.store.folder import local_path, remote_objects
from gitml.store.local import ObjectMissingError

_NAMESPACES = ("refs/heads/gitml/", "refs/tags/gitml/", "refs/gitml/")
_LFS_BATCH = 500  # object ids on one command line
_OID = re.compile("[0-9a-f]{40}|[0-9a-f]{64}")
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


def parse_refs(text: str) -> list[PushedRef]:
    """Read what git writes to a pre-push hook.

    Raises:
        UsageError: It is something else.
    """
    refs = []
    for line in filter(None, text.splitlines()):
        words = line.split(" ")
        if len(words) != 4 or not (_OID.fullmatch(words[1]) and _OID.fullmatch(words[3])):
            raise UsageError(
                f"'{line[:100]}' is not what git writes to a pre-push hook",
                hint="git runs this command by itself; to install it: gitml init --hooks",
            )
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
        What was sent. Objects that go through a Git LFS server count as sent,
        though the server is given only those that it lacks.

    Raises:
        ArtifactsNotSentError: At least one could not be; nothing that points
            at it should be pushed.
    """
    wanted = needed_objects(repo, remote, [ref for ref in refs if ref.concerns_runs])
    parts = []
    for lfs in (True, False):
        pointers = [pointer for pointer in wanted if pointer.lfs == lfs]
        if pointers:
            target = url if lfs else repo.settings.artifacts_url or ""
            parts.append(_send(repo, remote, target, pointers, progress))
    return SentObjects(
        tuple(pointer for part in parts for pointer in part.sent),
        tuple(pointer for part in parts for pointer in part.present),
    )


def needed_objects(repo: Repo, remote: str, refs: Sequence[PushedRef]) -> list[Pointer]:
    """List the objects behind pointers in commits that the remote does not have yet."""
    if not refs:
        return []
    known = _known_to_remote(repo, remote)
    known += [ref.remote_oid for ref in refs if repo.git.has_object(ref.remote_oid)]
    commits = {commit: None for ref in refs for commit, _ in repo.git.rev_list(ref.local_oid, known)}
    attributes = repo.git.cat_paths(f"{commit}:{run_tree.ATTRIBUTES_FILE}" for commit in commits)
    paths = [
        f"{commit}:{path}"
        for commit, data in zip(commits, attributes, strict=True)
        for path in decode_attributes(data or b"")
    ]
    found = (decode_pointer(data or b"") for data in repo.git.cat_paths(paths))
    return list(dict.fromkeys(pointer for pointer in found if pointer is not None))


def _known_to_remote(repo: Repo, remote: str) -> list[str]:
    """Tips that this repository saw at the remote when it last looked."""
    if remote not in repo.settings.remotes:
        return []  # a bare URL has no tracking branches
    folders = [f"refs/remotes/{remote}/gitml/", f"refs/gitml/remotes/{remote}/"]
    return repo.git.process.run(["for-each-ref", "--format=%(objectname)", *folders]).decode().split()


# How it gets there


def _send(
    repo: Repo, remote: str, url: str, pointers: list[Pointer], progress: Progress | None
) -> SentObjects:
    path = local_path(url, repo.git.work_tree or repo.git.git_dir)
    if path is None and pointers[0].lfs:
        return _send_by_lfs(repo, remote, url, pointers)
    if path is None:
        raise ArtifactsNotSentError(
            remote, len(pointers),
            f"they are kept for the store '{url}', which this command can't reach" if url
            else "they are kept for a store of their own, and gitml.artifacts.url is not set",
            "git config gitml.artifacts.url file:///FOLDER, or push the runs alone: git push --no-verify",
        )  # fmt: skip
    return _copy(repo, remote, remote_objects(path) if pointers[0].lfs else path, pointers, progress)


def _copy(
    repo: Repo, remote: str, folder: Path, pointers: list[Pointer], progress: Progress | None
) -> SentObjects:
    """Copy objects into a folder of the layout `ab/cd/<oid>`, checking their content."""
    sent, present, missing = [], [], []
    for pointer in pointers:
        target = folder / repo.objects.path(pointer.oid).relative_to(repo.objects.root / "objects")
        if target.is_file() and target.stat().st_size == pointer.size:
            present.append(pointer)
        elif not repo.objects.has(pointer.oid, pointer.size):
            missing.append(pointer)
        else:
            target.parent.mkdir(parents=True, exist_ok=True)
            repo.objects.export(pointer, target, progress)
            sent.append(pointer)
    _refuse_missing(remote, missing)
    return SentObjects(tuple(sent), tuple(present))


def _send_by_lfs(repo: Repo, remote: str, url: str, pointers: list[Pointer]) -> SentObjects:
    """Let git-lfs bring objects to the remote's Git LFS server."""
    _refuse_missing(
        remote, [pointer for pointer in pointers if not repo.objects.has(pointer.oid, pointer.size)]
    )
    process = repo.git.process
    if process.run_status(["lfs", "version"])[0] != 0:
        raise ArtifactsNotSentError(
            remote, len(pointers), f"they go through the Git LFS server of '{without_password(url)}'",
            "install git-lfs (https://git-lfs.com), or push the runs alone: git push --no-verify",
        )  # fmt: skip
    oids = iter([pointer.oid for pointer in pointers])
    while batch := list(itertools.islice(oids, _LFS_BATCH)):
        status, out, err = process.run_status(["lfs", "push", "--object-id", "--", remote, *batch])
        if status != 0:
            told = [line for line in (err or out.decode("utf-8", "replace")).splitlines() if line.strip()]
            raise ArtifactsNotSentError(
                remote, len(pointers), f"git lfs: {told[-1] if told else f'exit {status}'}",
                "check connection and rights, or push the runs alone: git push --no-verify",
            )  # fmt: skip
    return SentObjects(sent=tuple(pointers))


def _refuse_missing(remote: str, missing: Sequence[Pointer]) -> None:
    if missing:
        raise ArtifactsNotSentError(
            remote, len(missing), str(ObjectMissingError(missing[0].oid, missing[0].size)),
            "fetch from where the runs were recorded (git lfs fetch), or push the runs alone: "
            "git push --no-verify",
        )  # fmt: skip


def without_password(url: str) -> str:
    """Leave out what a URL gives away about its user."""
    return re.sub(r"://[^/@]*@", "://", url)
