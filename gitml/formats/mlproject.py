"""Read `MLproject`: what MLflow runs is run, and what is wrong is told with its line.

MLflow checks little of the file. Keys that nobody knows are passed over as it does, with a
remark; what it would only stumble over later (a type, a default, a command) is an error here.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field
from functools import partial
from pathlib import PurePosixPath
from typing import TypeVar

from gitml.entities.project import (
    DockerSpec,
    EntryPoint,
    EnvironmentKind,
    EnvironmentSpec,
    Parameter,
    ParameterType,
    Project,
)
from gitml.formats.command_template import CommandError, placeholders
from gitml.formats.parameter_text import problem_of
from gitml.formats.yaml_nodes import Node, WrittenFileError, nearest

MAX_BYTES = 1 << 18
_ENVIRONMENTS = {
    "python_env": EnvironmentKind.PYTHON,
    "conda_env": EnvironmentKind.CONDA,
    "docker_env": EnvironmentKind.DOCKER,
}
_KEYS = ("name", "entry_points", *_ENVIRONMENTS)
_UNSUPPORTED = "databricks_spark_job"
_PASSED_OVER = ("kubernetes_env", _UNSUPPORTED)  # the first is of old examples; MLflow reads it nowhere
_TYPES = {kind.value: kind for kind in ParameterType}
# Words that MLflow takes for a text of any kind.
_SYNONYMS = {
    "str": ParameterType.STRING, "text": ParameterType.STRING, "integer": ParameterType.INT,
    "double": ParameterType.FLOAT, "number": ParameterType.FLOAT, "boolean": ParameterType.BOOL,
}  # fmt: skip
_NUMBERS = (ParameterType.INT, ParameterType.FLOAT)
_PARAMETER = re.compile(r"[A-Za-z0-9_.][A-Za-z0-9_.-]*")
_VARIABLE = re.compile(r"[A-Za-z_][A-Za-z0-9_.-]*")
_Read = TypeVar("_Read")


class ProjectFileError(WrittenFileError):
    """A project's file says what is not known, or in another form."""


@dataclass(frozen=True, slots=True)
class Remark:
    """What is odd in a project's file, but keeps nothing from running.

    Attributes:
        line: Where, counted from 1; 0 if it is about all of it.
        problem: What is odd there.
        hint: What may be meant.
    """

    line: int
    problem: str
    hint: str | None = None


@dataclass(frozen=True, slots=True)
class ProjectFile:
    """What a project's file says.

    Attributes:
        project: What could be read.
        environment_line: Where its environment is named; 0 if nowhere.
        command_lines: Where the command of each entry point is.
        errors: What is wrong, by line.
        remarks: What is odd, by line.
    """

    project: Project
    environment_line: int = 0
    command_lines: Mapping[str, int] = field(default_factory=dict)
    errors: tuple[WrittenFileError, ...] = ()
    remarks: tuple[Remark, ...] = ()


def is_parameter_name(name: str) -> bool:
    """Whether a parameter can be called so: letters, digits, '_', '-', '.', with no '-' in front."""
    return len(name) <= 250 and _PARAMETER.fullmatch(name) is not None


def decode_project(data: bytes, source: str) -> ProjectFile:
    """Read a project's file, and on after an error: all of them are told at once.

    Args:
        data: What it holds.
        source: What to call it.
    """
    reader = _Reader()
    if len(data) > MAX_BYTES:
        size = f"it has {len(data):,} bytes, more than the {MAX_BYTES:,} allowed"
        return ProjectFile(Project(file=source), errors=(ProjectFileError(source, 0, size),))
    try:
        top = Node.of(data, source, ProjectFileError)
    except WrittenFileError as err:
        return ProjectFile(Project(file=source), errors=(err,))
    project = Project(file=source)
    if top is not None and not top.is_null:
        project = reader.attempt(lambda: reader.project(top, source)) or project
    reader.errors.sort(key=lambda err: err.line)
    reader.remarks.sort(key=lambda remark: remark.line)
    return ProjectFile(
        project, reader.environment_line, reader.command_lines, tuple(reader.errors), tuple(reader.remarks)
    )


