"""Runs the examples of a page of documentation, in order, in a fresh repository.

What a block is follows from its first line:

    ```console            commands after `$ `, each followed by what it prints
    ```bash               a script
    ```python             a program
    ```LANGUAGE title="F" the content of the file F, written when its turn comes

Other languages are only shown. A comment `<!-- not run: REASON -->` right above a block keeps it
from being run, `<!-- needs: PROGRAM -->` too where there is no such program, and
`<!-- command: NAME -->` says that `.ci/run` runs it.

Printed output must be as shown, but ids, durations and times may differ, `…` stands for any text
in a line, and a line of only `…` for any lines. What is shown must be of one session: an id stands
for the same thing all over the page.

    python -m tests.docs.examples docs/tutorial.md      rewrites what is printed, if something differs
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

RUNNABLE = ("bash", "console", "python")
GITML = f'"{sys.executable}" -m gitml'
SHOWN_ROOM = "/home/ada"
_TITLE = re.compile(r'title="([^"]+)"')
_SKIP = re.compile(r"<!-- (?:not run|command|(needs)): (.+) -->")
_ID = re.compile(r"\b[0-9a-f]{7,64}\b")
_CHANGING = (
    (_ID, "ID"),
    (re.compile(r"\b[0-9]{4}-[0-9]{2}-[0-9]{2}[T ][0-9:.]+(?:Z| [+-][0-9]{4})?"), "TIME"),
    (re.compile(r"\b[0-2][0-9]:[0-5][0-9]\b"), "TIME"),
    (re.compile(r"\b(?:[0-9]+[dhm] )?[0-9]+(?:\.[0-9]+)?(?:ms|[smhd])\b(?: ago)?"), "DURATION"),
    (re.compile(r"\b(?:now|just now)\b"), "DURATION"),
    (re.compile(r"\s+"), " "),
)


@dataclass
class Block:
    """A fenced block; `line` is where its content begins, counted from 0."""

    language: str
    title: str | None
    line: int
    lines: list[str]
    skipped: bool = False

    @property
    def is_run(self) -> bool:
        return not self.skipped and (self.title is not None or self.language in RUNNABLE)


@dataclass
class Step:
    """A command of a console block and the output shown below it."""

    command: str
    output_line: int
    output: list[str] = field(default_factory=list)


@dataclass
class Difference:
    """Output that is not what the page shows; `problem` says so where it only has the ids of others."""

    step: Step
    actual: list[str]
    problem: str = ""

    def __str__(self) -> str:
        shown, actual = "\n".join(self.step.output), "\n".join(self.actual)
        return f"$ {self.step.command}\n{self.problem}--- shown\n{shown}\n--- printed\n{actual}"


class Ids:
    """Which id on the page stands for which one of the session, by their first seven digits."""

    def __init__(self) -> None:
        self._printed: dict[str, str] = {}
        self._shown: dict[str, str] = {}

    def conflict(self, shown: list[str], actual: list[str]) -> str:
        """Take in what a step shows and prints; say which id means something else elsewhere."""
        for shown_id, actual_id in _paired(shown, actual):
            before = (
                self._printed.setdefault(shown_id, actual_id),
                self._shown.setdefault(actual_id, shown_id),
            )
            if before != (actual_id, shown_id):
                return f"{shown_id} is shown here, {before[1]} above\n"
        return ""

    def translated(self, line: str) -> str:
        """Put the ids of the session in the place of those that are shown."""
        return _ID.sub(lambda match: self._printed.get(match[0][:7], match[0][:7]) + match[0][7:], line)


def _paired(shown: list[str], actual: list[str]) -> Iterator[tuple[str, str]]:
    if len(shown) != len(actual):  # lines were left out
        return
    for line, other in zip(shown, actual, strict=True):
        ids, others = _ID.findall(line), _ID.findall(other)
        if len(ids) == len(others):
            yield from ((one[:7], its[:7]) for one, its in zip(ids, others, strict=True))


class ExampleFailedError(AssertionError):
    """An example ended with an error."""


def blocks(text: str) -> Iterator[Block]:
    """Find the fenced blocks of a page."""
    block: Block | None = None
    above = ""
    for number, line in enumerate(text.splitlines()):
        if block is not None:
            if line == "```":
                yield block
                block, above = None, ""
            else:
                block.lines.append(line)
        elif line.startswith("```"):
            language, _, rest = line[3:].partition(" ")
            title = _TITLE.search(rest)
            block = Block(language, title[1] if title else None, number + 1, [], _is_skipped(above))
        elif line.strip():
            above = line.strip()


def _is_skipped(comment: str) -> bool:
    found = _SKIP.fullmatch(comment)
    return found is not None and not (found[1] and shutil.which(found[2]))


def steps(block: Block) -> list[Step]:
    """Split a console block into commands and their output."""
    found: list[Step] = []
    for number, line in enumerate(block.lines, start=block.line):
        if line.startswith("$ "):
            found.append(Step(line[2:], number + 1))
        else:
            assert found, f"line {number + 1}: output before any command"
            found[-1].output.append(line)
    return found


class Session:
    """A repository, and a shell that stands in it.

    Args:
        room: A folder that is not there yet.
        gitml: The shell's words that start gitml.
    """

    def __init__(self, room: Path, gitml: str) -> None:
        self._room = room
        self._gitml = gitml
        self.ids = Ids()
        self.printed: list[tuple[Step, list[str]]] = []
        self.folder = room / "project"
        self.folder.mkdir(parents=True)
        (room / "home").mkdir()
        self._here = self.folder
        self._environ = self._make_environ()
        self._check(self._bash("git init --quiet"))

    def _make_environ(self) -> dict[str, str]:
        tools = self._room / "bin"
        tools.mkdir()
        # The command under test, whether installed or not.
        (tools / "gitml").write_text(f'#!/bin/sh\nexec {self._gitml} "$@"\n')
        (tools / "gitml").chmod(0o755)
        root = Path(__file__).parents[2]
        home = self._room / "home"
        (home / ".gitconfig").write_text(
            "[user]\n\tname = Ada Example\n\temail = ada@example.org\n"
            "[init]\n\tdefaultBranch = main\n[advice]\n\tdetachedHead = false\n"
        )
        kept = {
            name: value
            for name, value in os.environ.items()
            if not name.startswith(("GIT_", "GITML_", "MLFLOW_"))
        }
        return kept | {
            "PATH": os.pathsep.join([str(tools), str(Path(sys.executable).parent), os.environ["PATH"]]),
            "PYTHONPATH": str(root),
            "HOME": str(home),
            "GIT_CONFIG_NOSYSTEM": "1",
            "GIT_TERMINAL_PROMPT": "0",
            "LC_ALL": "C.UTF-8",
            "TERM": "dumb",
        }

    def run(self, block: Block) -> list[Difference]:
        """Run a block; tell what it printed otherwise than shown."""
        content = "".join(f"{line}\n" for line in block.lines)
        if block.title is not None:
            path = self._here / block.title
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(content, encoding="utf-8")
            if content.startswith("#!"):
                path.chmod(0o755)
        elif block.language == "python":
            script = self._room / "example.py"
            script.write_text(content, encoding="utf-8")
            self._check(self._start([sys.executable, "-W", "error", str(script)]))
        elif block.language == "bash":
            self._check(self._bash(content))
        else:
            return [difference for step in steps(block) for difference in self._compare(step)]
        return []

    def _compare(self, step: Step) -> list[Difference]:
        printed = self._check(self._bash(step.command)).replace(str(self._room), SHOWN_ROOM)
        actual = printed.rstrip("\n").split("\n") if printed.strip() else []
        self.printed.append((step, actual))
        if not matches(step.output, actual):
            return [Difference(step, actual)]
        conflict = self.ids.conflict(step.output, actual)
        return [Difference(step, actual, conflict)] if conflict else []

    def _bash(self, script: str) -> subprocess.CompletedProcess[str]:
        where = self._room / "where"
        ended = self._start(["bash", "-euo", "pipefail", "-c", f"{script}\npwd >'{where}'"])
        if where.exists():
            self._here = Path(where.read_text().rstrip("\n"))
        return ended

    def _start(self, command: list[str]) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            command,
            cwd=self._here,
            env=self._environ,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            encoding="utf-8",
            timeout=120,
            check=False,
        )

    @staticmethod
    def _check(ended: subprocess.CompletedProcess[str]) -> str:
        if ended.returncode != 0:
            raise ExampleFailedError(
                f"exit code {ended.returncode}: {ended.args[-1].splitlines()[0]} …\n{ended.stdout}"
            )
        return ended.stdout


def matches(shown: list[str], actual: list[str]) -> bool:
    """Whether output is as shown, but for what changes from run to run."""
    pattern = ""
    for line in shown:
        if line.strip() == "…":
            pattern += r"(?:[^\n]*\n)*?"
        else:
            pattern += "[^\n]*".join(re.escape(part) for part in _normal(line).split("…")) + r"\n"
    return re.fullmatch(pattern, "".join(f"{_normal(line)}\n" for line in actual)) is not None


def _normal(line: str) -> str:
    for changing, word in _CHANGING:
        line = changing.sub(word, line)
    return line.strip()


def run_page(page: Path, room: Path, gitml: str = GITML) -> list[Difference]:
    """Run all examples of a page.

    Args:
        page: The page.
        room: A folder that is not there yet, for everything that the examples need.
        gitml: The shell's words that start gitml.

    Raises:
        ExampleFailedError: One of them ended with an error.
    """
    return _run_page(page, Session(room, gitml))


def _run_page(page: Path, session: Session) -> list[Difference]:
    found = []
    for block in blocks(page.read_text(encoding="utf-8")):
        if block.is_run:
            try:
                found += session.run(block)
            except ExampleFailedError as err:
                raise ExampleFailedError(f"{page}:{block.line}: {err}") from None
    return found


def update(page: Path) -> int:
    """Put what the examples print now into a page, all of it; count the outputs that differed."""
    with tempfile.TemporaryDirectory() as room:
        session = Session(Path(room) / "room", GITML)
        found = _run_page(page, session)
    if not found:
        return 0
    differing = {difference.step.output_line for difference in found}
    lines = page.read_text(encoding="utf-8").splitlines()
    for step, actual in reversed(session.printed):
        left_out = any("…" in line for line in step.output) and step.output_line not in differing
        new = map(session.ids.translated, step.output) if left_out else actual
        start = step.output_line
        lines[start : start + len(step.output)] = [line.rstrip() for line in new]
    page.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return len(found)


if __name__ == "__main__":
    for name in sys.argv[1:]:
        print(name, update(Path(name)))
