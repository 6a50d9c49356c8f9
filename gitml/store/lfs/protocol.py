"""What is said in the batch API: requests out of pointers, answers into objects, nothing believed unchecked.

https://github.com/git-lfs/git-lfs/blob/main/docs/api/batch.md
"""

from __future__ import annotations

import json
import re
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timezone
from typing import Any, Literal, cast

from gitml.entities.artifact import Pointer
from gitml.errors import DamagedError
from gitml.store.lfs.urls import UnusableUrlError, is_downgrade, shown, split_http, without_user

Operation = Literal["upload", "download"]

MEDIA_TYPE = "application/vnd.git-lfs+json"
BATCH = 100
_TOKEN = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
_TIME = re.compile(r"(\d{4}-\d\d-\d\d[Tt]\d\d:\d\d:\d\d)(?:\.\d+)?([Zz]|[+-]\d\d:\d\d)")
_OURS = frozenset({"host", "content-length", "connection", "range"})  # who sends decides these


class UnusableAnswerError(ValueError):
    """A server's answer that is not what was asked for; the message says how."""


@dataclass(frozen=True, slots=True)
class Action:
    """One request that the server lets us make for an object.

    Attributes:
        href: Where to.
        headers: What it must carry; may be secret.
        expires: Until when, on the monotonic clock; None if the server did not say.
    """

    href: str = field(repr=False)
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)
    expires: float | None = None

    @property
    def is_expired(self) -> bool:
        """Whether it is too late to begin."""
        return self.expires is not None and time.monotonic() >= self.expires


@dataclass(frozen=True, slots=True)
class Answer:
    """What the server says about one object.

    Attributes:
        actions: By name: `upload`, `verify`, `download`.
        status: The code of its error; None if there is none.
        message: The error in the server's words.
        authenticated: Whether the actions need no credentials of ours.
    """

    actions: Mapping[str, Action] = field(default_factory=dict)
    status: int | None = None
    message: str = ""
    authenticated: bool = False


def check(pointer: Pointer) -> None:
    """Make sure that a pointer is one before it goes to a server.

    Raises:
        DamagedError: It is none.
    """
    if re.fullmatch("[0-9a-f]{64}", pointer.oid) is None or pointer.size < 0:
        raise DamagedError(f"'{pointer.oid[:80]}' is not a SHA-256 object id with a size")


def encode_batch(operation: Operation, pointers: Sequence[Pointer], ref: str | None) -> bytes:
    """Ask about objects."""
    request: dict[str, Any] = {
        "operation": operation,
        "transfers": ["basic"],
        "hash_algo": "sha256",
        "objects": [{"oid": pointer.oid, "size": pointer.size} for pointer in pointers],
    }
    if ref is not None:
        request["ref"] = {"name": ref}
    return json.dumps(request, separators=(",", ":")).encode()


def encode_object(pointer: Pointer) -> bytes:
    """Name one object, as a verify action wants it."""
    return json.dumps({"oid": pointer.oid, "size": pointer.size}).encode()


def decode_document(data: bytes) -> dict[str, Any]:
    """Read a JSON object.

    Raises:
        UnusableAnswerError: It is none.
    """
    try:
        document = json.loads(data)
    except (ValueError, RecursionError):
        raise UnusableAnswerError("something that is not JSON") from None
    if not isinstance(document, dict):
        raise UnusableAnswerError("JSON that is no object")
    return document


