"""Writing MLflow's file store (`mlruns/`), which MLflow reads as its own."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
from collections.abc import Iterator, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from gitml.entities.artifact import Pointer
from gitml.entities.run import DatasetInput, Experiment, Run, RunStatus
from gitml.errors import DamagedError, GitmlError, RefusedError
from gitml.formats import history, names, run_tree, yaml
from gitml.formats.pointer import decode_pointer
from gitml.formats.wrong import what_is_wrong
from gitml.index import Query
from gitml.interop import gitml_folder
from gitml.interop.experiments import DIGEST_TAG, GITML_ID_TAG, ID_TAG, derived_id
from gitml.interop.mapping import param_text
from gitml.interop.mlflow_facts import CONTEXT_TAG
from gitml.interop.mlflow_words import mlflow_tags
from gitml.interop.mlruns_models import META, RESERVED
from gitml.interop.mlruns_names import NamedFiles, experiment_ids
from gitml.interop.mlruns_registry import ExportedModels, logged_in
from gitml.interop.report import OURS, Report
from gitml.interop.selection import ExistsError, read_runs, written_whole
from gitml.interop.sources import Problem
from gitml.interop.tree import MODELS_FILE
from gitml.progress import Advance
from gitml.registry.reading import read_registry
from gitml.repo import Repo
from gitml.tracking import history as reading
from gitml.tracking import united
from gitml.tracking.experiments import list_experiments

_STATUS = {
    RunStatus.RUNNING: 1, RunStatus.SCHEDULED: 2, RunStatus.FINISHED: 3, RunStatus.FAILED: 4, RunStatus.KILLED: 5,
}  # fmt: skip
_SOURCE_KEYS = {"http": "url"}


def export_mlruns(
    repo: Repo,
    target: Path,
    query: Query,
    *,
    force: bool = False,
    progress: Advance | None = None,
) -> Report:
    """Write runs as a file store of MLflow.

    The folder appears when all of it is written.

    Args:
        repo: The repository.
        target: The folder.
        query: Which runs.
        force: Whether a file store that is there is replaced.
        progress: Called with the number of runs done since the last call.

    Returns:
        What was written, and what could not be.

    Raises:
        ExistsError: The folder is there.
    """
    _check_target(target, force=force)
    reading.refresh(repo)
    with written_whole(target) as folder:
        export = _Export(repo, folder, target.resolve())
        for run in read_runs(repo, query):
            export.add(run)
            if progress:
                progress(1)
        every = not query.filter and query.limit is None and query.experiment_ids is None
        return export.finish(everything=every)


def _check_target(target: Path, *, force: bool) -> None:
    if not os.path.lexists(target):
        return
    if target.is_dir() and not target.is_symlink() and not any(target.iterdir()):
        return
    if not force:
        raise ExistsError(target, "give another folder, or --force to replace it")
    ours = target.is_dir() and not target.is_symlink() and (target / ".trash").is_dir()
    if not ours:
        raise RefusedError(
            f"'{target}' is no file store of MLflow; it is not replaced", hint="give another folder"
        )


class _Export:
    """A file store that is being written."""

    def __init__(self, repo: Repo, folder: Path, final: Path) -> None:
        self._repo = repo
        self._folder = folder
        self._final = final  # where it will be: URIs say so
        self._experiments = {experiment.id: experiment for experiment in list_experiments(repo)}
        self._ids = dict(experiment_ids(self._experiments.values()))
        self._written: set[str] = set()
        self._models = ExportedModels()
        self.report = Report()
        (folder / ".trash").mkdir(parents=True)

    def add(self, run: Run) -> None:
        """Write a run."""
        try:
            _RunExport(self._repo, run, *self._home(run), self._models, self.report).write()
        except (GitmlError, OSError) as err:
            if isinstance(err, OSError) and err.errno in OURS:
                raise
            self.report.skip_run(Problem(f"run {run.id[:8]}", str(err), damaged=True))
            return
        self.report.new += 1

    def finish(self, *, everything: bool) -> Report:
        """Write what belongs to no run alone; `everything` says whether no run was left out by a filter."""
        default = Experiment("0", "Default")
        self._experiment(self._experiments.get("0", default))
        self.report.problems += self._models.take_registry(read_registry(self._repo), everything=everything)
        self._models.write(self._folder)
        self.report.experiments = len(self._written)
        self.report.models = dict.fromkeys(self._models.names(), "models/")
        return self.report

    def _home(self, run: Run) -> tuple[Path, str, bool]:
        """The folder of a run's experiment, its URI, and whether it is in the trash."""
        known = self._experiments.get(run.experiment_id)
        return self._experiment(known or Experiment(run.experiment_id, run.experiment, run.start_ms))

    def _experiment(self, experiment: Experiment) -> tuple[Path, str, bool]:
        if experiment.id not in self._ids:
            self._ids |= experiment_ids([experiment])
        number = self._ids[experiment.id]
        gone = experiment.deleted_ms is not None
        folder = self._folder / ".trash" / number if gone else self._folder / number
        uri = (self._final / number).as_uri()  # also of one in the trash, as MLflow has it
        if experiment.id not in self._written:
            self._written.add(experiment.id)
            folder.mkdir()
            _write_yaml(folder, {
                "artifact_location": uri, "creation_time": experiment.created_ms, "experiment_id": number,
                "last_update_time": experiment.deleted_ms or experiment.updated_ms,
                "lifecycle_stage": "deleted" if gone else "active", "name": experiment.name,
            })  # fmt: skip
            renamed: dict[str, dict[str, str]] = {}
            tags = NamedFiles(folder / "tags", "tag", renamed)
            for key, value in experiment.tags.items():
                if key not in (ID_TAG, DIGEST_TAG):
                    tags.write(key, [value.encode()])
            if experiment.id not in ("0", derived_id(experiment.name)):
                tags.write(GITML_ID_TAG, [experiment.id.encode()])
            for new, old in renamed.get("tag", {}).items():
                what = f"experiment {experiment.name!r:.80}"
                self.report.problems.append(
                    Problem(what, f"tag {old!r:.80} is called {new!r} there", lost=False)
                )
        return folder, uri, gone


