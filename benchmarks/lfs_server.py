"""giftless, a real Git LFS server, with its objects in a folder."""

from __future__ import annotations

import contextlib
import importlib.util
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from pathlib import Path

from measure import BrokenBenchmarkError

_NEEDED = ("giftless", "flask", "flask_marshmallow", "flask_classful", "webargs", "figcan", "jwt", "dotenv")
_SETTINGS = """\
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
    default_lifetime: 600
"""


def is_installed() -> bool:
    """Whether the server can run here."""
    return all(importlib.util.find_spec(name) for name in _NEEDED)


@contextlib.contextmanager
def lfs_server(folder: Path, env: Mapping[str, str]) -> Iterator[str]:
    """Run the server; gives its URL."""
    settings = folder / "giftless.yaml"
    settings.write_text(_SETTINGS.format(objects=folder / "objects", key="k" * 40))
    (folder / "objects").mkdir()
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = probe.getsockname()[1]
    command = [sys.executable, "-m", "flask", "--app", "giftless.wsgi_entrypoint", "run", "--port", str(port)]
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen(
            command, cwd=folder, env={**env, "GIFTLESS_CONFIG_FILE": str(settings)}, stdout=log, stderr=log
        )
    try:
        _wait(process, port, folder / "log")
        yield f"http://127.0.0.1:{port}"
    finally:
        process.terminate()
        process.wait()


def _wait(process: subprocess.Popen[bytes], port: int, log: Path) -> None:
    until = time.monotonic() + 60
    while process.poll() is None and time.monotonic() < until:
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 1):
            return
        time.sleep(0.05)
    raise BrokenBenchmarkError(f"the Git LFS server did not start:\n{log.read_text()[-4000:]}")
