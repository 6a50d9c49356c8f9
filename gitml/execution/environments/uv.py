"""Environments made by uv: solved once to exact packages with hashes, installed from those."""

from __future__ import annotations

from pathlib import Path

from gitml.entities.project import EnvironmentKind
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
from gitml.execution.environments.tools import Workshop, uv_environ

_SOLVE = ("--generate-hashes", "--emit-index-url", "--emit-find-links")
_PLAIN = ("--no-header", "--no-annotate")


def make_with_uv(uv: Path, definition: Definition, prefix: Path, shop: Workshop) -> Made:
    """Make an environment from its definition.

    Raises:
        EnvironmentNotMadeError: It can't be solved, fetched, built or installed.
        PythonNotFoundError: No Python that fits is here, and uv may or can't fetch one.
    """
    notes = _make_venv(uv, definition.python, prefix, shop)
    own = own_if_named(definition.names)
    solved = _export(uv, definition, prefix, shop) if definition.kind is EnvironmentKind.UV_LOCK else None
    if solved is None:
        solved = _solve(uv, definition, prefix, shop, own)
    lock = settle(read_lock(solved), shop.folder, own)
    if definition.indexes:  # as they are written, credentials and all
        lock = Lock(lock.entries, definition.indexes, lock.paths)
    _install(uv, lock, prefix, shop)
    tool = shop.run([uv, "--version"], "asking uv for its version").strip()
    return finish(prefix, shop, lock, definition, manager="uv", tool=tool, notes=(*definition.notes, *notes))


def remake_with_uv(uv: Path, lock: Lock, definition: Definition, prefix: Path, shop: Workshop) -> Made:
    """Make an environment from a recorded lock.

    Raises:
        EnvironmentNotMadeError: A package can't be had any more, or is not what it was.
        PythonNotFoundError: As for `make_with_uv`.
    """
    notes = _make_venv(uv, definition.python, prefix, shop)
    _install(uv, lock, prefix, shop)
    tool = shop.run([uv, "--version"], "asking uv for its version").strip()
    return finish(prefix, shop, lock, definition, manager="uv", tool=tool, notes=(*definition.notes, *notes))


def _make_venv(uv: Path, request: str | None, prefix: Path, shop: Workshop) -> tuple[str, ...]:
    python, notes = choose_python(request, shop.environ)
    # Where none is here, uv fetches one if its own settings allow that.
    wanted = str(python.path) if python else str(request)
    command: list[str | Path] = [uv, "venv", "--no-project", f"--python={wanted}", prefix]
    try:
        shop.run(
            command,
            f"making an environment with Python {python or request}",
            environ=uv_environ(shop.environ),
        )
    except EnvironmentNotMadeError as err:
        if python is not None:
            raise
        reason = next((line.strip() for line in err.message.splitlines()[1:]), "")
        raise no_python(str(request), shop.environ, reason.removeprefix("error: ")) from err
    return notes


def _solve(uv: Path, definition: Definition, prefix: Path, shop: Workshop, own: OwnGitml | None) -> str:
    sources = write_sources(definition, shop, reads_toml=True)
    if not sources:
        return ""
    command: list[str | Path] = [
        uv,
        "pip",
        "compile",
        "-q",
        *_SOLVE,
        *_PLAIN,
        f"--python={prefix / 'bin' / 'python'}",
    ]
    command += [f"--constraints={shop.folder / name}" for name in definition.constraints]
    if own is not None:
        overrides = shop.scratch / "overrides.txt"
        overrides.write_text(own.requirement + "\n", encoding="utf-8")
        command.append(f"--overrides={overrides}")
    return shop.run([*command, *sources], "solving the environment with uv", environ=uv_environ(shop.environ))


def _export(uv: Path, definition: Definition, prefix: Path, shop: Workshop) -> str:
    project = (shop.folder / definition.file).parent
    command: list[str | Path] = [
        uv, "export", "-q", "--frozen", "--no-dev", "--format=requirements-txt", *_PLAIN,
        f"--project={project}", f"--python={prefix / 'bin' / 'python'}",
    ]  # fmt: skip
    return shop.run(command, f"reading {definition.file} with uv", environ=uv_environ(shop.environ))


def _install(uv: Path, lock: Lock, prefix: Path, shop: Workshop) -> None:
    def run(file: Path, hashed: bool) -> None:
        command: list[str | Path] = [
            uv,
            "pip",
            "install",
            "-q",
            "--no-deps",
            f"--python={prefix / 'bin' / 'python'}",
        ]
        command += ["--require-hashes"] if hashed else []
        shop.run(
            [*command, f"--requirements={file}"],
            "installing packages with uv",
            environ=uv_environ(shop.environ),
        )

    install(lock, shop, run)
