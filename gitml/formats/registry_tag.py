"""The message of a tag of the registry: a subject for people, canonical YAML for programs."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from gitml.entities.registry import ASSIGNED, REMOVED, SET, MoveTag, VersionTag
from gitml.errors import DamagedError
from gitml.formats import yaml
from gitml.formats.registry_names import RegistryRef, encode_part, parse_ref, stage_key

_HEADER = re.compile(
    r"object ([0-9a-f]{40}|[0-9a-f]{64})\ntype ([a-z]+)\ntag ([^\n]*)\ntagger ([^\n]*<[^\n]*>) ([0-9]{1,12}) [-+][0-9]{4}\n\n"
)
_SIGNATURE = re.compile(
    r"^-----BEGIN (?:PGP SIGNATURE|PGP MESSAGE|SSH SIGNATURE|SIGNED MESSAGE)-----$", re.MULTILINE
)
_DIGEST = re.compile("sha256:[0-9a-f]{64}")


def encode_version(tag: VersionTag, subject: str) -> str:
    """Write the message of a version's tag."""
    return _message(
        subject,
        {
            "kind": "version",
            "model": tag.model,
            "version": tag.number,
            "run": tag.run_id,
            "path": tag.path,
            "digest": tag.digest,
            "description": tag.description or None,
            "tags": dict(tag.tags) or None,
            "source": tag.source,
        },
    )


def encode_move(tag: MoveTag, subject: str) -> str:
    """Write the message of the tag of an event."""
    return _message(
        subject,
        {
            "kind": tag.kind,
            "model": tag.model,
            "version": tag.version,
            tag.kind: tag.name,
            "event": tag.event,
            "order": tag.order,
            "previous": tag.previous,
            "archived": sorted(tag.archived) or None,
            "left": sorted(tag.left) or None,
            "comment": tag.comment or None,
            "override": tag.override or None,
        },
    )


def _message(subject: str, facts: Mapping[str, object]) -> str:
    present = {key: value for key, value in facts.items() if value is not None}
    return f"{' '.join(subject.split())}\n\n{yaml.dump_mapping(present)}"


def decode_tag(ref: str, oid: str, content: bytes) -> VersionTag | MoveTag:
    """Read a tag of the registry.

    Args:
        ref: Its full name.
        oid: The tag object.
        content: What the object holds.

    Raises:
        DamagedError: It is none, or says something else than its name.
    """
    known = parse_ref(ref)
    if known is None:
        raise DamagedError("it is no name of the registry's")
    text = content.decode("utf-8", "replace")
    header = _HEADER.match(text)
    if header is None:
        raise DamagedError("it is no annotated tag with who and when")
    target, kind, calls_itself, who, time_s = header.groups()
    if f"refs/tags/{calls_itself}" != ref:
        raise DamagedError(f"the tag calls itself '{calls_itself[:100]}'")
    if kind != ("commit" if known.kind == "version" else "tag"):
        raise DamagedError("it must tag " + ("a run" if known.kind == "version" else "the tag of a version"))
    facts = _facts(text[header.end() :])
    _check_agrees(known, facts)
    common: dict[str, Any] = {
        "ref": ref, "oid": oid, "model": known.model, "number": known.number, "who": who, "time_ms": int(time_s) * 1000,
    }  # fmt: skip
    if known.kind == "version":
        return _version(facts, target, common)
    return _move(facts, known, target, common)


def is_signed(content: bytes) -> bool:
    """Whether a signature stands below what a tag says."""
    return _SIGNATURE.search(content.decode("utf-8", "replace").partition("\n\n")[2]) is not None


def _facts(message: str) -> dict[str, Any]:
    signature = _SIGNATURE.search(message)
    body = (message[: signature.start()] if signature else message).partition("\n\n")[2]
    facts = yaml.load_mapping(body.encode("utf-8", "replace"), source="its message")
    if not facts:
        raise DamagedError("its message has no facts below the subject")
    return facts


def _check_agrees(known: RegistryRef, facts: Mapping[str, Any]) -> None:
    """Hold what a tag says against its name."""
    said = (facts.get("kind"), facts.get("model"))
    if said != (known.kind, known.model):
        raise DamagedError(f"its message is of {said[0]!r:.40} of model {said[1]!r:.80}")
    if not _is_number(facts.get("version")):
        raise DamagedError(f"its message names version {facts.get('version')!r:.40}")
    if known.kind == "version":
        if facts["version"] != known.number:
            raise DamagedError(f"its message is of version {facts['version']}")
        return
    name = facts.get(known.kind)
    encode = stage_key if known.kind == "stage" else encode_part
    if not isinstance(name, str) or encode(name) != known.part:
        raise DamagedError(f"its message is of {known.kind} {name!r:.80}")


def _is_number(value: object) -> bool:
    return type(value) is int and 0 < value < 10**18


def _version(facts: Mapping[str, Any], target: str, common: dict[str, Any]) -> VersionTag:
    tags = facts.get("tags", {})
    run_id, path, digest = facts.get("run"), facts.get("path", ""), facts.get("digest")
    if not (isinstance(run_id, str) and isinstance(path, str)):
        raise DamagedError("its message names no run and path")
    if not (isinstance(digest, str) and _DIGEST.fullmatch(digest)):
        raise DamagedError("its message has no digest")
    if not isinstance(tags, dict):
        raise DamagedError("its tags are no mapping")
    return VersionTag(
        record=target,
        run_id=run_id,
        path=path,
        digest=digest,
        description=_text(facts, "description"),
        tags={str(key): v if isinstance(v, str) else yaml.dump_value(v) for key, v in tags.items()},
        source=_text(facts, "source"),
        **common,
    )


def _move(facts: Mapping[str, Any], known: RegistryRef, target: str, common: dict[str, Any]) -> MoveTag:
    event, order, previous = facts.get("event"), facts.get("order"), facts.get("previous")
    if event not in ((ASSIGNED if known.kind == "stage" else SET), REMOVED):
        raise DamagedError(f"its message has the event {event!r:.40}")
    if not _is_number(order):
        raise DamagedError(f"its message has the order {order!r:.40}")
    if previous is not None and not _is_number(previous):
        raise DamagedError(f"its message has {previous!r:.40} for the version before")
    return MoveTag(
        target=target,
        version=facts["version"],
        kind=known.kind,
        name=facts[known.kind],
        event=event,
        order=order,  # type: ignore[arg-type]  # just checked
        previous=previous,
        archived=_numbers(facts, "archived"),
        left=_numbers(facts, "left"),
        comment=_text(facts, "comment"),
        override=_text(facts, "override"),
        **common,
    )


def _text(facts: Mapping[str, Any], key: str) -> str | None:
    value = facts.get(key)
    if value is None or isinstance(value, str):
        return value
    return yaml.dump_value(value)


def _numbers(facts: Mapping[str, Any], key: str) -> tuple[int, ...]:
    value = facts.get(key, [])
    if not isinstance(value, list) or not all(map(_is_number, value)):
        raise DamagedError(f"its message has {value!r:.40} for '{key}'")
    return tuple(value)
