"""A push into a server that looks at runs before it lets them in, beside one that does not."""

from __future__ import annotations

import os
import shlex
import statistics
from collections.abc import Mapping
from pathlib import Path

from context import Context, make_repository
from measure import BrokenBenchmarkError, Result, Target, interleave, result, run_child

_RUNS_REF = "refs/heads/gitml/runs"
_RUNS = 10_000


def receiving(context: Context) -> list[Result]:
    """The floor is the same push without the hook."""
    sizes = context.sizes
    count = min(_RUNS, sizes.runs)
    repository = context.new_folder("repository")
    make_repository(repository, 20, context.env)
    context.fill("gitml", repository, count)
    env = _with_gitml_on_path(context)
    rounds = min(3, sizes.rounds)
    checked, plain = interleave(
        (lambda: _push(context, repository, env, hook=True), rounds),
        (lambda: _push(context, repository, env, hook=False), rounds),
    )
    one_more = [_push_one(context, repository, env) for _ in range(rounds)]
    return [
        result(
            "pre_receive", f"`git push` of {count:,} new runs into a server with the pre-receive hook", "s", checked,
            reference=statistics.median(plain), reference_what="the same without the hook; the target is 3 × that",
            target=Target(3 * statistics.median(plain)),
        ),
        result("pre_receive_one", f"… of one run more, {count:,} before it", "s", one_more, target=Target(1.5)),
    ]  # fmt: skip


def _with_gitml_on_path(context: Context) -> Mapping[str, str]:
    programs = context.new_folder("bin")
    program = programs / "gitml"
    program.write_text(f'#!/bin/sh\nexec {shlex.join(context.gitml_command)} "$@"\n')
    program.chmod(0o755)
    return {**context.env, "PATH": f"{programs}{os.pathsep}{context.env['PATH']}"}


def _server(context: Context, *, hook: bool) -> Path:
    server = context.new_folder("server")
    context.git(server, "init", "--quiet", "--bare")
    if hook:
        context.run([*context.gitml_command, "init", "--server"], server)
    return server


def _push(context: Context, repository: Path, env: Mapping[str, str], *, hook: bool) -> float:
    server = _server(context, hook=hook)
    took = run_child(["git", "push", "--quiet", server, "main", "gitml/runs"], cwd=repository, env=env)
    if context.git(server, "rev-parse", _RUNS_REF) != context.git(repository, "rev-parse", _RUNS_REF):
        raise BrokenBenchmarkError("the runs did not arrive")
    return took.wall_s


def _push_one(context: Context, repository: Path, env: Mapping[str, str]) -> float:
    server = _server(context, hook=True)
    push = ["git", "push", "--quiet", server, "main"]
    before = [*push[:-1], f"gitml/runs~1:{_RUNS_REF}"]
    (server / "hooks/pre-receive").rename(server / "hooks/aside")  # what was there before is not measured
    run_child(push, cwd=repository, env=env)
    run_child(before, cwd=repository, env=env)
    (server / "hooks/aside").rename(server / "hooks/pre-receive")
    return run_child([*push[:-1], "gitml/runs"], cwd=repository, env=env).wall_s
