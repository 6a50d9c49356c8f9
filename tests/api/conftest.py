"""The fluent functions in a repository of their own, and programs that use them."""

from __future__ import annotations

import os
import subprocess
import sys
import textwrap
from collections.abc import Callable
from pathlib import Path

import pytest

import gitml as package

ROOT = Path(package.__file__).parents[1]

RunScript = Callable[..., "subprocess.CompletedProcess[str]"]


@pytest.fixture
def run_script(in_repo: Path, monkeypatch: pytest.MonkeyPatch) -> RunScript:
    """Run a program in `git_repo` by a new interpreter: `run_script("import gitml …")`."""

    def run(source: str, *arguments: str, code: int | None = 0, **environ: str):
        script = in_repo / "program.py"
        script.write_text(textwrap.dedent(source))
        done = subprocess.run(
            [sys.executable, "program.py", *arguments],
            cwd=in_repo,
            env={**os.environ, "PYTHONPATH": str(ROOT), **environ},
            capture_output=True,
            text=True,
            check=False,
            timeout=90,
        )
        if code is not None:
            assert done.returncode == code, done.stdout + done.stderr
        return done

    return run