def decode_batch(data: bytes, asked: Sequence[Pointer], base: str) -> dict[Pointer, Answer]:
    """Read the answer about objects.

    Args:
        data: The body.
        asked: What was asked about.
        base: The URL that answered: what it names must not be less safe.

    Returns:
        What it says about those it speaks of.

    Raises:
        UnusableAnswerError: It is no answer to that.
    """
    document = decode_document(data)
    if document.get("transfer") not in (None, "basic"):
        raise UnusableAnswerError("a way to transfer that was not offered")
    if document.get("hash_algo") not in (None, "sha256"):
        raise UnusableAnswerError("object ids that are not SHA-256")
    listed = document.get("objects")
    if not isinstance(listed, list) or len(listed) > len(asked):
        raise UnusableAnswerError("no list of the objects that were asked for")
    wanted = {pointer.oid: pointer for pointer in asked}
    answers: dict[Pointer, Answer] = {}
    for item in listed:
        oid = item.get("oid") if isinstance(item, dict) else None
        pointer = wanted.get(oid) if isinstance(oid, str) else None
        if pointer is None:
            raise UnusableAnswerError("objects that were not asked for")
        answer = _answer(item, base)
        if answer.status is None and item.get("size") != pointer.size:
            raise UnusableAnswerError(f"object '{pointer.oid[:12]}' with another size than was asked for")
        answers[pointer] = answer
    return answers


def _answer(item: Mapping[str, Any], base: str) -> Answer:
    error = item.get("error")
    if error is not None:
        code = error.get("code") if isinstance(error, dict) else None
        message = error.get("message") if isinstance(error, dict) else None
        return Answer(status=code if isinstance(code, int) else 500, message=plain(message))
    actions = item.get("actions") or {}
    if not isinstance(actions, dict):
        raise UnusableAnswerError("actions that are none")
    known = {name: actions[name] for name in ("upload", "verify", "download") if actions.get(name)}
    return Answer(
        {name: decode_action(action, base) for name, action in known.items()},
        authenticated=item.get("authenticated") is True,
    )


def decode_action(action: Any, base: str) -> Action:
    """Read an action, or what `git-lfs-authenticate` printed, which has the same form.

    Raises:
        UnusableAnswerError: Nothing may be sent there, or not like that.
    """
    if not isinstance(action, dict) or not isinstance(action.get("href"), str):
        raise UnusableAnswerError("an action without a URL")
    href = action["href"]
    try:
        split_http(href)
        if without_user(href)[0] != href:
            raise UnusableAnswerError("a URL with a user in it")
        if is_downgrade(base, href):
            raise UnusableAnswerError(f"a URL that gives up encryption ({shown(href)})")
    except UnusableUrlError as err:
        raise UnusableAnswerError(str(err)) from None
    return Action(href, decode_headers(action.get("header")), _expiry(action))


def decode_headers(headers: Any) -> dict[str, str]:
    """Read headers that a server wants to see again."""
    if headers is None:
        return {}
    if not isinstance(headers, dict):
        raise UnusableAnswerError("headers that are none")
    for name, value in headers.items():
        if (
            not isinstance(value, str)
            or not _TOKEN.fullmatch(name)
            or re.search(r"[\x00-\x08\x0a-\x1f\x7f]", value)
        ):
            raise UnusableAnswerError("headers that can't be sent")
        try:
            value.encode("latin-1")
        except UnicodeEncodeError:
            raise UnusableAnswerError("headers that can't be sent") from None
    return {
        name: value.strip()
        for name, value in cast("dict[str, str]", headers).items()
        if name.lower() not in _OURS
    }


def _expiry(action: Mapping[str, Any]) -> float | None:
    seconds = action.get("expires_in")
    if not isinstance(seconds, (int, float)) or not seconds:
        seconds = _seconds_until(action.get("expires_at"))
    if seconds is None:
        return None
    # A little early, so that it does not expire on the way.
    return time.monotonic() + max(seconds - 5, seconds / 2)


def _seconds_until(text: object) -> float | None:
    match = _TIME.fullmatch(text) if isinstance(text, str) else None
    if match is None:
        return None
    zone = "+00:00" if match[2] in "Zz" else match[2]
    try:
        moment = datetime.fromisoformat(match[1].upper() + zone)
    except ValueError:
        return None
    if moment.year < 1971:  # how Go spells "never"
        return None
    return (moment - datetime.now(timezone.utc)).total_seconds()


def plain(message: object) -> str:
    """Give a server's words as one short line of text."""
    text = message if isinstance(message, str) else ""
    return re.sub(r"[\x00-\x20\x7f-\x9f]+", " ", text[:1000]).strip()[:200]
