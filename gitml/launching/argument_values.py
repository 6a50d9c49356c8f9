"""Values of params given as text on a command line: read by YAML's rules, as far as a person means them.

    0.1  1e-3  8  true  null     numbers, booleans and null, by the core schema
    [64, 32]  {x: 1, y: {z: 2}}  lists and mappings in flow style; keys joined with dots
    'true'  "8"                  text
    007  0x1F  [MASK]  {name}    text as well: an id, a special token, a template

A text that is none of these, as `[a-z]+`, is just that.
"""

from __future__ import annotations

import re
from typing import Any

from gitml.entities.run import ParamValue
from gitml.errors import GitmlError
from gitml.formats.scalars import parse_scalar
from gitml.tracking.secrets import name_kind
from gitml.tracking.values import MAX_PARAM_DEPTH, flatten_params

_ZEROS_BEFORE = re.compile(r"[-+]?0[0-9].*", re.DOTALL)  # YAML's core schema would read 007 as 7
_SPECIAL_TOKEN = re.compile(r"\[(?:[A-Z][A-Z0-9_]*|unused[0-9]+)\]")
_FLOW_ENDS = ("[]", "{}", "''", '""')


def read_params(name: str, text: str) -> dict[str, ParamValue]:
    """Read what a param is given: one param, or of a mapping one for each of its values.

    Args:
        name: The param's name. One that announces a secret has no parts.
        text: What it is given.

    Example:
        >>> read_params("model", "{depth: 8, layers: [64, 32]}")
        {'model.depth': 8, 'model.layers': [64, 32]}
    """
    value = _read(name, text)
    try:
        return dict(flatten_params({name: value}))
    except GitmlError:  # a key of the mapping is no usable name
        return {name: text}


def param_value(name: str, text: str) -> ParamValue:
    """Read what a param is given that stays one param: a mapping is a text; see `read_params`."""
    return read_params(name, text).get(name, text)


def scalar_value(text: str) -> ParamValue:
    """Read a number, boolean, null or text without quotes.

    Example:
        >>> scalar_value("1e-3"), scalar_value("007"), scalar_value("")
        (0.001, '007', '')
    """
    if not text or _ZEROS_BEFORE.fullmatch(text):
        return text  # `--name=` is an empty text to the program, not YAML's null
    value: ParamValue = parse_scalar(text)
    return value


def _read(name: str, text: str) -> Any:
    """Read a value; PyYAML is loaded only for what is in brackets or quotes."""
    if len(text) < 2 or text[0] + text[-1] not in _FLOW_ENDS or _SPECIAL_TOKEN.fullmatch(text):
        return scalar_value(text)
    kind = name_kind(name)
    if kind is not None and (text[0] == "{" or not kind.endswith("?")):
        return text  # its parts would have names that tell nothing
    import yaml

    from gitml.formats.yaml_guard import compose

    try:
        node = compose(text.encode(), max_depth=MAX_PARAM_DEPTH)
        return text if node is None else _value_of(node)
    except (yaml.YAMLError, ValueError):
        return text


def _value_of(node: Any) -> Any:
    """Make a value of one of PyYAML's nodes.

    Raises:
        ValueError: A key has no value, as in `{name}`, or is no plain text.
    """
    if node.id == "sequence":
        return [_value_of(item) for item in node.value]
    if node.id == "mapping":
        return {_key_of(key): _value_of(value) for key, value in node.value}
    if node.style:
        return node.value
    if not node.value:
        raise ValueError(node)
    return scalar_value(node.value)


def _key_of(node: Any) -> str:
    if node.id != "scalar" or not node.value:
        raise ValueError(node)
    return str(node.value)
