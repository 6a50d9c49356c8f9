"""Code that was laid out for a run: what runs in it was made from the same source.

A project from a URL runs in a fresh folder that is no repository. Runs that it
starts there would record the state of another repository's work tree, the one
that they are recorded in, if they were not told what they run.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from gitml.entities.run import CodeState
from gitml.git.repo import GitRepo

CODE_VARIABLE = "GITML_CODE"


@dataclass(frozen=True, slots=True)
class LaidOutCode:
    """Code in a folder of its own.

    Attributes:
        root: The folder.
        code: What is in it.
    """

    root: Path
    code: CodeState


def code_variable(root: Path, code: CodeState) -> dict[str, str]:
    """Make the environment variable that tells programs in `root` what they are made from."""
    facts = {"root": str(root), "commit": code.commit, "tree": code.tree, "remote": code.remote}
    return {CODE_VARIABLE: json.dumps({key: value for key, value in facts.items() if value is not None})}


def inherited_code(environ: Mapping[str, str] | None = None) -> LaidOutCode | None:
    """Read the variable, if it is there and we are in the folder that it is about.

    Args:
        environ: The environment; this process's if not given.
    """
    text = (os.environ if environ is None else environ).get(CODE_VARIABLE)
    if not text:
        return None
    try:
        folder = Path.cwd()
        facts: dict[str, Any] = json.loads(text)
        root = Path(facts["root"])
        code = CodeState(commit=facts.get("commit"), tree=facts.get("tree"), remote=facts.get("remote"))
    except (ValueError, KeyError, TypeError, AttributeError, OSError):
        return None  # not written by us, or of a folder that is gone
    return LaidOutCode(root, code) if folder.is_relative_to(root) else None


def current_directory(git: GitRepo) -> str:
    """Say where in the code we are; empty at its top, or outside of it."""
    laid_out = inherited_code()
    root = git.work_tree if laid_out is None else laid_out.root
    try:
        inside = Path.cwd().relative_to(root) if root is not None else Path()
    except (ValueError, OSError):
        return ""
    return "" if inside == Path() else inside.as_posix()
