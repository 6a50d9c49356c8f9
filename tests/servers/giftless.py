"""A real Git LFS server: giftless, with its objects in a folder."""

from __future__ import annotations

import contextlib
import importlib.util
import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

NEEDED = (
    "giftless",
    "flask",
    "flask_marshmallow",
    "flask_classful",
    "webargs",
    "figcan",
    "jwt",
    "cryptography",
    "dotenv",
)
SETTINGS = """\
AUTH_PROVIDERS:
  - giftless.auth.allow_anon:read_write
TRANSFER_ADAPTERS:
  basic:
    factory: giftless.transfer.basic_streaming:factory
    options:
      storage_class: giftless.storage.local_storage:LocalStorage
      storage_options:
        path: {objects}
PRE_AUTHORIZED_ACTION_PROVIDER:
  factory: giftless.auth.jwt:factory
  options:
    algorithm: HS256
    private_key: {key}
    private_key_file: null
    public_key_file: null
    default_lifetime: 60
"""


@dataclass
class Giftless:
    """One that runs.

    Attributes:
        port: Where, on loopback.
        objects: The folder that holds its objects.
    """

    port: int
    objects: Path

    def url(self, repository: str = "ada/churn") -> str:
        """Where the Git LFS server of a repository is."""
        return f"http://127.0.0.1:{self.port}/{repository}"


def require_giftless() -> None:
    """Skip where its packages are not installed; CI has them, so there it is an error."""
    missing = [name for name in NEEDED if importlib.util.find_spec(name) is None]
    if missing:
        reason = f"giftless, a Git LFS server, can't run without {', '.join(missing)} (extra: test-servers)"
        pytest.fail(reason) if "CI" in os.environ else pytest.skip(reason)


@contextlib.contextmanager
def giftless_server(folder: Path) -> Iterator[Giftless]:
    """Run one."""
    objects = folder / "objects"
    objects.mkdir(parents=True)
    settings = folder / "giftless.yaml"
    settings.write_text(SETTINGS.format(objects=objects, key="k" * 40))
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = probe.getsockname()[1]
    command = [
        sys.executable, "-m", "flask", "--app", "giftless.wsgi_entrypoint", "run", "--port", str(port)
    ]  # fmt: skip
    env = {**os.environ, "GIFTLESS_CONFIG_FILE": str(settings)}
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen(command, env=env, cwd=folder, stdout=log, stderr=log)
    try:
        _wait(process, port, folder / "log")
        yield Giftless(port, objects)
    finally:
        process.terminate()
        process.wait()


def _wait(process: subprocess.Popen[bytes], port: int, log: Path) -> None:
    until = time.monotonic() + 60
    while time.monotonic() < until:
        if process.poll() is not None:
            break
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 1):
            return
        time.sleep(0.05)
    raise AssertionError(f"giftless did not start: {log.read_text()[-2000:]}")
