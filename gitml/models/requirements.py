"""What a model needs to be installed: given by its maker, or seen when it is loaded once more.

Which modules a model imports can't be told from its class. So a fresh Python loads what was saved, and
says which distributions that took; `imports` is what runs there.
"""

from __future__ import annotations

import importlib.metadata
import json
import os
import re
import subprocess
import sys
import warnings
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from gitml.errors import NotFoundError, UsageError

TIMEOUT_S = 120.0
_OWN = ("GITML_RUN_ID", "MLFLOW_RUN_ID", "GITML_REPO")
_SCRIPT = "import sys; sys.path[:0] = sys.argv[1:2]; from gitml.models.imports import main; main()"
_NAME = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9._-]*[A-Za-z0-9])?")
_LOADED_BY = ("gitml", "mlflow", "mlflow-skinny")  # each of them loads what another one saved
_seen: dict[tuple[object, ...], Imports] = {}


class RequirementsWarning(UserWarning):
    """The requirements of a model may not be all that it needs."""


@dataclass(frozen=True, slots=True)
class Given:
    """What the maker of a model said that it needs.

    Attributes:
        requirements: All requirements, a line each; None: what is seen.
        extra: More, besides those.
        constraints: Constraints on versions, a line each.
        conda: The content of `conda.yaml`, if that was given.
    """

    requirements: tuple[str, ...] | None = None
    extra: tuple[str, ...] = ()
    constraints: tuple[str, ...] = ()
    conda: bytes | None = None


@dataclass(frozen=True, slots=True)
class Imports:
    """What loading a model took.

    Attributes:
        requirements: `distribution==version` a line.
        local: Modules that are in no distribution, which the model does not bring along, and where they are.
        problem: Why it could not be loaded, if it couldn't.
    """

    requirements: tuple[str, ...] = ()
    local: Mapping[str, str] = field(default_factory=dict)
    problem: str = ""


# Given


def read_given(
    pip_requirements: str | Path | Sequence[str] | None,
    extra_pip_requirements: str | Path | Sequence[str] | None,
    conda_env: Mapping[str, Any] | str | Path | None,
) -> Given:
    """Read what `save_model` is told of the environment.

    Args:
        pip_requirements: A list of requirements, which may have `-r FILE` and `-c FILE`; or a file of them.
        extra_pip_requirements: More, besides those that are seen.
        conda_env: The content of a `conda.yaml`, or the file.

    Raises:
        UsageError: More than one of them says all, or one is something else.
        NotFoundError: A file is not there.
    """
    given = [value is not None for value in (pip_requirements, extra_pip_requirements, conda_env)]
    if sum(given) > 1:
        raise UsageError(
            "give one of 'conda_env', 'pip_requirements' and 'extra_pip_requirements'",
            hint="pip_requirements are all that it needs, extra_pip_requirements come to those that are seen",
        )
    if conda_env is not None:
        return _from_conda(conda_env)
    lines, constraints = _lines(pip_requirements if pip_requirements is not None else extra_pip_requirements)
    if pip_requirements is not None:
        return Given(requirements=tuple(lines), constraints=tuple(constraints))
    return Given(extra=tuple(lines), constraints=tuple(constraints))


def _lines(given: Any) -> tuple[list[str], list[str]]:
    if given is None:
        return [], []
    if isinstance(given, str | Path):
        return _file_lines(Path(given), Path(), 0)
    if not isinstance(given, Sequence) or not all(isinstance(line, str) for line in given):
        raise UsageError("requirements are a list of texts, or a file", hint="pip_requirements=['numpy>=2']")
    return _read_lines(list(given), Path(), 0)


def _file_lines(path: Path, base: Path, depth: int) -> tuple[list[str], list[str]]:
    place = base / path
    if depth > 10:
        raise UsageError(f"'{place}' includes files that include it")
    try:
        text = place.read_text(encoding="utf-8")
    except OSError as err:
        raise NotFoundError(f"the requirements '{place}' can't be read: {err.strerror}") from err
    return _read_lines(text.replace("\\\n", " ").splitlines(), place.parent, depth + 1)


def _read_lines(lines: Sequence[str], base: Path, depth: int) -> tuple[list[str], list[str]]:
    requirements: list[str] = []
    constraints: list[str] = []
    for line in lines:
        text = re.sub(r"(^|\s)#.*$", "", line).strip()
        option, _, rest = (
            text.replace("=", " ", 1).partition(" ") if text.startswith("--") else text.partition(" ")
        )
        if option in ("-r", "--requirement"):
            more, limits = _file_lines(Path(rest.strip()), base, depth)
            requirements += more
            constraints += limits
        elif option in ("-c", "--constraint"):
            more, limits = _file_lines(Path(rest.strip()), base, depth)
            constraints += [*more, *limits]
        elif text:
            requirements.append(text)
    return list(dict.fromkeys(requirements)), list(dict.fromkeys(constraints))


