"""Files of a model out of the repository, where a framework can read them: linked, not copied.

A model's folder is laid out once for each content, below `.git/gitml/cache/models/`, by the hash of its
files. A large file there is another name of the object in the store: it costs nothing, and every
process finds it again. Where the files are handed to code that might write to them, they are copies.
Nothing is used before its hash was looked at, or is known because the file did not change since.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from gitml.entities.artifact import Artifact, Pointer
from gitml.entities.run import Run
from gitml.formats.names import check_artifact_path
from gitml.registry.versions import model_digest
from gitml.repo import Repo
from gitml.store.local import ChecksumMismatchError, hash_stream
from gitml.sync.objects import ensure_here
from gitml.tracking import purges
from gitml.tracking.history import open_artifact

_CACHED_FROM = 1 << 20  # smaller files are hashed as quickly as looked up


@dataclass(frozen=True, slots=True)
class Content:
    """The files of a model in the repository.

    Attributes:
        pointers: Those that are objects, by their path below the model's folder.
        small: The bytes of the others.
        digest: What the registry calls these files.
    """

    pointers: Mapping[str, Pointer]
    small: Mapping[str, bytes]
    digest: str


def read_content(repo: Repo, run: Run, artifacts: Sequence[Artifact], top: str) -> Content:
    """Read what a model consists of; objects are not touched.

    Args:
        repo: The repository.
        run: The run that has it.
        artifacts: Its files.
        top: Where it is below the run's artifacts.

    Raises:
        NotFoundError: Bytes of a file were dropped for good.
    """
    pointers: dict[str, Pointer] = {}
    small: dict[str, bytes] = {}
    for artifact in artifacts:
        name = check_artifact_path(
            artifact.path[len(top) + 1 if top else 0 :] or artifact.path.rpartition("/")[2]
        )
        if artifact.pointer is not None:
            purges.refuse_purged(repo, artifact)
            pointers[name] = artifact.pointer
        else:
            with open_artifact(repo, run, artifact.path, artifact=artifact) as stream:
                small[name] = stream.read()
    files = [(pointer.oid, pointer.size, name) for name, pointer in pointers.items()]
    files += [(hashlib.sha256(data).hexdigest(), len(data), name) for name, data in small.items()]
    return Content(pointers, small, model_digest(files))


def lay_out(repo: Repo, content: Content, *, shared: bool) -> Path:
    """Give a folder that has the files, each with the bytes that its hash names.

    Args:
        repo: The repository.
        content: The files.
        shared: Whether large files may be the very objects of the store: only where nothing writes to them.

    Raises:
        ObjectMissingError: An object is nowhere to be had.
        ChecksumMismatchError: An object is damaged.
    """
    ensure_here(repo, list(content.pointers.values()))
    kind = "" if shared else "-copied"
    folder = repo.root / "cache" / "models" / (content.digest.removeprefix("sha256:")[:40] + kind)
    if _is_intact(repo, folder, content):
        return folder
    folder.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    fresh = folder.parent / f".gitml-{uuid.uuid4().hex}"
    try:
        _fill(repo, fresh, content, shared=shared)
        return _publish(repo, fresh, folder, content)
    finally:
        shutil.rmtree(fresh, ignore_errors=True)


def _fill(repo: Repo, folder: Path, content: Content, *, shared: bool) -> None:
    folder.mkdir(mode=0o700)
    for name, data in content.small.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
    for name, pointer in content.pointers.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        if not (shared and _link(repo.objects.path(pointer.oid), path)):
            repo.objects.export(pointer, path)
        elif not _has_hash(repo, path, pointer):
            raise ChecksumMismatchError(pointer.oid, _hash(path))


def _link(source: Path, target: Path) -> bool:
    try:
        os.link(source, target, follow_symlinks=False)
    except OSError:  # another file system, or one without links
        return False
    return True


def _publish(repo: Repo, fresh: Path, folder: Path, content: Content) -> Path:
    """Put a folder in its place; whoever was quicker is believed if its files are right."""
    for _ in range(3):
        try:
            fresh.rename(folder)
        except OSError:
            if _is_intact(repo, folder, content):
                return folder
            shutil.rmtree(folder, ignore_errors=True)
        else:
            return folder
    fresh.rename(kept := folder.with_name(f"{folder.name}-{uuid.uuid4().hex}"))
    return kept


def _is_intact(repo: Repo, folder: Path, content: Content) -> bool:
    """Whether a folder has exactly these files, with the right bytes."""
    if not folder.is_dir() or folder.is_symlink():
        return False
    there = 0
    for here, folders, files in os.walk(folder):
        if any(os.path.islink(os.path.join(here, name)) for name in (*folders, *files)):
            return False
        there += len([name for name in files if not name.endswith(".pyc")])
    if there != len(content.small) + len(content.pointers):
        return False
    try:
        return all((folder / name).read_bytes() == data for name, data in content.small.items()) and all(
            _has_hash(repo, folder / name, pointer) for name, pointer in content.pointers.items()
        )
    except OSError:
        return False


def _has_hash(repo: Repo, path: Path, pointer: Pointer) -> bool:
    """Whether a file has the bytes that a pointer names: read, or known from when it was read last."""
    status = path.lstat()
    if status.st_size != pointer.size:
        return False
    if pointer.size < _CACHED_FROM:
        return _hash(path) == pointer.oid
    place = repo.objects.path(pointer.oid)
    if not (place.exists() and os.path.samestat(place.lstat(), status)):
        place = path  # a copy: it is known by its own name
    known = repo.objects.known_hash(place, status)
    if known is None:
        known = _hash(path)
        repo.objects.remember_hash(place, status, known)
    return known == pointer.oid


def _hash(path: Path) -> str:
    with path.open("rb", buffering=0) as stream:
        return hash_stream(stream)[0]
