"""Start a sweep, or go on with one, as `gitml sweep` was asked to."""

from __future__ import annotations

import shlex
import sys
from dataclasses import replace
from typing import TYPE_CHECKING, NamedTuple

from gitml.cli.agreeing import agree
from gitml.cli.run_report import printable
from gitml.entities.project import MAIN
from gitml.errors import UsageError

if TYPE_CHECKING:
    from gitml.cli.sweep_elsewhere import Where
    from gitml.cli.sweep_report import SweepView
    from gitml.cli.sweep_subject import Ready, Subject
    from gitml.execution.sweeps.plan import Plan
    from gitml.execution.sweeps.record import RecordedSweep
    from gitml.execution.sweeps.state import SweepRequest
    from gitml.repo import Repo


class Manner(NamedTuple):
    """How a sweep is run, whatever it runs."""

    view: SweepView
    jobs: int | None
    fail_fast: bool
    retry_failed: bool
    trust: bool


def start_sweep(repo: Repo, plan: Plan, subject: Subject, manner: Manner, where: Where | None) -> int:
    """Start a sweep and run it, or hand it to a backend.

    Args:
        repo: Where it is recorded.
        plan: What is tried.
        subject: What is run.
        manner: How it is run.
        where: Where; None: here.

    Returns:
        What to exit with.
    """
    from gitml.cli.sweep_plan import example_values
    from gitml.cli.sweep_subject import encode_subject, open_subject
    from gitml.execution.sweeps.record import unfinished_sweep

    _check_jobs(manner.jobs)
    launch = encode_subject(subject, repo.git.work_tree)
    if where is not None:
        launch |= where.plan_facts()
    view, example = manner.view, example_values(plan)
    with open_subject(repo, subject, example, quiet=view.quiet, elsewhere=where is not None) as ready:
        if ready.commit is not None:
            launch["version"] = ready.commit
        plan = replace(plan, launch=launch)
        earlier = unfinished_sweep(repo, plan)
        if earlier is not None:
            how = "was killed" if earlier.status.is_final else "has jobs that may still run"
            view.begin(
                f"note: this begins anew; sweep {earlier.id[:7]} ({printable(earlier.name)}) of the same plan "
                f"{how}, and goes on with: gitml sweep --resume {earlier.id[:7]}"
            )
        return _run(repo, _request(plan, ready, manner), ready, manner, where)


def go_on_with_sweep(repo: Repo, name: str, trials: int | None, manner: Manner, where: Where) -> int:
    """Go on with a sweep.

    Args:
        repo: Where it is recorded.
        name: Its run, by any name.
        trials: How many it is to have; None: as many as it has.
        manner: How it is run.
        where: What was said about the backend, if it has one.

    Returns:
        What to exit with.
    """
    from gitml.cli.sweep_plan import example_values
    from gitml.cli.sweep_subject import decode_subject, enter_directory, open_subject
    from gitml.execution.agreement import find_foreign
    from gitml.execution.sweeps.plan import encode_plan
    from gitml.execution.sweeps.record import read_sweep

    _check_jobs(manner.jobs)
    recorded = read_sweep(repo, name)
    place = where.of_sweep(recorded)
    if place is not None:  # before anybody is asked: what comes may say something else
        recorded, place = place.brought(repo, recorded)
    view = manner.view
    plan = recorded.plan if trials is None else recorded.plan.longer(trials)
    subject = decode_subject(plan.launch, trust=manner.trust)
    what = shlex.join(subject.template.command) if subject.project is None else subject.project.target
    agree(
        find_foreign(repo, recorded.run, "sweep", encode_plan(recorded.plan).decode()),
        {
            "folder": str(plan.launch.get("directory", "")),
            "project": "" if subject.project is None else subject.project.target,
            "entry point": "" if subject.project is None else subject.project.entry_point or MAIN,
            "command": shlex.join(subject.template.command),
            "values": " ".join(f"{name}={text}" for name, text in plan.space.items()),
            "backend": plan.backend or "",
        },
        trust=manner.trust,
    )
    view.begin(f"going on with sweep {recorded.run.id[:7]} {printable(recorded.run.name)}: {printable(what)}")
    enter_directory(plan.launch, repo.git.work_tree)
    example = example_values(plan)
    with open_subject(repo, subject, example, quiet=view.quiet, elsewhere=place is not None) as ready:
        return _run(repo, _request(plan, ready, manner, recorded), ready, manner, place)


def _request(plan: Plan, ready: Ready, manner: Manner, recorded: RecordedSweep | None = None) -> SweepRequest:
    from gitml.execution.sweeps.state import SweepRequest

    return SweepRequest(
        plan,
        ready.runner,
        ready.request,
        manner.jobs or 1,
        fail_fast=manner.fail_fast,
        retry_failed=manner.retry_failed,
        recorded=recorded,
    )


def _run(repo: Repo, request: SweepRequest, ready: Ready, manner: Manner, where: Where | None) -> int:
    from gitml.cli.sweep_subject import check_request
    from gitml.execution.sweeps.sweep import run_sweep

    if where is not None:
        from gitml.cli.sweep_elsewhere import sweep_elsewhere

        return sweep_elsewhere(repo, request, where, ready.project, manner.jobs, manner.view)
    check_request(request.launch)
    folder = repo.git.work_tree or repo.git.git_dir
    repo.close()  # workers are forked: nothing of it may be open
    sys.stdout.flush()
    with manner.view.watching() as watch:
        result = run_sweep(folder, request, watch)
    manner.view.end(result)
    return result.exit_code


def _check_jobs(count: int | None) -> None:
    from gitml.execution.sweeps.sweep import MAX_JOBS

    if count is not None and not 1 <= count <= MAX_JOBS:
        raise UsageError(f"--jobs {count} is not between 1 and {MAX_JOBS}", hint="--jobs 2")
