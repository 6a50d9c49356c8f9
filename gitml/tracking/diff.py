"""What differs between runs: settings, results, surroundings, files and code.

`diff_runs` gathers, `compare` decides; what it decides is data, drawn elsewhere.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import Enum
from typing import Any, Literal, Union

from gitml.entities.run import CodeState, Number, Run
from gitml.errors import NotFoundError
from gitml.formats import yaml
from gitml.repo import Repo
from gitml.tracking.direction import has_goal, lower_is_better
from gitml.tracking.history import list_artifacts, read_environment

_REQUIREMENT = re.compile(r"([A-Za-z0-9][\w.\-]*)\s*(?:==|===|@)\s*(.+)")
_EDITABLE = re.compile(r"# ([A-Za-z0-9][\w.\-]*)==(.+?), editable install of .+")


class Absent(Enum):
    """Stands for a value that a run does not have; a param may really be null."""

    ABSENT = "absent"


ABSENT = Absent.ABSENT
Value = Union[object, Absent]


@dataclass(frozen=True, slots=True)
class Row:
    """One key and its value in each run, `ABSENT` where a run lacks it."""

    key: str
    values: tuple[Value, ...]

    @property
    def same(self) -> bool:
        """Whether all runs have the same value of the same type."""
        first = self.values[0]
        return all(_equal(value, first) for value in self.values[1:])


@dataclass(frozen=True, slots=True)
class FileContent:
    """What a run has at a path: size in bytes, and a digest to tell contents apart."""

    size: int
    digest: str


@dataclass(frozen=True, slots=True)
class CodeChange:
    """One file of the source that differs; counts are None for what is not text."""

    path: str
    added: int | None
    removed: int | None


@dataclass(frozen=True, slots=True)
class CodeDiff:
    """What differs between the source of two runs.

    Attributes:
        trees: The trees compared; None where a run kept none.
        changes: The files that differ between the first tree and the last.
        known: Whether both trees are known, so that `changes` means something.
    """

    trees: tuple[str | None, ...]
    changes: tuple[CodeChange, ...] = ()
    known: bool = True

    @property
    def same(self) -> bool:
        """Whether all runs are known to have run the same source."""
        return self.known and len(set(self.trees)) == 1


@dataclass(frozen=True, slots=True)
class RunDiff:
    """What differs between runs, in the order given. Rows that agree are there too."""

    runs: tuple[Run, ...]
    facts: tuple[Row, ...]
    params: tuple[Row, ...]
    metrics: tuple[Row, ...]
    tags: tuple[Row, ...]
    data: tuple[Row, ...]
    packages: tuple[Row, ...]
    system: tuple[Row, ...]
    files: tuple[Row, ...]
    code: CodeDiff

    @property
    def differs(self) -> bool:
        """Whether anything that makes, measures or marks a run differs.

        `facts` do not count: names, times and circumstances such as the host and the commit.
        """
        sections = (
            self.params, self.metrics, self.tags, self.data, self.packages, self.system, self.files,
        )  # fmt: skip
        rows_differ = any(not row.same for section in sections for row in section)
        return rows_differ or not self.code.same


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What a comparison needs to know of a run beyond its record."""

    environment: Mapping[str, bytes]
    files: Mapping[str, FileContent]


def diff_runs(repo: Repo, runs: Sequence[Run], *, code: CodeState | None = None) -> RunDiff:
    """Compare runs.

    Args:
        repo: Where they are.
        runs: Two or more.
        code: Source to compare the first run's with, in place of the last run's.
    """
    trees = [code_tree(repo, run.code) for run in runs]
    if code is not None:
        trees = [trees[0], code_tree(repo, code)]
    surroundings = [_surroundings(repo, run) for run in runs]
    return compare(runs, surroundings, diff_code(repo, trees))


def compare(runs: Sequence[Run], surroundings: Sequence[Surroundings], code: CodeDiff) -> RunDiff:
    """Compare runs whose surroundings and code are known already."""
    return RunDiff(
        runs=tuple(runs),
        facts=rows_of([_facts(run) for run in runs]),
        params=rows_of([run.params for run in runs]),
        metrics=rows_of([{key: metric.last for key, metric in run.metrics.items()} for run in runs]),
        tags=rows_of([run.tags for run in runs]),
        data=rows_of([_data(run) for run in runs]),
        packages=rows_of([read_packages(around.environment) for around in surroundings]),
        system=rows_of([_system(around.environment) for around in surroundings]),
        files=rows_of([around.files for around in surroundings]),
        code=code,
    )


def code_tree(repo: Repo, code: CodeState) -> str | None:
    """Find the tree of a run's source: the recorded one, or its commit's; None if it is not here."""
    if code.tree is not None:
        return code.tree if repo.git.has_object(code.tree) else None
    if code.commit is not None and not code.dirty and repo.git.has_object(code.commit):
        return repo.git.commit_info(code.commit).tree
    return None


def require_tree(repo: Repo, name: str, code: CodeState) -> str:
    """Find the tree of a run's source.

    Raises:
        NotFoundError: The run kept none, or it is not in this repository.
    """
    tree = code_tree(repo, code)
    if tree is None:
        raise NotFoundError(
            f"the source of '{name}' is not in this repository",
            hint="it was not recorded, or its commit was not fetched: git fetch --all",
        )
    return tree


