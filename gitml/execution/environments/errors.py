"""What can go wrong with environments."""

from __future__ import annotations

from collections.abc import Iterable

from gitml.errors import GitmlError, RefusedError
from gitml.formats.yaml_nodes import WrittenFileError


class EnvironmentFileError(WrittenFileError):
    """A file that defines an environment can't be read."""


class EnvironmentNotMadeError(GitmlError):
    """The environment could not be made; in the words of the tool that was to make it."""

    exit_code = 5
    error_code = "TEMPORARILY_UNAVAILABLE"


class PythonNotFoundError(EnvironmentNotMadeError):
    """No interpreter of the version asked for is here; says which ones are."""

    def __init__(self, request: str, here: Iterable[str], *, reason: str = "") -> None:
        versions = ", ".join(here) or "none"
        super().__init__(
            f"there is no Python {request} here; there is: {versions}{f' ({reason})' if reason else ''}",
            hint="install it, or name another version in the file that defines the environment",
        )
        self.request = request


class ManagerNotFoundError(EnvironmentNotMadeError):
    """The program that was asked for is not installed."""

    def __init__(self, manager: str, hint: str) -> None:
        super().__init__(f"{manager} is not installed", hint=hint)
        self.manager = manager


class NotOnPyPIError(EnvironmentNotMadeError):
    """A conda file names packages that are not known to be on PyPI under a known name."""

    def __init__(self, file: str, names: Iterable[str]) -> None:
        super().__init__(
            f"{file} needs conda, which is not installed: not known to be on PyPI: {', '.join(names)}",
            hint="install conda, mamba or micromamba; or list what pip can install below `- pip:`",
        )


class UnbuildableError(RefusedError):
    """Recorded packages that can't be installed again from what was recorded.

    There is no option to leave them out: what is left would be taken for the
    recorded environment. The current one says of itself that it is another.
    """

    def __init__(self, names: Iterable[str]) -> None:
        super().__init__(
            "the recorded environment can't be rebuilt: it had installs from places that were not recorded: "
            + ", ".join(names),
            hint="with what is installed now: gitml reproduce RUN --environment current",
        )
