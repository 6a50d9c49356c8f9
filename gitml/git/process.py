"""The only place that starts git.

Always with an explicit argument list and without a shell. Sub-commands are on a
list, the repository is named explicitly, hooks and helpers from configuration do
not run. Why not GitPython: docs/design/0008-git-is-started-directly.md.
"""

from __future__ import annotations

import os
import subprocess
import threading
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import IO, cast

from gitml.errors import GitmlError

_ALLOWED = frozenset(
    [
        "bundle",
        "cat-file",
        "check-ref-format",
        "clone",
        "config",
        "count-objects",
        "credential",
        "diff",
        "diff-tree",
        "fetch",
        "for-each-ref",
        "fsck",
        "index-pack",
        "init",
        "lfs",
        "log",
        "ls-files",
        "ls-remote",
        "ls-tree",
        "merge-base",
        "pack-objects",
        "pack-refs",
        "prune",
        "push",
        "repack",
        "rev-list",
        "rev-parse",
        "show",
        "status",
        "tag",
        "update-index",
        "update-ref",
        "var",
        "verify-commit",
        "verify-tag",
        "version",
        "write-tree",
    ]
)
# Never hooks, file-system monitors, helper protocols or automatic repacking; never
# locks that the user's own git would wait for; never pathspec magic in names.
_ALWAYS = (
    "-c", f"core.hooksPath={os.devnull}",
    "-c", "core.fsmonitor=false",
    "-c", "protocol.ext.allow=never",
    "-c", "gc.auto=0",
    "--no-optional-locks",
    "--no-replace-objects",
    "--literal-pathspecs",
)  # fmt: skip

# What git says is read by programs, and told on in English.
_PLAIN_WORDS = {"LANGUAGE": "C", "LC_ALL": "C"}

_ABSENT = (b" missing\n", b" ambiguous\n")
_KINDS = {kind.encode(): kind for kind in ("blob", "tree", "commit", "tag")}


class GitMissingError(GitmlError):
    """There is no git on this machine."""

    exit_code = 5

    def __init__(self) -> None:
        super().__init__("git was not found on PATH", hint="install git 2.34 or newer")


class GitCommandFailedError(GitmlError):
    """git ended with an error that gitml did not expect."""

    def __init__(self, command: Sequence[str], status: int, stderr: str) -> None:
        lines = [line for line in stderr.strip().splitlines() if line] or [f"exit {status}"]
        super().__init__(f"git {command[0]} failed: {lines[0].removeprefix('fatal: ')}", hint=_hint(stderr))
        self.command = tuple(command)
        self.status = status
        self.stderr = stderr


def _hint(stderr: str) -> str | None:
    return next(
        (line.strip() for line in stderr.splitlines() if "safe.directory" in line and "git config" in line),
        None,
    )


@cache
def git_executable() -> str:
    """Find git on PATH, never in the current directory or by a relative entry.

    Raises:
        GitMissingError: There is none.
    """
    for entry in os.environ.get("PATH", os.defpath).split(os.pathsep):
        if os.path.isabs(entry):
            candidate = os.path.join(entry, "git")
            if os.path.isfile(candidate) and os.access(candidate, os.X_OK):
                return candidate
    raise GitMissingError