class _Reader:
    """Reads on after an error, so that all of them can be told at once."""

    def __init__(self) -> None:
        self.errors: list[WrittenFileError] = []
        self.remarks: list[Remark] = []
        self.environment_line = 0
        self.command_lines: dict[str, int] = {}

    def attempt(self, read: Callable[[], _Read]) -> _Read | None:
        try:
            return read()
        except WrittenFileError as err:
            self.errors.append(err)
            return None

    def _known(
        self, node: Node, known: Collection[str], passed_over: Collection[str] = ()
    ) -> dict[str, Node]:
        """The keys that mean something; of others a remark is made, as MLflow passes over them."""
        found = node.pairs()
        for key, value in found.items():
            if key not in known and key not in passed_over:
                within = f" of '{node.key}'" if node.key else ""
                self.remarks.append(
                    Remark(value.line, f"'{key:.100}' is no key{within}", nearest(key, known))
                )
        return {key: value for key, value in found.items() if key in known and not value.is_null}

    def project(self, top: Node, source: str) -> Project:
        found = self._known(top, _KEYS, _PASSED_OVER)
        for node in (value for key, value in top.pairs().items() if key == _UNSUPPORTED):
            self.errors.append(
                node.error("jobs of Databricks are not supported", "write an entry point that starts Spark")
            )
        name = self.attempt(found["name"].text) if "name" in found else None
        entries = (self.attempt(found["entry_points"].pairs) or {}) if "entry_points" in found else {}
        points = [self.attempt(partial(self._entry, name, node)) for name, node in entries.items()]
        environment = self.attempt(lambda: self._environment(found))
        return Project(
            name=name,
            entry_points={point.name: point for point in points if point is not None},
            environment=environment or EnvironmentSpec(),
            names_environment=self.environment_line > 0,
            file=source,
        )

    def _environment(self, found: dict[str, Node]) -> EnvironmentSpec:
        named = [found[key] for key in _ENVIRONMENTS if key in found]
        if not named:
            return EnvironmentSpec()
        if len(named) > 1:
            first, second = sorted(named, key=lambda node: node.line)[:2]
            raise second.error(
                f"a project has one environment, and '{first.key}' names one already",
                f"leave out '{second.key}' or '{first.key}' (line {first.line})",
            )
        node = named[0]
        self.environment_line = node.line
        if node.key == "docker_env":
            return EnvironmentSpec(EnvironmentKind.DOCKER, docker=self._docker(node))
        return EnvironmentSpec(_ENVIRONMENTS[node.key], _inside(node))

    def _docker(self, node: Node) -> DockerSpec:
        found = self._known(node, ("image", "volumes", "environment"))
        if "image" not in found:
            raise node.error("'docker_env' lacks 'image'", "docker_env: {image: python:3.11-slim}")
        return DockerSpec(
            image=_word(found["image"]),
            volumes=tuple(_word(item) for item in found["volumes"].items()) if "volumes" in found else (),
            environment=tuple(map(_variable, found["environment"].items())) if "environment" in found else (),
        )

    def _entry(self, name: str, node: Node) -> EntryPoint:
        found = self._known(node, ("parameters", "command"))
        declared = found["parameters"].pairs() if "parameters" in found else {}
        parameters = self._parameters(declared)
        if "command" not in found:
            raise node.error(
                f"entry point '{name:.100}' lacks 'command'", "command: python train.py --alpha {alpha}"
            )
        command = found["command"]
        self.command_lines[name] = command.line
        text = command.block()
        if not text.strip():
            raise command.error("'command' is empty", "command: python train.py")
        try:
            used = placeholders(text, frozenset(declared))
        except CommandError as err:
            raise command.error(err.message, err.hint) from None
        for parameter in parameters:
            if parameter.name not in used:
                self.remarks.append(
                    Remark(
                        declared[parameter.name].line,
                        f"the command of '{name:.100}' does not use its parameter '{parameter.name}'",
                        f"write '{{{parameter.name}}}' where its value goes",
                    )
                )
        return EntryPoint(name, text, parameters)

    def _parameters(self, declared: dict[str, Node]) -> tuple[Parameter, ...]:
        read = [self.attempt(partial(self._parameter, name, value)) for name, value in declared.items()]
        return tuple(parameter for parameter in read if parameter is not None)

    def _parameter(self, name: str, node: Node) -> Parameter:
        if not is_parameter_name(name):
            raise node.error(
                f"a parameter can't be called '{name:.100}'", "names have letters, digits, '_', '-' and '.'"
            )
        if not node.is_mapping:
            return Parameter(name, _type(node))
        found = self._known(node, ("type", "default", "choices", "min", "max"))
        choices = tuple(item.block() for item in found["choices"].items()) if "choices" in found else ()
        kind = (
            _type(found["type"])
            if "type" in found
            else ParameterType.CHOICE
            if choices
            else ParameterType.STRING
        )
        if (kind is ParameterType.CHOICE) != bool(choices):
            raise node.error(
                f"'choices' and 'type: choice' go together, '{name}' has one of them",
                f"{name}: {{type: choice, choices: [one, two]}}",
            )
        for key in ("min", "max"):
            if key in found and kind not in _NUMBERS:
                raise found[key].error(
                    f"'{key}' is for numbers, and '{name}' is of type {kind.value}", "type: int or float"
                )
        least = found["min"].amount() if "min" in found else None
        most = found["max"].amount() if "max" in found else None
        if least is not None and most is not None and least > most:
            raise found["max"].error(f"'max' of '{name}' is below its 'min'")
        parameter = Parameter(name, kind, None, choices, least, most)
        if "default" not in found:
            return parameter
        return Parameter(name, kind, _default(parameter, found["default"]), choices, least, most)


