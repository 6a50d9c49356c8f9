"""What a bundle says it holds: its first member, JSON."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from gitml.entities.artifact import Pointer
from gitml.errors import DamagedError, RefusedError
from gitml.sync.seen import TAGS

SCHEMA = 1
KIND = "gitml-bundle"
_OID = re.compile("[0-9a-f]{40}|[0-9a-f]{64}")
_SHA256 = re.compile("[0-9a-f]{64}")
_REF = re.compile(r"refs/[^\x00-\x20~^:?*\[\\\x7f]+")
_LARGEST = 1 << 62


class BundleDamagedError(DamagedError):
    """A file is no bundle, or not the one that was made."""

    def __init__(self, path: object, reason: str) -> None:
        super().__init__(
            f"'{path}' can't be used: {reason}",
            hint="nothing was joined; copy the file again, or make it again: gitml bundle create",
        )
        self.path = str(path)
        self.reason = reason


class BundleTooNewError(RefusedError):
    """A bundle was made by a gitml that is newer than this one."""

    def __init__(self, path: object, schema: object) -> None:
        super().__init__(
            f"'{path}' was made by a newer gitml (its schema is {schema!r:.20}, this one reads {SCHEMA})",
            hint="install a newer gitml here",
        )


class NeedsOlderRunsError(RefusedError):
    """A bundle goes on from runs that are not here."""

    def __init__(self, path: object, missing: Sequence[str]) -> None:
        told = ", ".join(f"'{commit[:12]}'" for commit in missing[:3]) + (", …" if len(missing) > 3 else "")
        super().__init__(
            f"'{path}' goes on from runs that are not here: {told}",
            hint="apply the bundle that was made before it, or make a fuller one there: "
            "gitml bundle create FILE, without --since",
        )
        self.missing = tuple(missing)


@dataclass(frozen=True, slots=True)
class Manifest:
    """What a bundle holds.

    Attributes:
        object_format: The hash that names git's objects in it.
        tips: The commits that its histories of runs end in.
        needs: Commits that must be there already.
        records: How many records it brings.
        tags: Tags of the registry: full name to the tag's object.
        git: SHA-256 and length of git's own bundle in it; None if it brings nothing of git's.
        objects: The artifacts in it.
    """

    object_format: str
    tips: tuple[str, ...]
    needs: tuple[str, ...] = ()
    records: int = 0
    tags: Mapping[str, str] | None = None
    git: Pointer | None = None
    objects: tuple[Pointer, ...] = ()

    @property
    def object_bytes(self) -> int:
        """How large its artifacts are together."""
        return sum(pointer.size for pointer in self.objects)


def encode_manifest(manifest: Manifest) -> bytes:
    """Write a manifest."""
    document = {
        "kind": KIND,
        "schema": SCHEMA,
        "object_format": manifest.object_format,
        "tips": list(manifest.tips),
        "needs": list(manifest.needs),
        "records": manifest.records,
        "tags": dict(manifest.tags or {}),
        "git": None if manifest.git is None else _object(manifest.git),
        "objects": [_object(pointer) for pointer in manifest.objects],
    }
    return (json.dumps(document, indent=1) + "\n").encode()


def _object(pointer: Pointer) -> dict[str, object]:
    return {"sha256": pointer.oid, "size": pointer.size}


def decode_manifest(data: bytes, path: object) -> Manifest:
    """Read a manifest; every name in it is checked.

    Args:
        data: Its bytes.
        path: What to call the bundle in an error.

    Raises:
        BundleDamagedError: It is none.
        BundleTooNewError: This gitml is too old for it.
    """
    try:
        document = json.loads(data)
        if document["kind"] != KIND:
            raise ValueError(document["kind"])
        if document["schema"] != SCHEMA:
            raise BundleTooNewError(path, document["schema"])
        manifest = _decoded(document)
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as err:
        raise BundleDamagedError(path, f"its manifest is garbled ({err!r:.80})") from err
    return manifest


def _decoded(document: Mapping[str, Any]) -> Manifest:
    git = document["git"]
    objects = tuple(_pointer(entry) for entry in document["objects"])
    if len({pointer.oid for pointer in objects}) < len(objects):
        raise ValueError("an object is named twice")
    return Manifest(
        object_format=_one_of(document["object_format"], ("sha1", "sha256")),
        tips=tuple(_matching(_OID, oid) for oid in document["tips"]),
        needs=tuple(_matching(_OID, oid) for oid in document["needs"]),
        records=_count(document["records"]),
        tags={_tag(ref): _matching(_OID, oid) for ref, oid in document["tags"].items()},
        git=None if git is None else _pointer(git),
        objects=objects,
    )


def _pointer(entry: Mapping[str, Any]) -> Pointer:
    return Pointer(_matching(_SHA256, entry["sha256"]), _count(entry["size"]))


def _matching(pattern: re.Pattern[str], text: object) -> str:
    if not isinstance(text, str) or not pattern.fullmatch(text):
        raise ValueError(text)
    return text


def _one_of(text: object, words: tuple[str, ...]) -> str:
    if text not in words:
        raise ValueError(text)
    return str(text)


def _count(number: object) -> int:
    if type(number) is not int or not 0 <= number < _LARGEST:
        raise ValueError(number)
    return number


def _tag(ref: str) -> str:
    if not ref.startswith(TAGS) or ".." in ref or "//" in ref or ref.endswith(("/", ".lock", ".")):
        raise ValueError(ref)
    return _matching(_REF, ref)
