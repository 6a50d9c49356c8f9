"""KEY=VALUE words on the command line."""

from __future__ import annotations

from collections.abc import Sequence

from gitml.errors import UsageError


def read_pairs(words: Sequence[str], example: str) -> dict[str, str]:
    """Read KEY=VALUE words, split at the first '='.

    Args:
        words: What was typed.
        example: A command that is right, for the hint.

    Raises:
        UsageError: A word is no pair, or a key is given twice.
    """
    pairs: dict[str, str] = {}
    for word in words:
        key, equals, value = word.partition("=")
        if not equals or not key:
            raise UsageError(f"'{word[:100]}' is not KEY=VALUE", hint=example)
        if key in pairs:
            raise UsageError(f"'{key}' is given twice", hint="give it once")
        pairs[key] = value
    return pairs


def read_pair_or_pairs(words: Sequence[str], example: str) -> dict[str, str]:
    """Read either one `KEY VALUE` or any number of `KEY=VALUE`.

    The first word decides: with '=' in it, all of them are pairs.

    Raises:
        UsageError: They are neither.
    """
    if len(words) == 2 and "=" not in words[0]:
        return {words[0]: words[1]}
    return read_pairs(words, example)
