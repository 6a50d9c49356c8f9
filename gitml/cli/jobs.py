"""`gitml jobs …`: what runs in the background or on a cluster."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from gitml.cli import complete
from gitml.cli.opened import open_repo
from gitml.cli.output import Output, hint, listing, warn
from gitml.cli.terminal import signs
from gitml.errors import UsageError

if TYPE_CHECKING:
    from gitml.execution.backends.submission import Job
    from gitml.execution.backends.work import Worked

_HELP = {"help_option_names": ["-h", "--help"]}
JobName = Annotated[
    str | None,
    typer.Argument(
        metavar="[RUN]",
        help="The job's run, or the scheduler's id; the newest job if none is given.",
        autocompletion=complete.runs,
    ),
]


def register(app: typer.Typer) -> None:
    """Add the commands to the application."""
    group = typer.Typer(rich_markup_mode=None, no_args_is_help=True, context_settings=_HELP)
    group.command("list")(listing()(list_jobs))
    group.command("logs")(logs)
    group.command("cancel", no_args_is_help=True)(cancel)
    group.command("work", hidden=True)(work)
    summary = "List jobs, show what they print, and cancel them.\n\nExample: gitml jobs list"
    app.add_typer(group, name="jobs", help=summary)


def list_jobs(
    output: Output,
    limit: Annotated[
        int, typer.Option("--limit", "-n", min=1, metavar="N", help="How many, the newest first.")
    ] = 50,
) -> None:
    """List the jobs that were submitted from this repository, and how they stand.

    Example: gitml jobs list --json
    """
    import time

    from gitml.cli.terminal import screen
    from gitml.execution.backends.jobs import list_jobs as find
    from gitml.render.jobs_text import jobs_lines, jobs_listing

    found = find(open_repo(), limit=limit)
    if not output.is_text:
        output.write(jobs_listing(found))
        return
    if not found:
        hint("no job was submitted from this repository: gitml run --detach python train.py")
        return
    target = screen()
    lines = jobs_lines(found, time.time_ns() // 1_000_000, cells=target.cells, ink=target.ink)
    sys.stdout.write(target.ink.sign("".join(f"{line}\n" for line in lines)))


def logs(
    run: JobName = None,
    follow: Annotated[
        bool, typer.Option("--follow", "-f", help="Go on until the job is over; Ctrl-C leaves it alone.")
    ] = False,
) -> None:
    """Show what a job printed.

    Examples:
      gitml jobs logs
      gitml jobs logs -f brisk-heron
    """
    from gitml.execution.backends.jobs import find_job, job_logs

    repo = open_repo()
    record = find_job(repo, run)
    sys.stdout.flush()
    try:
        for data in job_logs(repo, record, follow=follow):
            sys.stdout.buffer.write(data)
            sys.stdout.buffer.flush()
    except KeyboardInterrupt:
        print(f"\njob {record.run_id[:7]} goes on", file=sys.stderr)


def cancel(
    runs: Annotated[
        list[str],
        typer.Argument(
            metavar="RUN...", help="Runs of the jobs, or the scheduler's ids.", autocompletion=complete.runs
        ),
    ],
) -> None:
    """End jobs: their programs get SIGTERM, and what they recorded is kept.

    The run of a sweep means the jobs of all its trials.

    Example: gitml jobs cancel brisk-heron
    """
    from gitml.execution.backends.jobs import cancel_by_name

    repo = open_repo()
    for name in runs:
        for record, before in cancel_by_name(repo, name):
            what = f"was over already: {before.state.value}" if before.state.is_over else "was asked to end"
            print(f"job {record.run_id[:7]} {record.name} {what}", file=sys.stderr)


def work(
    run_id: Annotated[str, typer.Argument(metavar="RUN_ID", help="Id of the run.")],
    remote: Annotated[
        str | None, typer.Option("--remote", metavar="URL", help="What to clone, and to push to.")
    ] = None,
    digest: Annotated[
        str | None, typer.Option("--digest", metavar="SHA256", help="Sum of what was submitted.")
    ] = None,
    folder: Annotated[Path | None, typer.Option("--folder", metavar="DIR", help="Where to clone it.")] = None,
    place: Annotated[
        Path | None, typer.Option("--in", metavar="DIR", help="Run here, without a clone.")
    ] = None,
    result: Annotated[
        Path | None, typer.Option("--result", metavar="FILE", help="Where to write the exit code.")
    ] = None,
) -> None:
    """Do a job where it runs: take up its run, run it, push it. For backends, not for people."""
    if remote is not None and place is not None:
        raise UsageError("--remote and --in exclude each other", hint="a clone has a folder of its own")
    code = 1
    try:
        worked = _work(run_id, remote, digest, folder, place)
        code = worked.exit_code
        _report(worked)
    except BaseException as err:
        code = getattr(err, "exit_code", code)
        raise
    finally:
        if result is not None:
            _write_whole(result, f"{code}\n")
    raise typer.Exit(code)


def _work(
    run_id: str, remote: str | None, digest: str | None, folder: Path | None, place: Path | None
) -> Worked:
    from gitml.execution.backends.work import work_from_remote, work_here

    environ = dict(os.environ)
    if remote is not None:
        return work_from_remote(run_id, remote, digest=digest, scratch=folder, environ=environ)
    return work_here(open_repo(), run_id, folder=place, environ=environ)


def _report(worked: Worked) -> None:
    from gitml.cli.run_report import report_run

    for note in worked.notes:
        warn(note)
    if worked.launched is None:
        print(f"run {worked.run.id[:7]} has finished already", file=sys.stderr)
    else:
        report_run(worked.launched, quiet=False)


def _write_whole(path: Path, text: str) -> None:
    temporary = path.with_name(f".{path.name}")
    temporary.write_text(text)
    temporary.replace(path)


def report_submitted(jobs: list[Job], *, quiet: bool) -> None:
    """Say what was submitted; the runs' ids go to standard output, for scripts."""
    for job in jobs:
        for note in job.notes:
            warn(note)
        print(job.run.id)
        if not quiet:
            short = job.run.id[:7]
            print(
                f"run {short} {job.run.name} submitted to {job.record.backend} as {job.record.id}"
                f"{signs('  ·', sys.stderr)}  gitml jobs logs -f {short}",
                file=sys.stderr,
            )
