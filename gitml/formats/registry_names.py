"""Names of the registry, and the refs that they become.

A name is any text that MLflow takes. In a ref it is percent-encoded, so that every
git host, file system and shell takes it; letters of every script stay as they are.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from gitml.entities.registry import NO_STAGE, STAGES
from gitml.errors import InvalidNameError
from gitml.formats.names import check_name

MODEL_TAGS = "refs/tags/gitml/models/"
STAGE_TAGS = "refs/tags/gitml/stages/"
ALIAS_TAGS = "refs/tags/gitml/aliases/"

_MAX_BYTES = 240  # of a part of a ref: a loose one is a file, and its lock's name is longer
_ESCAPED = re.compile(r"[^\w.+,-]")
_PART = r"[\w%][\w.%+=@,-]{0,249}"
_NUMBER = r"[1-9][0-9]{0,17}"
_VERSION_REF = re.compile(rf"{MODEL_TAGS}({_PART})/v({_NUMBER})")
_MOVE_REF = re.compile(rf"refs/tags/gitml/(stages|aliases)/({_PART})/({_PART})/({_NUMBER})")
_ALIAS = re.compile(r"[\w.\-]{1,255}", re.ASCII)
_VERSION_LIKE = re.compile(r"v?[0-9]+", re.IGNORECASE)
_SUFFIX = re.compile(rf"(.+)=({_NUMBER})")


@dataclass(frozen=True, slots=True)
class RegistryRef:
    """What a ref of the registry is by its name; `part` is its stage or alias, encoded."""

    kind: str
    model: str
    part: str
    number: int


def check_model_name(name: Any) -> str:
    """Accept the name of a model: printable text without '/' and ':'.

    Raises:
        InvalidNameError: The name breaks a rule; says which.
    """
    name = check_name("model", name)
    for mark in "/:":
        if mark in name:
            raise InvalidNameError(
                "model", name, f"it has a '{mark}', which URIs of models need for themselves",
                hint=f"use {name.replace('/', '-').replace(':', '-')!r}",
            )  # fmt: skip
    _encode_checked("model", name)
    return str(name)


def check_alias(alias: Any) -> str:
    """Accept an alias, as MLflow does: letters, digits, '_', '-' and '.'; no version, not `latest`.

    Raises:
        InvalidNameError: The alias breaks a rule; says which.
    """
    if not isinstance(alias, str) or not _ALIAS.fullmatch(alias):
        raise InvalidNameError("alias", alias, "aliases are up to 255 letters, digits, '_', '-' and '.'")
    if alias.lower() == "latest":
        raise InvalidNameError("alias", alias, "it always means the newest version", hint="choose another")
    if _VERSION_LIKE.fullmatch(alias):
        raise InvalidNameError("alias", alias, "it looks like a version", hint=f"use 'release-{alias}'")
    _encode_checked("alias", alias)
    return str(alias)


def check_stage(stage: Any, allowed: tuple[str, ...] = ()) -> str:
    """Accept a stage in any case; gives it as it is defined.

    Args:
        stage: What somebody wrote.
        allowed: Stages beside Staging, Production and Archived.

    Raises:
        InvalidNameError: There is no such stage.
    """
    known = {name.lower(): name for name in (*STAGES, *allowed)}
    found = known.get(stage.lower()) if isinstance(stage, str) else None
    if found is None:
        raise InvalidNameError(
            "stage", stage, f"there are {', '.join(known.values())}",
            hint=_stage_hint(stage, known),
        )  # fmt: skip
    _encode_checked("stage", found)
    return found


def check_new_stage(stage: Any) -> str:
    """Accept the name of a stage that a project defines.

    Raises:
        InvalidNameError: It breaks a rule; says which.
    """
    stage = check_name("stage", stage)
    mark = next((mark for mark in "/:#@" if mark in stage), None)
    if mark is not None:
        raise InvalidNameError(
            "stage", stage, f"it has a '{mark}', which names of models need for themselves"
        )
    if stage.lower() in ("latest", NO_STAGE.lower()):
        raise InvalidNameError("stage", stage, "the word has a meaning already", hint="choose another")
    if _VERSION_LIKE.fullmatch(stage):
        raise InvalidNameError("stage", stage, "it looks like a version", hint=f"use 'stage-{stage}'")
    _encode_checked("stage", stage.lower())
    return str(stage)


def _stage_hint(stage: Any, known: Mapping[str, str]) -> str | None:
    if not isinstance(stage, str):
        return None
    if stage.lower() == NO_STAGE.lower():
        return "gitml models demote takes a version out of its stage"
    import difflib  # only for who mistyped

    close = [name for key, name in known.items() if stage and key.startswith(stage.lower())]
    close = close or [known[key] for key in difflib.get_close_matches(stage.lower(), known, n=1)]
    return f"did you mean {close[0]}?" if close else None


def _encode_checked(kind: str, name: str) -> None:
    size = len(encode_part(name).encode())
    if size > _MAX_BYTES:
        raise InvalidNameError(
            kind, name, f"it has {size} bytes as a part of a git ref, at most {_MAX_BYTES} are allowed",
            hint="shorten it; characters that git can't hold count three times",
        )  # fmt: skip


def encode_part(text: str) -> str:
    """Write a name as one part of a ref.

    Example:
        >>> encode_part("my model"), encode_part("чурн"), encode_part(".a..b.lock")
        ('my%20model', 'чурн', '%2Ea.%2Eb%2Elock')
    """
    encoded = _ESCAPED.sub(lambda match: _percent(match.group()), text)
    if not re.match(r"[\w%]", encoded):
        encoded = _percent(encoded[0]) + encoded[1:]
    encoded = encoded.replace("..", ".%2E").replace("..", ".%2E")
    if encoded.endswith(".lock"):
        encoded = encoded[:-5] + "%2Elock"
    return encoded[:-1] + "%2E" if encoded.endswith(".") else encoded


def _percent(text: str) -> str:
    return "".join(f"%{byte:02X}" for byte in text.encode("utf-8", "replace"))


def decode_part(part: str) -> str:
    """Read a name back from a part of a ref."""
    return re.sub(
        "(?:%[0-9A-F]{2})+",
        lambda match: bytes.fromhex(match.group().replace("%", "")).decode("utf-8", "replace"),
        part,
    )


def model_id(name: str, count: int = 1) -> str:
    """Derive the id of a model from its name; `count` is 2 where the first id is another model's."""
    return encode_part(name) if count == 1 else f"{encode_part(name)}={count}"


