"""Deployments on this machine: servers in the background, each kept in a file of the repository's git folder.

deployments/NAME.json   the process, and how it is served
deployments/NAME.log    what it printed
"""

from __future__ import annotations

import json
import os
import signal
import socket
import sys
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass, field
from pathlib import Path

from gitml.errors import DamagedError, NotARepositoryError
from gitml.execution.backends.local import is_alive, process_handle
from gitml.execution.backends.options import Kind, Option
from gitml.formats.names import check_artifact_path
from gitml.launching.spawn import Placement, spawn
from gitml.models.deployments.contract import (
    Deployment,
    DeploymentError,
    DeploymentExistsError,
    DeploymentNotFoundError,
    DeploymentRequest,
    DeploymentState,
    Place,
)
from gitml.models.deployments.http import post

NAME = "local"
_START_S = 300
_DRAIN_S = 30
_PAUSE_S = 0.1
_SAID_BYTES = 2000


@dataclass(frozen=True, slots=True)
class _Kept:
    """What is kept of a deployment.

    Attributes:
        process: The server, as `process_handle` has it.
        port: Where it listens.
        model: What the user called the model.
        version: Its version when it was deployed.
        words: What starts it.
        start_s: How long it may take to start.
        variables: Variables of its own.
    """

    process: str
    port: int
    model: str
    version: int | None
    words: tuple[str, ...]
    start_s: int = _START_S
    variables: Mapping[str, str] = field(default_factory=dict)


class LocalTarget:
    """This machine."""

    name = NAME
    needs_image = False
    options: Mapping[str, Option] = {
        "port": Option(Kind.INTEGER, "the port; a free one unless given"),
        "workers": Option(Kind.INTEGER, "processes; 1 unless given"),
        "env_manager": Option(Kind.TEXT, "what it is served in", choices=("local", "uv")),
        "follow": Option(Kind.FLAG, "serve what the stage or alias leads to from then on"),
        "start": Option(Kind.TIME, "how long it may take to load the model; 5m unless given"),
        "env": Option(Kind.MAPPING, "variables of the server: -C env.NAME=text"),
    }

    def create(self, request: DeploymentRequest) -> Deployment:
        """Start a server, and wait until it answers."""
        folder = _folder(request.place)
        if (folder / f"{request.name}.json").exists():
            raise DeploymentExistsError(NAME, request.name)
        port = int(request.place.config.get("port", 0)) or _free_port()
        return _start(folder, request, port)

    def update(self, request: DeploymentRequest) -> Deployment:
        """End the server and start one with another model at its port; if that fails, the old one again."""
        folder = _folder(request.place)
        old = _read(folder, request.name)
        port = int(request.place.config.get("port", 0)) or old.port
        _end(old)
        try:
            return _start(folder, request, port)
        except DeploymentError:
            _write(folder, request.name, _spawned(folder, request.name, old, request.place.environ))
            raise

    def delete(self, name: str, place: Place) -> None:
        """End the server, which finishes what is under way."""
        folder = _folder(place)
        _end(_read(folder, name))
        for suffix in ("json", "log"):
            (folder / f"{name}.{suffix}").unlink(missing_ok=True)

    def list(self, place: Place) -> Sequence[Deployment]:
        """List all of this repository."""
        names = sorted(path.stem for path in _folder(place).glob("*.json"))
        return [self.get(name, place) for name in names]

    def get(self, name: str, place: Place) -> Deployment:
        """See whether the server is there and answers."""
        return _described(name, _read(_folder(place), name))

    def predict(self, name: str, body: bytes, content_type: str, place: Place) -> bytes:
        """Ask the server."""
        kept = _read(_folder(place), name)
        return post(NAME, _address(kept.port), body, content_type)


def _folder(place: Place) -> Path:
    if place.folder is None:
        raise NotARepositoryError(os.getcwd())
    return place.folder


