"""Models in MLflow's file store: registered ones, and those that runs logged (MLflow 3)."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from gitml.errors import DamagedError
from gitml.interop.folders import files, folders, read_bytes, read_texts
from gitml.interop.mlflow_yaml import load_mapping
from gitml.interop.registered import RegisteredModels
from gitml.interop.sources import Problem

META = "meta.yaml"
RESERVED = frozenset(("tags", "datasets", "traces", "models"))  # folders beside runs


@dataclass(frozen=True, slots=True)
class LoggedModel:
    """A model that a run logged: its facts, and the folder with its files."""

    id: str
    name: str
    run_id: str | None
    facts: dict[str, Any]
    files: str


def read_registered(root: Path) -> tuple[RegisteredModels, list[Problem]]:
    """Read `models/`, MLflow's registry."""
    models, problems = RegisteredModels(), []
    for entry in folders(root / "models"):
        try:
            facts = _meta(entry.path)
            facts["tags"] = read_texts(f"{entry.path}/tags")
            facts["aliases"] = {
                name: text.strip() for name, text in read_texts(f"{entry.path}/aliases").items()
            } or facts.get("aliases", {})
            versions, damaged = _versions(entry)
            models.add(str(facts.pop("name", entry.name)), facts, versions)
            problems += damaged
        except DamagedError as err:
            problems.append(Problem(f"registered model {entry.name!r:.80}", str(err), damaged=True))
    return models, problems


def _versions(model: os.DirEntry[str]) -> tuple[list[Any], list[Problem]]:
    versions: list[Any] = []
    problems: list[Problem] = []
    for entry in folders(Path(model.path)):
        if not entry.name.startswith("version-"):
            continue
        try:
            facts = _meta(entry.path)
            facts["version"] = int(facts.get("version") or entry.name.removeprefix("version-"))
        except (DamagedError, ValueError, TypeError) as err:
            what = f"{entry.name} of registered model {model.name!r:.80}"
            problems.append(Problem(what, str(err), damaged=True))
            continue
        facts.pop("name", None)
        facts["tags"] = read_texts(f"{entry.path}/tags")
        versions.append(facts)
    return versions, problems


def read_logged(experiment: str) -> tuple[list[LoggedModel], list[Problem]]:
    """Read the models that the runs of an experiment logged, oldest first."""
    found: list[LoggedModel] = []
    problems: list[Problem] = []
    for entry in folders(Path(experiment, "models")):
        if not os.path.exists(f"{entry.path}/{META}"):
            continue  # an artifact folder that is called so
        try:
            found.append(_logged(entry))
        except DamagedError as err:
            problems.append(Problem(f"logged model {entry.name!r:.80}", str(err), damaged=True))
    return sorted(found, key=lambda model: (str(model.facts.get("creation_timestamp")), model.id)), problems


def _logged(entry: os.DirEntry[str]) -> LoggedModel:
    facts = _meta(entry.path)
    facts["tags"] = read_texts(f"{entry.path}/tags")
    facts["params"] = read_texts(f"{entry.path}/params")
    facts["metrics"] = {
        name: read_bytes(file.path).decode("utf-8", "replace").splitlines()
        for name, file in files(f"{entry.path}/metrics")
    }
    run_id = facts.get("source_run_id")
    name = str(facts.get("name") or entry.name)
    return LoggedModel(entry.name, name, str(run_id) if run_id else None, facts, f"{entry.path}/artifacts")


def _meta(folder: str) -> dict[str, Any]:
    path = f"{folder}/{META}"
    return load_mapping(read_bytes(path), path)
