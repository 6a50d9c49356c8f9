"""Packages that some tests need: a test without them is skipped here, and fails in CI, where all are installed.

A module that needs one as a whole is skipped where it is not: CI runs the default tests before it installs
the frameworks. `tests/packaging/test_frameworks.py` sees to it that they are there for the heavy ones.
"""

from __future__ import annotations

import importlib
import importlib.util
import os
from typing import Any

import pytest


def needs(*packages: str) -> None:
    """Skip a test, or a module of tests, where a package is not installed; fail in CI."""
    lacking = [name for name in packages if not _is_there(name)]
    if not lacking:
        return
    reason = f"{', '.join(lacking)} not installed"
    if "CI" in os.environ and "PYTEST_CURRENT_TEST" in os.environ:  # pytest sets it while a test runs
        pytest.fail(reason)
    pytest.skip(reason, allow_module_level=True)


def _is_there(name: str) -> bool:
    try:
        return importlib.util.find_spec(name) is not None
    except ModuleNotFoundError:  # of what it is in: `google.cloud` of `google.cloud.storage`
        return False


def needed(package: str) -> Any:
    """Import a package, as `needs` says."""
    needs(package.partition(".")[0])
    return importlib.import_module(package)
