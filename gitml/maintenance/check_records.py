"""Records that break a rule of the format: what readers make of each, and what puts it right.

No record is ever taken off the branch by itself: a newer record of the same run,
experiment or model that is sound stands over it, and then nothing is left to do here.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from gitml.errors import DamagedError
from gitml.formats import commit_message, model_record, run_tree
from gitml.index.records import read_record
from gitml.maintenance.problems import Area, Problem, Severity
from gitml.repo import RUNS_REF, Repo
from gitml.sync.findings import Finding
from gitml.sync.inspect import Commit
from gitml.tracking.commit import append_record

HISTORY = "history"  # the rule of findings about curves
_KINDS = {
    commit_message.RUN_ID: "run",
    commit_message.EXPERIMENT_ID: "experiment",
    commit_message.MODEL_ID: "model",
}
_DOCS = "docs: protect a shared remote"


class _Subject(NamedTuple):
    """What a record is of: a trailer's key and the id."""

    key: str
    id: str


class _Content(NamedTuple):
    """What readers make of a record."""

    subject: _Subject
    message: str


@dataclass(frozen=True, slots=True)
class Judged:
    """What findings come to.

    Attributes:
        problems: Records that count, or would.
        notes: Records that a sound newer one stands over.
    """

    problems: tuple[Problem, ...] = ()
    notes: tuple[str, ...] = ()


def judge(
    repo: Repo, findings: Sequence[Finding], commits: Sequence[Commit], *, repair: bool = False
) -> Judged:
    """Sort findings into what has to be put right and what was, and put right what can be.

    Args:
        repo: The repository; git has all of its commits.
        findings: What is not sound.
        commits: All that was looked at, parents before children.
        repair: Record the last sound state again where an unsound record stands over it.
    """
    if not findings:
        return Judged()
    records = _Records(repo, commits, {finding.commit for finding in findings})
    problems, notes = [], []
    for finding in findings:
        over = records.over(finding.commit)
        if over is None:
            problems.append(records.problem(finding, repair=repair))
        else:
            notes.append(f"{finding}; {over}, but clones without the bad one refuse to pull it ({_DOCS})")
    return Judged(tuple(problems), tuple(notes))


def unjudged(findings: Iterable[Finding]) -> Judged:
    """Give findings as they are, where git lacks what could tell what they come to."""
    return Judged(tuple(_problem(finding, "put right first what git lacks") for finding in findings))


