"""What the cases share: sizes, folders, the two libraries, stores with many runs."""

from __future__ import annotations

import json
import os
import shutil
import sqlite3
import subprocess
import sys
import sysconfig
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from measure import Child, run_child

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent
_FOREIGN = ("GIT_", "GITML_", "MLFLOW_", "PYTHON")
_GIT_SETTINGS = """\
[user]
    name = Ada
    email = ada@example.org
[init]
    defaultBranch = main
[gc]
    auto = 0
"""


@dataclass(frozen=True, slots=True)
class Sizes:
    """How much is measured, and how often."""

    rounds: int
    start_rounds: int
    peer_rounds: int
    calls: int
    peer_calls: int
    short_runs: int
    runs: int
    points: int
    artifact: int
    files: int = 2000


FULL = Sizes(
    rounds=7,
    start_rounds=15,
    peer_rounds=3,
    calls=100_000,
    peer_calls=2000,
    short_runs=50,
    runs=100_000,
    points=1_000_000,
    artifact=1024**3,
)
QUICK = Sizes(
    rounds=3,
    start_rounds=7,
    peer_rounds=1,
    calls=20_000,
    peer_calls=300,
    short_runs=15,
    runs=5000,
    points=100_000,
    artifact=256 * 1024**2,
)


class Context:
    """One session of measuring; its folder goes when it is closed."""

    def __init__(self, sizes: Sizes, peer: Path | None, cache: Path) -> None:
        """Make the folder.

        Args:
            sizes: How much to measure.
            peer: The peer's Python, None to do without.
            cache: Where stores with many runs are kept from one session to the next.
        """
        self.sizes = sizes
        self.peer = peer
        self.cache = cache
        self.folder = Path(tempfile.mkdtemp(prefix="gitml-benchmark-"))
        self.home = self.folder / "home"
        self.home.mkdir()
        (self.home / ".gitconfig").write_text(_GIT_SETTINGS)

    def close(self) -> None:
        """Remove the folder."""
        shutil.rmtree(self.folder, ignore_errors=True)

    @cached_property
    def env(self) -> dict[str, str]:
        """The environment of all that is measured: nobody's settings."""
        kept = {name: value for name, value in os.environ.items() if not name.startswith(_FOREIGN)}
        env = {
            **kept,
            "HOME": str(self.home),
            "GIT_CONFIG_GLOBAL": str(self.home / ".gitconfig"),
            "GIT_CONFIG_NOSYSTEM": "1",
            "GIT_PAGER": "cat",
            "LC_ALL": "C.UTF-8",
        }
        probe = [
            sys.executable,
            "-c",
            "import importlib.util as u, sys; sys.exit(u.find_spec('gitml') is None)",
        ]
        if subprocess.run(probe, cwd=self.home, env=env, check=False).returncode:
            env["PYTHONPATH"] = str(ROOT)  # gitml is not installed: measure the checkout
        return env

    @property
    def gitml_command(self) -> list[str]:
        """The command line of gitml."""
        script = Path(sysconfig.get_path("scripts")) / "gitml"
        return [str(script)] if script.exists() else [sys.executable, "-m", "gitml"]

    # Processes

    def run(self, command: list[str], cwd: Path) -> Child:
        """Run a program of gitml's side."""
        return run_child(command, cwd=cwd, env=self.env)

    def gitml(self, workload: str, cwd: Path, *, expect: int = 0, **arguments: Any) -> Child:
        """Run a workload with gitml; `cwd` is the repository."""
        command = [sys.executable, HERE / "workloads.py", "gitml", workload, json.dumps(arguments)]
        return run_child(command, cwd=cwd, env=self.env, expect=expect)

    def plain(self, workload: str, cwd: Path, **arguments: Any) -> Child:
        """Run a workload that is what nobody can be faster than, with neither library."""
        command = [sys.executable, HERE / "workloads.py", "-", workload, json.dumps(arguments)]
        return run_child(command, cwd=cwd, env=self.env)

    def mlflow(self, workload: str, store: Path, *, expect: int = 0, **arguments: Any) -> Child:
        """Run a workload with the peer; `store` is the folder with its database."""
        assert self.peer is not None
        command = [self.peer, HERE / "workloads.py", "mlflow", workload, json.dumps(arguments)]
        return run_child(command, cwd=store, env=self.peer_env(store), expect=expect)

    def peer_env(self, store: Path) -> Mapping[str, str]:
        """The environment of the peer: the same, with its database named."""
        env = {name: value for name, value in self.env.items() if name != "PYTHONPATH"}
        return {
            **env,
            "MLFLOW_TRACKING_URI": f"sqlite:///{store / 'mlflow.db'}",
            "MLFLOW_DISABLE_TELEMETRY": "true",
        }

    def git(self, folder: Path, *arguments: str) -> str:
        """Run git in a folder; give what it printed."""
        done = subprocess.run(
            ["git", *arguments], cwd=folder, env=self.env, check=True, capture_output=True, text=True
        )
        return done.stdout.strip()

    # Stores

    def new_folder(self, name: str) -> Path:
        """Make an empty folder."""
        return Path(tempfile.mkdtemp(prefix=f"{name}-", dir=self.folder))

    def new_repository(self, files: int = 20) -> Path:
        """Make a repository with one commit of so many small files, and a clean work tree."""
        folder = self.new_folder("repository")
        make_repository(folder, files, self.env)
        return folder

    def new_mlflow_store(self) -> Path | None:
        """Make a folder with a database of the peer's that has no runs; None without a peer."""
        return self._empty_mlflow_store() if self.peer else None

    def _empty_mlflow_store(self) -> Path:
        store = self.new_folder("mlflow")
        empty = self.folder / "empty-mlflow.db"
        if not empty.exists():
            self.mlflow("prepare", store)  # runs some fifty migrations
            shutil.copyfile(store / "mlflow.db", empty)
        shutil.copyfile(empty, store / "mlflow.db")
        _move_artifacts(store)
        return store

    def full_repository(self) -> Path:
        """Make a repository that has `sizes.runs` runs and an index of them."""
        template = self._cached("gitml", self._fill_repository)
        folder = self.new_folder("repository")
        shutil.copytree(template, folder, dirs_exist_ok=True, copy_function=_link_packs)
        subprocess.run(["git", "-C", folder, "status"], env=self.env, check=True, stdout=subprocess.DEVNULL)
        return folder

    def full_mlflow_store(self) -> Path | None:
        """Make a folder with a database of the peer's that has the same runs; None without a peer."""
        if self.peer is None:
            return None
        template = self._cached("mlflow", self._fill_mlflow_store)
        store = self.new_folder("mlflow")
        shutil.copyfile(template / "mlflow.db", store / "mlflow.db")
        _move_artifacts(store)
        return store

    @cached_property
    def _fingerprints(self) -> dict[str, str]:
        """What the runs look like today, so that no store of another format is used."""
        return self._synthetic("fingerprints").answer

    def _cached(self, kind: str, fill: Any) -> Path:
        template = self.cache / f"{kind}-{self.sizes.runs}-{self._fingerprints[kind]}"
        if not template.exists():
            for stale in self.cache.glob(f"{kind}-{self.sizes.runs}-*"):
                shutil.rmtree(stale)
            print(f"making {self.sizes.runs:,} runs for {kind} …", file=sys.stderr, flush=True)
            unfinished = self.cache / f".{template.name}-{os.getpid()}"
            unfinished.mkdir()
            fill(unfinished)
            unfinished.rename(template)
        return template

    def _fill_repository(self, folder: Path) -> None:
        make_repository(folder, 20, self.env)
        self.fill("gitml", folder)

    def _fill_mlflow_store(self, folder: Path) -> None:
        empty = self._empty_mlflow_store()
        shutil.copyfile(empty / "mlflow.db", folder / "mlflow.db")
        self.fill("mlflow", folder / "mlflow.db")

    def fill(self, kind: str, target: Path, count: int | None = None) -> None:
        """Put runs into a store."""
        self._synthetic(kind, target, self.sizes.runs if count is None else count)

    def _synthetic(self, *arguments: object) -> Child:
        program = [sys.executable, HERE / "synthetic.py", *arguments]
        return run_child(program, cwd=self.home, env=self.env)


def make_repository(folder: Path, files: int, env: Mapping[str, str]) -> None:
    """Make a repository with one commit; a hundred files a folder."""
    for number in range(files):
        file = folder / f"package_{number // 100}" / f"module_{number}.py"
        file.parent.mkdir(exist_ok=True)
        file.write_text(f"NUMBER = {number}\n" + "# a line of code\n" * 50)
    for command in (["init", "--quiet"], ["add", "--all"], ["commit", "--quiet", "--message", "code"]):
        subprocess.run(["git", *command], cwd=folder, env=env, check=True)


def _link_packs(source: str, target: str) -> None:
    """Copy a file; packs, which are never written to, are linked."""
    if f"{os.sep}pack{os.sep}" in source:
        os.link(source, target)
    else:
        shutil.copy2(source, target)


def _move_artifacts(store: Path) -> None:
    """Tell the peer's database where the artifacts of the default experiment go."""
    with sqlite3.connect(store / "mlflow.db") as connection:
        connection.execute("UPDATE experiments SET artifact_location = ?", (str(store / "mlruns" / "0"),))
    connection.close()
