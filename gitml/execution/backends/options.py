"""Options of backends: `-c FILE.json`, `-c FILE.yaml`, `-c '{"k": "v"}'`, `-c key=value`.

What reaches a backend was checked against what it declares: an option that it does
not know, or a value of another kind, is told before anything is recorded.
"""

from __future__ import annotations

import difflib
import json
import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import Enum
from pathlib import Path
from typing import Any

from gitml.errors import DamagedError, UsageError
from gitml.formats import yaml
from gitml.formats.unreadable import why_unreadable

_UNITS_MIB = {"k": 1 / 1024, "m": 1, "g": 1024, "t": 1024**2}
_UNITS_S = {"s": 1, "m": 60, "h": 3600, "d": 86400}
_CONTROL = re.compile(r"[\x00-\x1f\x7f]")
_VARIABLE = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")


class Kind(Enum):
    """What values an option takes, and what a backend gets."""

    TEXT = "text"  # str: one line
    INTEGER = "a whole number"  # int: not negative
    FLAG = "true or false"  # bool
    TEXTS = "a list of texts"  # list[str]: one line each
    MAPPING = "names and texts"  # dict[str, str]
    SIZE = "a size such as 4G or 512M"  # int: MiB, rounded up
    TIME = "a time such as 90m, 2h, 1d or 1:30:00"  # int: seconds


@dataclass(frozen=True, slots=True)
class Option:
    """One option of a backend.

    Attributes:
        kind: What it takes.
        help: What it means, in a line.
        pattern: What a text must match as a whole; None: anything printable.
        choices: The texts that it can be; empty: any.
    """

    kind: Kind
    help: str
    pattern: str | None = None
    choices: tuple[str, ...] = ()


COMMON: Mapping[str, Option] = {
    "cpus": Option(Kind.INTEGER, "processors"),
    "gpus": Option(Kind.INTEGER, "accelerators"),
    "memory": Option(Kind.SIZE, "memory"),
    "time": Option(Kind.TIME, "the longest it may take"),
    "env": Option(Kind.MAPPING, "environment variables to set for the job"),
    "gitml": Option(Kind.TEXT, "path of gitml where the job runs"),
    "python": Option(Kind.TEXT, "path of a Python there that has gitml"),
}


class BackendConfigError(UsageError):
    """The configuration of a backend is not what it takes."""


def read_config(texts: Sequence[str]) -> dict[str, object]:
    """Read what `-c` was given, in order: later values replace earlier ones; `env.NAME=text` adds one.

    Raises:
        BackendConfigError: A file can't be read, or a text is neither a file's
            name, JSON nor `key=value`.
    """
    config: dict[str, object] = {}
    for text in texts:
        for name, value in _read(text).items():
            old = config.get(name)
            merged = isinstance(old, dict) and isinstance(value, dict)
            config[name] = {**old, **value} if merged else value  # type: ignore[dict-item]  # asked just now
    return config


def _read(text: str) -> dict[str, Any]:
    if text.lstrip().startswith("{"):
        return _json(text, "--backend-config")
    key, equals, value = text.partition("=")
    if equals and re.fullmatch(r"[A-Za-z][\w.-]*", key):
        name, dot, inner = key.partition(".")
        return {name.replace("-", "_"): {inner: value} if dot else value}
    path = Path(text)
    if path.suffix not in (".json", ".yaml", ".yml"):
        raise BackendConfigError(
            f"--backend-config '{text}' is neither KEY=VALUE nor a file .json or .yaml",
            hint="gitml run -b slurm -c partition=gpu -c time=2h ...",
        )
    try:
        data = path.read_bytes()
    except OSError as err:
        raise BackendConfigError(
            f"--backend-config '{text}' can't be read: {(err.strerror or str(err)).lower()}"
        ) from err
    if path.suffix == ".json":
        return _json(data.decode("utf-8", "replace"), text)
    try:
        return yaml.load_mapping(data, source=text)
    except DamagedError as err:
        raise BackendConfigError(err.message) from err


def _json(text: str, source: str) -> dict[str, Any]:
    try:
        found = json.loads(text)
    except (ValueError, RecursionError) as err:
        raise BackendConfigError(
            f"'{source}' can't be used: {why_unreadable(err)}", hint='{"partition": "gpu", "time": "2h"}'
        ) from err
    if not isinstance(found, dict):
        raise BackendConfigError(f"'{source}' is no JSON object", hint='{"partition": "gpu", "time": "2h"}')
    return found


def config_again(options: Mapping[str, Option], checked: Mapping[str, object]) -> dict[str, object]:
    """Write a configuration that was checked so that `check_config` makes the same of it."""
    known = {**COMMON, **options}
    return {
        name: f"{value}s" if name in known and known[name].kind is Kind.TIME else value
        for name, value in checked.items()
    }


