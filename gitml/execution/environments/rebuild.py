"""From what a run recorded of its environment back to the same one."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from gitml.entities.project import EnvironmentKind
from gitml.errors import DamagedError, RefusedError
from gitml.execution.environments.environment import Environment, environment_of
from gitml.execution.environments.errors import ManagerNotFoundError, UnbuildableError
from gitml.execution.environments.programs import find_conda, find_uv
from gitml.execution.environments.recorded import EXPLICIT, LOCK, PACKAGES, VERSION
from gitml.execution.environments.store import EnvironmentStore, Made, key_of
from gitml.progress import ShowProgress, no_progress

if TYPE_CHECKING:
    from gitml.execution.environments.tools import Workshop

_DECIDING = (LOCK, EXPLICIT, VERSION)
# As Python says it of itself; uv would take a path for a program to run.
_PYTHON = re.compile(r"\d{1,4}(?:\.\d{1,4}){0,2}(?:[a-z]{1,2}\d{1,4})?\+?")


def rebuild(
    files: Mapping[str, bytes],
    folder: Path,
    *,
    cache: Path,
    environ: Mapping[str, str],
    progress: ShowProgress = no_progress,
) -> Environment:
    """Make the environment of a run again, from the cache if it is there.

    The packages are those of `requirements.lock`, checked by hash, or of
    `conda-explicit.txt`; of a run that has neither, the exact versions of
    `requirements.txt`, which nothing checks. The Python is the recorded one, or
    one with another micro version where only that is here.

    Args:
        files: What the run recorded, by name.
        folder: The project's folder, with the run's code in it.
        cache: The user's cache folder.
        environ: The environment variables that gitml was started with.
        progress: Shows what takes long.

    Raises:
        RefusedError: No packages were recorded.
        DamagedError: What was recorded is not what gitml writes.
        UnbuildableError: Some were installed from a folder.
        EnvironmentNotMadeError: It can't be fetched, built or installed; a
            package is not what it was; there is no such Python, or no conda.
    """
    _check_texts(files)
    store = EnvironmentStore(cache)
    folder = folder.absolute()
    notes: tuple[str, ...] = ()
    checked = LOCK in files
    if LOCK not in files and EXPLICIT not in files:
        if PACKAGES not in files:
            raise RefusedError(
                "the run recorded no packages that its environment could be made from",
                hint="with what is installed now: gitml reproduce RUN --environment current",
            )
        files, notes = _locked(files)
    key = key_of_lock({name: data.decode() for name, data in files.items() if name in _DECIDING}, folder)
    made = store.find(key)
    if made is None:
        conda = find_conda(environ) if EXPLICIT in files else None
        if EXPLICIT in files and conda is None:
            raise ManagerNotFoundError(
                "conda", "the run had an environment of conda: install it, mamba or micromamba"
            )

        def make(prefix: Path, shop: Workshop) -> Made:
            if conda is not None:
                return _remake_conda(conda, files, prefix, shop)
            remade = _remake(files, prefix, shop)
            # What was recorded stays what is recorded.
            kept = {LOCK: files[LOCK].decode("utf-8", "replace")} if checked else {}
            return replace(remade, files={**remade.files, **kept})

        made, _ = store.make(key, make, folder, environ, progress)
    return environment_of(made, EnvironmentKind.NONE, folder, environ, notes)


def _check_texts(files: Mapping[str, bytes]) -> None:
    for name in (*_DECIDING, PACKAGES):
        try:
            text = files.get(name, b"").decode()
        except UnicodeDecodeError:
            text = "\0"
        if "\0" in text or (name == VERSION and not _is_version(text)):
            raise DamagedError(
                f"the record of the run's environment is damaged: '{name}' is not what gitml writes",
                hint="run it with the packages of now: --environment current",
            )


def _is_version(text: str) -> bool:
    return not text.strip() or _PYTHON.fullmatch(text.strip()) is not None


def key_of_lock(files: Mapping[str, str], folder: Path) -> str:
    """Return the key of the environment that recorded files lead to.

    Args:
        files: The files.
        folder: The project's folder; packages that lie there as files are part of it.
    """
    inputs = {name: files[name].encode() for name in _DECIDING if name in files}
    return key_of("recorded", inputs={**inputs, **_archives(files.get(LOCK, ""), folder)})


def _archives(lock: str, folder: Path) -> dict[str, bytes]:
    """Read the packages of a lock that are files of the project: their names say nothing of what is in them."""
    from gitml.execution.environments.lock import read_lock
    from gitml.execution.environments.requirements import local_path

    places = {local_path(folder, entry.path) for entry in read_lock(lock).entries if entry.path is not None}
    return {place: (folder / place).read_bytes() for place in places if place and (folder / place).is_file()}


def _locked(files: Mapping[str, bytes]) -> tuple[Mapping[str, bytes], tuple[str, ...]]:
    """Make a lock of what any run records."""
    from gitml.execution.environments.lock import exact_lock

    text, missing = exact_lock(files[PACKAGES].decode("utf-8", "replace"))
    if missing:
        raise UnbuildableError(missing)
    note = "the run recorded no hashes of its packages: they are of the same versions, unchecked"
    return {**files, LOCK: text.encode()}, (note,)


def _remake_conda(conda: Path, files: Mapping[str, bytes], prefix: Path, shop: Workshop) -> Made:
    from gitml.execution.environments.conda import remake_with_conda

    return remake_with_conda(conda, files, prefix, shop)


def _remake(files: Mapping[str, bytes], prefix: Path, shop: Workshop) -> Made:
    from gitml.execution.environments.definition import Definition
    from gitml.execution.environments.installing import own_if_named
    from gitml.execution.environments.lock import names_of, read_lock, settle
    from gitml.execution.environments.uv import remake_with_uv
    from gitml.execution.environments.virtualenv import remake_with_pip

    recorded = read_lock(files[LOCK].decode("utf-8", "replace"))
    lock = settle(recorded, shop.folder, own_if_named(names_of(recorded.entries)))
    python = files.get(VERSION, b"").decode("utf-8", "replace").strip() or None
    definition = Definition(EnvironmentKind.NONE, LOCK, python, indexes=recorded.indexes)
    uv = find_uv(shop.environ)
    if uv is None:
        return remake_with_pip(lock, definition, prefix, shop)
    return remake_with_uv(uv, lock, definition, prefix, shop)