def _type(node: Node) -> ParameterType:
    word = node.text()
    found = _TYPES.get(word) or _SYNONYMS.get(word.lower())
    if found is None:
        raise node.error(f"'{word:.100}' is no type of a parameter", nearest(word, tuple(_TYPES)))
    return found


def _default(parameter: Parameter, node: Node) -> str:
    """A number as it is written; true and false as MLflow hands them to programs, with Python's words."""
    text = node.block()
    if node.is_flag and parameter.type is ParameterType.STRING:
        text = str(node.flag())
    problem = problem_of(parameter, text)
    if problem is not None:
        raise node.error(
            f"the default of '{parameter.name}' {problem}",
            "for a value that is none, declare it as a string"
            if parameter.type in _NUMBERS and parameter.least is parameter.most is None
            else None,
        )
    return text


def _inside(node: Node) -> str:
    """A file's path in the project's folder, in its one spelling."""
    path = PurePosixPath(node.text())
    if path.is_absolute() or ".." in path.parts or "\\" in str(path) or not path.parts:
        raise node.error(
            f"'{node.key}' must be a file in the project's folder, not '{str(path)[:200]}'",
            f"{node.key}: {path.name or 'FILE'}",
        )
    return str(path)


def _word(node: Node) -> str:
    """A text that is handed to the engine of containers."""
    text = node.text()
    if text.startswith("-") or any(letter.isspace() for letter in text):
        raise node.error(
            f"'{text:.200}' begins with '-' or has spaces, which '{node.key}' can't", "write it without"
        )
    return text


def _variable(node: Node) -> tuple[str, str | None]:
    """`NAME`, taken from the host, or `[NAME, value]`."""
    parts = node.items() if node.is_list else [node]
    example = f"{node.key}: [FROM_HOST, [NEW, value]]"
    if node.is_list and len(parts) != 2:
        raise node.error(f"'{node.key}' has a list that is no pair of name and value", example)
    name = parts[0].text("a variable's name")
    if not _VARIABLE.fullmatch(name):
        raise node.error(f"'{name:.100}' can't be the name of a variable", example)
    return name, parts[1].block() if node.is_list else None
