"""The files of a model's record: model.yaml, and a file for each comment."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping
from typing import Any

from gitml.entities.registry import ModelComment, ModelRecord, VersionNotes
from gitml.errors import DamagedError
from gitml.formats import yaml
from gitml.formats.run_tree import MODEL_FILE, format_time, parse_time
from gitml.formats.wrong import WrongValueError, what_is_wrong

COMMENTS = "comments"
_KNOWN = frozenset(
    ("id", "name", "created", "updated", "deleted", "description", "former", "tags", "versions")
)


def encode_model(model: ModelRecord) -> bytes:
    """Write model.yaml."""
    facts: dict[str, Any] = {
        "id": model.id,
        "name": model.name,
        "created": format_time(model.created_ms),
        "updated": format_time(model.updated_ms),
        "deleted": _time_or_none(model.deleted_ms),
        "description": model.description,
        "former": list(model.former) or None,
        "tags": dict(sorted(model.tags.items())) or None,
        "versions": {
            str(number): notes
            for number, said in sorted(model.versions.items())
            if (notes := _encode_notes(said))
        }
        or None,
        **model.extra,
    }
    return yaml.dump_mapping({k: v for k, v in facts.items() if v is not None}, block_depth=2).encode()


def _encode_notes(notes: VersionNotes) -> dict[str, object]:
    facts = {
        "description": notes.description,
        "tags": dict(sorted(notes.tags.items())) or None,
        "deleted": _time_or_none(notes.deleted_ms),
    }
    return {key: value for key, value in facts.items() if value is not None}


def _time_or_none(ms: int | None) -> str | None:
    return None if ms is None else format_time(ms)


def decode_model(data: bytes, *, source: str = MODEL_FILE) -> ModelRecord:
    """Read model.yaml.

    Raises:
        DamagedError: It can't be read, or lacks or garbles a field.
    """
    facts = yaml.load_mapping(data, source=source)
    try:
        versions: dict[str, Any] = facts.get("versions", {})
        return ModelRecord(
            id=_text(facts["id"]),
            name=_text(facts["name"]),
            created_ms=parse_time(facts["created"]),
            updated_ms=parse_time(facts.get("updated", facts["created"])),
            deleted_ms=_parse_or_none(facts.get("deleted")),
            description=_text_or_none(facts.get("description")),
            former=tuple(map(_text, facts.get("former", []))),
            tags={_text(key): _scalar(value) for key, value in facts.get("tags", {}).items()},
            versions={int(number): _decode_notes(notes) for number, notes in versions.items()},
            extra={key: value for key, value in facts.items() if key not in _KNOWN},
        )
    except (KeyError, TypeError, ValueError, AttributeError, OverflowError) as err:
        raise DamagedError(f"'{source}' {what_is_wrong(err)}") from err


def _decode_notes(notes: dict[str, Any]) -> VersionNotes:
    return VersionNotes(
        _text_or_none(notes.get("description")),
        {
            _text(key): None if value is None else _scalar(value)
            for key, value in notes.get("tags", {}).items()
        },
        _parse_or_none(notes.get("deleted")),
    )


def _text(value: object) -> str:
    if not isinstance(value, str):
        raise WrongValueError(f"{value!r:.80}, which is not text")
    return str(value)


def _text_or_none(value: object) -> str | None:
    return None if value is None else _text(value)


def _scalar(value: object) -> str:
    return value if isinstance(value, str) else yaml.dump_value(value)


def _parse_or_none(value: str | None) -> int | None:
    return None if value is None else parse_time(value)


def encode_comment(comment: ModelComment) -> tuple[str, bytes]:
    """Write a comment: its path in the record, and its content."""
    time = format_time(comment.time_ms)
    facts = {
        "author": comment.author,
        "time": time,
        "version": comment.version,
        "approves": comment.approves,
        "withdrawn": comment.withdrawn or None,
        "text": comment.text,
    }
    data = yaml.dump_mapping({key: value for key, value in facts.items() if value is not None}).encode()
    stamp = re.sub("[-:.]", "", time)
    return f"{COMMENTS}/{stamp}-{hashlib.sha256(data).hexdigest()[:16]}.yaml", data


def decode_comment(data: bytes, *, source: str) -> ModelComment:
    """Read a comment.

    Raises:
        DamagedError: It can't be read, or lacks or garbles a field.
    """
    facts: Mapping[str, Any] = yaml.load_mapping(data, source=source)
    try:
        version = facts.get("version")
        if version is not None and type(version) is not int:
            raise WrongValueError(f"version {version!r:.40}")
        withdrawn = facts.get("withdrawn", False)
        if type(withdrawn) is not bool:
            raise WrongValueError(f"withdrawn {withdrawn!r:.40}")
        return ModelComment(
            _text(facts["author"]), parse_time(facts["time"]), _text(facts["text"]), version,
            _text_or_none(facts.get("approves")), withdrawn,
        )  # fmt: skip
    except (KeyError, TypeError, ValueError, AttributeError, OverflowError) as err:
        raise DamagedError(f"'{source}' {what_is_wrong(err)}") from err