def _from_conda(conda_env: Mapping[str, Any] | str | Path) -> Given:
    from gitml.execution.environments.conda_file import read_conda_file
    from gitml.formats import yaml

    if isinstance(conda_env, str | Path):
        try:
            data = Path(conda_env).read_bytes()
        except OSError as err:
            raise NotFoundError(f"the environment '{conda_env}' can't be read: {err.strerror}") from err
    elif isinstance(conda_env, Mapping):
        data = yaml.dump_mapping(conda_env).encode()
    else:
        raise UsageError(f"'conda_env' is a mapping or a file, not {type(conda_env).__name__}")
    found = read_conda_file(data, "conda_env")
    return Given(requirements=tuple(line for _, line in found.pip), conda=data)


# Seen


class Watch:
    """A Python that loads a saved model, beside what else there is to do."""

    def __init__(self, folder: Path, flavor: str, *, example: bool, key: tuple[object, ...] | None) -> None:
        """Start it.

        Args:
            folder: The model, with its `MLmodel` file.
            flavor: Which flavor loads it.
            example: Whether it also predicts the model's example.
            key: What models have in common that import the same; None: nothing is known about that.
        """
        self._key = key
        self._process: subprocess.Popen[bytes] | None = None
        if key is not None and key in _seen:
            return
        environment = {name: value for name, value in os.environ.items() if name not in _OWN}
        self._process = subprocess.Popen(
            [sys.executable, "-c", _SCRIPT, _home()],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, env=environment,
        )  # fmt: skip
        request = {"folder": str(folder), "flavor": flavor, "example": example, "path": sys.path}
        with suppress(BrokenPipeError):  # it ended at once; `result` tells
            self._process.stdin.write(json.dumps(request).encode())  # type: ignore[union-attr]
            self._process.stdin.close()  # type: ignore[union-attr]
        self._process.stdin = None

    def result(self) -> Imports:
        """Wait for what it saw."""
        if self._process is None:
            return _seen[self._key or ()]
        try:
            out, _ = self._process.communicate(timeout=TIMEOUT_S)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.communicate()
            return Imports(problem=f"it took more than {TIMEOUT_S:.0f} s")
        try:
            told = json.loads(out)
        except ValueError:
            return Imports(problem=f"it ended with {self._process.returncode}")
        found = Imports(tuple(told["requirements"]), told["local"], told["problem"])
        if self._key is not None and not found.problem:
            _seen[self._key] = found
        return found

    def stop(self) -> None:
        """End it, if it still runs."""
        if self._process is not None and self._process.poll() is None:
            self._process.kill()
            self._process.communicate()


def _home() -> str:
    """The folder that this gitml is imported from."""
    return str(Path(__file__).resolve().parents[2])


def requirements_of(given: Given, seen: Imports | None, packages: Sequence[str]) -> list[str]:
    """Put together what a model needs, a line each.

    Args:
        given: What its maker said.
        seen: What loading it took; None if nobody looked.
        packages: Distributions that it needs in any case.
    """
    if given.requirements is not None:
        return list(given.requirements)
    if seen is not None and seen.problem:
        warnings.warn(
            f"what the model imports could not be seen, for it could not be loaded again: {seen.problem}; "
            f"its requirements are {', '.join(packages) or 'none'}: give pip_requirements=[…]",
            RequirementsWarning,
            stacklevel=5,
        )
    if seen is not None and seen.local:
        warnings.warn(
            f"the model needs {', '.join(seen.local)}, which no package brings: give code_paths=[…]",
            RequirementsWarning,
            stacklevel=5,
        )
    found = {requirement_name(line): line for line in map(pinned, packages)}
    found |= {requirement_name(line): line for line in (seen.requirements if seen else ())}
    found |= {requirement_name(line) or line: line for line in given.extra}
    return [found[name] for name in sorted(found)]


def pinned(distribution: str) -> str:
    """Name a distribution with the version that is installed; without one if it isn't.

    Example:
        >>> pinned("no-such-distribution")
        'no-such-distribution'
    """
    try:
        version = importlib.metadata.version(distribution)
    except importlib.metadata.PackageNotFoundError:
        return distribution
    return f"{distribution}=={version.partition('+')[0]}"  # what follows '+' is of a build, not on an index


def requirement_name(line: str) -> str:
    """Read the name that a requirement begins with, in its normal form; empty if it begins otherwise.

    Example:
        >>> requirement_name("Scikit_Learn[x]>=1.4")
        'scikit-learn'
    """
    found = _NAME.match(line)
    return re.sub(r"[-_.]+", "-", found[0]).lower() if found else ""


def mismatches(lines: Sequence[str]) -> list[str]:
    """Compare pinned requirements with what is installed, in sentences."""
    told = []
    for line in lines:
        name, mark, wanted = line.partition("==")
        if (
            requirement_name(name) in _LOADED_BY
            or not mark
            or not re.fullmatch(r"[A-Za-z0-9._-]+", name)
            or not re.fullmatch(r"[0-9A-Za-z.!+]+", wanted)
        ):
            continue
        try:
            here = importlib.metadata.version(name).partition("+")[0]
        except importlib.metadata.PackageNotFoundError:
            told.append(f"{name} {wanted} is not installed")
            continue
        if here != wanted:
            told.append(f"{name} is {here}, and was {wanted}")
    return told
