"""Whether a text is a value of a parameter's type."""

from __future__ import annotations

import os
import re

from gitml.entities.project import Parameter, ParameterType
from gitml.formats.yaml_nodes import nearest

_FLAGS = ("true", "false", "yes", "no", "on", "off", "1", "0")
_INT = re.compile(r"[-+]?[0-9]{1,4000}")
_FLOAT = re.compile(
    r"[-+]?(?:[0-9]+\.?[0-9]*(?:e[-+]?[0-9]+)?|\.[0-9]+(?:e[-+]?[0-9]+)?|inf|infinity|nan)", re.IGNORECASE
)
_URI = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*:[^\s\x00-\x1f\x7f]+")


def problem_of(parameter: Parameter, text: str) -> str | None:
    """Say what keeps a text from being a parameter's value, None if nothing does.

    Paths are any text here: whether they are there is not a matter of form.

    Example:
        >>> problem_of(Parameter("n", ParameterType.INT, least=1), "0")
        'must be at least 1'
    """
    return not_for_programs(text) or _not_of_type(parameter, text)


def not_for_programs(text: str) -> str | None:
    """Say what keeps a text from being handed to a program as an argument, None if nothing does."""
    if "\0" in text:
        return "can't have a NUL character"
    try:
        os.fsencode(text)
    except UnicodeEncodeError:
        return "has characters that no program can be given"
    return None


def _not_of_type(parameter: Parameter, text: str) -> str | None:
    if parameter.type is ParameterType.FLOAT:
        return (
            _out_of_range(parameter, text)
            if _FLOAT.fullmatch(text)
            else "must be a number, such as 0.1 or 1e-3"
        )
    if parameter.type is ParameterType.INT:
        return _out_of_range(parameter, text) if _INT.fullmatch(text) else "must be a whole number"
    if parameter.type is ParameterType.BOOL and text.lower() not in _FLAGS:
        return f"must be true or false (or {', '.join(_FLAGS[2:])})"
    if parameter.type is ParameterType.CHOICE and text not in parameter.choices:
        return f"must be one of its choices; {nearest(text, parameter.choices)}"
    if parameter.type is ParameterType.URI and not _URI.fullmatch(text):
        return "must be a URI, such as https://host/data.csv or s3://bucket/data"
    if parameter.type is ParameterType.PATH and not text:
        return "must be a path; it is empty"
    return None


def _out_of_range(parameter: Parameter, text: str) -> str | None:
    value = float(text)
    least, most = parameter.least, parameter.most
    if least is not None and not value >= least:  # 'nan' is in no range
        return f"must be at least {least:g}"
    if most is not None and not value <= most:
        return f"must be at most {most:g}"
    return None
