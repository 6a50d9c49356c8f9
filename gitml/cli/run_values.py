"""What options of `gitml run` mean."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from gitml.errors import UsageError

if TYPE_CHECKING:
    from gitml.config import CodeMode
    from gitml.entities.run import ParamValue
    from gitml.launching.request import LaunchRequest
    from gitml.repo import Repo


def read_tags(texts: list[str]) -> dict[str, str]:
    """Read `--tag KEY=VALUE`.

    Raises:
        UsageError: One is something else.
    """
    tags = {}
    for text in texts:
        key, equals, value = text.partition("=")
        if not equals or not key:
            raise UsageError(f"--tag '{text}' is not KEY=VALUE", hint="gitml run --tag team=vision ...")
        tags[key] = value
    return tags


def read_params(texts: list[str]) -> dict[str, ParamValue]:
    """Read `--param KEY=VALUE`; a mapping is a param for each of its values.

    Raises:
        UsageError: One is something else, or two contradict each other.
    """
    from gitml.launching.arguments import parse_param

    params: dict[str, ParamValue] = {}
    for text in texts:
        try:
            given = parse_param(text)
        except ValueError:
            raise UsageError(f"--param '{text}' is not KEY=VALUE", hint="gitml run -P lr=0.1 ...") from None
        for key, value in given.items():
            if key in params and params[key] != value:
                raise UsageError(f"--param '{key}' is given twice with different values", hint="give it once")
            params[key] = value
    return params


def read_parameters(texts: list[str]) -> dict[str, str]:
    """Read `-P KEY=VALUE` of a project, whose values are texts.

    Raises:
        UsageError: One is something else, or one name is there twice.
    """
    parameters: dict[str, str] = {}
    for text in texts:
        key, equals, value = text.partition("=")
        if not equals or not key.strip():
            raise UsageError(f"-P '{text}' is not KEY=VALUE", hint="gitml run . -P lr=0.1")
        if key.strip() in parameters:
            raise UsageError(f"parameter '{key.strip()}' is given twice", hint="give it once")
        parameters[key.strip()] = value
    return parameters


def read_variables(names: list[str]) -> tuple[str, ...]:
    """Read `--env NAME`.

    Raises:
        UsageError: One has a value.
    """
    for name in names:
        variable, equals, _ = name.partition("=")
        if equals or not name:
            raise UsageError(  # the value may be a secret
                f"--env '{variable}{'=…' if equals else ''}' is no name of an environment variable",
                hint=f"--env takes a name, and the variable's value is recorded: --env {variable or 'OMP_NUM_THREADS'}",
            )
    return tuple(names)


def read_code_mode(code: str | None, *, no_code: bool) -> CodeMode | None:
    """Read `--code MODE` and `--no-code`.

    Raises:
        UsageError: There is no such mode, or they contradict each other.
    """
    if no_code:
        if code not in (None, "off"):
            raise UsageError(f"--no-code and --code {code} contradict each other", hint="give one of them")
        return "off"
    for mode in ("tree", "commit", "off"):
        if code == mode:
            return mode
    if code is not None:
        raise UsageError(
            f"--code '{code}' is not one of tree, commit, off", hint="gitml run --code commit ..."
        )
    return None


def with_choices(repo: Repo, request: LaunchRequest, experiment_id: str | None) -> LaunchRequest:
    """Find what a request names: the experiment of an id, and the run to go on with.

    Raises:
        UsageError: Another experiment is named there.
        NotFoundError: There is no such experiment or run.
    """
    if request.run_id is not None:
        from gitml.tracking.resolve import resolve_run

        request = replace(request, run_id=resolve_run(repo, request.run_id).id)
    if experiment_id is None:
        return request
    from gitml.tracking.experiments import get_experiment

    name = get_experiment(repo, experiment_id).name
    if request.experiment not in (None, name):
        raise UsageError(
            f"experiment {experiment_id} is '{name}', not '{request.experiment}'", hint="give one of them"
        )
    return replace(request, experiment=name)
