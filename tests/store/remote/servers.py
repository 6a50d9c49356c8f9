"""Real servers on free ports of this machine, and a wire to them that can be cut."""

from __future__ import annotations

import getpass
import os
import shutil
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest

AZURITE = os.environ.get("GITML_TEST_AZURITE")  # read before tests get an environment of their own
AZURE_ACCOUNT = "devstoreaccount1"
# The account and key that Microsoft publishes for its emulator.
AZURE_KEY = "Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq/K1SZFPTOtr/KBHBeksoGMGw=="

# moto speaks S3. The XML protocol of Google Cloud Storage differs from it, as far as it is used, in
# the name of a condition, in how it is signed, and in slashes that are encoded.
GOOGLE = """
import sys
from urllib.parse import unquote
from moto.moto_server.werkzeug_app import DomainDispatcherApplication, create_backend_app
from werkzeug.serving import run_simple

s3 = DomainDispatcherApplication(create_backend_app)

def google(environ, start):
    environ["HTTP_AUTHORIZATION"] = (
        "AWS4-HMAC-SHA256 Credential=ada/20260101/us-east-1/s3/aws4_request, SignedHeaders=host, Signature=0"
    )
    path, mark, query = environ["RAW_URI"].partition("?")
    environ["RAW_URI"] = environ["REQUEST_URI"] = unquote(path) + mark + query
    if environ.pop("HTTP_X_GOOG_IF_GENERATION_MATCH", None) == "0":
        environ["HTTP_IF_NONE_MATCH"] = "*"
    return s3(environ, start)

run_simple("127.0.0.1", int(sys.argv[1]), google, threaded=True)
"""


def needed(program: str | None, what: str) -> str:
    """The program's path; without it the test is skipped, but not in CI."""
    if program is None:
        reason = f"{what} is not installed"
        if "CI" in os.environ:
            pytest.fail(reason)
        pytest.skip(reason)
    return program


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


@contextmanager
def serve(command: list[str], port: int, log: Path) -> Iterator[int]:
    """Run a server until it is no longer needed."""
    with log.open("wb") as output:
        process = subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=output, stderr=subprocess.STDOUT, cwd=log.parent
        )
    try:
        deadline = time.monotonic() + 60
        while not answers(port):
            if process.poll() is not None or time.monotonic() > deadline:
                pytest.fail(f"{command[0]} did not start: {log.read_text(errors='replace')[-2000:]}")
            time.sleep(0.02)
        yield port
    finally:
        process.terminate()
        try:
            process.wait(10)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def answers(port: int) -> bool:
    with suppress(OSError), socket.create_connection(("127.0.0.1", port), 1):
        return True
    return False


@contextmanager
def moto(folder: Path) -> Iterator[int]:
    pytest.importorskip("moto") if "CI" not in os.environ else __import__("moto")
    port = free_port()
    with serve([sys.executable, "-m", "moto.server", "-p", str(port)], port, folder / "moto.log"):
        yield port


@contextmanager
def google(folder: Path) -> Iterator[int]:
    pytest.importorskip("moto") if "CI" not in os.environ else __import__("moto")
    port = free_port()
    with serve([sys.executable, "-c", GOOGLE, str(port)], port, folder / "google.log"):
        yield port


@contextmanager
def azurite(folder: Path) -> Iterator[int]:
    program = needed(AZURITE or shutil.which("azurite-blob"), "azurite (npm)")
    port = free_port()
    command = [program, "--blobPort", str(port), "--inMemoryPersistence", "--skipApiVersionCheck", "--silent"]
    with serve([*command, "--disableTelemetry"], port, folder / "azurite.log"):
        yield port


@contextmanager
def sshd(folder: Path) -> Iterator[int]:
    """An SSH server that lets in whoever has the key `folder/id`, and gives SFTP."""
    paths = os.pathsep.join([os.environ["PATH"], "/usr/sbin", "/usr/local/sbin"])
    program = needed(shutil.which("sshd", path=paths), "openssh-server")
    if os.geteuid() == 0:
        os.makedirs("/run/sshd", mode=0o755, exist_ok=True)  # a service manager would have made it
    for name in ("id", "host"):
        command = ["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(folder / name)]
        subprocess.run(command, check=True, stdin=subprocess.DEVNULL)
    port = free_port()
    (folder / "sshd_config").write_text(
        f"ListenAddress 127.0.0.1:{port}\nHostKey {folder}/host\nPidFile none\nUsePAM no\n"
        f"AuthorizedKeysFile {folder}/id.pub\nStrictModes no\nPasswordAuthentication no\n"
        "KbdInteractiveAuthentication no\nPermitRootLogin prohibit-password\nSubsystem sftp internal-sftp\n"
        f"MaxStartups 100\nAllowUsers {getpass.getuser()}\n"
    )
    with serve([program, "-D", "-e", "-f", f"{folder}/sshd_config"], port, folder / "sshd.log"):
        yield port


class Wire:
    """A TCP proxy: it counts what goes through, and can break for good until it is mended."""

    def __init__(self, port: int) -> None:
        self._target = port
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]
        self.up = self.down = 0
        self._left: int | None = None
        self._pairs: list[tuple[socket.socket, socket.socket]] = []
        self._lock = threading.Lock()
        threading.Thread(target=self._accept, daemon=True).start()

    def reset(self) -> None:
        """Count from zero."""
        self.up = self.down = 0

    def break_after(self, count: int) -> None:
        """Cut all connections when so many more bytes came down."""
        self._left = count

    def mend(self) -> None:
        self._left = None

    @property
    def is_broken(self) -> bool:
        return self._left is not None and self._left <= 0

    def close(self) -> None:
        with suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)  # closing alone does not wake who waits for it
        self._listener.close()
        self._cut()

    def _accept(self) -> None:
        while True:
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            if self.is_broken:
                client.close()
                continue
            try:
                server = socket.create_connection(("127.0.0.1", self._target))
            except OSError:
                client.close()
                continue
            with self._lock:
                self._pairs.append((client, server))
            for ends in ((client, server, True), (server, client, False)):
                threading.Thread(target=self._pump, args=ends, daemon=True).start()

    def _pump(self, source: socket.socket, target: socket.socket, up: bool) -> None:
        with suppress(OSError):
            while data := source.recv(65536):
                with self._lock:
                    if up:
                        self.up += len(data)
                    else:
                        self.down += len(data)
                        if self._left is not None:
                            self._left -= len(data)
                if self.is_broken:
                    self._cut()
                    return
                target.sendall(data)
        for end in (source, target):
            with suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)

    def _cut(self) -> None:
        with self._lock:
            pairs, self._pairs = self._pairs, []
        for pair in pairs:
            for end in pair:
                with suppress(OSError):
                    end.shutdown(socket.SHUT_RDWR)
                end.close()
