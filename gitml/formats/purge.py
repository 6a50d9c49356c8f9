"""Tombstones: what a run says of an object whose bytes were dropped for good.

The pointer stays, so the history can still be verified; `purged/<oid>.yaml` beside it
says who dropped the bytes, when and why. A file for each object, so that purges in two
places unite like any other files of a run.
"""

from __future__ import annotations

import re

from gitml.entities.artifact import Purge
from gitml.errors import DamagedError
from gitml.formats import yaml
from gitml.formats.run_tree import format_time, parse_time
from gitml.formats.wrong import what_is_wrong

FOLDER = "purged"
_NAME = re.compile(rb"100644 ([0-9a-f]{64})\.yaml\0")
_PATH = re.compile(rf"{FOLDER}/[0-9a-f]{{64}}\.yaml")


def purge_path(oid: str) -> str:
    """Where in a run's tree the tombstone of an object stands."""
    return f"{FOLDER}/{oid}.yaml"


def is_tombstone(path: str) -> bool:
    """Whether a path in a run's tree is that of a tombstone."""
    return _PATH.fullmatch(path) is not None


def purged_oids(tree: bytes | None) -> list[str]:
    """Read from git's raw tree of `purged/` which objects have a tombstone."""
    return [name.decode() for name in _NAME.findall(tree or b"")]


def encode_purge(purge: Purge) -> bytes:
    """Write a tombstone."""
    facts = {"time": format_time(purge.time_ms), "by": purge.by, "reason": purge.reason or None}
    return yaml.dump_mapping({key: value for key, value in facts.items() if value is not None}).encode()


def decode_purge(oid: str, data: bytes) -> Purge:
    """Read a tombstone.

    Raises:
        DamagedError: It can't be read, or does not say when.
    """
    source = purge_path(oid)
    facts = yaml.load_mapping(data, source=source)
    try:
        return Purge(
            oid, parse_time(facts["time"]), str(facts.get("by", "unknown")), str(facts.get("reason", ""))
        )
    except (KeyError, ValueError, TypeError) as err:
        raise DamagedError(f"'{source}' {what_is_wrong(err)}") from err
