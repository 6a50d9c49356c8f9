"""The `job` of run.yaml: what a job has to know beside the command, to record as was asked."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from gitml.entities.run import Run
from gitml.errors import DamagedError
from gitml.launching.request import LaunchRequest

if TYPE_CHECKING:
    from gitml.execution.opening import ProjectRequest

KEY = "job"
_LISTS = ("artifacts", "metrics", "scalars", "variables")


@dataclass(frozen=True, slots=True)
class JobFacts:
    """How a job runs its program.

    Attributes:
        backend: Where it runs.
        artifacts: Paths and patterns of files to keep.
        metrics: Files that the program writes metrics to.
        scalars: Rules that find metrics in what it prints.
        variables: Names of environment variables to record.
        auto_params: Whether to take params from the command's own arguments.
        manager: What is to make a project's environment; None: what suits it.
        container_options: Name and value of options for the container engine.
        build_image: Whether an image with the code in it is built.
        base: Where it was submitted, below the top of the code: relative paths
            among a project's values begin there.
    """

    backend: str
    artifacts: tuple[str, ...] = ()
    metrics: tuple[str, ...] = ()
    scalars: tuple[str, ...] = ()
    variables: tuple[str, ...] = ()
    auto_params: bool = True
    manager: str | None = None
    container_options: tuple[tuple[str, str], ...] = ()
    build_image: bool = False
    base: str = ""


def facts_of_request(
    request: LaunchRequest, backend: str, project: ProjectRequest | None, base: str
) -> JobFacts:
    """Take from a request what the record itself has no place for."""
    facts = JobFacts(
        backend,
        request.artifacts,
        request.metrics,
        request.scalars,
        request.recorded_variables,
        request.auto_params,
    )
    if project is None:
        return facts
    return replace(
        facts,
        manager=project.manager,
        container_options=project.container_options,
        build_image=project.build_image,
        base=base,
    )


def with_facts(run: Run, facts: JobFacts) -> Mapping[str, object]:
    """Give a run's extra keys with these facts among them; what is usual has no key."""
    written: dict[str, object] = {
        "backend": facts.backend,
        "artifacts": list(facts.artifacts) or None,
        "metrics": list(facts.metrics) or None,
        "scalars": list(facts.scalars) or None,
        "variables": list(facts.variables) or None,
        "auto_params": None if facts.auto_params else False,
        "manager": facts.manager,
        "container_options": [list(pair) for pair in facts.container_options] or None,
        "build_image": facts.build_image or None,
        "base": facts.base or None,
    }
    return {**run.extra, KEY: {key: value for key, value in written.items() if value is not None}}


def digest_of(run: Run) -> str:
    """Sum up what a job of a run executes: its command and code, and how they are used.

    A project's command is made anew where it runs, from its code and its values.
    """
    project = run.project
    what = {
        "command": list(run.command) if project is None else None,
        "tree": run.code.tree,
        "directory": run.directory,
        "entry_point": None if project is None else project.entry_point,
        "parameters": None if project is None else sorted(project.parameters.items()),
        KEY: run.extra.get(KEY),
    }
    return hashlib.sha256(json.dumps(what, sort_keys=True, default=str).encode()).hexdigest()


def facts_of_run(run: Run) -> JobFacts:
    """Read the facts of a run that was scheduled.

    Raises:
        DamagedError: There are none, or they can't be read.
    """
    found: Any = run.extra.get(KEY)
    if not isinstance(found, dict):
        raise DamagedError(
            f"run '{run.id[:8]}' was not scheduled as a job: its run.yaml has no '{KEY}'",
            hint="gitml run --backend NAME ... schedules one",
        )
    try:
        return JobFacts(
            backend=str(found["backend"]),
            auto_params=bool(found.get("auto_params", True)),
            manager=found.get("manager"),
            container_options=tuple((str(k), str(v)) for k, v in found.get("container_options", ())),
            build_image=bool(found.get("build_image", False)),
            base=str(found.get("base", "")),
            **{key: tuple(map(str, found.get(key, ()))) for key in _LISTS},
        )
    except (KeyError, TypeError, ValueError) as err:
        raise DamagedError(f"'{KEY}' of run '{run.id[:8]}' can't be read: {err}") from err
