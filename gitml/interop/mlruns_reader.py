"""MLflow's file store (`mlruns/`), read without MLflow."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

from gitml.entities.run import DatasetInput, Experiment, Run, RunStatus
from gitml.errors import DamagedError, NotFoundError
from gitml.formats import history
from gitml.interop import gitml_folder
from gitml.interop.folders import files, folders, is_inside, read_bytes, read_texts, walk
from gitml.interop.mlflow_facts import input_of, run_of
from gitml.interop.mlflow_yaml import load_mapping
from gitml.interop.mlruns_models import META, RESERVED, LoggedModel, read_logged, read_registered
from gitml.interop.registered import document
from gitml.interop.sources import Curve, Problem, SourceFile, SourceRun
from gitml.tracking.secrets import strip_url_credentials

_OF_A_RUN = ("metrics", "params", "artifacts")


class NoFileStoreError(NotFoundError):
    """A folder is no file store of MLflow."""

    def __init__(self, path: Path) -> None:
        super().__init__(
            f"'{path}' is no MLflow file store: it has no experiment with a meta.yaml",
            hint="give the folder that MLflow calls mlruns; for a database: gitml import mlflow sqlite:///FILE",
        )
        self.path = path


@dataclass(frozen=True, slots=True)
class _Experiment:
    """A folder of the store."""

    path: str
    experiment: Experiment
    runs: tuple[str, ...]


class MlrunsSource:
    """A file store: its experiments, runs and models."""

    kind = "mlflow"

    def __init__(self, path: Path, artifact_roots: Iterable[Path] = ()) -> None:
        """Look at what there is.

        Args:
            path: The folder `mlruns`, or the one that it is in.
            artifact_roots: Folders outside of it from which artifacts may be read.

        Raises:
            NoFileStoreError: It is none.
            NotFoundError: One of the other folders is not there.
        """
        self.root = _store_in(path)
        self._roots = (self.root, *(root.resolve() for root in artifact_roots))
        for root in self._roots:
            if not root.is_dir():
                raise NotFoundError(f"there is no folder '{root}'", hint="check --artifacts-root")
        self._problems: list[Problem] = []
        self._experiments = [
            self._read_experiment(entry, deleted=deleted)
            for folder, deleted in ((self.root, False), (self.root / ".trash", True))
            for entry in folders(folder)
            if _is_experiment(entry)
        ]
        self._models, problems = read_registered(self.root)
        self._problems += problems
        self._models.settle({name for found in self._experiments for name in found.runs})

    def _read_experiment(self, entry: os.DirEntry[str], *, deleted: bool) -> _Experiment:
        experiment = Experiment(entry.name, f"experiment {entry.name}")
        try:
            facts = load_mapping(read_bytes(f"{entry.path}/{META}"), f"{entry.name}/{META}")
            gone = deleted or facts.get("lifecycle_stage") == "deleted"
            created = int(facts.get("creation_time") or 0)
            updated = int(facts.get("last_update_time") or created)
            experiment = Experiment(
                entry.name, str(facts["name"]), created, updated, updated if gone else None,
                read_texts(f"{entry.path}/tags"),
            )  # fmt: skip
        except (DamagedError, KeyError, ValueError, TypeError) as err:
            reason = f"{err}; its runs are in the experiment {experiment.name!r} here"
            self._problems.append(Problem(f"experiment {entry.name}", reason, damaged=True))
        runs = [run.name for run in folders(Path(entry.path)) if _is_run(run)]
        return _Experiment(entry.path, experiment, tuple(runs))

    def ids(self) -> list[str]:
        """List the ids of all runs."""
        return [name for found in self._experiments for name in found.runs]

    def experiments(self) -> Iterable[Experiment]:
        """List experiments, those in the trash too."""
        return [found.experiment for found in self._experiments]

    def runs(self) -> Iterator[SourceRun | Problem]:
        """Read all runs, and what is known of models that belong to none."""
        yield from self._problems
        for found in self._experiments:
            logged, problems = read_logged(found.path)
            yield from problems
            by_run: dict[str | None, list[LoggedModel]] = {}
            for model in logged:
                home = model.run_id if model.run_id in found.runs else None
                by_run.setdefault(home, []).append(model)
            for name in found.runs:
                try:
                    yield _RunFolder(self._roots, found, name).read(
                        by_run.get(name, []), self._models.of_run(name)
                    )
                except DamagedError as err:
                    yield Problem(f"run {name}", str(err), damaged=True)
            for model in by_run.get(None, []):
                yield _run_of_model(model, found.experiment)
        yield from self._models.orphans()


def _store_in(path: Path) -> Path:
    for candidate in (path / "mlruns", path):  # no experiment has this id
        if any(_is_experiment(entry) for entry in folders(candidate)):
            return candidate.resolve()
        if any(_is_experiment(entry) for entry in folders(candidate / ".trash")):
            return candidate.resolve()
    raise NoFileStoreError(path)


def _is_experiment(entry: os.DirEntry[str]) -> bool:
    return entry.name not in ("models", ".trash") and (
        os.path.isfile(f"{entry.path}/{META}") or any(map(_is_run, folders(Path(entry.path))))
    )


def _is_run(entry: os.DirEntry[str]) -> bool:
    """Whether a folder is a run's, be it a damaged one; artifacts can stand beside runs."""
    if entry.name in RESERVED or entry.name.startswith("."):
        return False
    return os.path.lexists(f"{entry.path}/{META}") or all(
        os.path.isdir(f"{entry.path}/{name}") for name in _OF_A_RUN
    )


