"""Programs that make environments: run one, show that it goes on, say in its own words why it failed."""

from __future__ import annotations

import re
import subprocess
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from gitml.execution.environments.errors import EnvironmentNotMadeError
from gitml.progress import ShowProgress
from gitml.tracking.secrets import strip_url_credentials

_TICK_S = 1.0
_LINES = 14  # of a tool's words
_NOISE = re.compile(
    r"^(?:Using |Creating |Activate |Resolved |Prepared |Audited |DEBUG |\s*$)|^\s*\[notice\]"
)
_CONTROL = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]|[\x00-\x08\x0b-\x1f\x7f-\x9f]")
_UNREACHABLE = re.compile(
    r"error sending request|failed to fetch|dns error|connection (?:refused|reset|timed out|error)"
    r"|could not connect|network is unreachable|newconnectionerror|name resolution|network was disabled"
    r"|connectionerror|max retries exceeded",
    re.IGNORECASE,
)
# These would send what is installed elsewhere, or choose another Python.
_MISLEADING = (
    "VIRTUAL_ENV", "CONDA_PREFIX", "PYTHONPATH", "PYTHONHOME", "__PYVENV_LAUNCHER__",
    "UV_PYTHON", "UV_SYSTEM_PYTHON", "UV_PROJECT_ENVIRONMENT", "UV_PROJECT", "UV_WORKING_DIRECTORY",
    "UV_REQUIRE_HASHES", "UV_OUTPUT_FILE", "UV_UNIVERSAL",
    "PIP_TARGET", "PIP_PREFIX", "PIP_USER", "PIP_ROOT", "PIP_PYTHON", "PIP_DRY_RUN", "PIP_REPORT", "PIP_REQUIREMENT",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Workshop:
    """What every step of making an environment needs.

    Attributes:
        folder: The project's folder; tools run in it.
        scratch: A folder for files that tools read and write.
        environ: The environment variables that gitml was started with.
        progress: Shows what takes long.
        lock: Descriptor of the lock that this environment is made under.
            Tools inherit it: if gitml is killed while one of them works on,
            nobody else begins before that one has ended.
    """

    folder: Path
    scratch: Path
    environ: Mapping[str, str]
    progress: ShowProgress
    lock: int

    def run(self, argv: Sequence[str | Path], doing: str, *, environ: Mapping[str, str] | None = None) -> str:
        """Run a tool to its end and return what it printed on standard output.

        Args:
            argv: The command.
            doing: What it does, for the progress line and for failures.
            environ: More variables.

        Raises:
            EnvironmentNotMadeError: It failed; says its last words.
        """
        child = {name: value for name, value in self.environ.items() if name not in _MISLEADING}
        child.update(environ or {})
        with (
            tempfile.TemporaryFile(dir=self.scratch) as out,
            tempfile.TemporaryFile(dir=self.scratch) as err,
            self.progress(doing, None, "s") as seconds,
        ):
            try:
                process = subprocess.Popen(
                    argv, cwd=self.folder, env=child, stdin=subprocess.DEVNULL, stdout=out, stderr=err,
                    pass_fds=(self.lock,),
                )  # fmt: skip
            except OSError as error:
                raise EnvironmentNotMadeError(f"'{argv[0]}' can't be started: {error.strerror}") from None
            try:
                while not _ended(process):
                    seconds(1)
            except BaseException:
                process.terminate()
                process.wait()
                raise
            printed, said = _text(out), _text(err)
        if process.returncode:
            raise _failure(doing, process.returncode, said or printed)
        return printed


def _ended(process: subprocess.Popen[bytes]) -> bool:
    try:
        process.wait(_TICK_S)
    except subprocess.TimeoutExpired:
        return False
    return True


def _text(file: IO[bytes]) -> str:
    file.seek(0)
    return file.read().decode("utf-8", "replace")


def _failure(doing: str, status: int, said: str) -> EnvironmentNotMadeError:
    words = last_words(said) or f"it ended with status {status} and said nothing"
    hint = None
    if _UNREACHABLE.search(said):
        hint = "no package index could be reached: check the connection, or where the index is (UV_DEFAULT_INDEX, PIP_INDEX_URL)"
    elif "unexpected argument" in words or "no such option" in words:
        hint = "this program is too old: get a newer one"
    return EnvironmentNotMadeError(f"{doing} failed:\n{words}", hint=hint)


def last_words(said: str) -> str:
    """Pick what a tool said about its failure, without credentials and control characters."""
    lines = [_CONTROL.sub("", line).rstrip() for line in said.splitlines()]
    lines = [line for line in lines if not _NOISE.match(line)]
    starts = [
        number
        for number, line in enumerate(lines)
        if re.match(r"\s*(?:error\b|×|ERROR)", line, re.IGNORECASE)
    ]
    kept = lines[starts[0] :][:_LINES] if starts else lines[-_LINES:]
    return "\n".join(f"  {strip_url_credentials(line)[:400]}" for line in kept)
