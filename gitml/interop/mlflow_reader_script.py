"""Reads an MLflow database or server, and writes JSON lines.

Run by `gitml import mlflow` in whatever Python has mlflow, which need not have gitml:
so nothing of gitml is imported here, and it keeps to what Python 3.8 understands.

It is told what to read by one line of JSON on standard input. It writes experiments and
registered models, then run by run; after each run it waits for `get` (its artifacts are
wanted) or `skip`.
"""

from __future__ import annotations

import importlib
import json
import os
import sys
from typing import Any

sys.path.pop(0)  # this folder: its files must not stand in for packages of those names

PAGE = 1000
POINTS = 20000  # a line


def main() -> None:
    """Read everything and write it."""
    asked = json.loads(sys.stdin.readline())
    # What mlflow prints must not come between the lines.
    out = os.fdopen(os.dup(1), "w", encoding="utf-8", newline="\n")
    os.dup2(2, 1)

    def tell(kind: Any, **facts: Any) -> None:
        out.write(json.dumps(dict(facts, type=kind)) + "\n")
        out.flush()

    os.environ.setdefault("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "3")
    os.environ.setdefault("MLFLOW_HTTP_REQUEST_TIMEOUT", "60")
    os.environ.setdefault("MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR", "false")
    try:
        mlflow = importlib.import_module("mlflow")
    except ImportError as err:
        tell("fatal", missing=True, message=str(err))
        return
    try:
        Reader(mlflow, asked, tell).read()
    except Exception as err:  # noqa: BLE001 - told to whoever started this, whatever it is
        tell("fatal", missing=False, message=f"{type(err).__name__}: {err}")


class Reader:
    """Reads through mlflow's own client."""

    def __init__(self, mlflow: Any, asked: Any, tell: Any) -> None:
        mlflow.set_tracking_uri(asked["uri"])
        mlflow.set_registry_uri(asked["uri"])
        self.mlflow = mlflow
        self.client = mlflow.MlflowClient(asked["uri"], asked["uri"])
        self.folder = asked["folder"]
        self.artifacts = asked["artifacts"]
        self.tell = tell

    def read(self) -> None:
        """Write everything."""
        everything = self.mlflow.entities.ViewType.ALL
        experiments = list(paged(self.client.search_experiments, view_type=everything, max_results=PAGE))
        for experiment in experiments:
            self.tell(
                "experiment",
                id=experiment.experiment_id,
                name=experiment.name,
                created=experiment.creation_time,
                updated=experiment.last_update_time,
                deleted=experiment.lifecycle_stage == "deleted",
                tags=experiment.tags,
            )
        self.models()
        self.tell("begin")
        for experiment in experiments:
            logged = self.logged(experiment.experiment_id)
            seen = set()
            for run in paged(
                self.client.search_runs,
                experiment_ids=[experiment.experiment_id],
                run_view_type=everything,
                max_results=PAGE,
                order_by=["attributes.start_time ASC"],
            ):
                seen.add(run.info.run_id)
                self.run(run, logged.get(run.info.run_id, []))
            for home, models in logged.items():
                for model in models if home not in seen else ():
                    self.lone_model(model)
        self.tell("end")

    def models(self) -> None:
        """Write the registry."""
        try:
            versions: dict[str, list[Any]] = {}
            for version in paged(self.client.search_model_versions, max_results=PAGE):
                versions.setdefault(version.name, []).append(facts_of(version, "name"))
            for model in paged(self.client.search_registered_models, max_results=100):
                own = versions.get(model.name, [])
                runs = {version.get("run_id") for version in own if version.get("run_id")}
                facts = facts_of(model, "name", "latest_versions")
                self.tell(
                    "model", name=model.name, facts=facts, versions=own, runs=list(filter(self.has, runs))
                )
        except Exception as err:  # noqa: BLE001 - a server may have no registry; the runs are still read
            self.tell("problem", what="the model registry", reason=problem(err), damaged=True)

    def has(self, run_id: Any) -> Any:
        """Whether there is such a run."""
        try:
            self.client.get_run(run_id)
        except self.mlflow.exceptions.MlflowException:
            return False
        return True

    def logged(self, experiment_id: Any) -> Any:
        """Find the models that runs logged, by run (MLflow 3)."""
        found: dict[Any, list[Any]] = {}
        if hasattr(self.client, "search_logged_models"):
            try:
                for model in paged(
                    self.client.search_logged_models, experiment_ids=[experiment_id], max_results=50
                ):
                    found.setdefault(model.source_run_id, []).append(model_facts(model))
            except Exception as err:  # noqa: BLE001 - a server of MLflow 2 does not know them
                if "404" not in str(err) and "not implemented" not in str(err).lower():
                    what = f"logged models of experiment {experiment_id}"
                    self.tell("problem", what=what, reason=problem(err), damaged=True)
        return found

    def run(self, run: Any, logged: Any) -> None:
        """Write a run."""
        run_id = run.info.run_id
        try:
            info = {
                key: getattr(run.info, key, None)
                for key in (
                    "run_id", "run_name", "experiment_id", "user_id", "status", "start_time", "end_time",
                    "lifecycle_stage", "artifact_uri",
                )
            }  # fmt: skip
            inputs = getattr(run, "inputs", None)
            outputs = getattr(run, "outputs", None)
            curves = [self.curve(run_id, key) for key in sorted(run.data.metrics)]
        except Exception as err:  # noqa: BLE001 - one damaged run must not stop the others
            self.tell("problem", what=f"run {run_id}", reason=problem(err), damaged=True)
            return
        files, trouble = self.walk(lambda path: self.client.list_artifacts(run_id, path))
        wanted: list[tuple[dict[str, str], str]] = []
        if files:  # by the run's id, because a `runs:/` URI can't name every file
            wanted.append(({"run_id": run_id, "artifact_path": ""}, ""))
        for model in sorted(logged, key=lambda model: -(model.get("creation_timestamp") or 0)):
            # `runs:/RUN/NAME` means the newest of a name.
            used = {place for _, place in wanted} | set(tops(files))
            place = model["name"] if model["name"] not in used else f"{model['name']}~{model['model_id']}"
            found, problem_there = self.listing_of(f"models:/{model['model_id']}")
            model["artifacts"] = place if found else ""
            files += [(f"{place}/{path}", size) for path, size in found]
            if found:
                wanted.append(({"artifact_uri": f"models:/{model['model_id']}"}, place))
            trouble = trouble or problem_there
        self.tell(
            "run",
            info=info,
            params=dict(run.data.params),
            tags=dict(run.data.tags),
            inputs=[input_facts(item) for item in getattr(inputs, "dataset_inputs", None) or []],
            model_inputs=[item.model_id for item in getattr(inputs, "model_inputs", None) or []],
            model_outputs=[
                [item.model_id, item.step] for item in getattr(outputs, "model_outputs", None) or []
            ],
            logged=logged,
            files=files,
            trouble=trouble,
        )
        for key, points in curves:
            for start in range(0, max(len(points), 1), POINTS):
                self.tell("curve", name=key, lines="".join(points[start : start + POINTS]))
        self.offer(wanted)

    def lone_model(self, model: Any) -> None:
        """Write a model that no run made."""
        files, trouble = self.listing_of(f"models:/{model['model_id']}")
        self.tell("lone_model", model=model, files=files, trouble=trouble)
        self.offer([({"artifact_uri": f"models:/{model['model_id']}"}, "")])

    def curve(self, run_id: Any, key: Any) -> Any:
        """Read all points of a metric, in an order that is always the same."""
        points = self.client.get_metric_history(run_id, key)
        points.sort(key=lambda p: (p.timestamp, p.step, p.value != p.value, p.value))
        return key, [f"{p.step}\t{p.timestamp}\t{float(p.value)!r}\n" for p in points]

    # Artifacts

    def listing_of(self, uri: Any) -> Any:
        """List the files of a model."""
        return self.walk(
            lambda path: self.mlflow.artifacts.list_artifacts(artifact_uri=uri + ("/" + path if path else ""))
        )

    def walk(self, list_folder: Any) -> Any:
        """List everything below the top; each folder is asked for once."""
        if not self.artifacts:
            return [], None
        found: dict[str, Any] = {}
        todo: list[Any] = [None]
        done: set[str] = set()
        try:
            while todo:
                for entry in list_folder(todo.pop()):
                    if not entry.is_dir:
                        found[entry.path] = entry.file_size
                    elif entry.path not in done:
                        done.add(entry.path)
                        todo.append(entry.path)
        except Exception as err:  # noqa: BLE001 - the store of artifacts may be out of reach; facts are not
            return [], problem(err)
        return sorted(found.items()), None

    def offer(self, wanted: Any) -> None:
        """Fetch the artifacts if they are wanted."""
        self.tell("ready")
        if sys.stdin.readline().strip() != "get":
            return
        trouble = None
        for what, place in wanted:
            folder = os.path.join(self.folder, place) if place else self.folder
            os.makedirs(folder, exist_ok=True)
            try:
                self.mlflow.artifacts.download_artifacts(dst_path=folder, **what)
            except Exception as err:  # noqa: BLE001 - told; what came nevertheless is taken
                trouble = problem(err)
        self.tell("files", folder=self.folder, trouble=trouble)


def tops(files: Any) -> Any:
    """Name what stands at the top of a list of files."""
    return list(dict.fromkeys(path.split("/")[0] for path, _ in files))


def paged(search: Any, **arguments: Any) -> Any:
    """Give the results of all pages."""
    token = None
    while True:
        page = search(page_token=token, **arguments)
        yield from page
        token = page.token
        if not token:
            return


def facts_of(entity: Any, *but: str) -> Any:
    """Describe an entity by its properties."""
    facts: dict[str, Any] = {}
    for key, value in dict(entity).items():
        if key == "tags" and not isinstance(value, dict):
            facts[key] = {tag.key: tag.value for tag in value or []}
        elif key == "aliases" and not isinstance(value, (dict, list)):
            facts[key] = {alias.alias: alias.version for alias in value or []}
        elif key not in but:
            facts[key] = value if is_plain(value) else str(value)
    return facts


def model_facts(model: Any) -> Any:
    """Describe a logged model as the file store does."""
    facts = facts_of(model, "tags", "params", "metrics")
    facts["status"] = str(model.status)
    facts["tags"] = dict(model.tags or {})
    facts["params"] = dict(model.params or {})
    facts["metrics"] = {}
    for metric in model.metrics or []:
        line = f"{metric.timestamp} {float(metric.value)!r} {metric.step} {metric.run_id}"
        facts["metrics"].setdefault(metric.key, []).append(line)
    return facts


def input_facts(item: Any) -> Any:
    """Describe a data set that a run used."""
    data = item.dataset
    return {
        "dataset": {
            key: getattr(data, key, None)
            for key in ("name", "digest", "source_type", "source", "schema", "profile")
        },
        "tags": {tag.key: tag.value for tag in item.tags or []},
    }


def is_plain(value: Any) -> Any:
    """Whether JSON can hold a value."""
    if isinstance(value, dict):
        return all(isinstance(key, str) and is_plain(item) for key, item in value.items())
    if isinstance(value, (list, tuple)):
        return all(map(is_plain, value))
    return value is None or isinstance(value, (bool, int, float, str))


def problem(err: Any) -> Any:
    """Say in a line what went wrong."""
    text = " ".join(str(err).split())
    return f"{type(err).__name__}: {text[:500]}"


if __name__ == "__main__":
    main()