class _RunFolder:
    """One run's folder."""

    def __init__(self, roots: tuple[Path, ...], experiment: _Experiment, name: str) -> None:
        self._roots = roots
        self._home = experiment
        self._name = name
        self._path = f"{experiment.path}/{name}"
        self._files: dict[str, os.DirEntry[str]] = {}
        self._links: dict[str, os.DirEntry[str]] = {}
        for path, entry in walk(self._path):
            (self._links if entry.is_symlink() else self._files)[path] = entry
        self._problems: list[Problem] = []

    def _below(self, folder: str) -> dict[str, os.DirEntry[str]]:
        """The files below one of the run's folders, by their path in it."""
        start = len(folder) + 1
        return {path[start:]: e for path, e in self._files.items() if path.startswith(f"{folder}/")}

    def _texts(self, folder: str) -> dict[str, str]:
        return {
            name: read_bytes(entry.path).decode("utf-8", "replace")
            for name, entry in self._below(folder).items()
        }

    def read(self, logged: list[LoggedModel], registered: list[dict[str, Any]]) -> SourceRun:
        """Read everything but curves and files, which come when they are asked for."""
        info = load_mapping(read_bytes(f"{self._path}/{META}"), f"{self._name}/{META}")
        if str(info.get("run_id") or info.get("run_uuid")) != self._name:
            raise DamagedError(f"its {META} is that of run '{info.get('run_id')!s:.80}'")
        info["experiment_id"] = self._home.experiment.id
        inputs, model_inputs = self._inputs()
        tags = self._texts("tags")
        run = run_of(info, self._texts("params"), tags, inputs, self._home.experiment.name)
        own = gitml_folder.read({name: e.path for name, e in self._below(gitml_folder.FOLDER).items()})
        places = self._places(info, logged)
        facts = {
            "artifact_uri": strip_url_credentials(str(info.get("artifact_uri") or "")),
            "model_inputs": model_inputs,
            "metric_datasets": self._metric_datasets(),
        }
        self._note_links(places)
        return SourceRun(
            own.restored(run, tags),
            curves=partial(self._curves, own),
            files=partial(self._artifacts, places),
            kept=own.kept,
            facts={key: value for key, value in facts.items() if value},
            models=document(registered, [self._logged_facts(model, places) for model in logged]),
            problems=tuple(self._problems),
        )

    # Data sets

    def _inputs(self) -> tuple[list[DatasetInput], list[str]]:
        datasets: list[DatasetInput] = []
        models: list[str] = []
        for name, entry in self._below("inputs").items():
            if name.count("/") != 1 or not name.endswith(f"/{META}"):
                continue
            meta = load_mapping(read_bytes(entry.path), f"inputs/{name}")
            source = str(meta.get("source_id"))
            if meta.get("source_type") == "MODEL":
                models.append(source)
                continue
            if not source.isalnum():
                raise DamagedError(f"'inputs/{name}' names the data set {source!r:.80}")
            path = f"{self._home.path}/datasets/{source}/{META}"
            if not os.path.isfile(path):
                self._problem(f"data set '{source}' is not in the store", damaged=True)
                continue
            tags = {str(key): str(value) for key, value in (meta.get("tags") or {}).items()}
            datasets.append(input_of(load_mapping(read_bytes(path), path), tags))
        return datasets, models

    # Curves

    def _curves(self, own: gitml_folder.GitmlFolder) -> Iterator[Curve]:
        for name, entry in self._below("metrics").items():
            with open(entry.path, "rb") as stream:
                lines, problem = points(stream.read(), f"metrics/{name}")
            yield Curve(own.original("metric", name), lines, problem)

    def _metric_datasets(self) -> dict[str, list[str]]:
        """Which data sets the points of metrics are about: MLflow 3 can say so."""
        found: dict[str, list[str]] = {}
        for name, entry in self._below("metrics").items():
            with open(entry.path, "rb", buffering=4096) as stream:
                if stream.readline(4096).count(b" ") != 4:
                    continue
                stream.seek(0)
                pairs = dict.fromkeys(b" ".join(line.split()[3:5]) for line in stream)
            found[name] = [pair.decode("utf-8", "replace") for pair in pairs if pair]
        return found

    # Files

    def _places(
        self, info: dict[str, Any], logged: list[LoggedModel]
    ) -> list[tuple[str, str, LoggedModel | None]]:
        """Where the run's files are: path within its artifacts, and folder."""
        places: list[tuple[str, str, LoggedModel | None]] = []
        folder = self._artifact_folder(str(info.get("artifact_uri") or ""))
        if folder is not None:
            places.append(("", folder, None))
        taken = {entry.name for entry in folders(Path(folder))} if folder else set()
        for model in reversed(logged):  # `runs:/RUN/NAME` means the newest of a name
            name = model.name if model.name not in taken else f"{model.name}~{model.id}"
            taken.add(name)
            places.append((f"{name}/", model.files, model))
        return places

    def _artifact_folder(self, uri: str) -> str | None:
        own = f"{self._path}/artifacts"
        # The run's folder was reached through no link: what is in it is inside.
        here = os.path.isdir(own) and (not os.path.islink(own) or is_inside(Path(own), self._roots))
        if here and (not uri or unquote(uri).removeprefix("file://") == own):
            return own
        named = _local_path(uri, self._roots[1:])
        if named is not None and named.is_dir() and is_inside(named, self._roots):
            return str(named)
        local = urlsplit(uri).scheme in ("", "file")
        moved = local and uri.endswith(f"/{self._home.experiment.id}/{self._name}/artifacts")
        if not (here and (moved or os.listdir(own))):
            reason = (
                "not imported: it is outside of the folder; --artifacts-root FOLDER lets gitml read there"
            )
            if not local:
                reason = (
                    "not imported: it is in a store of its own; gitml import mlflow URI brings artifacts too"
                )
            where = strip_url_credentials(uri)
            self._problems.append(Problem(f"artifacts of run {self._name[:8]} at {where!r:.200}", reason))
        return own if here else None

    def _artifacts(self, places: list[tuple[str, str, LoggedModel | None]]) -> Iterator[SourceFile]:
        for prefix, folder, _ in places:
            for name, entry in walk(folder):
                if not entry.is_symlink():
                    yield SourceFile(prefix + name, Path(entry.path), entry.stat().st_size)
                    continue
                target = Path(entry.path)
                if target.is_file() and is_inside(target, self._roots):
                    yield SourceFile(prefix + name, target.resolve(), target.stat().st_size)

    def _logged_facts(
        self, model: LoggedModel, places: list[tuple[str, str, LoggedModel | None]]
    ) -> dict[str, Any]:
        path = next(prefix for prefix, _, found in places if found is model)
        return {**model.facts, "artifacts": path.rstrip("/")}

    def _note_links(self, places: list[tuple[str, str, LoggedModel | None]]) -> None:
        found = {name: entry.path for name, entry in self._links.items()}
        for prefix, folder, _ in places:
            if not folder.startswith(f"{self._path}/"):
                links = ((name, entry) for name, entry in walk(folder) if entry.is_symlink())
                found |= {f"artifacts/{prefix}{name}": entry.path for name, entry in links}
        for name, link in found.items():
            if not (name.startswith("artifacts/") and is_inside(Path(link), self._roots)):
                self._problem(f"the link {name!r:.200} is not followed out of the folder")

    def _problem(self, reason: str, *, damaged: bool = False) -> None:
        self._problems.append(Problem(f"run {self._name[:8]}", reason, damaged=damaged))


