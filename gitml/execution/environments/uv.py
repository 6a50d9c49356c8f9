"""Environments made by uv: solved once to exact packages with hashes, installed from those."""

from __future__ import annotations

from pathlib import Path

from gitml.entities.project import EnvironmentKind
from gitml.execution.environments.definition import Definition
from gitml.execution.environments.errors import EnvironmentNotMadeError
from gitml.execution.environments.index import handed_to_uv
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

_TOO_OLD = "get a newer one: pip install --upgrade uv"
_PLAIN = ("--no-header", "--no-annotate")
_LOOKING = ("--generate-hashes", "--emit-index-url", "--emit-find-links", *_PLAIN)


def make_with_uv(uv: Path, definition: Definition, prefix: Path, shop: Workshop) -> Made:
    """Make an environment from its definition.

    Raises:
        EnvironmentNotMadeError: It can't be solved, fetched, built or installed.
        PythonNotFoundError: No Python that fits is here, and uv may or can't fetch one.
    """
    maker = _Maker(uv, prefix, shop)
    notes = maker.make_venv(definition.python)
    own = own_if_named(definition.names)
    if definition.kind is EnvironmentKind.UV_LOCK:
        solved = maker.export(definition)
    else:
        solved = maker.solve(definition, own)
    lock = settle(read_lock(solved), shop.folder, own)
    if definition.indexes:  # as they are written, credentials and all
        lock = Lock(lock.entries, definition.indexes, lock.paths)
    return maker.finish(lock, definition, notes)


def remake_with_uv(uv: Path, lock: Lock, definition: Definition, prefix: Path, shop: Workshop) -> Made:
    """Make an environment from a recorded lock.

    Raises:
        EnvironmentNotMadeError: A package can't be had any more, or is not what it was.
        PythonNotFoundError: As for `make_with_uv`.
    """
    maker = _Maker(uv, prefix, shop)
    return maker.finish(lock, definition, maker.make_venv(definition.python))


class _Maker:
    """Runs uv for one environment."""

    def __init__(self, uv: Path, prefix: Path, shop: Workshop) -> None:
        self._uv = uv
        self._prefix = prefix
        self._shop = shop
        handed = handed_to_uv(shop.environ)
        self._environ = {"NO_COLOR": "1", "UV_NO_PROGRESS": "1", **handed.variables}
        self._places = handed.options

    def _run(self, doing: str, *words: str | Path) -> str:
        return self._shop.run([self._uv, *words], doing, environ=self._environ)

    @property
    def _into(self) -> str:
        return f"--python={self._prefix / 'bin' / 'python'}"

    def make_venv(self, request: str | None) -> tuple[str, ...]:
        environ = self._shop.environ
        python, notes = choose_python(request, environ)
        # Where none is here, uv fetches one if its own settings allow that.
        wanted = f"--python={python.path if python else request}"
        doing = f"making an environment with Python {python or request}"
        try:
            self._run(doing, "venv", "-q", "--no-project", wanted, self._prefix)
        except EnvironmentNotMadeError as err:
            if python is not None:
                raise
            raise no_python(str(request), environ, f"uv: {_reason(err)}") from err
        return notes

    def solve(self, definition: Definition, own: OwnGitml | None) -> str:
        sources = write_sources(definition, self._shop, reads_toml=True)
        if not sources:
            return ""
        options: list[str | Path] = [
            f"--constraints={self._shop.folder / name}" for name in definition.constraints
        ]
        if own is not None:
            overrides = self._shop.scratch / "overrides.txt"
            overrides.write_text(own.requirement + "\n", encoding="utf-8")
            options.append(f"--overrides={overrides}")
        options += sources
        words = ("pip", "compile", "-q", *_LOOKING, self._into, *self._places)
        solved = self._run("solving the environment with uv", *words, *options)
        if definition.kind is EnvironmentKind.SCRIPT and definition.names and not read_lock(solved).entries:
            raise EnvironmentNotMadeError(
                f"this uv does not read the [tool.uv] of {definition.file}", hint=_TOO_OLD
            )
        return solved

    def export(self, definition: Definition) -> str:
        project = f"--project={(self._shop.folder / definition.file).parent}"
        words = (
            "export",
            "-q",
            "--frozen",
            "--no-dev",
            "--format=requirements-txt",
            *_PLAIN,
            project,
            self._into,
        )
        return self._run(f"reading {definition.file} with uv", *words)

    def finish(self, lock: Lock, definition: Definition, notes: tuple[str, ...]) -> Made:
        def run(file: Path, hashed: bool) -> None:
            check = ("--require-hashes",) if hashed else ()
            words = ("pip", "install", "-q", "--no-deps", *check, self._into, *self._places)
            self._run("installing packages with uv", *words, f"--requirements={file}")

        install(lock, self._shop, run)
        tool = " ".join(self._run("asking uv for its version", "--version").split()[:2])
        notes = (*definition.notes, *notes)
        return finish(self._prefix, self._shop, lock, definition, manager="uv", tool=tool, notes=notes)


def _reason(err: EnvironmentNotMadeError) -> str:
    """Say why there is no Python: of a failed download, the last cause says most."""
    words = [
        line.strip().removeprefix("cause: ").removeprefix("error: ") for line in err.message.splitlines()[1:]
    ]
    return ": ".join(dict.fromkeys((words[0], words[-1])))
