"""Makes records by hand, sound ones and others, as somebody who does not use gitml could."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from itertools import count

from gitml.entities.run import CodeState, MetricSummary, Run, RunStatus
from gitml.formats import commit_message, history, names, run_tree
from gitml.git.loose import LooseObjects
from gitml.git.repo import GitRepo

FILE, EXECUTABLE, LINK, FOLDER, SUBMODULE = b"100644", b"100755", b"120000", b"40000", b"160000"
Content = bytes | tuple[bytes, str]  # a file, or mode and object id
_AUTHOR = "Eve <eve@example.org>"
_START_MS = 1_760_000_000_000
_numbers = count(1)


def a_run(**changes) -> Run:
    """A finished run with a param and a metric."""
    number = next(_numbers)
    run = Run(
        id=f"{number:032x}",
        name=f"run-{number}",
        status=RunStatus.FINISHED,
        start_ms=_START_MS,
        end_ms=_START_MS + 1000,
        duration_s=1.0,
        user=_AUTHOR,
        params={"lr": 0.1},
        metrics={"loss": MetricSummary(0.5, 0, _START_MS, 0.5, 0, 0.5, 0, 1)},
        code=CodeState(),
    )
    return replace(run, **changes)


class Forge:
    """Writes objects into one repository, whatever they are."""

    def __init__(self, git: GitRepo) -> None:
        self.git = git
        self._loose = LooseObjects(git.common_dir / "objects", git.object_format)

    def raw(self, kind: str, data: bytes) -> str:
        return self._loose.write(kind.encode(), data)

    def tree(self, entries: Sequence[tuple[bytes, str | bytes, str]]) -> str:
        """A tree of mode, name and object id, in the order given."""
        return self.raw(
            "tree",
            b"".join(
                mode + b" " + (name.encode() if isinstance(name, str) else name) + b"\0" + bytes.fromhex(oid)
                for mode, name, oid in entries
            ),
        )

    def nested(self, files: Mapping[str, Content]) -> str:
        """A tree of paths."""
        here: dict[str, tuple[bytes, str]] = {}
        below: dict[str, dict[str, Content]] = {}
        for path, content in files.items():
            name, slash, rest = path.partition("/")
            if slash:
                below.setdefault(name, {})[rest] = content
            else:
                here[name] = content if isinstance(content, tuple) else (FILE, self.raw("blob", content))
        here |= {name: (FOLDER, self.nested(inner)) for name, inner in below.items()}
        order = sorted(here, key=lambda name: name + "/" if here[name][0] == FOLDER else name)
        return self.tree([(here[name][0], name, here[name][1]) for name in order])

    def commit(
        self, tree: str, message: str, parents: Sequence[str] = (), time_s: int = 1_760_000_001
    ) -> str:
        return self.git.write_commit(tree, parents, message, author=_AUTHOR, time_s=time_s)

    def files(self, run: Run, extra: Mapping[str, Content | None] | None = None) -> dict[str, Content]:
        """The files of a run; what is None in `extra` is left out."""
        files: dict[str, Content] = dict(run_tree.encode_run(run))
        for key, summary in run.metrics.items():
            point = history.encode_point(summary.step, summary.timestamp_ms, summary.last)
            files[f"history/{names.metric_path(key)}"] = point
        files |= extra or {}
        return {path: content for path, content in files.items() if content is not None}

    def record(
        self,
        run: Run | None = None,
        extra: Mapping[str, Content | None] | None = None,
        *,
        message: str | None = None,
        parents: Sequence[str] = (),
    ) -> str:
        """A record of a run."""
        run = run or a_run()
        if message is None:
            message = commit_message.run_message(run)
        return self.commit(self.nested(self.files(run, extra)), message, parents)
