"""Stores of other tools, made as those tools make them; commands run in this process."""

from __future__ import annotations

import io
import json
import sys
import warnings
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from gitml.repo import Repo

with warnings.catch_warnings():
    warnings.simplefilter("ignore", DeprecationWarning)  # typer uses names that click will drop in 9
    from gitml.cli.app import run as gitml_run


@dataclass(frozen=True)
class Done:
    """What a command did."""

    status: int
    out: str
    err: str

    @property
    def report(self) -> dict:
        """The one part of its JSON document."""
        document = json.loads(self.out)
        assert document.pop("schema") == 1
        (content,) = document.values()
        return content


@pytest.fixture
def cli(in_repo: Path, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch):
    """Run a gitml command: `cli("import", "mlruns", path).out`; fails unless it gives `code`."""

    def run(*arguments: object, code: int | None = 0, cwd: Path | None = None) -> Done:
        monkeypatch.chdir(cwd or in_repo)
        monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO()))
        capfd.readouterr()
        status = gitml_run([str(argument) for argument in arguments])
        out, err = capfd.readouterr()
        assert code is None or status == code, f"gitml {arguments} gave {status}: {out}{err}"
        return Done(status, out, err)

    return run


@pytest.fixture
def repo(in_repo: Path):
    opened = Repo.open(in_repo)
    yield opened
    opened.close()


@pytest.fixture
def other_repo(tmp_path: Path, git):
    """A second repository, with nothing in it."""
    folder = tmp_path / "other"
    git(tmp_path, "init", "--quiet", "other")
    git(folder, "config", "user.name", "Bob Example")
    git(folder, "config", "user.email", "bob@example.org")
    opened = Repo.open(folder)
    yield opened
    opened.close()


@dataclass
class Store:
    """An `mlruns` folder, file for file as MLflow 3 writes it."""

    root: Path
    experiments: dict[str, Path] = field(default_factory=dict)

    def experiment(self, name: str, number: str, *, deleted: bool = False, **tags: str) -> Path:
        folder = self.root / ".trash" / number if deleted else self.root / number
        self.write(
            folder / "meta.yaml",
            f"artifact_location: file://{self.root}/{number}\ncreation_time: 1795616938721\n"
            f"effective_trace_archival_retention: null\nexperiment_id: '{number}'\n"
            f"last_update_time: 1795616939620\nlifecycle_stage: {'deleted' if deleted else 'active'}\n"
            f"name: {name}\ntrace_location: null\nworkspace: default\n",
        )
        for key, value in tags.items():
            self.write(folder / "tags" / key, value)
        return folder

    def run(
        self,
        experiment: Path,
        run_id: str,
        name: str = "first",
        *,
        params: dict[str, str] | None = None,
        metrics: dict[str, str] | None = None,
        tags: dict[str, str] | None = None,
        files: dict[str, bytes] | None = None,
        uri: str | None = None,
        deleted: bool = False,
        status: int = 3,
    ) -> Path:
        folder = experiment / run_id
        for part in ("params", "metrics", "tags", "artifacts"):
            (folder / part).mkdir(parents=True, exist_ok=True)
        gone = "deleted_time: 1795616949620\n" if deleted else ""
        self.write(
            folder / "meta.yaml",
            f"artifact_uri: {uri or f'file://{folder}/artifacts'}\n{gone}end_time: 1795616939590\n"
            f"entry_point_name: ''\nexperiment_id: '{experiment.name}'\n"
            f"lifecycle_stage: {'deleted' if deleted else 'active'}\nrun_id: {run_id}\nrun_name: {name if name.replace(' ', '').isalnum() else json.dumps(name)}\n"
            f"source_name: ''\nsource_type: 4\nsource_version: ''\nstart_time: 1795616938832\n"
            f"status: {status}\ntags: []\nuser_id: ada\n",
        )
        written = {"mlflow.runName": name, "mlflow.user": "ada", **(tags or {})}
        for part, texts in (("params", params), ("metrics", metrics), ("tags", written)):
            for key, text in (texts or {}).items():
                self.write(folder / part / key, text)
        for path, data in (files or {}).items():
            target = folder / "artifacts" / path
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes(data)
        return folder

    def model(
        self, name: str, versions: dict[int, str | None], aliases: dict[str, int] | None = None
    ) -> None:
        folder = self.root / "models" / name
        self.write(
            folder / "meta.yaml",
            f"aliases: {{}}\ncreation_timestamp: 1795616939569\ndescription: what {name} is for\n"
            f"last_updated_timestamp: 1795616939670\nname: {name}\n",
        )
        self.write(folder / "tags" / "owner", "ada")
        for alias, number in (aliases or {}).items():
            self.write(folder / "aliases" / alias, str(number))
        for number, run_id in versions.items():
            version = folder / f"version-{number}"
            self.write(
                version / "meta.yaml",
                f"creation_timestamp: 1795616939572\ncurrent_stage: Production\ndescription: null\n"
                f"last_updated_timestamp: 1795616939670\nname: {name}\nrun_id: {run_id or 'null'}\n"
                f"source: {self.root}/1/{run_id}/artifacts/model\nstatus: READY\nversion: {number}\n",
            )
            self.write(version / "tags" / "checked", "yes")

    @staticmethod
    def write(path: Path, text: str) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")


@pytest.fixture
def store(tmp_path: Path) -> Store:
    """An empty store with the default experiment."""
    made = Store(tmp_path / "mlruns")
    made.experiment("Default", "0")
    return made