def code_patch(
    repo: Repo, trees: tuple[str, str], options: Sequence[str], paths: Sequence[str] = ()
) -> bytes:
    """Make git's own diff of two source trees.

    Args:
        repo: Where the trees are.
        trees: The older and the newer.
        options: Options of `git diff`, chosen by us and never taken from data.
        paths: Only these paths.
    """
    return repo.git.process.run(["diff", *options, "--end-of-options", *trees, "--", *paths])


def judge(metric: str, before: Value, after: Value) -> Literal["better", "worse", "same"] | None:
    """Say how a metric changed; None where a value is missing or NaN, or it is nothing to improve."""
    if not isinstance(before, (int, float)) or not isinstance(after, (int, float)):
        return None
    if before != before or after != after:
        return None
    if before == after:
        return "same"
    if not has_goal(metric):
        return None
    return "better" if (after < before) == lower_is_better(metric) else "worse"


def read_packages(environment: Mapping[str, bytes]) -> dict[str, str]:
    """Read package names and versions from a run's requirements.

    Of a package that no index gave, its origin stands for the version: `git+https://…@<commit>`.
    Of an editable one the folder does not count, which each machine has elsewhere.
    """
    text = environment.get("requirements.txt", b"").decode("utf-8", "replace")
    found = {}
    for line in text.splitlines():
        if editable := _EDITABLE.fullmatch(line.strip()):
            found[editable[1].lower()] = f"{editable[2]} (editable)"
        elif match := _REQUIREMENT.fullmatch(line.split(" ;")[0].strip()):
            found[match[1].lower()] = match[2].strip()
    return found


def _surroundings(repo: Repo, run: Run) -> Surroundings:
    files = {
        artifact.path: FileContent(
            artifact.size,
            artifact.pointer.oid if artifact.pointer else artifact.blob or f"live {artifact.size}",
        )
        for artifact in list_artifacts(repo, run)
    }
    return Surroundings(read_environment(repo, run), files)


def _facts(run: Run) -> dict[str, Value]:
    facts: dict[str, Value] = {
        "status": run.status.value,
        "experiment": run.experiment,
        "duration_s": run.duration_s,
        "command": run.command_line or None,
        "commit": run.code.commit,
        "dirty": run.code.dirty,
        "branch": run.code.branch,
        "user": run.user,
        "host": run.host,
        "error": run.error,
    }
    return {key: value for key, value in facts.items() if value is not None}


def _data(run: Run) -> dict[str, str]:
    """Name data sets so that the same name used for training and testing is two rows."""
    return {
        f"{data.name} ({data.context})" if data.context else data.name: data.digest for data in run.inputs
    }


def _system(environment: Mapping[str, bytes]) -> dict[str, object]:
    facts: dict[str, object] = {}
    python = environment.get("python-version", b"").decode("utf-8", "replace").strip()
    if python:
        facts["python"] = python
    if "system.yaml" in environment:
        facts.update(yaml.load_mapping(environment["system.yaml"], source="environment/system.yaml"))
    return facts


def rows_of(columns: Sequence[Mapping[str, Any]]) -> tuple[Row, ...]:
    """Line up mappings, one a run: a row for every key that any of them has."""
    keys = dict.fromkeys(key for column in columns for key in column)
    return tuple(Row(key, tuple(column.get(key, ABSENT) for column in columns)) for key in keys)


def _equal(one: Value, other: Value) -> bool:
    if isinstance(one, float) and isinstance(other, float) and one != one and other != other:
        return True
    # True and 1 are equal to Python and different params; 1 and 1.0 are the same number.
    if isinstance(one, bool) != isinstance(other, bool):
        return False
    return one == other


def diff_code(repo: Repo, trees: Sequence[str | None], paths: Sequence[str] = ()) -> CodeDiff:
    """Compare the first source tree with the last, file by file.

    Args:
        repo: Where the trees are.
        trees: A tree a run; None where it is not known.
        paths: Only these paths; all if none is given.
    """
    first, last = trees[0], trees[-1]
    if any(tree is None for tree in trees) or first is None or last is None:
        return CodeDiff(tuple(trees), known=False)
    if first == last:
        return CodeDiff(tuple(trees))
    options = ["--numstat", "-z", "--no-renames", "--no-ext-diff", "--no-textconv"]
    return CodeDiff(tuple(trees), tuple(_numstat(code_patch(repo, (first, last), options, paths))))


def _numstat(out: bytes) -> list[CodeChange]:
    changes = []
    for record in out.decode("utf-8", "replace").split("\0"):
        if record:
            added, removed, path = record.split("\t", 2)
            changes.append(CodeChange(path, _count(added), _count(removed)))
    return changes


def _count(text: str) -> int | None:
    return None if text == "-" else int(text)


def metric_change(before: Number, after: Number) -> tuple[Number, float | None]:
    """Give the difference, and as a share of the first value; None from 0 or to what is not finite."""
    try:
        change = after - before
    except OverflowError:  # an integer that no float can hold, and a float
        change = math.inf if after > before else -math.inf
    try:
        share = change / abs(before) if before else None
    except OverflowError:
        share = None
    return change, share if share is not None and share - share == 0 else None
