"""Params from the arguments that a program is given anyway.

    --lr 0.1   --lr=0.1   -lr 0.1   -e 10   --flag   --no-flag   --layers 64 32
    lr=0.1   +model.depth=8   ++seed=1          (as in Hydra)

What they mean is the program's to say; this reads them as most programs do.
Positional arguments are left out, as they have no name.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from gitml.entities.run import ParamValue
from gitml.errors import InvalidNameError
from gitml.formats.names import check_name
from gitml.launching.argument_values import read_params, scalar_value
from gitml.tracking.secrets import is_secret_of, token_kinds

MAX_PARAMS = 500
MAX_VALUE_CHARACTERS = 500
MAX_ITEMS = 100

_OPTION = re.compile(r"--?([A-Za-z][\w.:/-]*)(?:=(.*))?", re.DOTALL)
_ATTACHED_NUMBER = re.compile(r"-([A-Za-z])([0-9].*)", re.DOTALL)
_ASSIGNMENT = re.compile(r"\+{0,2}([A-Za-z_][\w./@-]*)=(.*)", re.DOTALL)
# After an option: not the second half of `--conn "Server=x;User=a"`, `--b64 Zm9v=`, `--expr a==b`.
_OWN_ASSIGNMENT = re.compile(r"\+{0,2}[A-Za-z_][\w./-]*=(?!=)(?!.*[;&,\s][^;&,=]*=).+", re.DOTALL)
_NUMBER = re.compile(
    r"[-+]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][-+]?[0-9]+)?|[-+]?\.?(?:inf|nan)", re.IGNORECASE
)
# Of Hydra, whose overrides look like values of the option before them.
_NEVER_WITH_VALUE = frozenset(("multirun", "resolve", "help", "version", "verbose", "hydra-help"))
_HYDRA_MULTIRUN = "-m"


def params_from_arguments(arguments: Sequence[str]) -> dict[str, ParamValue]:
    """Read params from a program's arguments; never fails.

    Names are as in the program's own code: `--learning-rate` is
    `learning_rate`. Values are read as in `argument_values`. An option given
    several times becomes a list, a flag stays one value. Long values are cut;
    what makes no usable name is left out.

    Args:
        arguments: What follows the program or script on the command line.

    Example:
        >>> params_from_arguments(["--lr", "1e-3", "--amp", "--no-cuda", "data.csv", "opt=adam"])
        {'lr': 0.001, 'amp': True, 'cuda': False, 'opt': 'adam'}
    """
    params: dict[str, ParamValue] = {}
    for name, value in _pairs(list(arguments)):
        if not _is_usable(name) or (len(params) >= MAX_PARAMS and name not in params):
            continue
        old = params.get(name)
        if name not in params or isinstance(value, bool) or isinstance(old, bool):
            params[name] = value
            continue
        items = [*(old if isinstance(old, list) else [old]), *(value if isinstance(value, list) else [value])]
        params[name] = items[:MAX_ITEMS]
    return params


def parse_param(text: str) -> dict[str, ParamValue]:
    """Read `KEY=VALUE`: one param, or of a mapping one for each of its values.

    Raises:
        ValueError: There is no '=', or nothing before it.
    """
    key, equals, value = text.partition("=")
    if not equals or not key.strip():
        raise ValueError(text)
    return read_params(key.strip(), value)


def _pairs(words: list[str]) -> Iterator[tuple[str, ParamValue]]:
    at = 0
    while at < len(words):
        word = words[at]
        at += 1
        if word == "--":
            return
        option = None if _NUMBER.fullmatch(word) else _OPTION.fullmatch(word)
        if option is None:
            assignment = _ASSIGNMENT.fullmatch(word)
            if assignment:
                yield from _given(assignment[1], assignment[2])
            continue
        attached = _ATTACHED_NUMBER.fullmatch(word)
        if attached and not word.startswith("--"):
            yield from _given(attached[1], attached[2])
        elif option[2] is not None:
            yield from _given(_variable(option[1]), option[2])
        else:
            values = _values_after(words, at, word)
            at += len(values)
            yield from _option(option[1], values)


def _option(name: str, values: list[str]) -> Iterator[tuple[str, ParamValue]]:
    if not values:
        negated = name.startswith(("no-", "no_")) and len(name) > len("no-")
        yield _variable(name[len("no-") :] if negated else name), not negated
    elif len(values) == 1:
        yield from _given(_variable(name), values[0])
    else:
        yield _variable(name), [scalar_value(value) for value in values[:MAX_ITEMS]]


def _values_after(words: list[str], at: int, option: str) -> list[str]:
    """Say which words belong to an option: one, or numbers as long as they last; of a secret's, any one."""
    if at >= len(words) or option.lstrip("-") in _NEVER_WITH_VALUE:
        return []
    first = words[at]
    if is_secret_of(option, first):
        return [first]
    if first.startswith("-") and first != "-" and not _NUMBER.fullmatch(first):
        return []
    own = _ASSIGNMENT if option == _HYDRA_MULTIRUN else _OWN_ASSIGNMENT if option.startswith("--") else None
    if own is not None and own.fullmatch(first):
        return []  # `--amp layers=3`: a flag, and a param of its own
    end = at + 1
    if _NUMBER.fullmatch(first):
        while end < len(words) and _NUMBER.fullmatch(words[end]):
            end += 1
    return words[at:end]


def _variable(name: str) -> str:
    """Name an option as its program does in code."""
    return name.replace("-", "_")


def _given(name: str, text: str) -> Iterator[tuple[str, ParamValue]]:
    if len(text) > MAX_VALUE_CHARACTERS:
        yield name, text[:MAX_VALUE_CHARACTERS] + "…"
    else:
        yield from read_params(name, text).items()


def _is_usable(name: str) -> bool:
    try:
        check_name("param", name)
    except InvalidNameError:
        return False
    return not token_kinds(name)
