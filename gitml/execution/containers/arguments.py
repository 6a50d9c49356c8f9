"""Words of the command line `docker run`, from what people and projects write.

Every value is in one word with its option, so none can become an option itself.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from pathlib import Path

from gitml.entities.project import DockerSpec
from gitml.errors import InvalidNameError, InvalidValueError, UsageError

_OPTION = re.compile(r"[A-Za-z][A-Za-z0-9-]*")
_VARIABLE = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_CONTROL = re.compile(r"[\x00-\x1f\x7f]")
_UNMOUNTABLE = re.compile(r"[\x00-\x1f\x7f,\"]")


def parse_container_option(text: str) -> tuple[str, str]:
    """Read what `--docker-args` was given: `name=value`, or the name of a flag.

    Raises:
        UsageError: It is neither.
    """
    name, _, value = text.partition("=")
    name = name.lstrip("-")
    if not _OPTION.fullmatch(name):
        raise UsageError(
            f"--docker-args '{text}' is not NAME=VALUE",
            hint="options of `docker run` without dashes: -A gpus=all -A shm-size=1g",
        )
    return name, value


def option_words(options: Iterable[tuple[str, str]]) -> list[str]:
    """Make words of options: name and value, which is empty for a flag.

    Raises:
        InvalidNameError: That is no name of an option.
        InvalidValueError: A value is more than a line of text.
    """
    words = []
    for name, value in options:
        if not _OPTION.fullmatch(name):
            raise InvalidNameError("container option", name, "letters, digits and '-' are allowed")
        if _CONTROL.search(value):
            raise InvalidValueError("container option", name, "a value is one line of text")
        word = f"-{name}" if len(name) == 1 else f"--{name}"
        words.append(f"{word}={value}" if value else word)
    return words


def mount_word(source: Path, target: str | None = None) -> str:
    """Mount a file or folder of this machine, at the same path if no other is given.

    Raises:
        UsageError: The engines' syntax can't say its path.
    """
    if _UNMOUNTABLE.search(f"{source}{target or ''}"):
        raise UsageError(
            f"'{source}' can't be mounted in a container: a comma, quote or control character is in its path",
            hint="move it to a folder of another name",
        )
    return f"--mount=type=bind,source={source},target={target or source}"


def volume_words(volumes: Iterable[str]) -> list[str]:
    """Mount what a project's `volumes` say: `host:container[:mode]`.

    Raises:
        InvalidValueError: One is not of that form.
    """
    words = []
    for volume in volumes:
        if _CONTROL.search(volume) or not re.fullmatch(r"[^:]+(:[^:]+){0,2}", volume):
            raise InvalidValueError("volume", volume, "HOST:CONTAINER or HOST:CONTAINER:MODE is expected")
        words.append(f"--volume={volume}")
    return words


def variable_words(docker: DockerSpec, environ: Mapping[str, str]) -> list[str]:
    """Set what a project's `environment` says; values of this machine are taken by name, unseen in listings.

    Raises:
        UsageError: A variable that is to be copied is not set here.
        InvalidNameError: A name can't be that of a variable.
        InvalidValueError: A value has a NUL in it.
    """
    words = []
    for name, value in docker.environment:
        if not _VARIABLE.fullmatch(name):
            raise InvalidNameError("variable", name, "letters, digits and '_' are allowed")
        if value is None:
            if name not in environ:
                raise UsageError(
                    f"the project's container gets the variable '{name}' from here, and it is not set",
                    hint=f"export {name}=...",
                )
            words.append(f"--env={name}")
            continue
        if "\0" in value:
            raise InvalidValueError("variable", name, "a value has no NUL")
        words.append(f"--env={name}={value}")
    return words
