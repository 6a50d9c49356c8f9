"""What is recorded of a run unasked: its code, its environment, its machine."""

from __future__ import annotations

from gitml.tracking.capture.code import capture_code
from gitml.tracking.capture.environment import (
    REQUIREMENTS,
    capture_command_environment,
    capture_environment,
    environ_subset,
    kept_files,
)
from gitml.tracking.capture.inherited import code_variable, current_directory, inherited_code
from gitml.tracking.capture.interpreter import find_python
from gitml.tracking.capture.system import capture_system

__all__ = [
    "REQUIREMENTS",
    "capture_code",
    "capture_command_environment",
    "capture_environment",
    "capture_system",
    "code_variable",
    "current_directory",
    "environ_subset",
    "find_python",
    "inherited_code",
    "kept_files",
]
