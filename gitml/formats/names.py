"""Which names are allowed, and how they become paths in git.

The rules are in docs/format.md, "Names". A name that is refused says what the
rule is; nothing is silently changed.
"""

from __future__ import annotations

import re
import unicodedata
from typing import Any

from gitml.errors import InvalidNameError

MAX_NAME = 250
_MAX_PART_BYTES = 240  # of the 255 that file systems allow, less the suffix
# Controls, separators and the marks that reorder text on a terminal.
_FORBIDDEN = re.compile(
    "[\x00-\x1f\x7f-\x9f\u2028\u2029\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069\ufeff\ud800-\udfff\ufffe\uffff]"
)
# Letters that macOS and NTFS ignore or fold, so that '.g\u200cit' is '.git' there.
_IGNORED_BY_FILE_SYSTEMS = re.compile("[\u200b-\u200f\u202a-\u202e\u206a-\u206f\ufeff]")
_ESCAPED_IN_METRICS = re.compile(r'[%\\:*?"<>|]')
_RUN_ID = re.compile(r"[a-zA-Z0-9][\w\-]{0,255}", re.ASCII)


def check_name(kind: str, name: Any) -> str:
    """Accept a name of a param, metric, tag, run, experiment or data set.

    Any printable text of up to 250 characters, emoji and every script
    included; no control characters, line ends or direction marks.

    Raises:
        InvalidNameError: The name breaks a rule; says which.
    """
    if not isinstance(name, str):
        raise InvalidNameError(kind, name, f"names are text, this is {type(name).__name__}")
    if not name or name.isspace():
        raise InvalidNameError(
            kind, name, "it is empty", hint=f"give the {kind} a name of one letter, digit or sign at least"
        )
    if len(name) > MAX_NAME:
        raise InvalidNameError(
            kind, name, f"it has {len(name)} characters, at most {MAX_NAME} are allowed", hint="shorten it"
        )
    if not name.isascii() or not name.isprintable():
        found = _FORBIDDEN.search(name)
        if found and "\ud800" <= found.group() <= "\udfff":
            raise InvalidNameError(kind, name, "it is not UTF-8", hint="see the encoding of your terminal")
        if found:
            mark = unicodedata.name(found.group(), f"U+{ord(found.group()):04X}")
            raise InvalidNameError(
                kind, name, f"it has the control character {mark}", hint="use printable text"
            )
    if name[0] == " " or name[-1] == " ":
        raise InvalidNameError(kind, name, "it begins or ends with a space", hint=f"use {name.strip()!r}")
    return str(name)


def check_run_id(run_id: Any) -> str:
    """Accept a run id: letters, digits, '_' and '-', as MLflow does.

    Raises:
        InvalidNameError: It is something else.
    """
    if not isinstance(run_id, str) or not _RUN_ID.fullmatch(run_id):
        raise InvalidNameError("run id", run_id, "ids are letters, digits, '_' and '-'")
    return str(run_id)


def metric_path(name: str) -> str:
    """Name the file of a metric's history, below `history/`.

    '/' makes folders; what git or a file system can't hold is percent-encoded.

    Raises:
        InvalidNameError: A part of the name is empty, '.' or '..'.

    Example:
        >>> metric_path("val/top-1 acc")
        'val/top-1 acc.tsv'
    """
    parts = name.split("/")
    if any(part in ("", ".", "..") for part in parts):
        raise InvalidNameError(
            "metric",
            name,
            "its parts between '/' can't be empty, '.' or '..'",
            hint="use a name like 'val/loss'",
        )
    encoded = [_encode_part(part) for part in parts]
    # A folder may not look like a history, or 'a.tsv/b' would clash with 'a'.
    encoded[:-1] = [p[:-4] + "%2E" + p[-3:] if p.lower().endswith(".tsv") else p for p in encoded[:-1]]
    for part in encoded:
        if len(part.encode()) > _MAX_PART_BYTES:
            raise InvalidNameError("metric", name, "it is too long for a file name", hint="shorten it")
    return "/".join(encoded) + ".tsv"


