"""Environments made by Python's own venv and pip, where uv is not to be had."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from gitml.execution.environments.definition import Definition
from gitml.execution.environments.errors import EnvironmentNotMadeError
from gitml.execution.environments.installing import (
    choose_python,
    finish,
    install,
    no_python,
    own_if_named,
    write_sources,
)
from gitml.execution.environments.lock import Lock, read_lock, settle
from gitml.execution.environments.own import OwnGitml
from gitml.execution.environments.store import Made
from gitml.execution.environments.tools import Workshop

_QUIET = {
    "PIP_NO_COLOR": "1",
    "PIP_DISABLE_PIP_VERSION_CHECK": "1",
    "PIP_NO_INPUT": "1",
    "PIP_PROGRESS_BAR": "off",
}


def make_with_pip(definition: Definition, prefix: Path, shop: Workshop) -> Made:
    """Make an environment from its definition.

    Raises:
        EnvironmentNotMadeError: It can't be solved, fetched, built or installed, or only uv understands it.
        PythonNotFoundError: No Python that fits is here.
    """
    if definition.needs_uv:
        raise EnvironmentNotMadeError(
            f"only uv understands all of {definition.file}", hint="pip install uv, and: --env-manager uv"
        )
    notes = _make_venv(definition.python, prefix, shop)
    own = own_if_named(definition.names)
    lock = settle(_solve(definition, prefix, shop, own), shop.folder, own)
    return _install(Lock(lock.entries, definition.indexes, lock.paths), definition, prefix, shop, notes)


def remake_with_pip(lock: Lock, definition: Definition, prefix: Path, shop: Workshop) -> Made:
    """Make an environment from a recorded lock.

    Raises:
        EnvironmentNotMadeError: A package can't be had any more, or is not what it was.
        PythonNotFoundError: No Python that fits is here.
    """
    notes = _make_venv(definition.python, prefix, shop)
    return _install(lock, definition, prefix, shop, notes)


def _make_venv(request: str | None, prefix: Path, shop: Workshop) -> tuple[str, ...]:
    python, notes = choose_python(request, shop.environ)
    if python is None:
        raise no_python(str(request), shop.environ)
    shop.run([python.path, "-I", "-m", "venv", prefix], f"making an environment with Python {python}")
    return notes


def _solve(definition: Definition, prefix: Path, shop: Workshop, own: OwnGitml | None) -> Lock:
    sources = [f"--requirement={path}" for path in write_sources(definition, shop, reads_toml=False)]
    if own is not None:
        named = shop.scratch / "own.txt"
        named.write_text(own.requirement + "\n", encoding="utf-8")
        sources.insert(
            0, f"--requirement={named}"
        )  # pip looks for a name in the index if it does not know better
    if not sources:
        return Lock(())
    report = shop.scratch / "report.json"
    command = [
        *_pip(prefix),
        "install",
        "-q",
        "--dry-run",
        "--ignore-installed",
        f"--report={report}",
        *sources,
    ]
    command += [f"--constraint={shop.folder / name}" for name in definition.constraints]
    shop.run(command, "solving the environment with pip", environ=_QUIET)
    lines = [_line(item) for item in json.loads(report.read_bytes())["install"]]
    return read_lock("".join(f"{line}\n" for line in lines))


def _line(item: Mapping[str, Any]) -> str:
    """Return the line of a lock for what pip said that it would install."""
    name, version = item["metadata"]["name"], item["metadata"]["version"]
    origin = item["download_info"]
    if "dir_info" in origin:
        return f"{'-e ' if origin['dir_info'].get('editable') else f'{name} @ '}{origin['url']}"
    if "vcs_info" in origin:
        vcs = origin["vcs_info"]
        return f"{name} @ {vcs['vcs']}+{origin['url']}@{vcs['commit_id']}"
    hashes = origin.get("archive_info", {}).get("hashes", {})
    what = f"{name} @ {origin['url']}" if item.get("is_direct") else f"{name}=={version}"
    return what + (f" --hash=sha256:{hashes['sha256']}" if "sha256" in hashes else "")


def _install(
    lock: Lock, definition: Definition, prefix: Path, shop: Workshop, notes: tuple[str, ...]
) -> Made:
    def run(file: Path, hashed: bool) -> None:
        command = [*_pip(prefix), "install", "-q", "--no-deps", f"--requirement={file}"]
        command += ["--require-hashes"] if hashed else []
        shop.run(command, "installing packages with pip", environ=_QUIET)

    install(lock, shop, run)
    words = shop.run([*_pip(prefix), "--version"], "asking pip for its version", environ=_QUIET).split()
    return finish(
        prefix,
        shop,
        lock,
        definition,
        manager="virtualenv",
        tool=" ".join(words[:2]),
        notes=(*definition.notes, *notes),
    )


def _pip(prefix: Path) -> list[str | Path]:
    return [prefix / "bin" / "python", "-I", "-m", "pip"]
