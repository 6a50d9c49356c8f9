"""A real Ray cluster of one node on loopback, in a folder of its own."""

from __future__ import annotations

import importlib.util
import os
import shutil
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import psutil

_PATIENCE_S = 120.0


def is_installed() -> bool:
    """Whether Ray can be started here: there is no wheel of it for every Python."""
    return all(importlib.util.find_spec(name) for name in ("ray", "aiohttp_cors"))


@contextmanager
def running_cluster(*, cpus: int = 2) -> Iterator[str]:
    """Start a head node, wait until it takes jobs, and give the address of its dashboard."""
    folder = Path(tempfile.mkdtemp(prefix="ray-", dir="/tmp"))  # its sockets need a short path
    gcs, dashboard, agent, client = (_free_port() for _ in range(4))
    command = [
        sys.executable, "-m", "ray.scripts.scripts", "start", "--head", "--block", "--disable-usage-stats",
        "--node-ip-address=127.0.0.1", f"--port={gcs}", f"--num-cpus={cpus}", "--num-gpus=0",
        "--dashboard-host=127.0.0.1", f"--dashboard-port={dashboard}", f"--dashboard-agent-listen-port={agent}",
        f"--ray-client-server-port={client}", "--min-worker-port=0", "--max-worker-port=0",
        "--object-store-memory=80000000", f"--temp-dir={folder}",
    ]  # fmt: skip
    variables = {"RAY_DISABLE_MEMORY_MONITOR": "1", "RAY_memory_monitor_refresh_ms": "0"}
    with open(folder / "start.log", "wb") as log:
        head = subprocess.Popen(
            command, env={**os.environ, **variables}, stdin=subprocess.DEVNULL, stdout=log, stderr=log,
            start_new_session=True,
        )  # fmt: skip
    try:
        address = f"http://127.0.0.1:{dashboard}"
        _wait_for(f"{address}/api/jobs/", head, folder / "start.log")
        yield address
    finally:
        _stop(head)
        shutil.rmtree(folder, ignore_errors=True)  # a worker may still write its log


def _wait_for(url: str, head: subprocess.Popen, log: Path) -> None:
    end = time.monotonic() + _PATIENCE_S
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    while True:
        assert head.poll() is None, log.read_text()
        assert time.monotonic() < end, log.read_text()
        try:
            with opener.open(url, timeout=10) as answer:
                answer.read()
                return
        except OSError:
            time.sleep(0.2)


def _stop(head: subprocess.Popen) -> None:
    """End the node and all that it started, at once: nothing of it is kept."""
    started = psutil.Process(head.pid).children(recursive=True) if head.poll() is None else []
    for process in (head, *started):
        with suppress(psutil.NoSuchProcess):
            process.kill()
    head.wait()
    psutil.wait_procs(started, timeout=10)


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port
