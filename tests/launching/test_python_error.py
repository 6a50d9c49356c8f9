"""The reason that a Python program gave for its end."""

from __future__ import annotations

import subprocess
import sys

import pytest

from gitml.entities.run import RunStatus
from gitml.launching.python_error import python_error
from tests.launching.harness import Project

TRACEBACK = 'Traceback (most recent call last):\n  File "t.py", line 3, in <module>\n    fit()\n'
ERROR = TRACEBACK + "ValueError: bad loss\n"
SYNTAX = "  File \"t.py\", line 1\n    foo(\n       ^\nSyntaxError: '(' was never closed\n"
CHAINED = (
    TRACEBACK
    + "KeyError: 'x'\n\nDuring handling of the above exception, another exception occurred:\n\n"
    + ERROR
)
WORKER = (
    TRACEBACK + "RuntimeError: Caught ValueError in worker 0.\nOriginal " + ERROR.replace("bad loss", "inner")
)
IGNORED = "Exception ignored in: <function f>\n" + TRACEBACK + "TypeError: not callable\n"
BOXED = (
    "╭─── Traceback (most recent call last) ───╮\n│ /t.py:3 in <module>   │\n╰─────╯\nValueError: bad loss\n"
)
RANKS = "".join(f"[rank0]: {line}\n" for line in ERROR.splitlines())
COLOURED = TRACEBACK + "\x1b[1;35mValueError\x1b[0m: \x1b[35mbad loss\x1b[0m\n"


@pytest.mark.parametrize(
    ("written", "reason"),
    [
        (ERROR, "ValueError: bad loss"),
        ("epoch 1\n" * 1000 + ERROR, "ValueError: bad loss"),
        (TRACEBACK + "KeyboardInterrupt", "KeyboardInterrupt"),
        (TRACEBACK + "torch.cuda.OutOfMemoryError: CUDA\n", "torch.cuda.OutOfMemoryError: CUDA"),
        (TRACEBACK + "ValueError: first\nsecond\n", "ValueError: first"),
        (SYNTAX, "SyntaxError: '(' was never closed"),
        (CHAINED, "ValueError: bad loss"),
        (WORKER, "ValueError: inner"),
        (ERROR + IGNORED, "ValueError: bad loss"),
        (BOXED, "ValueError: bad loss"),
        (RANKS, "ValueError: bad loss"),
        (COLOURED, "ValueError: bad loss"),
        (ERROR + "make: *** [train] Error 1\n", "ValueError: bad loss"),
        (ERROR + "going on\n" * 11, None),
        (TRACEBACK, None),
        ("ValueError: bad loss\n", None),
        (TRACEBACK + "not an error line\n", None),
        ("", None),
        (TRACEBACK + "ValueError: a\x07\u202eb\tc\n", r"ValueError: a\x07\u202eb c"),
    ],
)
def test_the_line_below_the_last_traceback(written: str, reason: str | None) -> None:
    assert python_error(written.encode()) == reason


def test_any_bytes_will_do() -> None:
    assert python_error(bytes(range(256)) * 100) is None
    assert python_error(b"\xff" + ERROR.encode()) == "ValueError: bad loss"


def failing(project: Project, body: str, *options: str) -> subprocess.CompletedProcess[str]:
    (project.folder / "fail.py").write_text(body)
    return project.run(*options, sys.executable, "fail.py")


def test_a_failed_python_program_says_why(project: Project) -> None:
    # What it printed comes after the traceback, where that is a pipe.
    done = failing(project, "print('epoch 1')\nprint('epoch 2')\nraise ValueError('bad loss')\n")
    run = project.record()
    assert (run.status, run.exit_code, run.error) == (RunStatus.FAILED, 1, "ValueError: bad loss")
    assert "failed (exit 1: ValueError: bad loss) in" in done.stderr
    listed = project.quick.run(["log"], cwd=project.folder, env=project.environment).stdout
    assert "exit 1: ValueError: bad loss" in listed.splitlines()[1]
    shown = project.quick.run(["show"], cwd=project.folder, env=project.environment).stdout
    assert "error    exit 1: ValueError: bad loss\n" in shown


def test_it_does_so_on_a_terminal_of_its_own(project: Project) -> None:
    failing(project, "print('epoch 1')\nraise ValueError('bad loss')\n", "--pty")
    assert project.record().error == "ValueError: bad loss"


def test_secrets_and_long_messages_stay_out(project: Project) -> None:
    token = "ghp_0123456789abcdefghijklmnopqrstuvwxyzAB"
    done = failing(
        project, f"raise ValueError('token {token} ' + 'x' * 480 + ' {token}' + 'y' * 1000)\n", "-q"
    )
    error = project.record().error or ""
    assert "the error holds what looks like a secret" in done.stderr
    assert "ghp_" not in error
    assert error.endswith("…")
    assert len(error) == 500


def test_what_ended_well_or_by_a_signal_has_no_such_reason(project: Project) -> None:
    caught = "import traceback\ntry:\n    1 / 0\nexcept ZeroDivisionError:\n    traceback.print_exc()\n"
    failing(project, caught)
    assert (project.record().status, project.record().error) == (RunStatus.FINISHED, None)
    failing(project, caught + "import os\nos.kill(os.getpid(), 15)\n")
    assert (project.record().status, project.record().error) == (RunStatus.KILLED, "SIGTERM")
