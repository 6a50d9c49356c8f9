"""Do a run again and say whether the result is the same.

The code is the recorded tree, in a fresh folder; the environment is made from
what was recorded of it. Nothing of the code runs before `confirm` was asked.
"""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from gitml.entities.run import CodeState, Run
from gitml.execution.agreement import Foreign, find_foreign
from gitml.execution.environments import Environment
from gitml.execution.reproduction.code import fetch_missing, recorded_code, source_again
from gitml.execution.reproduction.gathering import compare_runs
from gitml.execution.reproduction.inputs import (
    InputCheck,
    InputsChangedError,
    InputState,
    check_inputs,
)
from gitml.execution.reproduction.links import link_into, place_in
from gitml.execution.reproduction.planning import (
    REPRODUCES,
    Plan,
    plan_command,
    plan_project,
    refuse_unfit,
)
from gitml.execution.reproduction.surroundings import (
    EnvironmentChoice,
    Place,
    environment_again,
    recorded_variables,
)
from gitml.execution.reproduction.tolerance import Tolerances
from gitml.execution.reproduction.verdict import Comparison
from gitml.execution.sources import Source
from gitml.execution.sources.recorded import had_submodules
from gitml.formats.recording import RECORDING_FILE, Recording, decode_recording
from gitml.launching.launch import launch
from gitml.launching.request import LaunchRequest, LaunchResult
from gitml.progress import ShowProgress, no_progress
from gitml.repo import Repo
from gitml.tracking.edit import set_tags
from gitml.tracking.history import get_run, read_environment

VERDICT = "gitml.reproduction"


@dataclass(frozen=True, slots=True)
class ReproductionRequest:
    """How a run is to be done again.

    Attributes:
        changes: Parameters or arguments to change: name to text.
        environment: Which environment to do it in.
        tolerances: What metrics are held to.
        links: Paths of the work tree that the program needs and no commit has.
        allow_changed_inputs: Whether it is done although data sets changed.
        artifacts: As in `LaunchRequest`; empty: what the original was asked for.
        metrics: Likewise.
        scalars: Likewise.
        container_options: Name and value of options for the container engine,
            which are not recorded.
        recurse_submodules: Whether submodules that are not here are fetched;
            None: if the run had them.
        name: Name of the new run.
    """

    changes: Mapping[str, str] = field(default_factory=dict)
    environment: EnvironmentChoice = EnvironmentChoice.RECORDED
    tolerances: Tolerances = field(default_factory=Tolerances)
    links: tuple[str, ...] = ()
    allow_changed_inputs: bool = False
    artifacts: tuple[str, ...] = ()
    metrics: tuple[str, ...] = ()
    scalars: tuple[str, ...] = ()
    container_options: tuple[tuple[str, str], ...] = ()
    recurse_submodules: bool | None = None
    name: str | None = None


@dataclass(frozen=True, slots=True)
class Preview:
    """What is going to run, for whoever has to agree.

    Attributes:
        plan: What it is.
        foreign: What somebody else chose, None if it is one's own.
        notes: Sentences on what is not as it was.
        inputs: The data sets that the run used, looked at again.
    """

    plan: Plan
    foreign: Foreign | None
    notes: tuple[str, ...]
    inputs: tuple[InputCheck, ...]


@dataclass(frozen=True, slots=True)
class Reproduction:
    """A run that was done again.

    Attributes:
        result: How the new run ended.
        comparison: How it came out, compared with the original.
        inputs: The data sets of the original, looked at before the run.
        environment: What it ran in.
        notes: Sentences on what is not as it was.
    """

    result: LaunchResult
    comparison: Comparison
    inputs: tuple[InputCheck, ...]
    environment: Environment
    notes: tuple[str, ...]


Confirm = Callable[[Preview], None]