class GitProcess:
    """Runs git for one repository."""

    def __init__(
        self,
        cwd: Path,
        *,
        git_dir: Path | None = None,
        common_dir: Path | None = None,
        work_tree: Path | None = None,
        quarantine: Path | None = None,
        variables: Mapping[str, str] | None = None,
    ) -> None:
        """Name the repository; without `git_dir` git finds it from `cwd`.

        Args:
            cwd: Where git runs.
            git_dir: Its folder.
            common_dir: What its worktrees share.
            work_tree: The files, if it has any.
            quarantine: Where git keeps the objects of a push until a hook let them in.
            variables: More of its environment.
        """
        self._cwd = cwd
        self._options = list(_ALWAYS)
        self._env: dict[str, str] = {}
        if git_dir is not None:
            self._options.append(f"--git-dir={git_dir}")
            # Set so that what a hook or an outer git left in the environment has no say.
            self._env = {
                "GIT_COMMON_DIR": str(common_dir),
                "GIT_OBJECT_DIRECTORY": str((common_dir or git_dir) / "objects"),
                "GIT_INDEX_FILE": str(git_dir / "index"),
                "GIT_NAMESPACE": "",
            }
            if quarantine is not None:
                objects = self._env["GIT_OBJECT_DIRECTORY"]
                self._env |= {
                    "GIT_OBJECT_DIRECTORY": str(quarantine),
                    "GIT_ALTERNATE_OBJECT_DIRECTORIES": objects,
                }
            if work_tree is not None:
                self._options.append(f"--work-tree={work_tree}")
        self._env |= variables or {}

    def run(
        self,
        args: Sequence[str],
        *,
        input: bytes = b"",  # noqa: A002 - the word subprocess uses
        env: Mapping[str, str] | None = None,
        cwd: Path | None = None,
        check: bool = True,
    ) -> bytes:
        """Run git to its end and return what it printed.

        Args:
            args: Sub-command and arguments, each one word for git.
            input: What git reads from its standard input.
            env: Variables to add to its environment.
            cwd: Where to run it; the repository's folder if not given.
            check: Whether an exit status other than 0 is an error.

        Raises:
            GitCommandFailedError: git failed and `check` is set.
            GitMissingError: There is no git.
        """
        status, out, err = self.run_status(args, input=input, env=env, cwd=cwd)
        if check and status != 0:
            raise GitCommandFailedError(args, status, err)
        return out

    def run_status(
        self,
        args: Sequence[str],
        *,
        input: bytes = b"",  # noqa: A002
        env: Mapping[str, str] | None = None,
        cwd: Path | None = None,
    ) -> tuple[int, bytes, str]:
        """Run git to its end; return its exit status, output and error text."""
        process = self.start(args, env=env, cwd=cwd)
        out, err = process.communicate(input)
        return process.returncode, out, err.decode("utf-8", "replace")

    def start(
        self,
        args: Sequence[str],
        *,
        env: Mapping[str, str] | None = None,
        cwd: Path | None = None,
        configuration: Sequence[str] = (),
    ) -> subprocess.Popen[bytes]:
        """Start git with pipes on its three streams.

        Args:
            args: Sub-command and arguments, each one word for git.
            env: Variables to add to its environment.
            cwd: Where to run it; the repository's folder if not given.
            configuration: More settings for it, as `-c`, `key=value` in turn.
        """
        if args[0] not in _ALLOWED:
            raise ValueError(f"git {args[0]} is not on the list of allowed sub-commands")
        folder = cwd or self._cwd
        return subprocess.Popen(
            [git_executable(), *self._options, *configuration, *args],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            cwd=folder if os.access(folder, os.X_OK) else None,  # the repository is named besides
            env={**os.environ, **_PLAIN_WORDS, **self._env, **(env or {})},
        )

    def cat_paths(self, names: Iterable[str]) -> Iterator[bytes | None]:
        """Read many objects by one git process, answers in order.

        Args:
            names: Object names as git reads them, such as `<commit>:run.yaml`.

        Yields:
            The content, or None where there is no such object.
        """
        return (None if found is None else found[1] for found in self.cat_objects(names))

    def cat_objects(self, names: Iterable[str]) -> Iterator[tuple[str, bytes] | None]:
        """Read many objects by one git process; yields what kind each is, and its content."""
        with self._cat_file("--batch", names) as stdout:
            while header := stdout.readline():
                if header.endswith(_ABSENT):
                    yield None
                    continue
                _, kind, size = header.rsplit(b" ", 2)
                yield _KINDS[kind], stdout.read(int(size) + 1)[:-1]

    def cat_sizes(self, names: Iterable[str]) -> Iterator[tuple[str, int] | None]:
        """Tell of many objects what kind each is and how long, without reading them."""
        known: dict[bytes, tuple[str, int] | None] = {}  # small files are often of the same length
        with self._cat_file("--batch-check=%(objecttype) %(objectsize)", names) as stdout:
            for line in stdout:
                if line not in known:
                    kind, _, size = line.partition(b" ")
                    known[line] = None if line.endswith(_ABSENT) else (_KINDS[kind], int(size))
                yield known[line]

    @contextmanager
    def _cat_file(self, option: str, names: Iterable[str]) -> Iterator[IO[bytes]]:
        process = self.start(["cat-file", option, "--buffer"])
        stdin, stdout = cast("IO[bytes]", process.stdin), cast("IO[bytes]", process.stdout)
        writer = threading.Thread(target=_feed, args=(stdin, names), daemon=True)
        writer.start()
        try:
            yield stdout
        finally:
            stdout.close()
            process.terminate()
            process.wait()
            writer.join()
            cast("IO[bytes]", process.stderr).close()


def _feed(stdin: IO[bytes], names: Iterable[str]) -> None:
    try:
        batch: list[str] = []
        for name in names:
            batch.append(name)
            if len(batch) >= 1000:
                stdin.write(("\n".join(batch) + "\n").encode())
                batch.clear()
        stdin.write("".join(f"{name}\n" for name in batch).encode())
        stdin.close()
    except BrokenPipeError:
        pass  # the reader stopped early and closed git