def _start(folder: Path, request: DeploymentRequest, port: int) -> Deployment:
    config, model = request.place.config, request.model
    words = [sys.executable, "-m", "gitml", "models", "serve", "--host=127.0.0.1", f"--port={port}"]
    words += [f"--name={request.name}", f"--workers={config.get('workers', 1)}"]
    words += [f"--env={config['env_manager']}"] if "env_manager" in config else []
    words += ["--follow"] * bool(config.get("follow")) + ["--trust"] * request.trust + ["--", model.uri]
    asked = _Kept(
        "",
        port,
        model.uri,
        model.version,
        tuple(words),
        int(config.get("start", _START_S)),
        config.get("env", {}),
    )
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    kept = _spawned(folder, request.name, asked, request.place.environ)
    _write(folder, request.name, kept)
    if _comes_up(kept):
        return _described(request.name, kept)
    _end(kept)
    said = _last_words(folder / f"{request.name}.log")
    (folder / f"{request.name}.json").unlink(missing_ok=True)
    raise DeploymentError(
        NAME, f"'{model.uri}' is not served: {said}", hint=f"gitml models serve '{model.uri}'"
    )


def _spawned(folder: Path, name: str, asked: _Kept, environ: Mapping[str, str]) -> _Kept:
    log = os.open(folder / f"{name}.log", os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
    nothing = os.open(os.devnull, os.O_RDONLY | os.O_CLOEXEC)
    try:
        pid = spawn(
            asked.words,
            {**environ, **asked.variables},
            streams={0: nothing, 1: log, 2: log},
            placement=Placement.SESSION,
        )
    finally:
        os.close(log)
        os.close(nothing)
    return _Kept(**{**asdict(asked), "process": process_handle(pid)})


def _comes_up(kept: _Kept) -> bool:
    end = time.monotonic() + kept.start_s
    while time.monotonic() < end:
        if _answers(kept.port):
            return is_alive(kept.process)  # else it is somebody else's port
        if not is_alive(kept.process):
            return False
        time.sleep(_PAUSE_S)
    return False


def _answers(port: int) -> bool:
    import http.client

    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=5)
    try:
        connection.request("GET", "/ping")
        return connection.getresponse().status == http.client.OK
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()


def _end(kept: _Kept) -> None:
    pid = int(kept.process.partition("-")[0])
    for number, patience_s in ((signal.SIGTERM, _DRAIN_S + 5), (signal.SIGKILL, 5)):
        if not is_alive(kept.process):
            return
        with suppress(ProcessLookupError):
            os.killpg(pid, number) if number == signal.SIGKILL else os.kill(pid, number)
        end = time.monotonic() + patience_s
        while is_alive(kept.process) and time.monotonic() < end:
            time.sleep(_PAUSE_S / 2)


def _described(name: str, kept: _Kept) -> Deployment:
    state = DeploymentState.STOPPED
    if is_alive(kept.process):
        state = DeploymentState.READY if _answers(kept.port) else DeploymentState.STARTING
    return Deployment(
        name, NAME, state, model=kept.model, version=kept.version, address=_address(kept.port),
        reason="its process is gone" if state is DeploymentState.STOPPED else None,
    )  # fmt: skip


def _address(port: int) -> str:
    return f"http://127.0.0.1:{port}/invocations"


def _free_port() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return int(free.getsockname()[1])


def _read(folder: Path, name: str) -> _Kept:
    path = folder / f"{check_artifact_path(name)}.json"
    try:
        facts = json.loads(path.read_bytes())
        return _Kept(**{**facts, "words": tuple(facts["words"])})
    except FileNotFoundError:
        raise DeploymentNotFoundError(NAME, name) from None
    except (ValueError, TypeError, KeyError) as err:
        raise DamagedError(f"'{path}' does not say what runs: {err}", hint="remove it") from err


def _write(folder: Path, name: str, kept: _Kept) -> None:
    fresh = folder / f".{name}.new"
    fresh.touch(mode=0o600)
    fresh.write_text(json.dumps(asdict(kept)), encoding="utf-8")
    fresh.replace(folder / f"{name}.json")


def _last_words(log: Path) -> str:
    lines = log.read_bytes()[-_SAID_BYTES:].decode("utf-8", "replace").strip().splitlines()
    errors = [line.removeprefix("error: ") for line in lines if line.startswith("error: ")]
    return (errors or lines or ["it says nothing"])[-1]
