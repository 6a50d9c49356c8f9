"""Artifacts to and from a bucket of S3, beside boto3 against the same server."""

from __future__ import annotations

import hashlib
import os
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from http.client import HTTPConnection
from importlib.util import find_spec
from pathlib import Path

from context import HERE, Context
from measure import BrokenBenchmarkError, Child, Result, Target, interleave, result

_NEEDED = ("boto3", "flask", "moto", "obstore")


@dataclass
class _Load:
    """Objects in a store.

    Attributes:
        name: For results.
        what: For people.
        store: The folder that has `objects/`.
        listed: A file with their ids and sizes.
    """

    name: str
    what: str
    store: Path
    listed: Path
    rounds: int = 0


def cloud(context: Context) -> list[Result]:
    """A few large objects and many small ones, up and down, in turns."""
    lacking = [name for name in _NEEDED if find_spec(name) is None]
    if lacking:
        print(f"cloud: left out, it needs {', '.join(lacking)}", file=sys.stderr, flush=True)
        return []
    large = context.sizes.artifact // 16
    results: list[Result] = []
    with _server(context) as port:
        for load in (
            _make(context, "large", 4, large, f"4 objects of {large // 1024**2} MiB"),
            _make(context, "small", 200, 100_000, "200 objects of 100 kB"),
        ):
            results += _measure(context, load, port)
    return results


@contextmanager
def _server(context: Context) -> Iterator[int]:
    """Run moto's S3 on a free port."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
    folder = context.new_folder("s3-server")
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", "moto.server", "-p", str(port)],
            cwd=folder, env=context.env, stdin=subprocess.DEVNULL, stdout=log, stderr=log,
        )  # fmt: skip
    try:
        for _ in range(600):
            if process.poll() is None and not _is_up(port):
                time.sleep(0.05)
        if not _is_up(port):
            raise BrokenBenchmarkError("moto's server did not start")
        yield port
    finally:
        process.terminate()
        process.wait()


def _is_up(port: int) -> bool:
    try:
        with socket.create_connection(("127.0.0.1", port), 1):
            return True
    except OSError:
        return False


def _ask(port: int, method: str, path: str) -> bytes:
    connection = HTTPConnection("127.0.0.1", port, timeout=60)
    connection.request(method, path)
    response = connection.getresponse()
    body = response.read()
    connection.close()
    if response.status >= 300:
        raise BrokenBenchmarkError(f"{method} {path}: {response.status} {body[:200]!r}")
    return body


def _make(context: Context, name: str, count: int, size: int, what: str) -> _Load:
    store = context.new_folder("objects") / "lfs"
    load = _Load(name, what, store, store.with_name("listed"))
    oids = []
    for _ in range(count):
        data = os.urandom(size)
        oid = hashlib.sha256(data).hexdigest()
        path = store / "objects" / oid[:2] / oid[2:4] / oid
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
        oids.append(oid)
    load.listed.write_text("".join(f"{oid} {size}\n" for oid in oids))
    return load


def _measure(context: Context, load: _Load, port: int) -> list[Result]:
    rounds = 3 + 2 * (context.sizes.rounds > 3)
    ours, theirs = interleave(
        (lambda: _round(context, load, port, "gitml"), rounds),
        (lambda: _round(context, load, port, "boto3"), rounds),
    )
    results: list[Result] = []
    for place, direction in enumerate(("upload", "download")):
        own = [pair[place].answer["s"] for pair in ours]
        peer = [pair[place].answer["s"] for pair in theirs]
        results += [
            result(
                f"cloud_{direction}_{load.name}",
                f"{direction} of {load.what}, S3",
                "s",
                own,
                reference=result("", "", "s", peer).value,
                reference_what="boto3's transfer manager with the same server, nothing looked up or checked",
                note="to and from moto's server on the same machine",
            ),
            result(
                f"cloud_{direction}_{load.name}_speed",
                "… speed, of that of boto3",
                "×",
                [them / us for us, them in zip(own, peer, strict=True)],
                target=Target(0.7, at_least=True),
            ),
        ]
    return results


def _round(context: Context, load: _Load, port: int, library: str) -> tuple[Child, Child]:
    """Send everything to a bucket that has nothing yet, and fetch it again."""
    load.rounds += 1
    bucket = f"{load.name}-{load.rounds}"
    _ask(port, "PUT", f"/{bucket}")

    def move(operation: str, store: Path) -> Child:
        os.sync()
        command = [sys.executable, str(HERE / "cloud_transfer.py"), library, operation]
        command += [f"http://127.0.0.1:{port}", bucket, str(store), str(load.listed)]
        return context.run(command, context.folder)

    arrived = load.store.with_name("arrived")
    try:
        up = move("upload", load.store)
        down = move("download", arrived)
        _expect(arrived / "objects", load)
    finally:
        shutil.rmtree(arrived, ignore_errors=True)
        _ask(port, "POST", "/moto-api/reset")  # it keeps objects in memory
    return up, down


def _expect(folder: Path, load: _Load) -> None:
    sizes = dict(line.split() for line in load.listed.read_text().splitlines())
    found = {path.name: str(path.stat().st_size) for path in folder.rglob("*") if path.is_file()}
    if sizes != found:
        raise BrokenBenchmarkError(f"not all objects arrived in '{folder}'")
