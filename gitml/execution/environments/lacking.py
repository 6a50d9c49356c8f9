"""Why a program failed in an environment that was made for it: it has no gitml, or no mlflow, to log with."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from gitml.entities.project import EnvironmentSpec
from gitml.entities.run import RunStatus
from gitml.execution.environments.environment import Environment
from gitml.execution.environments.recorded import EXPLICIT, EXPORT, LOCK, PACKAGES
from gitml.tracking.history import get_run, read_output

if TYPE_CHECKING:
    from gitml.launching.request import LaunchResult
    from gitml.repo import Repo

_END = 4096  # bytes of output: the last lines
_MISSING = re.compile(rb"^ModuleNotFoundError: No module named '(gitml|mlflow)\b", re.MULTILINE)


def lacking_hint(
    repo: Repo, result: LaunchResult, environment: Environment, definition: EnvironmentSpec
) -> str | None:
    """Say what to add to the definition of an environment; None if it was not that.

    Args:
        repo: Where the run is.
        result: How it ended.
        environment: What it ran in.
        definition: What that was made of.
    """
    described = [
        environment.files[name] for name in (LOCK, PACKAGES, EXPORT, EXPLICIT) if name in environment.files
    ]
    if result.status is not RunStatus.FAILED or not described or definition.file is None:
        return None
    found = _MISSING.search(read_output(repo, get_run(repo, result.run_id))[-_END:])
    if found is None or any(_has(text, found[1]) for text in described):
        return None
    return f"add {found[1].decode()} to '{definition.file}': the environment that is made of it has none"


def _has(described: bytes, package: bytes) -> bool:
    """Whether a list of packages has one: `name==1.0`, `- name=1.0`, `# name==1.0, editable …` or a URL of it."""
    return re.search(rb"(?im)(^|/)[#\s-]*" + package + rb"\s*[-=@]", described) is not None
