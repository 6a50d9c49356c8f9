"""Reading the YAML that MLflow writes.

PyYAML quotes what YAML 1.1 would misread, so it has to be read by YAML 1.1: `1e5` without
quotes is a name to it, and a number to YAML 1.2. Most files are flat and simple; PyYAML
needs 0.6 ms for one of those, this 15 µs.
"""

from __future__ import annotations

import re
from typing import Any

from gitml.errors import DamagedError
from gitml.formats import yaml_guard

MAX_BYTES = 16 * 1024**2
_LINE = re.compile(
    r"(?P<key>[A-Za-z_][A-Za-z0-9_.]*):(?: (?:'(?P<quoted>(?:[^'\\]|'')*)'|(?P<plain>[A-Za-z0-9_/.-][A-Za-z0-9_/.:@+-]*)"
    r"|(?P<empty>\[\]|\{\})))"
)
_NUMBER = re.compile(r"-?(?:0|[1-9][0-9]*)")
# A word that YAML 1.1 can't take for anything but text: it begins with a letter and is none of these.
# Or it begins with a digit, as ids do, and has a letter but neither point nor sign.
_TEXT = re.compile(
    r"(?!(?i:null|true|false|yes|no|on|off|y|n)$)[A-Za-z/_][A-Za-z0-9_/.@+-]*(?::[A-Za-z0-9_/.@+-]+)*"
    r"|(?!0[box])(?=[0-9a-z]*[a-z])[0-9][0-9a-z]*"
)
_WORDS: dict[str, Any] = {"null": None, "true": True, "false": False}


def load_mapping(data: bytes, source: str) -> dict[str, Any]:
    """Read a mapping with text for keys.

    Raises:
        DamagedError: It is none, or uses what plain data does not need.
    """
    quick = _flat(data)
    if quick is not None:
        return quick
    if len(data) > MAX_BYTES:
        raise DamagedError(f"'{source}' has {len(data):,} bytes, more than the {MAX_BYTES:,} allowed")
    import yaml

    try:
        yaml_guard.load(data, max_depth=20)  # refuses anchors, tags and depth
        loader: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
        value = yaml.load(data, Loader=loader)  # noqa: S506 - a safe loader, of what was found plain
    except (yaml.YAMLError, UnicodeDecodeError, RecursionError, ValueError) as err:
        mark = getattr(err, "problem_mark", None)
        where = f", line {mark.line + 1}" if mark is not None else ""
        raise DamagedError(
            f"'{source}'{where} can't be read: {getattr(err, 'problem', None) or err}"
        ) from err
    if not isinstance(value, dict) or not all(isinstance(key, str) for key in value):
        raise DamagedError(f"'{source}' holds no 'key: value' lines")
    return value


def _flat(data: bytes) -> dict[str, Any] | None:
    """Read a file of simple lines; None if it holds anything else."""
    try:
        text = data.decode("utf-8")
    except UnicodeDecodeError:
        return None
    result: dict[str, Any] = {}
    for line in text.split("\n"):
        if not line:
            continue
        match = _LINE.fullmatch(line)
        if match is None or match["key"] in result:
            return None
        quoted, plain, empty = match["quoted"], match["plain"], match["empty"]
        if quoted is not None:
            result[match["key"]] = quoted.replace("''", "'")
        elif empty is not None:
            result[match["key"]] = [] if empty == "[]" else {}
        elif plain in _WORDS:
            result[match["key"]] = _WORDS[plain]
        elif _NUMBER.fullmatch(plain) and len(plain) < 19:
            result[match["key"]] = int(plain)
        elif _TEXT.fullmatch(plain):
            result[match["key"]] = plain
        else:
            return None
    return result or None
