"""The `slurm` backend, by Slurm's own commands."""

from __future__ import annotations

import os
import re
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from gitml.execution.backends.contract import BackendError, JobHandle, JobRequest, JobState, JobStatus
from gitml.execution.backends.local import follow_file
from gitml.execution.backends.options import BackendConfigError, Option
from gitml.execution.backends.slurm_script import (
    DEFAULT_OUTPUT,
    OPTIONS,
    batch_script,
    log_path,
    output_pattern,
    sbatch_words,
)

_NAME = "slurm"
_LOG = "log"  # of the config that is written down: where the log is
_FOLLOW_S = 1.0
_TIMEOUT_S = 60
_WHOLE_LISTS = {"SLURM_BITSTR_LEN": "0"}  # else the waiting jobs of an array are named up to a length
_RANGE = re.compile(r"([0-9]+)(?:-([0-9]+))?")
_ARRAY_SIZE = re.compile(r"^MaxArraySize\s*=\s*([0-9]+)", re.MULTILINE)
_ID = re.compile(r"[0-9]+(_[0-9]+)?")

_STATES = {
    "PENDING": JobState.PENDING,
    "CONFIGURING": JobState.PENDING,
    "REQUEUED": JobState.PENDING,
    "REQUEUE_HOLD": JobState.PENDING,
    "REQUEUE_FED": JobState.PENDING,
    "SPECIAL_EXIT": JobState.PENDING,
    "RESV_DEL_HOLD": JobState.PENDING,
    "RUNNING": JobState.RUNNING,
    "COMPLETING": JobState.RUNNING,
    "SUSPENDED": JobState.RUNNING,
    "STOPPED": JobState.RUNNING,
    "SIGNALING": JobState.RUNNING,
    "STAGE_OUT": JobState.RUNNING,
    "RESIZING": JobState.RUNNING,
    "COMPLETED": JobState.FINISHED,
    "CANCELLED": JobState.CANCELLED,
    "REVOKED": JobState.CANCELLED,
}  # all others are ways to fail


class SlurmMissingError(BackendError):
    """Slurm's commands are not on this machine."""

    def __init__(self, program: str) -> None:
        super().__init__(
            _NAME,
            f"'{program}' was not found on PATH",
            hint="submit from a login node of the cluster, or install its client commands",
        )


class SlurmBackend:
    """Runs jobs on a cluster of Slurm, submitted from a machine that has its commands."""

    name = _NAME
    options: Mapping[str, Option] = OPTIONS
    own_clone = True
    program: tuple[str, ...] = ()  # the Python that runs us: home folders of clusters are shared as a rule

    def check(self, config: Mapping[str, object]) -> None:
        """Take any options: they do not depend on each other."""

    def submit(self, job: JobRequest) -> str:
        """Submit one job; see `Backend`."""
        return self._submit([job])

    def submit_many(self, jobs: Sequence[JobRequest]) -> list[str]:
        """Submit jobs as one array, or several where they are more than one may have; see `ArrayBackend`."""
        size = _array_size()
        limit = jobs[0].config.get("array_limit")
        if len(jobs) > size and limit:
            raise BackendError(
                _NAME,
                f"an array has at most {size} jobs, so of {len(jobs)} it can't keep all but {limit} waiting",
                hint="leave the limit out, or submit fewer",
            )
        ids: list[str] = []
        try:
            for start in range(0, len(jobs), size):
                part = jobs[start : start + size]
                job_id = self._submit(part)
                ids += [f"{job_id}_{number}" for number in range(len(part))] if len(part) > 1 else [job_id]
        except BaseException:
            if ids:
                _run(["scancel", *ids])
            raise
        return ids

    def _submit(self, jobs: Sequence[JobRequest]) -> str:
        pattern = _pattern(jobs[0].config, is_array=len(jobs) > 1)
        words = ["sbatch", *sbatch_words(jobs, pattern)]
        status, out, err = _run(words, batch_script(jobs))
        job_id = out.strip().partition(";")[0]  # `;cluster` follows where there are several
        if status != 0 or not _ID.fullmatch(job_id):
            raise BackendError(_NAME, f"it does not take the job: {_said(err or out)}")
        return job_id

    def status(self, job: JobHandle) -> JobStatus:
        """Ask the controller, and of a job that it has forgotten the accounting, where there is one."""
        job_id = _checked(job.id)
        status, out, err = _run(["scontrol", "--oneliner", "show", "job", job_id])
        if status == 0:
            return _from_scontrol(out, job_id)
        if "invalid job id" not in err.lower():
            raise BackendError(_NAME, f"it can't be asked: {_said(err)}")
        words = ["sacct", "--noheader", "--parsable2", "--allocations", "--format=State,ExitCode"]
        status, out, err = _run([*words, f"--jobs={job_id}"])
        lines = out.splitlines()
        if status == 0 and lines:
            state, _, code = lines[-1].partition("|")
            return _status(state, code, None)
        why = "its accounting has it no more" if status == 0 else "there is no accounting"
        return JobStatus(JobState.UNKNOWN, None, f"Slurm has forgotten it, and {why}")

    def status_many(self, jobs: Sequence[JobHandle]) -> list[JobStatus]:
        """Ask once for each array; see `BulkBackend`."""
        arrays = dict.fromkeys(_checked(job.id).partition("_")[0] for job in jobs if "_" in job.id)
        known: dict[str, JobStatus] = {}
        for array in arrays:
            status, out, err = _run(["scontrol", "--oneliner", "show", "job", array])
            if status == 0:
                known |= _from_array(out)
            elif "invalid job id" not in err.lower():
                raise BackendError(_NAME, f"it can't be asked: {_said(err)}")
        return [known[job.id] if job.id in known else self.status(job) for job in jobs]

    def logs(self, job: JobHandle, *, follow: bool) -> Iterator[bytes]:
        """Read its log, which must be on a disk that this machine sees."""
        pattern = _pattern(job.config, is_array="_" in job.id)
        path = Path(log_path(pattern, _checked(job.id), job.name))
        return follow_file(
            path,
            _NAME,
            is_over=(lambda: self.status(job).state.is_over) if follow else lambda: True,
            pause_s=_FOLLOW_S,
        )

    def cancel(self, job: JobHandle) -> None:
        """Cancel it; Slurm sends SIGTERM, and SIGKILL after its own grace time."""
        self.cancel_many([job])

    def cancel_many(self, jobs: Sequence[JobHandle]) -> None:
        """Cancel jobs; see `BulkBackend`."""
        status, _, err = _run(["scancel", *(_checked(job.id) for job in jobs)])
        if status != 0 and "invalid job id" not in err.lower():
            raise BackendError(_NAME, f"it can't be cancelled: {_said(err)}")