def reproduce(
    repo: Repo,
    original: Run,
    request: ReproductionRequest,
    *,
    environ: Mapping[str, str],
    confirm: Confirm,
    progress: ShowProgress = no_progress,
) -> Reproduction:
    """Do a run again, record that, and compare.

    The program runs on our standard streams, in a folder that is removed
    afterwards; this process's current folder changes meanwhile.

    Args:
        repo: Where the run is recorded, and the new one is going to be.
        original: The run.
        request: How.
        environ: Our environment.
        confirm: Told what is going to run; raises what forbids it.
        progress: Shows what takes long.

    Raises:
        GitmlError: It can't be done; nothing was run then, and no run is left
            behind. The failure of the program is none of these.
    """
    refuse_unfit(repo, original)
    code = recorded_code(repo, original)
    links = [place_in(repo.git.work_tree, text) for text in request.links]
    files = read_environment(repo, original)
    with (
        source_again(repo, original, code, environ=environ, progress=progress) as (source, empty),
        tempfile.TemporaryDirectory(prefix="gitml-") as storage,
    ):
        for link in links:
            link_into(source.root, link.inside, link.path)
        plan = _plan(repo, original, source, request, Path(storage))
        inputs = _checked_inputs(repo, original, source, request)
        notes = [*source.notes, *plan.notes, *_left_out(original), *_about_inputs(inputs)]
        wanted = request.recurse_submodules
        fetches = had_submodules(original) if wanted is None else wanted
        notes += [] if fetches else [one.note for one in empty]
        confirm(Preview(plan, _foreign(repo, original, code), tuple(notes), tuple(inputs)))
        if fetches:
            notes += fetch_missing(repo, original, empty, environ=environ, progress=progress)
        lent = (check.path for check in inputs if check.lent is not None and check.path is not None)
        place = Place(
            repo,
            original,
            source,
            plan.words,
            plan.project,
            (*(link.path for link in links), *plan.lent, *lent),
            environ,
            progress,
            request.container_options,
        )
        environment = environment_again(place, files, request.environment)
        variables, more = _variables(environ, files, request.environment)
        notes += (*environment.notes, *more)
        with _in_folder(source.folder):
            template = _template(original, request, variables, files)
            result = launch(repo, plan.request(environment, template), progress=progress)
    again = get_run(repo, result.run_id)
    comparison = compare_runs(repo, original, again, request.tolerances, request.changes)
    set_tags(repo, result.run_id, {VERDICT: comparison.verdict.value})
    return Reproduction(result, comparison, tuple(inputs), environment, tuple(notes))


def _foreign(repo: Repo, run: Run, code: CodeState) -> Foreign | None:
    """Say what somebody else chose: the code by its tree, as the record's word on its commit may be wrong."""
    words = run.command if run.project is None else ()  # a project's command is part of its code
    return find_foreign(repo, run, str(code.tree), *words)


def _plan(repo: Repo, run: Run, source: Source, request: ReproductionRequest, storage: Path) -> Plan:
    if run.project is None:
        return plan_command(run, source, request.changes, repo.git.work_tree)
    return plan_project(repo, run, source, request.changes, base=Path.cwd(), storage=storage)


def _variables(
    environ: Mapping[str, str], files: Mapping[str, bytes], choice: EnvironmentChoice
) -> tuple[dict[str, str], tuple[str, ...]]:
    """Give the variables that the program gets, and sentences on those that are not as they were."""
    if choice is EnvironmentChoice.CURRENT:
        return dict(environ), ()
    values, left = recorded_variables(files)
    return {**environ, **values}, tuple(f"variable {name} is not set as it was" for name in left)


def _template(
    original: Run, request: ReproductionRequest, variables: Mapping[str, str], files: Mapping[str, bytes]
) -> LaunchRequest:
    """Say how the new run is recorded: as the old one was, unless something else is asked for."""
    known, left = recorded_variables(files)
    asked = Recording()
    if RECORDING_FILE in files:
        asked = decode_recording(files[RECORDING_FILE], source=f"environment/{RECORDING_FILE}")
    given = {} if original.project is None else original.project.parameters
    return LaunchRequest(
        command=original.command,
        environment=variables,
        experiment=original.experiment,
        name=request.name,
        tags={REPRODUCES: original.id},
        params={
            name: original.params[name]
            for name in asked.params
            if name in original.params and name not in given
        },
        auto_params=asked.auto_params,
        artifacts=request.artifacts or asked.artifacts,
        metrics=request.metrics or asked.metrics,
        scalars=request.scalars or asked.scalars,
        parent=original.id,
        recorded_variables=tuple(name for name in (*known, *left) if name in variables),
    )


def _checked_inputs(repo: Repo, run: Run, source: Source, request: ReproductionRequest) -> list[InputCheck]:
    """Look at the data sets again; those that no commit has are lent to the code by links."""
    checks = check_inputs(run, source, repo.git.work_tree)
    changed = [check for check in checks if check.state is InputState.CHANGED]
    if changed and not request.allow_changed_inputs:
        raise InputsChangedError(changed)
    for check in checks:
        if check.path is None or check.lent is None or (source.root / check.lent).exists():
            continue  # one file can be two data sets
        link_into(source.root, check.lent, check.path)
    return checks


def _left_out(run: Run) -> list[str]:
    return [f"the recorded source lacks {name}" for name in run.code.left_out]


def _about_inputs(checks: Sequence[InputCheck]) -> list[str]:
    notes = []
    for check in checks:
        name = check.data.name
        if check.state is InputState.UNCHECKED:
            notes.append(f"data set '{name}' can't be checked before the run: {check.reason}")
        elif check.state is InputState.MISSING:
            notes.append(
                f"data set '{name}' is not here: {check.reason}; --link PATH lends a path of the work tree"
            )
        elif check.state is InputState.CHANGED:
            notes.append(f"data set '{name}' changed: {check.data.digest} then, {check.found} now")
    return notes


@contextmanager
def _in_folder(folder: Path) -> Iterator[None]:
    before = Path.cwd()
    os.chdir(folder)
    try:
        yield
    finally:
        os.chdir(before)
