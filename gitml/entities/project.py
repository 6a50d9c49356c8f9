"""Projects: code that says how it is run."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum

MAIN = "main"


class ParameterType(str, Enum):
    """What values a parameter takes. The first five are MLflow's."""

    STRING = "string"
    FLOAT = "float"
    INT = "int"
    PATH = "path"
    URI = "uri"
    BOOL = "bool"
    CHOICE = "choice"


@dataclass(frozen=True, slots=True)
class Parameter:
    """A parameter of an entry point.

    Attributes:
        name: Its name.
        type: What values it takes.
        default: The text used where none is given; None: one must be given.
        choices: The texts that a `choice` can be.
        least: The smallest number allowed; None: any.
        most: The greatest number allowed; None: any.
    """

    name: str
    type: ParameterType = ParameterType.STRING
    default: str | None = None
    choices: tuple[str, ...] = ()
    least: float | None = None
    most: float | None = None


@dataclass(frozen=True, slots=True)
class EntryPoint:
    """One way to run a project.

    Attributes:
        name: Its name; that of the file for one that is a script.
        command: A shell command with `{parameter}` where values go.
        parameters: What it declares, in the file's order.
    """

    name: str
    command: str
    parameters: tuple[Parameter, ...] = ()

    def parameter(self, name: str) -> Parameter | None:
        """The declared parameter of that name, if there is one."""
        return next((parameter for parameter in self.parameters if parameter.name == name), None)


class EnvironmentKind(str, Enum):
    """What defines the environment of a project; the values are recorded."""

    NONE = "none"  # whatever is active
    PYTHON = "python_env"  # MLflow's python_env.yaml
    CONDA = "conda_env"  # an environment file of conda
    DOCKER = "docker_env"  # a container image
    REQUIREMENTS = "requirements"  # requirements.txt
    PYPROJECT = "pyproject"  # pyproject.toml without a lock
    UV_LOCK = "uv_lock"  # uv.lock with its pyproject.toml
    SCRIPT = "script"  # the metadata block of a script, PEP 723


@dataclass(frozen=True, slots=True)
class DockerSpec:
    """The `docker_env` of a project.

    Attributes:
        image: Name of the image, perhaps with tag or digest.
        volumes: `host:container[:mode]` a mount.
        environment: Variables: a name to copy from the host, or name and value.
    """

    image: str
    volumes: tuple[str, ...] = ()
    environment: tuple[tuple[str, str | None], ...] = ()


@dataclass(frozen=True, slots=True)
class EnvironmentSpec:
    """Where the definition of an environment is.

    Attributes:
        kind: What kind of definition.
        file: The file that defines it, below the project's folder with '/'
            between parts; None for `none` and `docker_env`.
        docker: Of `docker_env`.
    """

    kind: EnvironmentKind = EnvironmentKind.NONE
    file: str | None = None
    docker: DockerSpec | None = None


@dataclass(frozen=True, slots=True)
class Project:
    """A folder of code as its `MLproject` file describes it, or as it is without one.

    Attributes:
        name: Its name, None if it says none.
        entry_points: By name, in the file's order.
        environment: What it runs in.
        names_environment: Whether the `MLproject` file says so; if not, it was
            found by the names of files.
        file: The name of the `MLproject` file, None if there is none.
    """

    name: str | None = None
    entry_points: Mapping[str, EntryPoint] = field(default_factory=dict)
    environment: EnvironmentSpec = EnvironmentSpec()
    names_environment: bool = False
    file: str | None = None


@dataclass(frozen=True, slots=True)
class ProjectState:
    """How a run of a project was asked for, so that it can be run again.

    Attributes:
        entry_point: Its name.
        parameters: Texts of all values that it was run with, defaults and
            undeclared ones included, as they were given (`path` not made
            absolute); a secret among them is redacted.
        uri: The git URL that the code came from, without credentials; None
            for code of this repository.
        version: Branch, tag or commit that was asked for, None if none was.
        manager: What made the environment: `local`, `uv`, `virtualenv`,
            `conda`, `docker` or `podman`.
        definition: Which kind of file defined the environment.
        backend: Where it ran.
        submodules: Whether submodules of code that was laid out for it were
            laid out too; code in a work tree has what is there.
    """

    entry_point: str
    parameters: Mapping[str, str] = field(default_factory=dict)
    uri: str | None = None
    version: str | None = None
    manager: str = "local"
    definition: EnvironmentKind = EnvironmentKind.NONE
    backend: str = "local"
    submodules: bool = False
