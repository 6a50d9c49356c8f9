"""Real container engines for tests, with storage of their own, and an image that needs no registry.

The image has no files: the machine's programs are mounted into it, as a project's `volumes`.
"""

from __future__ import annotations

import contextlib
import io
import os
import shutil
import socket
import subprocess
import sys
import tarfile
import tempfile
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
TIMEOUT_S = 60
# A sandbox may have no right to raise a limit, which engines do unless told.
PODMAN_CONFIGURATION = """\
[containers]
default_ulimits = ["nofile=1024:1024", "nproc=4096:4096"]
netns = "host"
[engine]
runtime = "runc"
"""


@dataclass(frozen=True)
class RealEngine:
    """An engine that runs containers here.

    Attributes:
        name: `docker` or `podman`.
        environ: The variables that its command line needs.
        image: The name of the image.
        options: What a run needs on this machine, as `--docker-args`.
    """

    name: str
    environ: Mapping[str, str]
    image: str
    options: tuple[tuple[str, str], ...] = (("network", "host"),)

    def call(self, *arguments: str) -> str:
        """Run a command of it, and give what it printed."""
        done = subprocess.run(
            [self.name, *arguments], env={**os.environ, **self.environ}, capture_output=True, text=True,
            timeout=TIMEOUT_S, check=False,
        )  # fmt: skip
        assert done.returncode == 0, f"{self.name} {arguments}: {done.stderr}"
        return done.stdout.strip()

    def make_image(self, name: str, mark: str = "") -> None:
        """Make the image, with a file that makes it another one."""
        archive = io.BytesIO()
        with tarfile.open(fileobj=archive, mode="w") as tar:
            for folder, mode in (("usr", 0o755), ("etc", 0o755), ("tmp", 0o1777), ("sbin", 0o755)):
                entry = tarfile.TarInfo(folder)
                entry.type, entry.mode = tarfile.DIRTYPE, mode
                tar.addfile(entry)
            for link in ("bin", "lib", "lib64"):
                entry = tarfile.TarInfo(link)
                entry.type, entry.linkname = tarfile.SYMTYPE, f"usr/{link}"
                tar.addfile(entry)
            marked = tarfile.TarInfo("etc/mark")
            marked.size = len(mark)
            tar.addfile(marked, io.BytesIO(mark.encode()))
        done = subprocess.run(
            [self.name, "import", "-", name], env={**os.environ, **self.environ},
            input=archive.getvalue(), capture_output=True, timeout=TIMEOUT_S, check=False,
        )  # fmt: skip
        assert done.returncode == 0, done.stderr


def volumes() -> list[str]:
    """What of this machine the image needs to run Python with gitml."""
    folders = ["/usr", sys.base_prefix, sys.prefix, str(ROOT)]
    return [f"{folder}:{folder}:ro" for folder in dict.fromkeys(folders)]


@contextlib.contextmanager
def docker() -> Iterator[RealEngine]:
    """A daemon of Docker's."""
    with tempfile.TemporaryDirectory(prefix="gitml-", ignore_cleanup_errors=True) as folder:
        host = f"unix://{folder}/docker.sock"
        words = [
            f"--data-root={folder}/data", f"--exec-root={folder}/exec", f"--pidfile={folder}/pid", f"--host={host}",
            "--storage-driver=vfs", "--iptables=false", "--ip6tables=false", "--bridge=none",
        ]  # fmt: skip
        with open(f"{folder}/log", "w", encoding="utf-8") as log:
            daemon = subprocess.Popen(["dockerd", *words], stdout=log, stderr=log, start_new_session=True)
        try:
            environ = {"DOCKER_HOST": host, "DOCKER_BUILDKIT": "0"}
            _wait_for(
                lambda: subprocess.run(
                    ["docker", "info"], env={**os.environ, **environ}, capture_output=True, check=False
                ).returncode == 0,
                daemon,
                Path(folder, "log"),
            )  # fmt: skip
            engine = RealEngine("docker", environ, "gitml-test:1")
            engine.make_image(engine.image)
            yield engine
        finally:
            daemon.terminate()
            daemon.wait(TIMEOUT_S)
            # The daemon leaves this behind, and a folder with a mount in it can't be removed.
            subprocess.run(["umount", f"{folder}/exec/netns/default"], capture_output=True, check=False)


@contextlib.contextmanager
def podman() -> Iterator[RealEngine]:
    """Podman with storage of its own."""
    with tempfile.TemporaryDirectory(prefix="gitml-", ignore_cleanup_errors=True) as folder:
        Path(folder, "storage.conf").write_text(
            f'[storage]\ndriver = "vfs"\ngraphroot = "{folder}/graph"\nrunroot = "{folder}/run"\n'
        )
        Path(folder, "containers.conf").write_text(PODMAN_CONFIGURATION)
        environ = {
            "CONTAINERS_STORAGE_CONF": f"{folder}/storage.conf", "CONTAINERS_CONF": f"{folder}/containers.conf"
        }  # fmt: skip
        engine = RealEngine("podman", environ, "localhost/gitml-test:1")
        engine.make_image(engine.image)
        yield engine


@contextlib.contextmanager
def registry() -> Iterator[str]:
    """A registry of images; yields its host and port."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    with tempfile.TemporaryDirectory(prefix="gitml-") as folder:
        settings = Path(folder, "registry.yaml")
        settings.write_text(
            "version: 0.1\nlog: {level: error}\n"
            f"storage: {{filesystem: {{rootdirectory: {folder}/data}}}}\nhttp: {{addr: '127.0.0.1:{port}'}}\n"
        )
        with open(f"{folder}/log", "w", encoding="utf-8") as log:
            server = subprocess.Popen(["docker-registry", "serve", str(settings)], stdout=log, stderr=log)
        try:
            _wait_for(lambda: _answers(port), server, Path(folder, "log"))
            yield f"localhost:{port}"
        finally:
            server.terminate()
            server.wait(TIMEOUT_S)


@contextlib.contextmanager
def with_engine(name: str) -> Iterator[RealEngine]:
    """An engine by its name; skips the test where it can't be had."""
    needed = {"docker": ("docker", "dockerd", "containerd"), "podman": ("podman", "runc", "catatonit")}[name]
    if not is_here(*needed):
        pytest.skip(f"needs root and {', '.join(needed)}")
    with (docker if name == "docker" else podman)() as engine:
        yield engine


def is_here(*programs: str) -> bool:
    """Whether containers can be run: by root, and all of the programs are installed."""
    return os.geteuid() == 0 and all(shutil.which(program) for program in programs)


def _wait_for(condition, process: subprocess.Popen, log: Path) -> None:
    end = time.monotonic() + TIMEOUT_S
    while not condition():
        assert process.poll() is None, log.read_text()
        assert time.monotonic() < end, log.read_text()
        time.sleep(0.1)


def _answers(port: int) -> bool:
    try:
        socket.create_connection(("127.0.0.1", port), 1).close()
    except OSError:
        return False
    return True
