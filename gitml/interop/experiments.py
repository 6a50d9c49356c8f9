"""Experiments of a source, found or made here.

The id of an experiment follows from its name, so that clones agree on it; the id that
it has at the source is kept in a tag. It is found by its name alone: two servers count
their experiments from 1.
"""

from __future__ import annotations

import hashlib
import json
import re
import time
from collections.abc import Iterable
from dataclasses import replace

from gitml.entities.run import DEFAULT_EXPERIMENT, DEFAULT_EXPERIMENT_ID, Experiment, Run
from gitml.formats import commit_message, run_tree
from gitml.git.repo import GitRepo, TreeEntry
from gitml.interop import mapping
from gitml.interop.branch import Record
from gitml.interop.report import Report
from gitml.interop.sources import Problem
from gitml.repo import Repo
from gitml.tracking.experiments import free_id, list_experiments

ID_TAG = "mlflow.experiment_id"
DIGEST_TAG = "gitml.imported"
GITML_ID_TAG = "gitml.experiment_id"  # of an export: an id that does not follow from the name


_IDS = re.compile(r"[0-9a-f]{16}")


def derived_id(name: str) -> str:
    """The id that an experiment of this name has where nothing else has it."""
    return free_id(name, set())


class ExperimentsImport:
    """Gives each run of a source its experiment here."""

    def __init__(self, repo: Repo, kind: str, report: Report) -> None:
        """Look at what is here already."""
        self._kind = kind
        self._report = report
        self._known = {experiment.id: experiment for experiment in list_experiments(repo)}
        self._homes: dict[str, Experiment] = {}
        self._planned: list[Experiment] = []

    def plan(self, experiments: Iterable[Experiment]) -> None:
        """Decide what becomes of the source's experiments."""
        for experiment in experiments:
            self._homes[experiment.id] = self._plan(experiment)

    def home(self, run: Run) -> tuple[str, str]:
        """Id and name of a run's experiment here."""
        home = self._homes.get(run.experiment_id)
        if home is None:
            fitted = mapping.Names().fit("experiment", run.experiment)
            home = self._named(fitted) or self._fresh(fitted, Experiment("", fitted))
            self._known[home.id] = home
            self._homes[run.experiment_id] = home
        return home.id, home.name

    def records(self, git: GitRepo) -> list[Record]:
        """Write the trees of experiments that are new or changed, each once."""
        records = []
        for experiment in self._planned:
            blob = git.write_blob(run_tree.encode_experiment(experiment))
            tree = git.write_tree({run_tree.EXPERIMENT_FILE: TreeEntry(blob)})
            records.append(Record(tree, commit_message.experiment_message(experiment, "imported")))
        self._planned = []
        return records

    def _plan(self, theirs: Experiment) -> Experiment:
        names = mapping.Names()
        name = names.fit("experiment", theirs.name)
        if name != theirs.name:
            reason = f"experiment {theirs.name!r:.80} is called {name!r:.80} here"
            self._report.problems.append(Problem(f"experiment {theirs.id}", reason, lost=False))
        tags = names.fit_all("tag", theirs.tags, mapping.clean_tag)
        facts = [name, theirs.created_ms, theirs.deleted_ms, dict(theirs.tags)]
        digest = hashlib.sha256(json.dumps(facts, sort_keys=True).encode()).hexdigest()[:16]
        tags |= {ID_TAG: theirs.id, DIGEST_TAG: digest}
        present = self._named(name)
        if present is not None and present.tags.get(DIGEST_TAG) == digest:
            return present
        experiment = (
            replace(self._fresh(name, theirs), tags={k: v for k, v in tags.items() if k != GITML_ID_TAG})
            if present is None
            else self._changed(present, replace(theirs, name=name, tags=tags))
        )
        self._known[experiment.id] = experiment
        self._planned.append(experiment)
        self._report.experiments += 1
        return experiment

    def _changed(self, present: Experiment, theirs: Experiment) -> Experiment:
        fixed = present.id == DEFAULT_EXPERIMENT_ID  # it can't be deleted
        first = ID_TAG not in present.tags and theirs.created_ms
        return replace(
            present,
            created_ms=theirs.created_ms if first else present.created_ms,
            updated_ms=max(time.time_ns() // 1_000_000, present.updated_ms + 1),
            deleted_ms=None if fixed else theirs.deleted_ms,
            tags={**present.tags, **theirs.tags},
        )

    def _named(self, name: str) -> Experiment | None:
        return next((e for e in self._known.values() if e.name == name), None)

    def _fresh(self, name: str, theirs: Experiment) -> Experiment:
        """A new experiment, with an id that is free."""
        given = theirs.tags.get(GITML_ID_TAG, "")
        if _IDS.fullmatch(given) and given not in self._known:
            return replace(theirs, id=given, name=name)
        if name == DEFAULT_EXPERIMENT and DEFAULT_EXPERIMENT_ID not in self._known:
            return replace(theirs, id=DEFAULT_EXPERIMENT_ID, name=name)
        return replace(theirs, id=free_id(name, set(self._known)), name=name)