def metric_name(path: str) -> str:
    """Read a metric's name back from its file below `history/`."""
    return re.sub(
        "(?:%[0-9A-F]{2})+",
        lambda match: bytes.fromhex(match.group().replace("%", "")).decode("utf-8", "replace"),
        path[: -len(".tsv")],
    )


def _encode_part(part: str) -> str:
    encoded = _ESCAPED_IN_METRICS.sub(lambda match: f"%{ord(match.group()):02X}", part)
    if is_git_folder(encoded) or encoded[-1] in ". ":
        last = encoded[-1]
        return (
            encoded[:-1] + f"%{ord(last):02X}" if last.isascii() else f"%{ord(encoded[0]):02X}" + encoded[1:]
        )
    return encoded


def is_git_folder(part: str) -> bool:
    """Whether some file system takes this for `.git`, which git refuses in a tree."""
    folded = _IGNORED_BY_FILE_SYSTEMS.sub("", part).split(":")[0].rstrip(". ").lower()
    return folded in (".git", "git~1")


def check_artifact_path(path: str, *, allow_empty: bool = False) -> str:
    """Accept the path of an artifact within its run: relative, '/' between parts.

    Raises:
        InvalidNameError: It is absolute, leaves the run's folder, or holds
            what git or a file system can't.
    """
    if not isinstance(path, str):
        raise InvalidNameError("artifact path", path, "it is not text")
    path = path.rstrip("/") if path != "/" else path
    if not path and allow_empty:
        return ""
    _check_artifact_text(path)
    for part in path.split("/"):
        if part in ("", ".", ".."):
            raise InvalidNameError(
                "artifact path",
                path,
                f"the part {part!r} is not allowed",
                hint="use a path like 'plots/roc.png'",
            )
        if is_git_folder(part):
            raise InvalidNameError(
                "artifact path", path, "git keeps '.git' for itself", hint="pack it as an archive"
            )
        if len(part.encode("utf-8", "replace")) > 255:
            raise InvalidNameError("artifact path", path, "a part has more than 255 bytes", hint="shorten it")
    return path


def _check_artifact_text(path: str) -> None:
    if not path:
        raise InvalidNameError("artifact path", path, "it is empty")
    if path.startswith("/") or re.match(r"[A-Za-z]:[\\/]", path):
        raise InvalidNameError(
            "artifact path", path, "it is absolute", hint="give a path relative to the run"
        )
    if "\\" in path:
        raise InvalidNameError("artifact path", path, "it has a backslash", hint="use '/' between parts")
    if len(path) > 4000:
        raise InvalidNameError("artifact path", path, "it has more than 4,000 characters", hint="shorten it")
    found = _FORBIDDEN.search(path)
    if found:
        raise InvalidNameError(
            "artifact path",
            path,
            f"it has the control character U+{ord(found.group()):04X}",
            hint="rename the file",
        )


_RULES_OF_GIT = frozenset((".gitattributes", ".gitmodules"))


def artifact_tree_path(path: str) -> str:
    """Say where an artifact stands below `artifacts/`.

    Almost always where its name says. But files in which git looks for rules
    (Hugging Face models bring a `.gitattributes`) must not rule the run's tree.

    Example:
        >>> artifact_tree_path("model/.gitattributes"), artifact_tree_path("model/w.bin")
        ('model/%2Egitattributes', 'model/w.bin')
    """
    if ".git" not in path.lower() and "%" not in path:
        return path
    return "/".join(map(_hide, path.split("/")))


def _hide(part: str) -> str:
    if part.lower() in _RULES_OF_GIT:
        return "%2E" + part[1:]
    return "%25" + part[1:] if part.startswith(("%2E", "%25")) else part


def artifact_name(tree_path: str) -> str:
    """Read an artifact's path back from where it stands below `artifacts/`."""
    if "%2" not in tree_path:
        return tree_path
    return "/".join(
        {"%2E": ".", "%25": "%"}.get(part[:3], part[:3]) + part[3:] for part in tree_path.split("/")
    )
