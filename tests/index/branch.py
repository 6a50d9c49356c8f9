"""A runs branch that tests write to, record by record, with real git objects."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from gitml.entities.run import Experiment, MetricSummary, Number, Run, RunStatus
from gitml.formats.run_tree import encode_experiment, encode_run
from gitml.git.repo import GitRepo, TreeEntry

REF = "refs/heads/gitml/runs"
START = 1_770_000_000_000


def make_run(number: int, **fields) -> Run:
    facts = {
        "id": f"{number:032x}",
        "name": f"run-{number}",
        "experiment_id": "1",
        "experiment": "churn",
        "status": RunStatus.FINISHED,
        "start_ms": START + number * 1000,
        "end_ms": START + number * 1000 + 500,
        "duration_s": 0.5,
    }
    return Run(**{**facts, **fields})


def summary(
    value: Number, count: int = 1, low: Number | None = None, high: Number | None = None
) -> MetricSummary:
    return MetricSummary(
        value, count - 1, START, value if low is None else low, 0, value if high is None else high, 0, count
    )


class Branch:
    def __init__(self, git: GitRepo) -> None:
        self.git = git
        self.time_s = START // 1000

    @property
    def tip(self) -> str | None:
        return self.git.tip(REF)

    def commit(
        self, files: Mapping[str, bytes], parents: Sequence[str] | None = None, *, move: bool = True
    ) -> str:
        """Commit files on top of the branch (or of the parents given)."""
        self.time_s += 1
        old = self.tip
        if parents is None:
            parents = [old] if old else []
        tree = self.git.write_tree(
            {name: TreeEntry(self.git.write_blob(data)) for name, data in files.items()}
        )
        commit = self.git.write_commit(
            tree,
            parents,
            "a record\n\nRun-Id: of-a-test\n",
            author="Ada <ada@example.org>",
            time_s=self.time_s,
        )
        if move:
            assert self.git.move_ref(REF, old, commit)
        return commit

    def add(self, run: Run, parents: Sequence[str] | None = None, *, move: bool = True) -> str:
        return self.commit(encode_run(run), parents, move=move)

    def experiment(
        self, experiment: Experiment, parents: Sequence[str] | None = None, *, move: bool = True
    ) -> str:
        return self.commit({"experiment.yaml": encode_experiment(experiment)}, parents, move=move)

    def join(self, *parents: str) -> str:
        return self.commit({}, parents)

    def point_at(self, commit: str | None) -> None:
        assert self.git.move_ref(REF, self.tip, commit)
