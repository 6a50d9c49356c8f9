"""Pointers: the small text in git that stands in for an object.

The Git LFS kind follows https://github.com/git-lfs/git-lfs/blob/main/docs/spec.md
byte for byte; gitml's own has the same shape with another version line.
"""

from __future__ import annotations

import re

from gitml.entities.artifact import Pointer

LFS_VERSION = "https://git-lfs.github.com/spec/v1"
GITML_VERSION = "https://gitml.dev/spec/pointer/v1"
MAX_BYTES = 1024
_POINTER = re.compile(
    rb"version (https://[^\n]+)\n(?:[a-z0-9.-]+ [^\n]*\n)*?oid sha256:([0-9a-f]{64})\n"
    rb"(?:[a-z0-9.-]+ [^\n]*\n)*?size (0|[1-9][0-9]{0,18})\n(?:[a-z0-9.-]+ [^\n]*\n)*"
)
_ATTRIBUTES = {True: "filter=lfs diff=lfs merge=lfs -text", False: "gitml=pointer -text"}


def encode_pointer(pointer: Pointer) -> bytes:
    """Write a pointer."""
    version = LFS_VERSION if pointer.lfs else GITML_VERSION
    return f"version {version}\noid sha256:{pointer.oid}\nsize {pointer.size}\n".encode()


def decode_pointer(data: bytes) -> Pointer | None:
    """Read a pointer of either kind, or None if this is something else."""
    match = _POINTER.fullmatch(data) if len(data) < MAX_BYTES else None
    if match is None or match[1].decode() not in (LFS_VERSION, GITML_VERSION):
        return None
    return Pointer(match[2].decode(), int(match[3]), lfs=match[1].decode() == LFS_VERSION)


def encode_attributes(paths: dict[str, bool]) -> bytes:
    """Write the `.gitattributes` that marks exactly the pointer files.

    Args:
        paths: Path in the run's tree to whether it is a Git LFS pointer.
    """
    return "".join(f"{_pattern(path)} {_ATTRIBUTES[lfs]}\n" for path, lfs in sorted(paths.items())).encode()


def decode_attributes(data: bytes) -> dict[str, bool]:
    """Read which paths are pointers: path to whether it is a Git LFS one."""
    paths: dict[str, bool] = {}
    for line in data.decode("utf-8", "replace").splitlines():
        if not line.startswith(("/", '"/')):
            continue
        pattern, attributes = _split_pattern(line)
        path = re.sub(r"\\(.)", r"\1", pattern)[1:]
        if "filter=lfs" in attributes:
            paths[path] = True
        elif "gitml=pointer" in attributes:
            paths[path] = False
    return paths


_QUOTED = re.compile(r'"((?:[^"\\]|\\.)*)" (.*)')


def _pattern(path: str) -> str:
    """Write a path as a pattern that matches it alone, quoted as git reads it."""
    pattern = "/" + re.sub(r"([*?\[\\])", r"\\\1", path)
    if not re.search(r'[\s"]', pattern):
        return pattern
    escaped = pattern.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'


def _split_pattern(line: str) -> tuple[str, str]:
    match = _QUOTED.fullmatch(line)
    if match:
        return re.sub(r'\\([\\"])', r"\1", match[1]), match[2]
    pattern, _, attributes = line.partition(" ")
    return pattern, attributes
