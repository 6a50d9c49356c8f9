"""What Slurm is given: the words for `sbatch`, and the script that it reads from there.

Options are words of their own, so that no value is ever read by a shell or by
Slurm's reader of `#SBATCH` lines. In the script every value is quoted; only the
`setup` lines stand there as the user wrote them in their own configuration.
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Mapping, Sequence
from typing import cast

from gitml.execution.backends.contract import JobRequest, Resources
from gitml.execution.backends.options import Kind, Option

_WORD = r"[\w.:,+@=/%\[\]\-*|&()!^]+"
_LOG_MARKS = "Aajx"

# Options that sbatch knows by the same name (with '-' for '_'), and takes as they are.
PASSED: Mapping[str, Option] = {
    "account": Option(Kind.TEXT, "account to charge", _WORD),
    "begin": Option(Kind.TEXT, "not before this time", r"[\w:+\- /]+"),
    "chdir": Option(Kind.TEXT, "folder that the script starts in"),
    "comment": Option(Kind.TEXT, "a comment for the accounting"),
    "constraint": Option(Kind.TEXT, "features of nodes", _WORD),
    "dependency": Option(Kind.TEXT, "jobs to wait for: afterok:123", r"[\w:,?+]+"),
    "exclude": Option(Kind.TEXT, "nodes to avoid", _WORD),
    "export": Option(Kind.TEXT, "variables to pass on: NONE, ALL or names", r"[\w,]+"),
    "gres": Option(Kind.TEXT, "generic resources: gpu:a100:2", _WORD),
    "hint": Option(Kind.TEXT, "how to bind", _WORD),
    "licenses": Option(Kind.TEXT, "licences to hold", _WORD),
    "mail_type": Option(Kind.TEXT, "when to send mail: END,FAIL", r"[\w,]+"),
    "mail_user": Option(Kind.TEXT, "whom to send mail", r"[\w.+@\-]+"),
    "mem_per_cpu": Option(Kind.TEXT, "memory for each processor: 4G", r"[0-9]+[KMGT]?"),
    "mem_per_gpu": Option(Kind.TEXT, "memory for each accelerator", r"[0-9]+[KMGT]?"),
    "nice": Option(Kind.TEXT, "how much to give way", r"-?[0-9]+"),
    "nodelist": Option(Kind.TEXT, "nodes to use", _WORD),
    "nodes": Option(Kind.TEXT, "how many nodes", r"[0-9]+(-[0-9]+)?"),
    "partition": Option(Kind.TEXT, "partition, or several with commas", _WORD),
    "prefer": Option(Kind.TEXT, "features that would be liked", _WORD),
    "qos": Option(Kind.TEXT, "quality of service", _WORD),
    "reservation": Option(Kind.TEXT, "reservation to use", _WORD),
    "tmp": Option(Kind.TEXT, "scratch space on the node: 10G", r"[0-9]+[KMGT]?"),
    "wckey": Option(Kind.TEXT, "key for the accounting", _WORD),
}  # fmt: skip

OPTIONS: Mapping[str, Option] = {
    **PASSED,
    "array_limit": Option(Kind.INTEGER, "how many jobs of an array run at a time"),
    "exclusive": Option(Kind.FLAG, "whole nodes"),
    "grace": Option(Kind.TIME, "time between the warning and the end, to push in; 60s if not given"),
    "output": Option(Kind.TEXT, "path of the log, with %j, %A, %a, %x as Slurm has them"),
    "requeue": Option(Kind.FLAG, "go on in a new job after preemption; as the cluster does if not given"),
    "scratch": Option(Kind.TEXT, "folder on the node for the job's clone"),
    "setup": Option(Kind.TEXTS, "shell lines before gitml, as they are: module load cuda"),
}

DEFAULT_OUTPUT = "~/gitml-%j.log"
DEFAULT_GRACE_S = 60


def sbatch_words(jobs: Sequence[JobRequest], output: str) -> list[str]:
    """Make the words that follow `sbatch` for one job, or for an array of several.

    Args:
        jobs: Jobs of one config.
        output: Path of the log, as `log_path` reads it.
    """
    first = jobs[0]
    config = first.config
    words = ["--parsable", f"--job-name={_job_name(first.name)}", f"--output={output}", "--open-mode=append"]
    words += _resource_words(first.resources)
    words += [f"--{name.replace('_', '-')}={config[name]}" for name in PASSED if name in config]
    words += [f"--signal=B:TERM@{config.get('grace', DEFAULT_GRACE_S)}"]
    if "requeue" in config:
        words.append("--requeue" if config["requeue"] else "--no-requeue")
    if config.get("exclusive"):
        words.append("--exclusive")
    if len(jobs) > 1:
        limit = config.get("array_limit")
        words.append(f"--array=0-{len(jobs) - 1}" + (f"%{limit}" if limit else ""))
    return words


def _resource_words(resources: Resources) -> list[str]:
    words = []
    if resources.cpus is not None:
        words.append(f"--cpus-per-task={resources.cpus}")
    if resources.gpus is not None:
        words.append(f"--gpus={resources.gpus}")
    if resources.memory_mib is not None:
        words.append(f"--mem={resources.memory_mib}M")
    if resources.time_s is not None:
        words.append(f"--time={-(-resources.time_s // 60)}")
    return words


def batch_script(jobs: Sequence[JobRequest]) -> str:
    """Write the script: the user's set-up lines, then the job in place of the shell.

    In its place, so that the signal of a preemption reaches gitml itself.
    """
    setup = cast("list[str]", jobs[0].config.get("setup", []))
    lines = ["#!/bin/bash", *setup]
    if len(jobs) == 1:
        return "\n".join([*lines, *_job_lines(jobs[0]), ""])
    lines.append('case "$SLURM_ARRAY_TASK_ID" in')
    for number, job in enumerate(jobs):
        lines += [f"{number})", *_job_lines(job), ";;"]
    return "\n".join([*lines, "esac", ""])


def _job_lines(job: JobRequest) -> list[str]:
    command = list(job.command)
    scratch = job.config.get("scratch")
    if scratch is not None:
        command += ["--folder", str(scratch)]
    return [
        *(f"export {name}={shlex.quote(value)}" for name, value in job.environment.items()),
        "exec " + " ".join(map(shlex.quote, command)),
    ]


def log_path(output: str, job_id: str, name: str) -> str:
    """Say where Slurm writes the log of a job.

    Args:
        output: The pattern that it was given; only the marks that this knows are allowed.
        job_id: `123`, or `123_4` of an array.
        name: The job's name.
    """
    array, _, task = job_id.partition("_")
    values = {"A": array, "a": task or "4294967294", "j": job_id, "x": _job_name(name), "%": "%"}
    return re.sub(r"%(.)", lambda match: values[match[1]], output)


def output_pattern(text: str, home: str, *, is_array: bool) -> str:
    """Make the pattern that Slurm is given for the log.

    Raises:
        ValueError: It has a mark that would not be found again.
    """
    for mark in re.findall(r"%(.?)", text.replace("%%", "")):
        if mark not in tuple(_LOG_MARKS):
            raise ValueError(f"it can have %j, %A, %a and %x, not %{mark}")
    path = home + text[1:] if text.startswith("~/") else text
    # `%j` of an array's job is a number that nobody else is told.
    return re.sub(r"(?<!%)((?:%%)*)%j", r"\1%A_%a", path) if is_array else path


def _job_name(name: str) -> str:
    """Make a name that shows in Slurm's listings, and is safe in the path of a log."""
    return re.sub(r"[^\w.+\-]+", "-", name, flags=re.ASCII).strip("-")[:100] or "gitml"
