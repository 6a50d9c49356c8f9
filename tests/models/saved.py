"""Small models for tests, and machines of others to load them on."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

QUICK: dict[str, Any] = {"pip_requirements": ["numpy"]}  # what is imported is looked at in tests of that


class Adder:
    """An estimator that needs nothing but numpy; as a class of tests it can only be pickled."""

    def __init__(self, number: int = 1) -> None:
        self.number = number

    def predict(self, data: Any) -> Any:
        """Add the number."""
        return data + self.number


def elsewhere(patch: pytest.MonkeyPatch, folder: Path) -> None:
    """Be on another machine: nothing is known of what was saved before."""
    patch.setenv("GITML_CACHE_DIR", str(folder))
