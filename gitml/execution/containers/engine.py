"""The program that runs containers: which one there is, and asking it for something.

Docker's and Podman's command lines are the same but for details, and those are here.
"""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from gitml.errors import RemoteError, UsageError

ENGINE_VARIABLE = "GITML_CONTAINER_ENGINE"
ENGINES = ("docker", "podman")


class EngineMissingError(RemoteError):
    """There is no program that runs containers."""

    def __init__(self, looked_for: Sequence[str]) -> None:
        super().__init__(
            f"no container engine was found on PATH; looked for {' and '.join(looked_for)}",
            hint="install Docker or Podman, or run without a container: --env-manager local",
        )
        self.looked_for = tuple(looked_for)


class EngineError(RemoteError):
    """The engine did not do what it was asked; `words` are its own."""

    def __init__(self, engine: str, what: str, words: str) -> None:
        super().__init__(f"{engine} can't {what}: {_last_words(words)}", hint=_hint(engine, words))
        self.engine = engine
        self.words = words


@dataclass(frozen=True, slots=True)
class Engine:
    """An engine that answers.

    Attributes:
        name: `docker` or `podman`: whose command line it has.
        program: Its path.
        version: Its version, as it says it.
        rootless: Whether root in a container is an ordinary user here.
        environ: The variables that it is started with.
    """

    name: str
    program: str
    version: str
    rootless: bool
    environ: Mapping[str, str]

    def call(self, what: str, *arguments: str, variables: Mapping[str, str] | None = None) -> str:
        """Run a command of it to its end and return what it printed.

        Args:
            what: What the command does, for the message: "pull the image 'x'".
            arguments: Its words.
            variables: To be added to its environment.

        Raises:
            EngineError: It failed.
        """
        return _call(self.program, self.name, what, arguments, {**self.environ, **(variables or {})})

    def start(self, *arguments: str) -> subprocess.Popen[bytes]:
        """Start a command of it whose output and error messages come as one stream, `stdout`."""
        return subprocess.Popen(
            [self.program, *arguments],
            env=dict(self.environ),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
        )

    def answers(self, *arguments: str) -> str | None:
        """Ask it for something that may not exist: what it printed, or None if it failed."""
        try:
            return self.call("say", *arguments)
        except EngineError:
            return None


def find_engine(environ: Mapping[str, str], name: str | None = None) -> tuple[Engine, tuple[str, ...]]:
    """Find an engine that answers: Docker, or else Podman.

    Args:
        environ: `GITML_CONTAINER_ENGINE` says which one it must be.
        name: The one that it must be, whatever `environ` says.

    Returns:
        It, and sentences for the user about those that were passed over.

    Raises:
        UsageError: There is no such engine.
        EngineMissingError: None is installed.
        EngineError: None answers.
    """
    wanted = name or environ.get(ENGINE_VARIABLE) or None
    if wanted is not None and wanted not in ENGINES:
        raise UsageError(
            f"there is no container engine '{wanted}'",
            hint=f"{ENGINE_VARIABLE} can be {' or '.join(ENGINES)}",
        )
    names = ENGINES if wanted is None else (wanted,)
    failed: EngineError | None = None
    for candidate in names:
        program = _on_path(candidate, environ)
        if program is None:
            continue
        try:
            engine = _known(candidate, program, environ)
        except EngineError as err:
            failed = failed or err
            continue
        return engine, () if failed is None else (f"{failed.message}; {engine.name} is used",)
    if failed is not None:
        raise failed
    raise EngineMissingError(names)


def _known(name: str, program: str, environ: Mapping[str, str]) -> Engine:
    # Some systems have a `docker` that is Podman.
    said = _call(program, name, "say its version", ["--version"], environ)
    if name == "podman" or "podman" in said.lower():
        return Engine("podman", program, said.split()[-1], os.geteuid() != 0, environ)
    answer = _call(
        program,
        name,
        "be used",
        ["info", "--format={{json .ServerVersion}} {{json .SecurityOptions}}"],
        environ,
    )
    version, _, security = answer.strip().partition(" ")
    rootless = any("rootless" in str(option) for option in json.loads(security or "null") or ())
    return Engine("docker", program, str(json.loads(version)), rootless, environ)


def _on_path(name: str, environ: Mapping[str, str]) -> str | None:
    """Find a program, never in the current directory or by a relative entry."""
    for entry in environ.get("PATH", os.defpath).split(os.pathsep):
        if os.path.isabs(entry):
            candidate = os.path.join(entry, name)
            if os.path.isfile(candidate) and os.access(candidate, os.X_OK):
                return candidate
    return None


def _call(program: str, engine: str, what: str, arguments: Sequence[str], environ: Mapping[str, str]) -> str:
    try:
        done = subprocess.run(
            [program, *arguments],
            env=dict(environ),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            check=False,
        )
    except OSError as err:
        raise EngineError(engine, what, (err.strerror or str(err)).lower()) from err
    if done.returncode != 0:
        raise EngineError(engine, what, done.stderr.decode("utf-8", "replace") or f"exit {done.returncode}")
    return done.stdout.decode("utf-8", "replace")


def _last_words(words: str) -> str:
    lines = [line.strip() for line in words.splitlines() if line.strip()]
    errors = [line for line in lines if line.lower().startswith(("error", "docker:"))]
    said = (errors or lines or ["it says nothing"])[-1]
    for start in ("Error response from daemon: ", "Error: ", "ERROR: ", "docker: "):
        said = said.removeprefix(start)
    return said


def _hint(engine: str, words: str) -> str | None:
    lowered = words.lower()
    other = f"use Podman: {ENGINE_VARIABLE}=podman"
    if engine == "docker" and "permission denied" in lowered and "sock" in lowered:
        return f"ask for membership in the group 'docker', then log in again; or {other}"
    if engine == "docker" and ("cannot connect" in lowered or "failed to connect" in lowered):
        return f"start it (systemctl start docker), or say where it is (DOCKER_HOST); or {other}"
    return None
