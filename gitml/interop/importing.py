"""Importing: one record for each run of a source that is new here or changed there.

Importing again adds nothing: a run is known by its id, and what its source held when
it was imported by a digest in `imported/source.yaml`. What somebody changed here since
(a tag, a note, a name) survives a later import, field by field.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import replace
from typing import Any

from gitml.entities.run import Run
from gitml.errors import DamagedError, GitmlError
from gitml.formats import commit_message
from gitml.formats.names import check_run_id
from gitml.git.packs import PackingRepo, packing
from gitml.index.fold import fold_runs
from gitml.interop.branch import Record, append_records
from gitml.interop.experiments import ExperimentsImport
from gitml.interop.registering import RegistryImport
from gitml.interop.report import OURS, Report
from gitml.interop.sources import Problem, Source, SourceRun
from gitml.interop.tree import MODELS_FILE, SOURCE_FILE, Built, RunBuilder, digest_in, read_digest
from gitml.progress import Advance
from gitml.repo import Repo
from gitml.tracking import history
from gitml.tracking.commit import check_branch
from gitml.tracking.united import files_of, pointers_of, settle, sides, unite_files

BATCH = 2000  # runs that become part of the branch together

# Trouble of this disk or process, not of the source's run that it came up with.


def import_from(
    repo: Repo, source: Source, *, dry_run: bool = False, progress: Advance | None = None
) -> Report:
    """Import all runs and experiments of a source.

    Args:
        repo: Where to record them.
        source: Where they come from.
        dry_run: Whether to only say what would be done.
        progress: Called with the number of runs done since the last call.

    Returns:
        What was done, and what could not be taken.

    Raises:
        ForeignBranchError: The runs branch was made by something else.
        ConflictError: Others moved the branch too many times in a row; what was
            imported before is kept, and the next import goes on from there.
    """
    check_branch(repo)
    history.refresh(repo)
    return _Import(repo, source, dry_run, progress or (lambda _: None)).run()


class _Import:
    """One import, from its first run to its report."""

    def __init__(self, repo: Repo, source: Source, dry_run: bool, progress: Advance) -> None:
        self._repo = repo
        self._source = source
        self._progress = progress
        self._live = frozenset(repo.journal.ids())
        self._seen: set[str] = set()
        self._known: dict[str, str | None] = {}
        self._absent: frozenset[str] = frozenset()
        self.report = Report(dry_run=dry_run)
        self._experiments = ExperimentsImport(repo, source.kind, self.report)
        self._models = RegistryImport(repo, self.report)

    def run(self) -> Report:
        """Do it."""
        self._experiments.plan(self._source.experiments())
        self._look_up(self._source.ids() or ())
        items = self._source.runs()
        more = True
        while more:
            records: list[Record] = []
            with ExitStack() as stack:
                packer = None if self.report.dry_run else stack.enter_context(packing(self._repo.git))
                if packer is not None:
                    records += self._experiments.records(packer)
                more = False
                for item in items:
                    self._take(item, packer, records)
                    self._progress(1)
                    if len(records) >= BATCH:
                        more = True
                        break
                if packer is not None:  # experiments that only runs told of
                    records += self._experiments.records(packer)
            append_records(self._repo, records, f"gitml import {self._source.kind}")
        self._repo.index.catch_up()
        self._models.apply()
        return self.report

    def _look_up(self, run_ids: Sequence[str]) -> None:
        """Find which runs are here already, all at once: one by one takes ten times as long."""
        commits = {run_id: records[-1] for run_id in run_ids if (records := self._repo.index.records(run_id))}
        found = self._repo.git.cat_paths(f"{commit}:{SOURCE_FILE}" for commit in commits.values())
        self._known = {
            run_id: None if data is None else digest_in(data)
            for run_id, data in zip(commits, found, strict=True)
        }
        self._absent = frozenset(run_ids) - commits.keys()

    def _digest_here(self, run_id: str) -> tuple[bool, str | None]:
        """Whether there is such a run, and what its source came to when it was imported."""
        if run_id in self._absent:
            return False, None
        if run_id in self._known:
            return True, self._known[run_id]
        records = self._repo.index.records(run_id)
        return bool(records), read_digest(self._repo, records[-1]) if records else None

    def _take(self, item: SourceRun | Problem, packer: PackingRepo | None, records: list[Record]) -> None:
        if isinstance(item, Problem):
            self.report.skip_run(item)
            return
        try:
            record = self._record(item, packer)
        except (GitmlError, OSError) as err:
            if isinstance(err, OSError) and err.errno in OURS:
                raise
            damaged = isinstance(err, DamagedError | OSError)
            self.report.skip_run(Problem(f"run {item.run.id[:32]}", str(err), damaged=damaged))
            return
        if record is not None:
            records.append(record)

    def _record(self, source: SourceRun, packer: PackingRepo | None) -> Record | None:
        run_id = check_run_id(source.run.id)
        if run_id in self._seen:
            raise DamagedError(f"there is a second run of the id '{run_id}'")
        self._seen.add(run_id)
        if run_id in self._live:
            raise GitmlError("it is live here; it can be imported when it has ended")
        experiment = self._experiments.home(source.run)
        is_here, known = self._digest_here(run_id)
        if not is_here:
            built = self._build(source, experiment, packer)
            self._note(built, new=True)
            self._models.note(run_id, source.models, None)
            return None if packer is None else self._new(built, packer, None)
        if known is None:
            raise GitmlError("there is a run of this id that was not imported; it is left as it is")
        found = self._build(source, experiment, None)
        if known == found.digest:
            self.report.unchanged += 1
            self._models.note(run_id, source.models, source.models)
            return None
        present = history.get_run(self._repo, run_id)
        self._models.note(run_id, source.models, self._models_before(present, known))
        if packer is None:
            self._note(found, new=False)
            return None
        built = self._build(source, experiment, packer)
        record = self._new(self._merged(present, known, built), packer, "imported again")
        if record.tree == self._repo.git.commit_info(str(present.commit)).tree:
            self.report.unchanged += 1  # what could not be had then can't be had now
            self.report.problems += built.problems
            return None
        self._note(built, new=False)
        return record

    def _build(self, source: SourceRun, experiment: tuple[str, str], packer: PackingRepo | None) -> Built:
        return RunBuilder(self._repo, packer, kind=self._source.kind).build(source, experiment)

    def _new(self, built: Built, packer: PackingRepo, action: str | None) -> Record:
        tree = RunBuilder(self._repo, packer, kind=self._source.kind).write(built)
        return Record(tree, commit_message.run_message(built.run, action))

    def _note(self, built: Built, *, new: bool) -> None:
        self.report.new += new
        self.report.updated += not new
        self.report.problems += built.problems

    def _models_before(self, present: Run, known: str) -> Mapping[str, Any] | None:
        """What the last import kept of models with a run; None if that can't be read."""
        kept = self._repo.git.read_path(self._base(present, known), MODELS_FILE)
        try:
            found = json.loads(kept) if kept is not None else None
        except ValueError:
            return None
        return found if isinstance(found, dict) else None

    def _merged(self, present: Run, known: str, built: Built) -> Built:
        """Put what changed at the source on top of what changed here since the last import."""
        if sides(self._repo, present)[0]:
            present = settle(self._repo, present)
        last = str(present.commit)
        base = self._base(present, known)
        if base == last:
            return built
        before = history.read_record(self._repo, base)
        run = fold_runs([(0, last, present), (1, "", built.run)], before)
        entries = unite_files([files_of(self._repo, last), built.entries], files_of(self._repo, base))
        pointers = {**pointers_of(self._repo, last), **built.pointers}
        plain = built.entries.keys() - built.pointers.keys()
        metrics = {
            name: summary
            for name, summary in {**present.metrics, **built.run.metrics}.items()
            if name in built.run.metrics or name not in before.metrics
        }
        return replace(
            built,
            run=replace(run, metrics=metrics),
            entries=entries,
            pointers={p: lfs for p, lfs in pointers.items() if p in entries and p not in plain},
        )

    def _base(self, present: Run, known: str) -> str:
        """The record that the last import made."""
        return next(self._records_of(present, known), str(present.commit))

    def _records_of(self, present: Run, known: str) -> Iterator[str]:
        for commit in self._repo.index.records(present.id):
            if read_digest(self._repo, commit) == known:
                yield commit
