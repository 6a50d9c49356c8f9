"""Writing models that came from MLflow back into a file store."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from gitml.errors import DamagedError
from gitml.formats import yaml
from gitml.interop.mlruns_models import META
from gitml.interop.mlruns_names import NamedFiles

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


def _write(folder: Path, facts: Mapping[str, Any]) -> None:
    (folder / META).write_text(yaml.dump_mapping(facts), encoding="utf-8")


def _write_texts(folder: Path, texts: Mapping[str, Any]) -> None:
    files = NamedFiles(folder, "tag", {})
    for key, value in texts.items():
        files.write(key, [str(value).encode()])
