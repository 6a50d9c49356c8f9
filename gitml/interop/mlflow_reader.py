"""An MLflow database or tracking server, read through the mlflow package.

mlflow runs in a process of its own (`mlflow_reader_script`): its requirements may
exclude ours, so it can live in another environment, and it costs three seconds and 200
MB that nobody else should pay.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterable, Iterator
from functools import partial
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any, cast
from urllib.parse import unquote, urlsplit

from gitml.entities.run import Experiment, Run, RunStatus
from gitml.errors import DamagedError, GitmlError, NotFoundError, RemoteError, UsageError
from gitml.interop.folders import is_inside, walk
from gitml.interop.mlflow_facts import input_of, run_of
from gitml.interop.registered import RegisteredModels, document
from gitml.interop.sources import Curve, Problem, SourceFile, SourceRun
from gitml.tracking.secrets import strip_url_credentials

if TYPE_CHECKING:
    from typing_extensions import Self

SCRIPT = Path(__file__).with_name("mlflow_reader_script.py")


class MlflowMissingError(GitmlError):
    """The Python that was to read has no mlflow."""

    exit_code = 7

    def __init__(self, python: str, reason: str) -> None:
        super().__init__(
            f"reading MLflow's databases and servers needs the package mlflow, which '{python}' can't import "
            f"({reason})",
            hint="name a Python that has it: --python ~/mlflow-env/bin/python; a folder needs none of it: "
            "gitml import mlruns PATH",
        )
        self.python = python


class MlflowUnreadableError(RemoteError):
    """MLflow could not read what it was pointed at."""

    def __init__(self, uri: str, reason: str) -> None:
        super().__init__(
            f"mlflow can't read '{strip_url_credentials(uri)}': {' '.join(reason.split())[:600]}",
            hint="check the address, MLFLOW_TRACKING_USERNAME and MLFLOW_TRACKING_PASSWORD; what was imported is kept",
        )


class MlflowSource:
    """A database or server; close it when done (`with`)."""

    kind = "mlflow"

    def __init__(self, uri: str, *, python: str | None = None, artifacts: bool = True) -> None:
        """Check what can be checked without mlflow.

        Args:
            uri: What MLflow calls the tracking URI.
            python: A Python that has mlflow; the one of this process if not given.
            artifacts: Whether to fetch artifacts.

        Raises:
            UsageError: It is no URI of a database or server.
            NotFoundError: The database's file or the Python is not there.
        """
        _check_uri(uri)
        self._uri = uri
        self._python = python or sys.executable
        if python is not None and shutil.which(python) is None:
            raise NotFoundError(f"there is no Python '{python}'", hint="give the path of an interpreter")
        self._artifacts = artifacts
        self._process: subprocess.Popen[bytes] | None = None
        self._folder = Path(tempfile.mkdtemp(prefix="gitml-import-"))
        self._errors: IO[bytes] = tempfile.TemporaryFile()  # noqa: SIM115 - `close` closes it
        self._models = RegisteredModels()
        self._problems: list[Problem] = []
        self._answered = True

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """End the process and remove what it fetched."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            for stream in (self._process.stdin, self._process.stdout):
                if stream is not None:
                    try:
                        stream.close()
                    except BrokenPipeError:
                        continue
            self._process = None
        self._errors.close()
        shutil.rmtree(self._folder, ignore_errors=True)

    def ids(self) -> None:
        """A server does not say how many runs it has."""
        return

    def experiments(self) -> Iterable[Experiment]:
        """List experiments; starts mlflow."""
        self._start()
        found: list[Experiment] = []
        present: set[str] = set()
        while (line := self._line())["type"] != "begin":
            if line["type"] == "experiment":
                updated = int(line["updated"] or line["created"] or 0)
                found.append(
                    Experiment(
                        str(line["id"]), str(line["name"]), int(line["created"] or 0), updated,
                        updated if line["deleted"] else None, line["tags"],
                    )
                )  # fmt: skip
            elif line["type"] == "model":
                present.update(line["runs"])
                self._models.add(line["name"], line["facts"], line["versions"])
            else:
                self._problems.append(_problem(line))
        self._models.settle(present)
        self._names = {experiment.id: experiment.name for experiment in found}
        return found

    def runs(self) -> Iterator[SourceRun | Problem]:
        """Read all runs."""
        yield from self._problems
        line = self._line()
        while line["type"] != "end":
            if line["type"] == "problem":
                yield _problem(line)
                line = self._line()
                continue
            facts, curves = line, []
            while (line := self._line())["type"] == "curve":
                curves.append((str(line["name"]), str(line["lines"]).encode()))
            self._answered = False
            try:
                yield self._lone_model(facts) if facts["type"] == "lone_model" else self._run(facts, curves)
            except DamagedError as err:
                yield Problem(f"run {facts.get('info', {}).get('run_id')}", str(err), damaged=True)
            if not self._answered:
                self._answer("skip")
            shutil.rmtree(self._folder, ignore_errors=True)
            line = self._line()
        yield from self._models.orphans()

    def _run(self, line: dict[str, Any], curves: list[tuple[str, bytes]]) -> SourceRun:
        info = line["info"]
        inputs = [input_of(item["dataset"], item["tags"]) for item in line["inputs"]]
        run = run_of(info, line["params"], line["tags"], inputs, self._names[str(info["experiment_id"])])
        facts = {
            "artifact_uri": strip_url_credentials(str(info.get("artifact_uri") or "")),
            "model_inputs": line["model_inputs"],
            "model_outputs": line["model_outputs"],
        }
        what = f"run {run.id[:8]}"
        return SourceRun(
            run,
            curves=lambda: _joined(curves),
            files=partial(self._files, what, line["files"]),
            facts={key: value for key, value in facts.items() if value},
            models=document(self._models.of_run(run.id), line["logged"]),
            stamp=json.dumps(line["files"]),
            problems=self._trouble(what, line["trouble"]),
        )

    def _lone_model(self, line: dict[str, Any]) -> SourceRun:
        model = line["model"]
        created = int(model.get("creation_timestamp") or 0)
        home = str(model["experiment_id"])
        run = Run(
            id=str(model["model_id"]), name=str(model["name"]), experiment_id=home,
            experiment=self._names.get(home, home), status=RunStatus.FINISHED, start_ms=created, end_ms=created,
            params=model["params"], tags=model["tags"],
        )  # fmt: skip
        return SourceRun(
            run,
            files=partial(self._files, f"model {run.id}", line["files"]),
            models=document([], [{**model, "artifacts": ""}]),
            stamp=json.dumps(line["files"]),
            problems=self._trouble(f"model {run.id}", line["trouble"]),
        )

    @staticmethod
    def _trouble(what: str, trouble: str | None) -> tuple[Problem, ...]:
        return (Problem(what, f"its artifacts are not imported: {trouble}"),) if trouble else ()

    def _files(self, what: str, listed: list[Any]) -> Iterator[SourceFile | Problem]:
        if not listed:
            return
        self._answer("get")
        line = self._line()
        folder = Path(line["folder"])
        if not is_inside(folder, (self._folder.resolve(),)):
            raise DamagedError(f"mlflow put its artifacts into '{folder}'")
        came: set[str] = set()
        for name, entry in walk(str(folder)):
            if not entry.is_symlink():
                came.add(name)
                yield SourceFile(name, Path(entry.path), entry.stat().st_size)
        for path, _ in listed:
            if path not in came:
                yield Problem(
                    what, f"artifact {path!r:.200} is not imported: {line['trouble'] or 'it did not come'}"
                )

    # The process

    def _start(self) -> None:
        # Its warnings are about itself, not about the runs.
        self._process = subprocess.Popen(
            [self._python, "-W", "ignore", str(SCRIPT)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._errors,
        )
        asked = {"uri": self._uri, "folder": str(self._folder), "artifacts": self._artifacts}
        self._send(json.dumps(asked))

    def _answer(self, word: str) -> None:
        self._answered = True
        self._send(word)

    def _send(self, text: str) -> None:
        stdin = cast("IO[bytes]", cast("subprocess.Popen[bytes]", self._process).stdin)
        try:
            stdin.write(text.encode() + b"\n")
            stdin.flush()
        except BrokenPipeError:
            raise self._died() from None

    def _line(self) -> dict[str, Any]:
        stdout = cast("IO[bytes]", cast("subprocess.Popen[bytes]", self._process).stdout)
        data = stdout.readline()
        if not data.endswith(b"\n"):
            raise self._died()
        line: dict[str, Any] = json.loads(data)
        if line["type"] == "fatal":
            if line["missing"]:
                raise MlflowMissingError(self._python, str(line["message"]))
            raise MlflowUnreadableError(self._uri, str(line["message"]))
        return line

    def _died(self) -> GitmlError:
        self._errors.seek(max(0, self._errors.seek(0, os.SEEK_END) - 2000))
        last = self._errors.read().decode("utf-8", "replace").strip().splitlines()
        return MlflowUnreadableError(self._uri, last[-1] if last else "its process ended early")


def _check_uri(uri: str) -> None:
    parts = urlsplit(uri)
    if parts.scheme in ("", "file"):
        raise UsageError(
            f"'{uri}' is no address of a database or server",
            hint=f"for a folder: gitml import mlruns {parts.path}",
        )
    if parts.scheme == "sqlite":
        path = Path(unquote(parts.path[1:]))
        if not path.is_file():  # MLflow would make an empty one
            raise NotFoundError(
                f"there is no database '{path}'", hint="sqlite:///FILE, or sqlite:////ABSOLUTE/FILE"
            )


def _problem(line: dict[str, Any]) -> Problem:
    return Problem(str(line["what"]), str(line["reason"]), damaged=bool(line["damaged"]))


def _joined(curves: list[tuple[str, bytes]]) -> Iterator[Curve]:
    """Put the parts of long curves together again."""
    parts: dict[str, list[bytes]] = {}
    for name, lines in curves:
        parts.setdefault(name, []).append(lines)
    for name, lines_of in parts.items():
        yield Curve(name, b"".join(lines_of))
