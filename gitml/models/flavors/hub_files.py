"""Folders as the Hugging Face libraries write them: what in them is code."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from gitml.models.directory import list_files

_PICKLES = (".bin", ".ckpt", ".h5", ".joblib", ".pickle", ".pkl", ".pt", ".pth")
_MAX_JSON = 64 << 20
# Kernels that would be fetched and run.
_ATTENTION = ("_attn_implementation", "_attn_implementation_internal", "attn_implementation")


def code_in(folder: Path, harmless: tuple[str, ...] = ()) -> tuple[str, ...]:
    """Say which files of a folder run code when the libraries read them, a sentence each.

    Args:
        folder: What a library wrote.
        harmless: Names that look like pickles there and aren't.
    """
    found: list[str] = []
    for name, path in list_files(folder):
        if path.suffix == ".py":
            found.append(f"'{name}' is Python code")
        elif path.suffix in _PICKLES and name not in harmless:
            found.append(f"'{name}' may be a pickle")
        elif path.suffix == ".json" and path.stat().st_size <= _MAX_JSON and path.name != "tokenizer.json":
            found += [f"'{name}' {part}" for part in _in_json(path)]
    return tuple(dict.fromkeys(found))


def _in_json(path: Path) -> Iterator[str]:
    try:
        told = json.loads(path.read_bytes())
    except (ValueError, RecursionError):
        return  # no configuration; who needs it to be one will say so
    yield from _walk(told)


def _walk(value: Any) -> Iterator[str]:
    if isinstance(value, list):
        for inner in value:
            yield from _walk(inner)
    if not isinstance(value, dict):
        return
    if value.get("auto_map"):
        yield "names classes of its own"
    if any("/" in str(value.get(key) or "") for key in _ATTENTION):
        yield "names a kernel that would be fetched"
    for inner in value.values():
        yield from _walk(inner)


def public_name(name: object) -> str:
    """What is told of where a model came from: its name on a hub, but no place on this machine."""
    text = str(name or "")
    return "" if not text or Path(text).is_absolute() or text.startswith(".") or Path(text).exists() else text


def reading_errors() -> tuple[type[Exception], ...]:
    """What the libraries raise where files are not what they should be."""
    import safetensors

    return (OSError, ValueError, KeyError, RuntimeError, safetensors.SafetensorError)


def has_own_code(folder: Path) -> bool:
    """Whether classes are to be taken from files of the model; the user has agreed then."""
    return any(part.endswith(("is Python code", "classes of its own")) for part in code_in(folder))