class _Records:
    """The records of the histories that were looked at."""

    def __init__(self, repo: Repo, commits: Sequence[Commit], unsound: set[str]) -> None:
        self._repo = repo
        self._parents = dict(commits)
        self._order = {commit: number for number, (commit, _) in enumerate(commits)}
        tip = repo.git.tip(RUNS_REF)
        self._tip = tip
        self._ours = {commit for commit, _ in repo.git.rev_list(tip)} if tip else set()
        self._contents = {commit: self._read(commit) for commit in unsound}
        single = [commit for commit, parents in commits if len(parents) < 2]
        bodies = repo.git.cat_paths(single)
        self._said = {
            commit: subject
            for commit, body in zip(single, bodies, strict=True)
            if (subject := _subject_of((body or b"").partition(b"\n\n")[2])) is not None
        }
        self._sound: dict[_Subject, list[str]] = {}
        for commit, subject in self._said.items():
            if commit not in unsound:
                self._sound.setdefault(subject, []).append(commit)
        self._restored: dict[str, str] = {}

    def over(self, commit: str) -> str | None:
        """Say which sound record stands over an unsound one; None if none does."""
        subject = self._subject(commit)
        if subject is None:
            return None
        for other in reversed(self._of_the_same(commit)):
            if self._order[other] < self._order[commit]:
                break  # what is older stands over nothing
            if self._repo.git.is_ancestor(commit, other):
                return f"the newer record {other[:12]} of the same {_KINDS[subject.key]} is sound and stands over it"
        return None

    def problem(self, finding: Finding, *, repair: bool) -> Problem:
        """Say what an unsound record that nothing stands over means, and what to type."""
        before = self._before(finding.commit)
        if repair and before is not None:
            self._restore(before)
            return _problem(finding, f"recorded again as in {before[:12]}", repaired=True)
        return _problem(finding, f"{self._fate(finding)}; {self._remedy(finding.commit, before)}")

    def _subject(self, commit: str) -> _Subject | None:
        """What an unsound record is of, to its readers or else by its message."""
        content = self._contents[commit]
        return content.subject if content is not None else self._said.get(commit)

    def _of_the_same(self, commit: str) -> list[str]:
        """The sound records of the same run, oldest first; only those of our branch for one that is on it."""
        subject = self._subject(commit)
        found = self._sound.get(subject, []) if subject else []
        return [other for other in found if other in self._ours] if commit in self._ours else found

    def _fate(self, finding: Finding) -> str:
        if finding.rule == HISTORY:
            return "readers show what else its run has"
        readable = self._contents[finding.commit] is not None
        return "readers show it as it is" if readable else "readers pass over it"

    def _remedy(self, commit: str, before: str | None) -> str:
        if commit not in self._ours:
            return "gitml pull says how it is taken back"
        if before is not None:
            return f"gitml fsck --repair records again what {before[:12]} said"
        parent = next(iter(self._parents.get(commit, ())), None)
        where = f"update-ref {RUNS_REF} {parent}" if parent else f"update-ref -d {RUNS_REF}"
        newer = len(self._ours) - len(list(self._repo.git.rev_list(parent)) if parent else []) - 1
        besides = f" with the {newer:,} newer" if newer else ""
        return f"git {where} {self._tip} takes it off the branch{besides}"

    def _before(self, commit: str) -> str | None:
        """The last sound record below one of our branch, if nobody else went on from it meanwhile."""
        found = self._of_the_same(commit) if commit in self._ours else []
        return found[-1] if found and self._repo.git.is_ancestor(found[-1], commit) else None

    def _restore(self, commit: str) -> None:
        """Put the state of a record on top of the branch, once."""
        if commit not in self._restored:
            content = self._read(commit, f"recorded again as in {commit[:7]}")
            if content is None:
                raise DamagedError(f"record '{commit[:12]}' can't be read")
            tree = self._repo.git.commit_info(commit).tree
            self._restored[commit] = append_record(self._repo, tree, content.message)

    def _read(self, commit: str, action: str = "") -> _Content | None:
        """Read a record as readers do; None of what they pass over. Its message says what was done."""
        if len(self._parents.get(commit, ())) > 1:
            return None
        try:
            files = read_record(self._repo.git, commit)
            if run_tree.RUN_FILE in files:
                run = run_tree.decode_run(files, commit=commit)
                return _Content(
                    _Subject(commit_message.RUN_ID, run.id), commit_message.run_message(run, action)
                )
            if run_tree.EXPERIMENT_FILE in files:
                experiment = run_tree.decode_experiment(files[run_tree.EXPERIMENT_FILE])
                return _Content(
                    _Subject(commit_message.EXPERIMENT_ID, experiment.id),
                    commit_message.experiment_message(experiment, action),
                )
            if run_tree.MODEL_FILE in files:
                model = model_record.decode_model(files[run_tree.MODEL_FILE])
                return _Content(
                    _Subject(commit_message.MODEL_ID, model.id), commit_message.model_message(model, action)
                )
        except DamagedError:
            pass
        return None


def _subject_of(message: bytes) -> _Subject | None:
    said = commit_message.trailers(message.decode("utf-8", "replace"))
    found = [_Subject(key, said[key]) for key in _KINDS if key in said]
    return found[0] if len(found) == 1 else None


def _problem(finding: Finding, hint: str, *, repaired: bool = False) -> Problem:
    return Problem(Area.RECORDS, Severity.DAMAGED, str(finding), hint, finding.commit, repaired)