def collision_key(model: str) -> str:
    """What ids of different models must differ in: neither case nor the form of Unicode counts."""
    folded = unicodedata.normalize("NFC", decode_part(model)).casefold()
    return unicodedata.normalize("NFC", folded)


def is_same_name(one: str, other: str) -> bool:
    """Whether two names differ by their form of Unicode (NFC, NFD) at most."""
    return one == other or unicodedata.normalize("NFC", one) == unicodedata.normalize("NFC", other)


def name_of_id(model: str) -> str:
    """The name that an id was made from."""
    match = _SUFFIX.fullmatch(model)
    return decode_part(match[1] if match else model)


@lru_cache(maxsize=1024)
def stage_key(stage: str) -> str:
    """What a stage is told apart by: its case does not count."""
    return encode_part(stage.lower())


def version_ref(model: str, number: int) -> str:
    """Name the tag of a version."""
    return f"{MODEL_TAGS}{model}/v{number}"


def move_ref(kind: str, model: str, part: str, number: int) -> str:
    """Name the tag of an event; `kind` is `stage` or `alias`, `part` what it is about, encoded."""
    return f"{STAGE_TAGS if kind == 'stage' else ALIAS_TAGS}{model}/{part}/{number}"


def parse_ref(ref: str) -> RegistryRef | None:
    """Read the name of a ref of the registry; None if it is none.

    Example:
        >>> parse_ref("refs/tags/gitml/stages/churn/production/3")
        RegistryRef(kind='stage', model='churn', part='production', number=3)
    """
    match = _VERSION_REF.fullmatch(ref)
    if match:
        return RegistryRef("version", match[1], "", int(match[2]))
    match = _MOVE_REF.fullmatch(ref)
    if match is None:
        return None
    return RegistryRef("stage" if match[1] == "stages" else "alias", match[2], match[3], int(match[4]))
