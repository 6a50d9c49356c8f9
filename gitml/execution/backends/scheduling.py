"""A run as a record before it runs: the code, params and command that a job will take up."""

from __future__ import annotations

import time
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from gitml.entities.run import CodeState, Run, RunStatus
from gitml.errors import RefusedError, UsageError
from gitml.execution.backends.job_facts import facts_of_request, with_facts
from gitml.launching.beginning import start_requested
from gitml.launching.command_line import parse_command_line
from gitml.launching.outputs import check_pattern
from gitml.launching.request import LaunchRequest
from gitml.launching.scalars import compile_rule
from gitml.repo import Repo
from gitml.tracking.commit import commit_live, finish_run
from gitml.tracking.edit import write_record
from gitml.tracking.history import get_run
from gitml.tracking.redaction import redacted_text
from gitml.tracking.secrets import redact_command, redact_value

if TYPE_CHECKING:
    from gitml.execution.opening import ProjectRequest

_NO_CODE = "a job runs the code of its record, and there is none"


class SecretInJobError(RefusedError):
    """A command holds a secret, which would have to be recorded for the job to run it."""

    def __init__(self, what: str, kind: str) -> None:
        super().__init__(
            f"{what} holds what looks like a secret ({kind}), and a job runs what its record says",
            hint="let the program read it from an environment variable that the job has; "
            "for one of the backend: -c env.NAME=...",
        )
        self.kind = kind


@dataclass(frozen=True, slots=True)
class Scheduled:
    """A run that waits for its job.

    Attributes:
        run: The run.
        notes: Sentences about what the job will not have.
    """

    run: Run
    notes: tuple[str, ...]


def schedule(
    repo: Repo,
    request: LaunchRequest,
    *,
    backend: str,
    project: ProjectRequest | None = None,
    needs_code: bool = True,
) -> Scheduled:
    """Record a run of status `scheduled`, with all that a job needs to run it.

    Args:
        repo: Where to record.
        request: What to run. Its environment is not recorded, nor kept.
        backend: Where it is to run.
        project: How its project was asked for, if it is one.
        needs_code: Whether the job runs the code of the record, not a folder here.

    Raises:
        SecretInJobError: The command can't be recorded as it is.
        UsageError: There is no command, or no code is to be kept.
        GitmlError: The run can't be recorded.
    """
    check_request(repo, request, needs_code=needs_code)
    if request.project is not None:
        request = replace(request, project=replace(request.project, backend=backend))
    live = start_requested(repo, replace(request, run_id=None), parse_command_line(request.command))
    try:
        run = live.to_run()
        if needs_code and run.code.tree is None:
            finish_run(repo, live, RunStatus.FAILED, error=_NO_CODE)
            raise RefusedError(_NO_CODE, hint="commit the code first: git add . && git commit")
        facts = facts_of_request(request, backend, project, _inside(repo))
        live.update(status=RunStatus.SCHEDULED, extra=with_facts(run, facts))
        live.flush()
        commit_live(repo, run.id)
    finally:
        live.close()
    left_out = f"not in the code that the job gets: {', '.join(run.code.left_out)}"
    return Scheduled(get_run(repo, run.id), (left_out,) if needs_code and run.code.left_out else ())


def fail_scheduled(repo: Repo, run_id: str, reason: str, status: RunStatus = RunStatus.FAILED) -> bool:
    """End a run that no job has begun; says whether there was one to end."""
    run = get_run(repo, run_id)
    if run.live or run.status is not RunStatus.SCHEDULED:
        return False
    ended = replace(
        run, status=status, error=redacted_text("error", reason), end_ms=time.time_ns() // 1_000_000
    )
    write_record(repo, ended, status.value)
    return True


def _inside(repo: Repo) -> str:
    """Say where in the work tree we are; empty at its top, or outside of it."""
    top, here = repo.git.work_tree, Path.cwd()
    if top is None or not here.is_relative_to(top) or here == top:
        return ""
    return here.relative_to(top).as_posix()


def check_request(repo: Repo, request: LaunchRequest, *, needs_code: bool) -> None:
    """Refuse what can't be scheduled; `schedule` does that too.

    Raises:
        SecretInJobError: The command can't be recorded as it is.
        UsageError: There is no command, or no code is to be kept.
    """
    if not request.command or not request.command[0]:
        raise UsageError("there is no command to run", hint="gitml run python train.py")
    kinds = redact_command(request.command)[1]
    if kinds:
        raise SecretInJobError("the command line", kinds[0])
    for key, text in request.project.parameters.items() if request.project is not None else ():
        kinds = redact_value(key, text)[1] or [text for _ in text[:1] if text.startswith("[redacted")]
        if kinds:
            raise SecretInJobError(f"parameter '{key}'", kinds[0])
    base = Path.cwd()
    for pattern in request.artifacts:
        check_pattern(pattern, base)
    for rule in request.scalars:
        compile_rule(rule)
    if not needs_code:
        return
    code = request.code or repo.settings.code
    if code == "tree" or (isinstance(code, CodeState) and code.tree is not None):
        return
    raise UsageError(
        "a job needs the code in its record, and only the commit's id would be there"
        if code == "commit"
        else _NO_CODE,
        hint="gitml run --code tree ...",
    )