def _pattern(config: Mapping[str, object], *, is_array: bool) -> str:
    text = str(config.get("output", DEFAULT_OUTPUT))
    try:
        return output_pattern(text, str(Path.home()), is_array=is_array)
    except ValueError as err:
        raise BackendConfigError(f"option 'output' {text!r:.80} of backend '{_NAME}': {err}") from None


def _array_size() -> int:
    """Ask how many jobs an array may have."""
    status, out, err = _run(["scontrol", "show", "config"])
    found = _ARRAY_SIZE.search(out)
    if status != 0 or found is None:
        raise BackendError(_NAME, f"it can't be asked: {_said(err or out)}")
    return max(1, int(found[1]))


def _run(words: Sequence[str], script: str = "") -> tuple[int, str, str]:
    """Run one of Slurm's commands; a script goes to its standard input."""
    try:
        done = subprocess.run(
            list(words),
            input=script,
            capture_output=True,
            check=False,
            text=True,
            errors="replace",
            timeout=_TIMEOUT_S,
            env={**os.environ, **_WHOLE_LISTS},
        )
    except FileNotFoundError:
        raise SlurmMissingError(words[0]) from None
    except subprocess.TimeoutExpired:
        raise BackendError(_NAME, f"'{words[0]}' did not answer within {_TIMEOUT_S} s") from None
    return done.returncode, done.stdout, done.stderr


def _from_scontrol(out: str, job_id: str) -> JobStatus:
    for facts in map(_facts, out.splitlines()):
        # Of an array whose jobs wait, one line stands for several.
        if _is_about(facts, job_id) or len(out.splitlines()) == 1:
            return _from_facts(facts)
    return JobStatus(JobState.UNKNOWN)


def _from_array(out: str) -> dict[str, JobStatus]:
    """Read all jobs of an array, by id; a line stands for one, or for several that wait."""
    found: dict[str, JobStatus] = {}
    for facts in map(_facts, out.splitlines()):
        array, tasks = facts.get("ArrayJobId"), facts.get("ArrayTaskId", "")
        for first, last in _RANGE.findall(tasks.partition("%")[0]):
            for task in range(int(first), int(last or first) + 1):
                found[f"{array}_{task}"] = _from_facts(facts)
    return found


def _facts(line: str) -> dict[str, str]:
    return dict(word.partition("=")[::2] for word in line.split())


def _from_facts(facts: Mapping[str, str]) -> JobStatus:
    reason = facts.get("Reason", "None")
    return _status(facts.get("JobState", ""), facts.get("ExitCode", ""), None if reason == "None" else reason)


def _is_about(facts: Mapping[str, str], job_id: str) -> bool:
    array, _, task = job_id.partition("_")
    if task:
        return facts.get("ArrayJobId") == array and facts.get("ArrayTaskId") == task
    return facts.get("JobId") == job_id


def _status(word: str, exit_code: str, reason: str | None) -> JobStatus:
    """Read a state such as `CANCELLED by 1000` and an exit code such as `0:15`."""
    name = word.partition(" ")[0].rstrip("+")
    state = _STATES.get(name, JobState.FAILED) if name else JobState.UNKNOWN
    if not state.is_over or state is JobState.UNKNOWN:
        return JobStatus(state, None, reason)
    code, _, number = exit_code.partition(":")
    found = None
    if code.isdigit():
        found = int(code) or (128 + int(number) if number.isdigit() and int(number) else 0)
    if state is JobState.FAILED and name != "FAILED":
        reason = name.lower().replace("_", " ")
    return JobStatus(state, found, reason)


def _checked(job_id: str) -> str:
    """Accept an id that goes into a command line."""
    if not _ID.fullmatch(job_id):
        raise BackendError(_NAME, f"'{job_id}' is no id of a job")
    return job_id


def _said(text: str) -> str:
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    return (lines[-1] if lines else "it gave no reason").removeprefix("sbatch: error: ")
