"""Artifacts to and from a Git LFS server, beside git-lfs against the same server."""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path

from context import HERE, Context
from lfs_server import is_installed, lfs_server
from measure import BrokenBenchmarkError, Child, Result, Target, interleave, result

_POINTER = "version https://git-lfs.github.com/spec/v1\noid sha256:{}\nsize {}\n"


@dataclass
class _Load:
    """Objects, in a repository whose git-lfs has them, with a commit that points at them.

    Attributes:
        name: For results.
        what: For people.
        repository: Where they are.
        listed: A file with their ids and sizes.
    """

    name: str
    what: str
    repository: Path
    listed: Path
    oids: list[str] = field(default_factory=list)
    rounds: int = 0

    @property
    def store(self) -> Path:
        return self.repository / ".git" / "lfs"


def lfs(context: Context) -> list[Result]:
    """A few large objects and many small ones, up and down, in turns."""
    if not is_installed() or shutil.which("git-lfs") is None:
        print("lfs: left out, it needs git-lfs and gitml's extra test-servers", file=sys.stderr, flush=True)
        return []
    large = context.sizes.artifact // 16
    results: list[Result] = []
    folder = context.new_folder("lfs-server")
    with lfs_server(folder, context.env) as url:
        for load in (
            _make(context, "large", 4, large, f"4 objects of {large // 1024**2} MiB"),
            _make(context, "small", 200, 100_000, "200 objects of 100 kB"),
        ):
            results += _measure(context, load, url, folder / "objects")
    return results


def _make(context: Context, name: str, count: int, size: int, what: str) -> _Load:
    repository = context.new_repository()
    load = _Load(name, what, repository, context.new_folder("objects") / "listed")
    (repository / ".gitattributes").write_text("*.bin filter=lfs diff=lfs merge=lfs -text\n")
    for number in range(count):
        data = os.urandom(size)
        oid = hashlib.sha256(data).hexdigest()
        path = load.store / "objects" / oid[:2] / oid[2:4] / oid
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
        (repository / f"{number}.bin").write_text(_POINTER.format(oid, size))
        load.oids.append(oid)
    load.listed.write_text("".join(f"{oid} {size}\n" for oid in load.oids))
    git = ["git", "-C", str(repository)]
    for command in (["add", "--all"], ["commit", "--quiet", "--message", "pointers"]):
        subprocess.run([*git, *command], env=context.env, check=True)
    subprocess.run([*git, "remote", "add", "origin", "http://localhost/nowhere"], env=context.env, check=True)
    return load


def _measure(context: Context, load: _Load, url: str, stored: Path) -> list[Result]:
    rounds = 2 + (context.sizes.rounds > 3)  # the server takes its time
    ours, theirs = interleave(
        (lambda: _round(context, load, url, stored, ours=True), rounds),
        (lambda: _round(context, load, url, stored, ours=False), rounds),
    )
    results: list[Result] = []
    for place, direction in enumerate(("upload", "download")):
        own = [pair[place] for pair in ours]
        peer = [pair[place] for pair in theirs]
        command = "push --object-id" if direction == "upload" else "fetch"
        results += [
            result(
                f"lfs_{direction}_{load.name}",
                f"{direction} of {load.what}, Git LFS",
                "s",
                [child.answer["s"] for child in own],
                reference=result("", "", "s", [child.wall_s for child in peer]).value,
                reference_what=f"git lfs {command} with the same server, the whole process",
                note="to and from a giftless server on the same machine",
            ),
            result(
                f"lfs_{direction}_{load.name}_speed",
                "… speed, of that of git-lfs",
                "×",
                [them.wall_s / us.answer["s"] for us, them in zip(own, peer, strict=True)],
                target=Target(0.7, at_least=True),
            ),
            result(
                f"lfs_{direction}_{load.name}_process_speed",
                "… with the time that Python needs to start",
                "×",
                [them.wall_s / us.wall_s for us, them in zip(own, peer, strict=True)],
            ),
        ]
    return results


def _round(context: Context, load: _Load, url: str, stored: Path, *, ours: bool) -> tuple[Child, Child]:
    """Send everything to a repository of the server that has nothing yet, and fetch it again."""
    load.rounds += 1
    name = f"round-{load.rounds}"
    repository_url = f"{url}/{load.name}/{name}"
    settings = [
        "git", "-c", f"lfs.url={repository_url}", "-c", f"lfs.{repository_url}.locksverify=false", "lfs"
    ]  # fmt: skip
    os.sync()
    if ours:
        up = _ours(context, "upload", repository_url, load.store, load)
    else:
        up = context.run([*settings, "push", "--object-id", "origin", *load.oids], load.repository)
    expect(stored / load.name / name, load)
    os.sync()
    kept = load.store.rename(load.store.with_name("kept"))
    try:
        if ours:
            down = _ours(context, "download", repository_url, load.store, load)
        else:
            down = context.run([*settings, "fetch", "origin", "main"], load.repository)
        expect(load.store / "objects", load)
    finally:
        shutil.rmtree(load.store, ignore_errors=True)
        kept.rename(load.store)
        shutil.rmtree(stored / load.name / name)
    return up, down


def _ours(context: Context, operation: str, url: str, store: Path, load: _Load) -> Child:
    return context.run(
        [sys.executable, str(HERE / "lfs_transfer.py"), operation, url, str(store), str(load.listed)],
        context.folder,
    )


def expect(folder: Path, load: _Load) -> None:
    """Make sure that all objects are there, whole."""
    sizes = dict(line.split() for line in load.listed.read_text().splitlines())
    found = {path.name: str(path.stat().st_size) for path in folder.rglob("*") if path.is_file()}
    if not sizes.items() <= found.items():
        raise BrokenBenchmarkError(f"not all objects arrived in '{folder}'")
