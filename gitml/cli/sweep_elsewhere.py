"""`gitml sweep --backend`: hand the trials to something else, and wait for them if wanted."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from gitml.cli.output import warn
from gitml.cli.run_elsewhere import read_elsewhere
from gitml.cli.run_report import printable
from gitml.cli.terminal import signs
from gitml.errors import GitmlError, UsageError

if TYPE_CHECKING:
    from gitml.cli.sweep_report import SweepView
    from gitml.execution.opening import ProjectRequest
    from gitml.execution.sweeps.record import RecordedSweep
    from gitml.execution.sweeps.state import SweepRequest
    from gitml.execution.sweeps.underway import Underway
    from gitml.repo import Repo


@dataclass(frozen=True, slots=True)
class Where:
    """Where the trials of a sweep run, as the command line says it.

    Attributes:
        backend: The backend's name; None: whatever the sweep's record says.
        config: Its options, as `read_config` read them.
        remote: The remote that jobs clone from and push to.
        detach: Whether to come back at once.
    """

    backend: str | None
    config: Mapping[str, object] = field(default_factory=dict)
    remote: str | None = None
    detach: bool = False

    def plan_facts(self) -> dict[str, Any]:
        """Say it in a plan."""
        from gitml.execution.sweeps.destination import Destination, launch_facts

        return launch_facts(Destination(str(self.backend), self.config))

    def of_sweep(self, recorded: RecordedSweep) -> Where | None:
        """Say where a recorded sweep runs; None: here.

        Raises:
            UsageError: Something was said about a backend, and it has none.
        """
        if recorded.plan.backend is not None:
            return replace(self, backend=recorded.plan.backend)
        for name, given in (
            ("--backend-config", self.config), ("--remote", self.remote), ("--detach", self.detach),
        ):  # fmt: skip
            if given:
                raise UsageError(
                    f"{name}: the trials of sweep '{recorded.run.id[:8]}' run here",
                    hint="--backend is given where a sweep begins",
                )
        return None

    def brought(self, repo: Repo, recorded: RecordedSweep) -> tuple[RecordedSweep, Where]:
        """Pull the runs of a sweep's trials, and read it again.

        Raises:
            GitmlError: They can't be had.
        """
        from gitml.execution.sweeps.dispatch import bring_sweep
        from gitml.render.progress import phase_progress

        with phase_progress("bringing the runs") as progress:
            found, remote = bring_sweep(repo, recorded, self.remote, progress=progress)
        return found, replace(self, backend=found.plan.backend, remote=remote)


def read_where(
    backend: str | None, config: Sequence[str] | None, remote: str | None, *, detach: bool
) -> Where | None:
    """Read the options of a new sweep; None: it runs here, and we wait.

    Raises:
        UsageError: They mean nothing.
    """
    found = read_elsewhere(backend, config, remote, detach=detach)
    if found is None:
        return None
    from gitml.execution.backends.options import read_config

    return Where(found.backend, read_config(found.config), found.remote, found.detach)


def read_again(config: Sequence[str] | None, remote: str | None, *, detach: bool) -> Where:
    """Read the options beside `--resume`.

    Raises:
        UsageError: They mean nothing.
    """
    from gitml.execution.backends.options import read_config

    return Where(None, read_config(config or ()), remote, detach)


def sweep_elsewhere(
    repo: Repo,
    request: SweepRequest,
    where: Where,
    project: ProjectRequest | None,
    jobs: int | None,
    view: SweepView,
) -> int:
    """Submit a sweep, or what is left of one, and unless it is detached wait for its end.

    Returns:
        What to exit with: 0 once it is submitted, else 1 if a trial failed.

    Raises:
        GitmlError: It can't be submitted, or not be followed.
    """
    from gitml.execution.sweeps.destination import Destination
    from gitml.execution.sweeps.dispatch import go_on_elsewhere, start_elsewhere
    from gitml.render.progress import phase_progress

    destination = Destination(str(where.backend), where.config, where.remote, jobs, project)
    submit = start_elsewhere if request.recorded is None else go_on_elsewhere
    with phase_progress("pushing the runs") as progress:
        underway = submit(repo, request, destination, progress=progress)
    for note in underway.notes:
        warn(note)
    short, name = underway.state.run_id[:7], printable(underway.state.name)
    if underway.submitted:
        what = "1 trial" if underway.submitted == 1 else f"{underway.submitted:,} trials"
        view.begin(f"sweep {short} {name}: {what} submitted to {where.backend}")
    if where.detach and not underway.is_over:
        view.detached(underway.state)
        return 0
    return _followed(underway, view)


def _followed(underway: Underway, view: SweepView) -> int:
    short = underway.state.run_id[:7]
    try:
        with view.watching() as watch:
            result = underway.follow(watch)
    except KeyboardInterrupt:
        told = (
            f"\nthe jobs of sweep {short} go on  \N{MIDDLE DOT}  gitml sweep --resume {short}"
            f"  \N{MIDDLE DOT}  gitml jobs cancel {short}"
        )
        print(signs(told, sys.stderr), file=sys.stderr)
        return 130
    except GitmlError as err:
        print(f"the jobs of sweep {short} go on: gitml sweep --resume {short}", file=sys.stderr)
        raise err from None
    view.end(result)
    return result.exit_code
