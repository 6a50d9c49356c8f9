"""What Ray is given of a job: a line for its shell, and what it sets up around it."""

from __future__ import annotations

import shlex
from collections.abc import Mapping
from pathlib import Path
from typing import Any, cast

from gitml.errors import DamagedError
from gitml.execution.backends.contract import JobRequest
from gitml.execution.backends.options import BackendConfigError, Kind, Option
from gitml.formats import yaml

OPTIONS: Mapping[str, Option] = {
    "address": Option(
        Kind.TEXT,
        "HTTP address of the cluster's dashboard; RAY_ADDRESS or http://127.0.0.1:8265 unless given",
        pattern=r"https?://\S+",
    ),
    "grace": Option(Kind.TIME, "how long a cancelled job has to push; 60s unless given"),
    "pip": Option(Kind.TEXTS, "packages that Ray installs for the job"),
    "resources": Option(Kind.TEXTS, "custom resources: NAME=AMOUNT", pattern=r"[^=]+=[0-9]+(\.[0-9]+)?"),
    "runtime_env": Option(Kind.TEXT, "a runtime environment of Ray's in YAML or JSON"),
    "working_dir": Option(Kind.TEXT, "folder or URI that Ray lays out for the job to start in"),
}

_GRACE_S = 60
# Ray's supervisor of a job reads it where it runs, among the job's own variables.
_GRACE_VARIABLE = "RAY_JOB_STOP_WAIT_TIME_S"
# Ray sets variables in the order of their names: this one is there before all that need it.
_DOLLAR_VARIABLE = "0_GITML_DOLLAR"
_UNSET_VARIABLE = "${GITML_UNSET}"


def job_words(job: JobRequest) -> dict[str, Any]:
    """Make the arguments of Ray's `submit_job`, but for the id.

    Raises:
        BackendConfigError: The runtime environment can't be read.
    """
    asked = job.resources
    words = {
        "entrypoint": entrypoint(job),
        "runtime_env": runtime_env(job.config, job.environment),
        "metadata": {"gitml_run": job.run_id, "job_name": job.name},
        "entrypoint_num_cpus": asked.cpus,
        "entrypoint_num_gpus": asked.gpus,
        "entrypoint_memory": None if asked.memory_mib is None else asked.memory_mib * 1024**2,
        "entrypoint_resources": _custom_resources(job.config),
    }
    return {name: value for name, value in words.items() if value is not None}


def entrypoint(job: JobRequest) -> str:
    """Write the line that Ray hands to a shell: the job in place of that shell, so that signals reach it.

    Ray has no limit of time for jobs, so `timeout` keeps it on the node.
    """
    words = list(job.command)
    if job.resources.time_s is not None:
        limit = ["timeout", "--foreground", "--preserve-status", f"--kill-after={_grace_s(job.config)}"]
        words = [*limit, str(job.resources.time_s), *words]
    return f"exec {shlex.join(words)}"


def runtime_env(config: Mapping[str, object], variables: Mapping[str, str]) -> dict[str, Any]:
    """Make Ray's runtime environment: the user's file, with what the options say over it.

    Args:
        config: The checked options.
        variables: Environment variables of the job.

    Raises:
        BackendConfigError: The file can't be read.
    """
    made = _runtime_env_file(config)
    made |= {name: config[name] for name in ("pip", "working_dir") if name in config}
    theirs = made.get("env_vars") or {}
    if not isinstance(theirs, dict):
        raise BackendConfigError(f"'env_vars' of '{config['runtime_env']}' are no names and texts")
    made["env_vars"] = {_GRACE_VARIABLE: str(_grace_s(config)), **theirs, **_as_they_are(variables)}
    return made


def _as_they_are(variables: Mapping[str, str]) -> dict[str, str]:
    """Write values so that they arrive unchanged.

    Ray reads `$NAME` and `${NAME}` in them once, and then drops each `${NAME}` that is
    left. So a dollar sign is asked for by name, and followed by one to be dropped.
    """
    if not any("$" in value for value in variables.values()):
        return dict(variables)
    dollar = f"$${_UNSET_VARIABLE}{_UNSET_VARIABLE.removeprefix('$')}"  # arrives as `$${GITML_UNSET}`
    values = {name: value.replace("$", f"${{{_DOLLAR_VARIABLE}}}") for name, value in variables.items()}
    return {_DOLLAR_VARIABLE: dollar, **values}


def _runtime_env_file(config: Mapping[str, object]) -> dict[str, Any]:
    path = config.get("runtime_env")
    if path is None:
        return {}
    try:
        return dict(yaml.load_mapping(Path(str(path)).read_bytes(), source=str(path)))
    except OSError as err:
        raise BackendConfigError(
            f"the runtime environment '{path}' can't be read: {(err.strerror or str(err)).lower()}"
        ) from err
    except DamagedError as err:
        raise BackendConfigError(err.message) from err


def _custom_resources(config: Mapping[str, object]) -> dict[str, float] | None:
    found = {}
    for text in cast("list[str]", config.get("resources", [])):
        name, _, amount = text.partition("=")
        found[name] = float(amount)
    return found or None


def _grace_s(config: Mapping[str, object]) -> object:
    return config.get("grace", _GRACE_S)