class _RunExport:
    """One run that is being written."""

    def __init__(
        self, repo: Repo, run: Run, home: Path, uri: str, gone: bool, models: ExportedModels, report: Report
    ) -> None:
        self._repo = repo
        self._run = run
        if run.id in RESERVED:
            raise RefusedError(f"MLflow keeps the name '{run.id}' for itself")
        self._home = home
        self._folder = home / names.check_run_id(run.id)
        self._uri = f"{uri}/{run.id}"
        self._gone = gone or run.deleted_ms is not None
        self._report = report
        self._models = models
        self._renamed: dict[str, dict[str, str]] = {}

    def write(self) -> None:
        """Write everything of it."""
        run = self._run
        self._folder.mkdir()
        for name in ("metrics", "params", "tags", "artifacts"):
            (self._folder / name).mkdir()
        self._write_meta()
        params = NamedFiles(self._folder / "params", "param", self._renamed)
        for key, value in run.params.items():
            params.write(key, [param_text(value).encode("utf-8", "replace")])
        tags = NamedFiles(self._folder / "tags", "tag", self._renamed)
        for key, text in mlflow_tags(run).items():
            tags.write(key, [text.encode("utf-8", "replace")])
        metrics = NamedFiles(self._folder / "metrics", "metric", self._renamed)
        for key in run.metrics:
            self._write_metric(metrics, key)
        for item in run.inputs:
            self._write_input(item)
        self._models.note_run(run.id, f"{self._uri}/artifacts")
        logged = self._write_models()
        for artifact in self._artifacts():
            self._write_artifact(artifact, logged)
        self._write_gitml()
        for kind, changed in self._renamed.items():
            for new, old in changed.items():
                self._problem(f"{kind} {old!r:.80} is called {new!r} there", lost=False)

    def _write_meta(self) -> None:
        run = self._run
        facts: dict[str, Any] = {
            "artifact_uri": f"{self._uri}/artifacts",
            "end_time": run.end_ms,
            "entry_point_name": "",
            "experiment_id": self._home.name,
            "lifecycle_stage": "deleted" if self._gone else "active",
            "run_id": run.id,
            "run_name": run.name,
            "source_name": "",
            "source_type": 4,
            "source_version": "",
            "start_time": run.start_ms,
            "status": _STATUS[run.status],
            "tags": [],
            "user_id": run.user or "",
        }
        if self._gone:
            known = (run.deleted_ms, run.end_ms, run.start_ms)
            facts["deleted_time"] = next(time for time in known if time is not None)
        _write_yaml(self._folder, facts)

    def _write_metric(self, metrics: NamedFiles, key: str) -> None:
        try:
            data = reading.read_history(self._repo, self._run, key)
        except GitmlError as err:
            self._problem(f"metric {key!r:.80} is not exported: {err}")
            return
        points = history.iter_points(data, source=key)
        metrics.write(key, (f"{p.timestamp_ms} {p.value!r} {p.step}\n".encode() for p in points))

    def _write_input(self, item: DatasetInput) -> None:
        source = item.source
        if not source.startswith("{"):
            source = json.dumps({_SOURCE_KEYS.get(item.source_type, "uri"): source}, ensure_ascii=False)
        dataset_id = _md5(item.name, item.digest)
        folder = self._home / "datasets" / dataset_id
        if not folder.exists():
            folder.mkdir(parents=True)
            _write_yaml(folder, {
                "digest": item.digest, "name": item.name, "profile": item.profile, "schema": item.schema,
                "source": source, "source_type": item.source_type,
            })  # fmt: skip
        link = self._folder / "inputs" / _md5(dataset_id, self._run.id)
        with suppress(FileExistsError):  # MLflow has one input of a data set and run
            link.mkdir(parents=True)
            tags = {**({CONTEXT_TAG: item.context} if item.context is not None else {}), **item.tags}
            _write_yaml(link, {
                "destination_id": dataset_id, "destination_type": "RUN", "source_id": dataset_id,
                "source_type": "DATASET", "tags": tags,
            })  # fmt: skip

    # Files

    def _artifacts(self) -> Iterator[tuple[str, Pointer | None, str | None]]:
        """List artifacts: path, pointer and blob; quicker than with their sizes."""
        run = self._run
        if run.live or run.commit is None or united.sides(self._repo, run)[0]:
            for artifact in reading.list_artifacts(self._repo, run):
                yield artifact.path, artifact.pointer, artifact.blob
            return
        marked = united.pointers_of(self._repo, run.commit)
        for entry in self._repo.git.list_tree(run.commit, run_tree.ARTIFACTS):
            is_pointer = f"{run_tree.ARTIFACTS}/{entry.path}" in marked
            pointer = decode_pointer(self._repo.git.read_blob(entry.oid)) if is_pointer else None
            yield names.artifact_name(entry.path), pointer, entry.oid

    def _write_artifact(
        self, artifact: tuple[str, Pointer | None, str | None], logged: Mapping[str, Path]
    ) -> None:
        path, pointer, blob = artifact
        try:
            path = names.check_artifact_path(path)
            target = _place(path, self._folder / "artifacts", logged)
            target.parent.mkdir(parents=True, exist_ok=True)
            if pointer is not None:
                self._repo.objects.export(pointer, target)
            elif blob is not None:
                target.write_bytes(self._repo.git.read_blob(blob))
            else:
                with (
                    reading.open_artifact(self._repo, self._run, path) as source,
                    target.open("xb") as stream,
                ):
                    shutil.copyfileobj(source, stream)
        except GitmlError as err:
            self._problem(f"artifact {path!r:.200} is not exported: {err}")

    def _write_models(self) -> dict[str, Path]:
        """Write what is kept of models; tell where the files of logged ones belong."""
        if self._run.commit is None:
            return {}
        kept = self._repo.git.read_path(self._run.commit, MODELS_FILE)
        if kept is None:
            return {}
        try:
            return self._write_kept_models(json.loads(kept))
        except (KeyError, TypeError, ValueError, AttributeError) as err:
            raise DamagedError(f"'{MODELS_FILE}' {what_is_wrong(err)}") from err

    def _write_kept_models(self, document: Mapping[str, Any]) -> dict[str, Path]:
        places: dict[str, Path] = {}
        for model in logged_in(document):
            folder = self._home / "models" / model["model_id"]
            if not folder.exists():
                uri = f"{os.path.dirname(self._uri)}/models/{model['model_id']}/artifacts"
                self._models.write_logged(folder, {**model, "experiment_id": self._home.name}, uri)
                if model.get("artifacts"):
                    places[f"{model['artifacts']}/"] = folder / "artifacts"
                output = self._folder / "outputs" / model["model_id"]
                output.mkdir(parents=True)
                _write_yaml(output, {
                    "destination_id": model["model_id"], "destination_type": "MODEL_OUTPUT",
                    "source_id": model["model_id"], "source_type": "RUN_OUTPUT", "step": 0, "tags": {},
                })  # fmt: skip
        self._models.note_registered(document, f"{self._uri}/artifacts")
        return places

    def _write_gitml(self) -> None:
        """Keep beside the run what MLflow has no word for; MLflow ignores the folder."""
        records = run_tree.encode_run(self._run)
        kept = {name: records[name] for name in gitml_folder.RECORD_FILES if name in records}
        kept |= {
            f"{run_tree.ENVIRONMENT}/{name}": data
            for name, data in reading.read_environment(self._repo, self._run).items()
        }
        output = reading.read_output(self._repo, self._run)
        if output:
            kept[run_tree.OUTPUT_FILE] = output
        if self._renamed:
            kept[gitml_folder.RENAMED_FILE] = yaml.dump_mapping(self._renamed).encode()
        for name, data in kept.items():
            path = self._folder / gitml_folder.FOLDER / names.check_artifact_path(name)
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(data)

    def _problem(self, reason: str, *, lost: bool = True) -> None:
        self._report.problems.append(Problem(f"run {self._run.id[:8]}", reason, lost=lost))


def _place(path: str, artifacts: Path, logged: Mapping[str, Path]) -> Path:
    for prefix, folder in logged.items():
        if path.startswith(prefix):
            return folder / path[len(prefix) :]
    return artifacts / path


def _write_yaml(folder: Path, facts: Mapping[str, Any]) -> None:
    (folder / META).write_text(yaml.dump_mapping(facts), encoding="utf-8")


def _md5(*parts: str) -> str:
    """MLflow's own way to name what it links."""
    digest = hashlib.md5(usedforsecurity=False)
    for part in parts:
        digest.update(part.encode("utf-8", "replace"))
    return digest.hexdigest()
