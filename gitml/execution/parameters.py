"""From what is declared and what is given to values, and from values to what a command gets."""

from __future__ import annotations

import os
import re
import shlex
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import unquote

from gitml.entities.project import EntryPoint, Parameter, ParameterType
from gitml.errors import UsageError
from gitml.execution.commands import check_key
from gitml.formats.parameter_text import problem_of
from gitml.progress import ShowProgress, no_progress
from gitml.tracking.secrets import strip_url_credentials

if TYPE_CHECKING:
    from gitml.repo import Repo

_URI = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*://|(?:runs|models):/|file:", re.IGNORECASE)


class MissingParametersError(UsageError):
    """Parameters without a default were not given.

    Attributes:
        missing: The parameters.
    """

    def __init__(self, entry: EntryPoint, missing: tuple[Parameter, ...]) -> None:
        names = ", ".join(f"'{parameter.name}' ({parameter.type.value})" for parameter in missing)
        one = "parameter" if len(missing) == 1 else "parameters"
        super().__init__(
            f"'{entry.name}' needs a value of the {one} {names}",
            hint="add " + " ".join(f"-P {parameter.name}=…" for parameter in missing),
        )
        self.missing = missing


class ParameterValueError(UsageError):
    """A value is none of a parameter's type, or out of its range."""

    def __init__(self, parameter: Parameter, text: str, problem: str) -> None:
        shown = strip_url_credentials(text)[:200]
        super().__init__(
            f"parameter '{parameter.name}' {problem}; given was {shown!r}",
            hint=f"-P {parameter.name}={_example(parameter)}",
        )
        self.parameter = parameter
        self.text = text


def missing_parameters(entry: EntryPoint, given: Mapping[str, str]) -> tuple[Parameter, ...]:
    """List the parameters that have no default and are not given: what to ask for by name."""
    return tuple(
        parameter
        for parameter in entry.parameters
        if parameter.default is None and parameter.name not in given
    )


def check_value(parameter: Parameter, text: str, base: Path) -> None:
    """Accept a value of a parameter.

    Args:
        parameter: What it is for.
        text: The value.
        base: Where relative paths begin.

    Raises:
        ParameterValueError: It is not of the parameter's type, out of its range, or a path of this machine
            where nothing is.
    """
    problem = problem_of(parameter, text)
    if problem is None and parameter.type is ParameterType.PATH:
        path = local_path(text, base)
        if path is not None and not os.path.exists(path):
            problem = f"must be a file or folder that is there; there is no '{path}'"
    if problem is not None:
        raise ParameterValueError(parameter, text, problem)


def resolve_parameters(
    entry: EntryPoint, given: Mapping[str, str], *, base: Path, folder: Path | None = None
) -> dict[str, str]:
    """Give the texts of all values: what is declared in its order, then the rest in the order given.

    Args:
        entry: What declares parameters.
        given: Values by name, undeclared ones among them.
        base: Where relative paths begin.
        folder: Where those of defaults begin: the project's folder; None: as all.

    Raises:
        InvalidNameError: A name can't be that of a parameter.
        MissingParametersError: Some must be given; all of them are named.
        ParameterValueError: A value is not what its parameter takes.
    """
    for key, text in given.items():
        check_key(key)
        if entry.parameter(key) is None:
            check_value(Parameter(key), text, base)
    missing = missing_parameters(entry, given)
    if missing:
        raise MissingParametersError(entry, missing)
    values: dict[str, str] = {}
    for parameter in entry.parameters:
        text = given.get(parameter.name, parameter.default or "")
        check_value(parameter, text, base if parameter.name in given else folder or base)
        values[parameter.name] = text
    return values | {key: text for key, text in given.items() if key not in values}


def materialize(
    entry: EntryPoint, values: Mapping[str, str], *, base: Mapping[str, Path] | Path, storage: Path,
    repo: Repo | None = None, progress: ShowProgress = no_progress, fetch: bool = True,
) -> dict[str, str]:  # fmt: skip
    """Give what a command really gets: paths are absolute, and what is elsewhere is downloaded.

    Args:
        entry: What declares parameters.
        values: As `resolve_parameters` gave them.
        base: Where relative paths begin: one folder, or one for each parameter.
        storage: Where downloads go, each once; made if needed.
        repo: Where `runs:/…` and `models:/…` are looked up, and whose settings stores are opened by.
        progress: Shows how far downloads are.
        fetch: Whether what is elsewhere is downloaded; otherwise it stays as it is written.

    Raises:
        ParameterValueError: A path leads nowhere.
        UsageError: A URI is of a kind that can't be downloaded.
        NotFoundError: There is nothing at a URI.
        RemoteError: It can't be reached.
    """
    found = dict(values)
    for parameter in entry.parameters:
        if parameter.type is not ParameterType.PATH or parameter.name not in values:
            continue
        text = values[parameter.name]
        start = base if isinstance(base, Path) else base[parameter.name]
        path = local_path(text, start)
        if path is None:
            if not fetch:
                continue
            from gitml.execution.downloads import download_once

            path = download_once(text, storage, repo=repo, progress=progress)
        else:
            check_value(parameter, text, start)
        found[parameter.name] = str(path.absolute())
    return found


def local_path(text: str, base: Path) -> Path | None:
    """Tell which path of this machine a value is, None if it is elsewhere."""
    if text.lower().startswith("file:"):
        rest = text[len("file:") :]
        host, slash, path = rest[2:].partition("/") if rest.startswith("//") else ("", "", rest)
        if host not in ("", "localhost"):
            raise UsageError(f"'{text[:200]}' names the machine '{host}'", hint="write file:///FOLDER/FILE")
        return base / unquote(slash + path)
    if _URI.match(text):
        return None
    return Path(os.path.normpath(base / text))


def _example(parameter: Parameter) -> str:
    if parameter.choices:
        return shlex.quote(parameter.choices[0])
    if parameter.default is not None:
        return shlex.quote(parameter.default)
    return {ParameterType.INT: "3", ParameterType.FLOAT: "0.1", ParameterType.BOOL: "true"}.get(
        parameter.type, "…"
    )
