"""Runs to and from a remote at a path, beside git alone moving the same objects."""

from __future__ import annotations

import shutil
import statistics
from pathlib import Path

from context import Context, make_repository
from measure import BrokenBenchmarkError, Result, Target, interleave, result

_RUNS_REF = "refs/heads/gitml/runs"
_PUSHED, _PULLED = 1000, 10_000


def sharing(context: Context) -> list[Result]:
    """The floor is git, without checks, index and summary."""
    return [*_push(context), *_pull(context), *_one_more(context)]


def _filled(context: Context, count: int) -> Path:
    folder = context.new_folder(f"runs-{count}")
    make_repository(folder, 20, context.env)
    context.fill("gitml", folder, count)
    return folder


def _bare(context: Context) -> Path:
    folder = context.new_folder("server")
    context.git(folder, "init", "--quiet", "--bare")
    return folder


def _push(context: Context) -> list[Result]:
    count = min(_PUSHED, context.sizes.runs)
    repository = _filled(context, count)

    def push(*command: object) -> float:
        server = _bare(context)
        took = context.run(
            [*map(str, command), str(server), *(["gitml/runs"] if "git" in command else [])], repository
        )
        if context.git(server, "rev-parse", _RUNS_REF) != context.git(repository, "rev-parse", _RUNS_REF):
            raise BrokenBenchmarkError("the runs did not arrive")
        shutil.rmtree(server)
        return took.wall_s

    ours, plain = interleave(
        (lambda: push(*context.gitml_command, "push"), context.sizes.rounds),
        (lambda: push("git", "push", "--quiet"), context.sizes.rounds),
    )
    return [
        result(
            "push", f"`gitml push` of {count:,} small runs, the whole process", "s", ours,
            reference=statistics.median(plain), reference_what="git push of the same objects; the target is 3 × that",
            target=Target(3 * statistics.median(plain)),
        )
    ]  # fmt: skip


def _pull(context: Context) -> list[Result]:
    count = min(_PULLED, context.sizes.runs)
    server = _bare(context)
    context.git(_filled(context, count), "push", "--quiet", str(server), "main", "gitml/runs")

    def pull(*commands: list[str]) -> float:
        clone = context.new_folder("clone")
        context.git(
            clone.parent,
            "clone",
            "--quiet",
            "--no-local",
            "--single-branch",
            "-b",
            "main",
            str(server),
            str(clone),
        )
        took = sum(context.run(command, clone).wall_s for command in commands)
        shutil.rmtree(clone)
        return took

    log = [*context.gitml_command, "log", "-n", "1"]
    ours, plain = interleave(
        (lambda: pull([*context.gitml_command, "pull"], log), min(3, context.sizes.rounds)),
        (
            lambda: pull(["git", "fetch", "--quiet", "origin", "gitml/runs:gitml/runs"]),
            min(3, context.sizes.rounds),
        ),
    )
    return [
        result(
            "pull", f"`gitml pull` of {count:,} runs into a clone that has none, and `gitml log`, which builds the index", "s", ours,
            reference=statistics.median(plain), reference_what="git fetch of the same objects; the target is 3 × that",
            target=Target(3 * statistics.median(plain)),
        )
    ]  # fmt: skip


def _one_more(context: Context) -> list[Result]:
    """A run more, pushed from a repository with few runs and from one with many."""
    results = []
    for repository, many in (
        (_filled(context, 1), "1 run"),
        (context.full_repository(), f"{context.sizes.runs:,} runs"),
    ):
        server = _bare(context)
        context.git(repository, "push", "--quiet", str(server), "gitml/runs")
        context.git(repository, "remote", "add", "origin", str(server))
        context.run([*context.gitml_command, "push"], repository)
        took = []
        for number in range(context.sizes.rounds):
            context.run(
                [*context.gitml_command, "run", "--quiet", "--name", f"more-{number}", "true"], repository
            )
            took.append(context.run([*context.gitml_command, "push"], repository).wall_s)
        results.append(
            result(
                f"push_one_after_{many.split()[0].replace(',', '')}",
                f"`gitml push` of one run more, {many} before it",
                "s",
                took,
            )
        )
    return results
