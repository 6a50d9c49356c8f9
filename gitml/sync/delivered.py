"""Up to where a remote is known to have the artifacts of all records.

A mark spares a push from asking about the artifacts of runs that went long ago. It is
a cache, never the truth: it counts only for the very place that it was made for, and
whoever removes it makes the next push ask about all of them once.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import uuid
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from gitml.entities.artifact import Pointer
from gitml.repo import Repo
from gitml.store.folder import local_path

FOLDER = "delivered"
_OID = re.compile("[0-9a-f]{40}|[0-9a-f]{64}")
_SHA256 = re.compile("[0-9a-f]{64}")
_LARGEST_LFSCONFIG = 64 * 1024


@dataclass(frozen=True, slots=True)
class Lacking:
    """An object that neither the remote nor this repository had, and a record that points at it."""

    commit: str
    pointer: Pointer


@dataclass(frozen=True, slots=True)
class Mark:
    """How far a remote was looked after.

    Attributes:
        place: Which place it was, as a hash of all that leads there.
        tip: The remote has the artifacts of this record and of all before it; None if nothing is known.
        lacking: But for these.
    """

    place: str
    tip: str | None = None
    lacking: tuple[Lacking, ...] = ()


def place_of(repo: Repo, remote: str, url: str | None = None) -> str:
    """Name the place that a remote's runs and artifacts go to; another one after any change of the way there.

    Args:
        repo: The repository.
        remote: The remote's name, or a URL.
        url: Where it is, if git told.
    """
    values = repo.settings.values
    target = url or values.get(f"remote.{remote}.pushurl") or repo.settings.remotes.get(remote, remote)
    facts = [target, *_folder(repo, target), *_ways(values, remote), *_lfsconfig(repo)]
    return hashlib.sha256("\0".join(facts).encode("utf-8", "surrogateescape")).hexdigest()


def _folder(repo: Repo, url: str) -> Iterator[str]:
    """What tells a folder from another one that has its path later."""
    path = local_path(url, repo.git.work_tree or repo.git.git_dir)
    if path is not None:
        yield str(path)
        try:
            status = path.stat()
        except OSError:  # the push will say what is wrong with it
            return
        yield f"{status.st_dev} {status.st_ino}"


def _ways(values: Mapping[str, str], remote: str) -> Iterator[str]:
    """All settings that say where something goes."""
    own = {f"remote.{remote}.{key}" for key in ("url", "pushurl", "lfsurl", "lfspushurl")}
    for key, value in sorted(values.items()):
        rewrites = key.startswith("url.") and key.endswith((".insteadof", ".pushinsteadof"))
        if key in own or rewrites or key.startswith(("lfs.url", "lfs.pushurl", "gitml.artifacts.")):
            yield f"{key}={value}"


def _lfsconfig(repo: Repo) -> Iterator[str]:
    path = repo.git.work_tree and repo.git.work_tree / ".lfsconfig"
    if path and path.is_file() and path.stat().st_size <= _LARGEST_LFSCONFIG:
        yield path.read_text(encoding="utf-8", errors="surrogateescape")


def read_mark(repo: Repo, remote: str, place: str) -> Mark | None:
    """Read what is known of a place; None if nothing, or of another place."""
    try:
        document = json.loads(_path(repo, remote).read_bytes())
        mark = _decode(document)
    except FileNotFoundError:
        return None
    except (ValueError, KeyError, TypeError):  # a cache: the next push writes it anew
        return None
    if mark.place != place or (mark.tip is not None and not repo.git.has_object(mark.tip)):
        return None
    return mark


def write_mark(repo: Repo, remote: str, mark: Mark) -> None:
    """Remember what is known of a place."""
    path = _path(repo, remote)
    path.parent.mkdir(parents=True, exist_ok=True)
    document = {
        "place": mark.place,
        "tip": mark.tip,
        "lacking": [[one.commit, one.pointer.oid, one.pointer.size, one.pointer.lfs] for one in mark.lacking],
    }
    temporary = path.with_name(f".{uuid.uuid4().hex}")
    try:
        temporary.write_text(json.dumps(document), encoding="ascii")
        os.replace(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)


def note_place(repo: Repo, remote: str) -> None:
    """Remember that what is seen of a remote is of the place that it has now."""
    place = place_of(repo, remote)
    if read_mark(repo, remote, place) is None:
        write_mark(repo, remote, Mark(place))


def _path(repo: Repo, remote: str) -> Path:
    name = hashlib.sha256(remote.encode("utf-8", "surrogateescape")).hexdigest()[:16]
    return repo.root / FOLDER / f"{name}.json"


def _decode(document: Mapping[str, object]) -> Mark:
    place, tip, lacking = document["place"], document["tip"], document["lacking"]
    if (
        not isinstance(place, str)
        or not isinstance(lacking, list)
        or not (tip is None or (isinstance(tip, str) and _OID.fullmatch(tip)))
    ):
        raise ValueError("no mark")
    return Mark(place, tip, tuple(_decode_lacking(one) for one in lacking))


def _decode_lacking(found: Sequence[object]) -> Lacking:
    commit, oid, size, lfs = found
    if not (
        isinstance(commit, str)
        and _OID.fullmatch(commit)
        and isinstance(oid, str)
        and _SHA256.fullmatch(oid)
        and isinstance(size, int)
        and isinstance(lfs, bool)
    ):
        raise ValueError("no mark")
    return Lacking(commit, Pointer(oid, size, lfs))
