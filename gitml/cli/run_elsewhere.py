"""`gitml run --backend` and `--detach`: hand a run to something else, and wait for it if wanted."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from gitml.cli.terminal import signs
from gitml.errors import GitmlError, UsageError

if TYPE_CHECKING:
    from gitml.execution.backends.records import JobRecord
    from gitml.execution.backends.submission import Job
    from gitml.execution.opening import ProjectRequest
    from gitml.launching.request import LaunchRequest
    from gitml.repo import Repo

LOCAL = "local"


@dataclass(frozen=True, slots=True)
class Elsewhere:
    """Where a run runs, as the command line says it.

    Attributes:
        backend: The backend's name.
        config: Its settings, one text an option.
        remote: The remote that a job clones from and pushes to.
        detach: Whether to come back at once.
    """

    backend: str
    config: tuple[str, ...] = ()
    remote: str | None = None
    detach: bool = False


def read_elsewhere(
    backend: str | None, config: Sequence[str] | None, remote: str | None, *, detach: bool
) -> Elsewhere | None:
    """Read the options; None: it runs here, and we wait.

    Raises:
        UsageError: One is given that says nothing then.
    """
    if (backend is None or backend == LOCAL) and not detach:
        for name, given in (("--backend-config", config), ("--remote", remote)):
            if given:
                raise UsageError(f"{name} needs a backend", hint="gitml run --backend slurm ...")
        return None
    return Elsewhere(backend or LOCAL, tuple(config or ()), remote, detach)


def run_elsewhere(
    repo: Repo, request: LaunchRequest, where: Elsewhere, project: ProjectRequest | None, *, quiet: bool
) -> int:
    """Submit a run; unless it is detached, show what it prints and bring it here at its end.

    Returns:
        What to exit with: 0 once it is submitted, else the job's own code.

    Raises:
        GitmlError: It can't be submitted, or not be followed.
    """
    from gitml.cli.jobs import report_submitted
    from gitml.execution.backends.options import read_config
    from gitml.execution.backends.submission import submit
    from gitml.render.progress import phase_progress

    with phase_progress("pushing the run") as progress:
        job = submit(
            repo,
            request,
            backend=where.backend,
            config=read_config(where.config),
            remote=where.remote,
            project=project,
            progress=progress,
        )
    report_submitted([job], quiet=quiet)
    return 0 if where.detach else _followed(repo, job)


def _followed(repo: Repo, job: Job) -> int:
    from gitml.execution.backends.jobs import job_logs, job_status, mark_never_begun

    record = job.record
    sys.stdout.flush()
    try:
        for data in job_logs(repo, record, follow=True):
            sys.stdout.buffer.write(data)
            sys.stdout.buffer.flush()
        status = job_status(repo, record)
    except KeyboardInterrupt:
        short = record.run_id[:7]
        print(
            signs(f"\njob {short} goes on  \N{MIDDLE DOT}  gitml jobs cancel {short}", sys.stderr),
            file=sys.stderr,
        )
        return 130
    if _bring(repo, record) and mark_never_begun(repo, record, status):
        print(
            f"warning: the job ended before it began the run: its output says why"
            f"{signs('  ·', sys.stderr)}  gitml jobs logs {record.run_id[:7]}",
            file=sys.stderr,
        )
    if status.exit_code is not None:
        return status.exit_code
    reason = f": {status.reason}" if status.reason else ""
    print(f"job {record.run_id[:7]} {status.state.value}{reason}", file=sys.stderr)
    return 0 if status.state.value == "finished" else 1


def _bring(repo: Repo, record: JobRecord) -> bool:
    """Pull what the job pushed, so that its run can be looked at here; says whether that worked."""
    if record.remote is None:
        return True
    from gitml.render.progress import phase_progress
    from gitml.sync.pulling import pull

    try:
        with phase_progress("bringing the run") as progress:
            pull(repo, record.remote, progress=progress)
    except GitmlError as err:
        print(f"warning: the run was not brought here: {err}\nhint: gitml pull", file=sys.stderr)
        return False
    return True