def check_config(
    backend: str,
    options: Mapping[str, Option],
    given: Mapping[str, object],
    *,
    common: Mapping[str, Option] = COMMON,
    what: str = "backend",
) -> dict[str, object]:
    """Check a configuration against what a backend takes.

    Args:
        backend: Its name, for messages.
        options: Its own options; the common ones are added.
        given: Names to values as they were read: texts for all kinds, or values of
            JSON and YAML of the kind itself.
        common: Options that all have.
        what: What it is, for messages.

    Returns:
        Names to values as `Kind` says; what was not given (or null) is absent.

    Raises:
        BackendConfigError: An option is not known, or its value of another kind.
    """
    known = {**common, **options}
    called = f"{what} '{backend}'"
    checked: dict[str, object] = {}
    for key, value in given.items():
        name = str(key).replace("-", "_")
        option = known.get(name)
        if option is None:
            near = difflib.get_close_matches(name, known, n=2)
            raise BackendConfigError(
                f"{called} has no option '{key}'",
                hint=f"did you mean {' or '.join(near)}?" if near else f"it has: {', '.join(sorted(known))}",
            )
        if value is not None:
            checked[name] = _checked(called, name, option, value)
    return checked


def _checked(called: str, name: str, option: Option, value: object) -> object:
    try:
        return _value(option, value)
    except ValueError as err:
        shown = "" if option.kind is Kind.MAPPING else f" {value!r:.80}"  # a variable may be a secret
        raise BackendConfigError(
            f"option '{name}'{shown} of {called}: {err}", hint=f"{name}: {option.help}"
        ) from None


def _value(option: Option, value: object) -> object:
    kind = option.kind
    if kind is Kind.MAPPING:
        return _mapping(value)
    if kind is Kind.TEXTS:
        items = value if isinstance(value, list) else [value]
        return [_text(option, item) for item in items]
    if kind is Kind.FLAG:
        return _flag(value)
    text = _text(option, value)
    if kind is Kind.INTEGER:
        return _integer(text)
    if kind is Kind.SIZE:
        return _mebibytes(text)
    if kind is Kind.TIME:
        return _seconds(text)
    return text


def _text(option: Option, value: object) -> str:
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        raise ValueError(f"it must be {option.kind.value}")  # noqa: TRY004 - told as any other wrong value
    text = str(value)
    if not text or _CONTROL.search(text):
        raise ValueError("it must be one line of text")
    if option.choices and text not in option.choices:
        raise ValueError(f"it can be {', '.join(option.choices)}")
    if option.pattern is not None and not re.fullmatch(option.pattern, text):
        raise ValueError("it is not of the right form")
    return text


def _flag(value: object) -> bool:
    if isinstance(value, bool):
        return value
    if value in ("true", "yes", "on", "1"):
        return True
    if value in ("false", "no", "off", "0"):
        return False
    raise ValueError(f"it must be {Kind.FLAG.value}")


def _integer(text: str) -> int:
    if not re.fullmatch(r"[0-9]{1,9}", text):
        raise ValueError(f"it must be {Kind.INTEGER.value}")
    return int(text)


def _mebibytes(text: str) -> int:
    match = re.fullmatch(r"([0-9]{1,12})([kmgt]?)(?:i?b)?", text.lower())
    if match is None:
        raise ValueError(f"it must be {Kind.SIZE.value}")
    return max(1, math.ceil(int(match[1]) * _UNITS_MIB[match[2] or "m"]))


def _seconds(text: str) -> int:
    match = re.fullmatch(r"(?:([0-9]{1,4})-)?([0-9]{1,6})(?::([0-9]{2}))(?::([0-9]{2}))?", text)
    if match is not None:  # as Slurm has it: [days-]hours:minutes[:seconds]; without days, minutes:seconds
        days, first, second, third = (int(part or 0) for part in match.groups())
        if match[4] is None and match[1] is None:
            return first * 60 + second
        return days * 86400 + first * 3600 + second * 60 + third
    parts = re.findall(r"([0-9]{1,9})([smhd])", text)
    if not parts or "".join(number + unit for number, unit in parts) != text:
        raise ValueError(f"it must be {Kind.TIME.value}")
    return sum(int(number) * _UNITS_S[unit] for number, unit in parts)


def _mapping(value: object) -> dict[str, str]:
    if not isinstance(value, dict):
        raise ValueError("it must be names and texts: {NAME: text}")  # noqa: TRY004 - as above
    found = {}
    for name, text in value.items():
        if not isinstance(name, str) or not _VARIABLE.fullmatch(name):
            raise ValueError(f"{name!r:.80} is no name of a variable")
        if isinstance(text, bool) or not isinstance(text, str | int | float) or "\0" in str(text):
            raise ValueError(f"the value of '{name}' must be a text")
        found[name] = str(text)
    return found
