"""Writing models into a file store: the registry's, and what is kept of those that came from MLflow."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Mapping
from pathlib import Path
from typing import Any

from gitml.entities.registry import (
    MODEL_ID_TAG,
    NO_STAGE,
    RUN_LINK_TAG,
    STAGES,
    ModelVersion,
    RegisteredModel,
)
from gitml.errors import DamagedError
from gitml.formats import yaml
from gitml.interop.mlruns_models import META
from gitml.interop.mlruns_names import NamedFiles
from gitml.interop.registering import STANDS_IN
from gitml.interop.sources import Problem
from gitml.registry.reading import Registry

_MODEL_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,255}")


def logged_in(document: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    """List the logged models in `imported/models.json` whose ids can be paths.

    Raises:
        DamagedError: An id can't.
    """
    for model in document.get("logged", ()):
        if not _MODEL_ID.fullmatch(str(model.get("model_id"))):
            raise DamagedError(f"'imported/models.json' names a model {model.get('model_id')!r:.80}")
        yield model


class ExportedModels:
    """The registered models of all runs that are exported, put together again."""

    def __init__(self) -> None:
        self._models: dict[str, dict[str, Any]] = {}
        self._versions: dict[str, dict[int, dict[str, Any]]] = {}
        self._locations: dict[str, str] = {}
        self._uris: dict[str, str] = {}

    def names(self) -> list[str]:
        """List the models."""
        return sorted({*self._models, *self._versions})

    def note_registered(self, document: Mapping[str, Any], artifact_uri: str) -> None:
        """Take what a run keeps of registered models."""
        for entry in document.get("registered", ()):
            name = str(entry["name"])
            if "model" in entry:
                self._models[name] = dict(entry["model"])
            for version in entry["versions"]:
                facts = dict(version)
                source = str(facts.get("source") or "")
                old, found, path = source.partition("/artifacts/")
                if found and facts.get("run_id") and old.endswith(str(facts["run_id"])):
                    facts["source"] = facts["storage_location"] = f"{artifact_uri}/{path}"
                self._versions.setdefault(name, {})[int(facts["version"])] = facts

    def note_run(self, run_id: str, artifact_uri: str) -> None:
        """Take that a run is exported, and where its files are then."""
        self._uris[run_id] = artifact_uri

    def take_registry(self, registry: Registry, *, everything: bool) -> list[Problem]:
        """Take what the registry has; it counts for more than what was kept at an import.

        Args:
            registry: The registry.
            everything: Whether all runs are exported, so that models without versions belong to it.

        Returns:
            What MLflow has no place for.
        """
        problems: list[Problem] = []
        for state in registry.models.values():
            names = (state.name, *(state.record.former if state.record else ()))
            kept: dict[int, dict[str, Any]] = {}
            known: dict[str, Any] = {}
            for name in reversed(names):
                known |= self._models.pop(name, {})
                kept |= self._versions.pop(name, {})
            if state.is_deleted:
                continue
            versions = [version for version in state.versions() if version.run_id in self._uris]
            absent = [n for n in kept if n not in state.tags or state.tags[n].description == STANDS_IN]
            others = {number: kept[number] for number in absent}
            if not (versions or others or known or (everything and not state.tags)):
                continue
            self._versions[state.name] = others | {
                version.version: self._version(version, kept.get(version.version, {}), problems)
                for version in versions
            }
            self._models[state.name] = _model(state.model(), known, self._versions[state.name])
        return problems

    def _version(
        self, version: ModelVersion, kept: Mapping[str, Any], problems: list[Problem]
    ) -> dict[str, Any]:
        stage = version.stage or NO_STAGE
        if stage not in (NO_STAGE, *STAGES):
            what = f"version {version.version} of model {version.name!r:.80}"
            problems.append(
                Problem(what, f"it is in {stage!r:.80}, which MLflow has no stage for", lost=False)
            )
            stage = NO_STAGE
        location = "/".join(part for part in (self._uris[version.run_id], version.path) if part)
        own = {
            "creation_timestamp": version.created_ms, "last_updated_timestamp": version.updated_ms,
            "user_id": version.author, "run_id": version.run_id, "status": "READY", "status_message": None,
            "run_link": version.tags.get(RUN_LINK_TAG), "model_id": version.tags.get(MODEL_ID_TAG), "source": version.source or location, "storage_location": location,
        }  # fmt: skip
        same = kept.get("run_id") in (None, "", version.run_id)
        if same and kept and _seconds(kept.get("last_updated_timestamp")) >= _seconds(version.updated_ms):
            own["last_updated_timestamp"] = kept["last_updated_timestamp"]
        return {
            **own, **(kept if same else {}), "last_updated_timestamp": own["last_updated_timestamp"],
            "current_stage": stage, "description": version.description, "tags": {k: value for k, value in version.tags.items() if k not in (RUN_LINK_TAG, MODEL_ID_TAG)},
        }  # fmt: skip

    def write_logged(self, folder: Path, model: Mapping[str, Any], uri: str) -> None:
        """Write a logged model; its files come with the run's artifacts."""
        self._locations[model["model_id"]] = uri
        (folder / "artifacts").mkdir(parents=True)
        facts = {
            key: value
            for key, value in model.items()
            if key not in ("tags", "params", "metrics", "artifacts")
        }
        _write(folder, {**facts, "artifact_location": uri})
        for part in ("tags", "params", "metrics"):
            (folder / part).mkdir()
            files = NamedFiles(folder / part, part, {})
            for key, value in (model.get(part) or {}).items():
                text = "".join(f"{line}\n" for line in value) if part == "metrics" else str(value)
                files.write(key, [text.encode()])

    def write(self, root: Path) -> None:
        """Write `models/`, MLflow's registry."""
        for name in self.names():
            folder = root / "models" / name
            if folder.parent != root / "models" or name in (".", ".."):
                raise DamagedError(f"'imported/models.json' names a registered model {name!r:.80}")
            folder.mkdir(parents=True)
            facts = {"description": None, **self._models.get(name, {}), "name": name}
            tags, aliases = facts.pop("tags", {}), facts.get("aliases") or {}
            _write(folder, facts)
            _write_texts(folder / "tags", tags)
            _write_texts(folder / "aliases", aliases)
            for number, version in self._versions.get(name, {}).items():
                place = folder / f"version-{number}"
                place.mkdir()
                location = self._locations.get(str(version.get("model_id")), version.get("storage_location"))
                own = {key: value for key, value in version.items() if key != "tags"}
                _write(place, {**own, "name": name, "version": number, "storage_location": location})
                _write_texts(place / "tags", version.get("tags") or {})


def _model(model: RegisteredModel, kept: Mapping[str, Any], versions: Collection[int]) -> dict[str, Any]:
    facts = {"creation_timestamp": model.created_ms, "last_updated_timestamp": model.updated_ms, **kept}
    aliases = {alias: str(number) for alias, number in model.aliases.items() if number in versions}
    return {**facts, "description": model.description, "tags": dict(model.tags), "aliases": aliases}


def _seconds(time_ms: object) -> int:
    return int(time_ms) // 1000 if isinstance(time_ms, int) else 0


def _write(folder: Path, facts: Mapping[str, Any]) -> None:
    (folder / META).write_text(yaml.dump_mapping(facts), encoding="utf-8")


def _write_texts(folder: Path, texts: Mapping[str, Any]) -> None:
    files = NamedFiles(folder, "tag", {})
    for key, value in texts.items():
        files.write(key, [str(value).encode()])
