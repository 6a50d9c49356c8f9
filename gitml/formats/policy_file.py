"""What is wrong with a policy, and where."""

from __future__ import annotations

from gitml.formats.yaml_nodes import WrittenFileError


class PolicyFileError(WrittenFileError):
    """A file that says what is asked of promotions can't be read as such."""
