"""Registered models of a source: which run holds which facts.

gitml keeps them with the runs that the versions were made by, in
`imported/models.json` of the record. What belongs to no run that is imported has a run
of its own, so that nothing is lost.
"""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from gitml.entities.run import Run, RunStatus
from gitml.interop.sources import SourceRun

EXPERIMENT = "Imported models"
SCHEMA = 1


@dataclass
class _Model:
    facts: Mapping[str, Any]
    versions: list[Mapping[str, Any]] = field(default_factory=list)


class RegisteredModels:
    """All registered models of a source, to be told apart by run."""

    def __init__(self) -> None:
        self._models: dict[str, _Model] = {}
        self._by_run: dict[str, list[dict[str, Any]]] | None = None
        self._runs: Collection[str] = ()

    def add(self, name: str, facts: Mapping[str, Any], versions: list[Mapping[str, Any]]) -> None:
        """Add a model; a version's `run_id` says which run made it."""
        self._models[name] = _Model(facts, sorted(versions, key=lambda version: int(version["version"])))

    def settle(self, runs: Collection[str]) -> None:
        """Decide where everything is kept, now that it is known which runs there are."""
        self._by_run = {}
        self._runs = runs
        for name, model in sorted(self._models.items()):
            homes: dict[str, dict[str, Any]] = {}
            for version in model.versions:
                run_id = version.get("run_id")
                home = run_id if run_id in runs else run_id_of(name)
                entry = homes.setdefault(str(home), {"name": name, "versions": []})
                entry["versions"].append(dict(version))
            # The model's own facts stand once: with its newest version, or alone.
            last = run_id_of(name) if run_id_of(name) in homes or not homes else list(homes)[-1]
            homes.setdefault(last, {"name": name, "versions": []})["model"] = dict(model.facts)
            for home, entry in homes.items():
                self._by_run.setdefault(home, []).append(entry)

    def of_run(self, run_id: str) -> list[dict[str, Any]]:
        """What a run keeps of registered models."""
        return (self._by_run or {}).get(run_id, [])

    def orphans(self) -> Iterator[SourceRun]:
        """Give runs for what belongs to no run of the source."""
        for name, model in sorted(self._models.items()):
            run_id = run_id_of(name)
            kept = self.of_run(run_id)
            if kept and run_id not in self._runs:  # it is one where an import was exported again
                created = int(model.facts.get("creation_timestamp") or 0)
                run = Run(
                    id=run_id, name=f"model {name}", experiment=EXPERIMENT, experiment_id=EXPERIMENT,
                    status=RunStatus.FINISHED, start_ms=created, end_ms=created,
                    note=f"What is known of the registered model {name!r} that belongs to no imported run.",
                )  # fmt: skip
                yield SourceRun(run, models=document(kept, []))


def run_id_of(name: str) -> str:
    """Derive the id of the run that keeps what belongs to no other run."""
    return hashlib.sha256(f"registered model\n{name}".encode()).hexdigest()[:32]


def document(registered: list[dict[str, Any]], logged: list[dict[str, Any]]) -> dict[str, Any] | None:
    """Make the content of `imported/models.json`; None if there is nothing to keep."""
    if not registered and not logged:
        return None
    return {"schema": SCHEMA, "registered": registered, "logged": logged}
