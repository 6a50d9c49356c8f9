"""Pages of long answers, asked for by opaque tokens as in MLflow."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Sequence
from typing import TypeVar

from gitml.errors import UsageError

Item = TypeVar("Item")


def offset_of(token: str | None) -> int:
    """Read where a page starts.

    Raises:
        UsageError: The token was not given out by gitml.
    """
    if not token:
        return 0
    try:
        return int(base64.urlsafe_b64decode(token.encode()))
    except (ValueError, binascii.Error):
        raise UsageError(
            f"page token {token!r:.40} is not one of gitml's", hint="pass the `token` of the page before"
        ) from None


def token_for(offset: int) -> str:
    """Name the page that starts at an offset."""
    return base64.urlsafe_b64encode(str(offset).encode()).decode()


def page_of(items: Sequence[Item], size: int | None, token: str | None) -> tuple[Sequence[Item], str | None]:
    """Cut a page out of a list that is all there.

    Returns:
        The page, and the token of the next one or None.

    Raises:
        UsageError: The size or the token means nothing.
    """
    check_size(size)
    start = offset_of(token)
    if size is None or start + size >= len(items):
        return items[start:], None
    return items[start : start + size], token_for(start + size)


def check_size(size: int | None) -> None:
    """Refuse a page size that is not positive.

    Raises:
        UsageError: It is not.
    """
    if size is not None and size < 1:
        raise UsageError(f"max_results is {size!r}, it must be a positive integer")
