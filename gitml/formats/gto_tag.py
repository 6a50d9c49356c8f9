"""The names of GTO's tags: `name@v1.2.3`, `name#stage#4`, `name@deprecated`, each perhaps in a folder.

A `!` takes back, `#N` counts, `folder=name` is written for `folder:name`.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

REGISTER, DEREGISTER, ASSIGN, UNASSIGN, DEPRECATE, CREATE = (
    "register", "deregister", "assign", "unassign", "deprecate", "create",
)  # fmt: skip

_NAME = r"[a-zA-Z0-9](?:[a-zA-Z0-9/_-]*[a-zA-Z0-9])?"
_NUMBER = r"(?:0|[1-9][0-9]*)"
_PART = r"(?:0|[1-9][0-9]*|[0-9]*[a-zA-Z-][0-9a-zA-Z-]*)"
_SEMVER = (
    rf"v{_NUMBER}\.{_NUMBER}\.{_NUMBER}(?:-{_PART}(?:\.{_PART})*)?(?:\+[0-9a-zA-Z-]+(?:\.[0-9a-zA-Z-]+)*)?"
)
_TAG = re.compile(
    rf"(?P<name>(?:[a-zA-Z0-9_./-]+=)?{_NAME})"
    rf"(?:(?:#(?P<stage>{_NAME})|@(?P<version>{_SEMVER}))(?P<cancel>!?)|@(?P<word>deprecated|created))(?:#(?P<counter>[0-9]+))?"
)
_ARTIFACT = re.compile(rf"(?:[a-zA-Z0-9_./-]+:)?{_NAME}")


@dataclass(frozen=True, slots=True)
class GtoTag:
    """What the name of a tag says; `version` or `stage` where it is about one."""

    name: str
    action: str
    version: str | None = None
    stage: str | None = None
    counter: int | None = None


def parse_gto_tag(name: str) -> GtoTag | None:
    """Read the name of a tag; None if it is none of GTO's.

    Example:
        >>> parse_gto_tag("models=churn#prod!#3")
        GtoTag(name='models:churn', action='unassign', version=None, stage='prod', counter=3)
    """
    match = _TAG.fullmatch(name)
    if match is None:
        return None
    back = match["cancel"] == "!"
    if match["word"]:
        action = DEPRECATE if match["word"] == "deprecated" else CREATE
    elif match["version"]:
        action = DEREGISTER if back else REGISTER
    else:
        action = UNASSIGN if back else ASSIGN
    counter = int(match["counter"]) if match["counter"] else None
    return GtoTag(match["name"].replace("=", ":"), action, match["version"], match["stage"], counter)


def is_gto_name(name: str, *, stage: bool = False) -> bool:
    """Whether GTO can hold an artifact (or a stage) of that name."""
    return re.fullmatch(_NAME, name) is not None if stage else _ARTIFACT.fullmatch(name) is not None


def semver_key(version: str) -> tuple[object, ...]:
    """Order versions as SemVer does; what is built of them does not count.

    Example:
        >>> sorted(["v1.10.0", "v1.9.0", "v1.10.0-rc.1"], key=semver_key)
        ['v1.9.0', 'v1.10.0-rc.1', 'v1.10.0']
    """
    core, _, before = version[1:].partition("+")[0].partition("-")
    parts = [(0, int(part), "") if part.isdecimal() else (1, 0, part) for part in before.split(".") if part]
    return (*map(int, core.split(".")), not before, *parts)