def _local_path(uri: str, outside: tuple[Path, ...]) -> Path | None:
    """Find the folder that a URI of artifacts means on this machine, if it can be one."""
    parts = urlsplit(uri)
    if parts.scheme in ("", "file"):
        return Path(unquote(parts.path)) if parts.path else None
    if parts.scheme == "mlflow-artifacts":  # a server keeps them below its --artifacts-destination
        relative = unquote(parts.path).strip("/")
        return next((root / relative for root in outside if (root / relative).is_dir()), None)
    return None


def points(data: bytes, source: str) -> tuple[bytes, str | None]:
    """Turn MLflow's lines (time, value, step) into those of a history.

    Returns:
        The lines, and what is wrong with those that are no points, if there are any.
    """
    lines: list[bytes] = []
    problem: str | None = None
    for number, line in enumerate(data.split(b"\n"), 1):
        parts = line.split()
        if not parts:
            continue
        try:
            step = int(parts[2]) if len(parts) > 2 else 0
            text = parts[1].decode()
            value = int(text) if text.lstrip("-").isdecimal() else float(text)
            lines.append(history.encode_point(step, int(parts[0]), value))
        except (ValueError, IndexError):
            problem = problem or f"'{source}', line {number} is not 'time value step': {line[:80]!r}"
    return b"".join(lines), problem


def _run_of_model(model: LoggedModel, experiment: Experiment) -> SourceRun:
    """A model that no run made is a run of its own, by its own id."""
    facts = model.facts
    created = int(facts.get("creation_timestamp") or 0)
    run = Run(
        id=model.id, name=model.name, experiment_id=experiment.id, experiment=experiment.name,
        status=RunStatus.FINISHED, start_ms=created, end_ms=created,
        params=dict(facts["params"]), tags=dict(facts["tags"]),
    )  # fmt: skip
    entries = [SourceFile(name, Path(e.path), e.stat().st_size) for name, e in files(model.files)]
    return SourceRun(run, files=lambda: entries, models=document([], [{**facts, "artifacts": ""}]))
