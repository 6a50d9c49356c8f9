"""What an import or export did: counts, and everything that was not taken as it is."""

from __future__ import annotations

import errno
from collections import Counter
from dataclasses import dataclass, field
from typing import Any

from gitml.interop.sources import Problem

# Errors of this machine: no other run would fare better, so there is no going on.
OURS = (
    errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EROFS, errno.EMFILE, errno.ENFILE, errno.ENOMEM
)  # fmt: skip


@dataclass
class Report:
    """Grows while an import or export goes on.

    Attributes:
        new: Runs recorded for the first time (or written, of an export).
        updated: Runs that changed at the source since they were imported.
        unchanged: Runs that are here already as the source has them.
        experiments: Experiments recorded or changed.
        models: Registered models: name to what became of it.
        problems: What was skipped, changed or left out.
        skipped_runs: Runs that were not taken at all.
        rows: Lines written, of a table.
    """

    dry_run: bool = False
    new: int = 0
    updated: int = 0
    unchanged: int = 0
    experiments: int = 0
    models: dict[str, str] = field(default_factory=dict)
    problems: list[Problem] = field(default_factory=list)
    skipped_runs: int = 0
    rows: int = 0

    def skip_run(self, problem: Problem) -> None:
        """Note a run that was not taken at all."""
        self.skipped_runs += 1
        self.problems.append(problem)

    @property
    def damaged(self) -> bool:
        """Whether something could not be read."""
        return any(problem.damaged for problem in self.problems)

    def document(self) -> dict[str, Any]:
        """Describe it for programs."""
        return {
            "dry_run": self.dry_run,
            "new": self.new,
            "updated": self.updated,
            "unchanged": self.unchanged,
            "skipped": self.skipped_runs,
            "experiments": self.experiments,
            "models": dict(self.models),
            "problems": [
                {"what": p.what, "reason": p.reason, "lost": p.lost, "damaged": p.damaged}
                for p in self.problems
            ],
        }

    def reasons(self, most: int = 10) -> list[str]:
        """List problems for people; many of one reason become one line."""
        counts = Counter(problem.reason for problem in self.problems)
        lines: list[str] = []
        told: set[str] = set()
        for problem in self.problems:
            if problem.reason in told:
                continue
            if counts[problem.reason] > 3:
                told.add(problem.reason)
                others = counts[problem.reason] - 1
                lines.append(f"{problem.what} and {others:,} more: {problem.reason}")
            else:
                lines.append(f"{problem.what}: {problem.reason}")
        hidden = len(lines) - most
        return lines if hidden <= 0 else [*lines[:most], f"… {hidden:,} more; --json lists all"]
