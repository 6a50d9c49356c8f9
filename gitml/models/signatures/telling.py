"""Warnings about inputs, which name the line of the user's that gave the input."""

from __future__ import annotations

import warnings

from gitml.models.signatures.problems import SchemaWarning
from gitml.models.user_frames import levels_to_user


def warn(message: str) -> None:
    """Tell the user."""
    warnings.warn(message, SchemaWarning, stacklevel=levels_to_user())
