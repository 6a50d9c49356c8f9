"""Sweeps: what each trial costs over the program that it runs."""

from __future__ import annotations

import statistics

from context import Context
from measure import BrokenBenchmarkError, Result, Target, interleave, result

_TRIALS = 200
_JOBS = 2


def sweep(context: Context) -> list[Result]:
    """`gitml sweep` of a program that does nothing, over running it as often, with two jobs."""
    sizes = context.sizes
    repository = context.new_repository(20)
    swept = [
        *context.gitml_command, "sweep", "-q", "-P", f"x=range({_TRIALS})", "--jobs", str(_JOBS), "true",
    ]  # fmt: skip
    bare = ["sh", "-c", f"seq {_TRIALS} | xargs -P {_JOBS} -I N true --x N"]
    context.run([*context.gitml_command, "sweep", "-q", "-P", "x=1,2", "true"], repository)
    ours, alone = interleave(
        (lambda: context.run(swept, repository).wall_s, sizes.rounds),
        (lambda: context.run(bare, repository).wall_s, sizes.rounds),
    )
    runs = int(context.git(repository, "rev-list", "--count", "gitml/runs"))
    if runs != sizes.rounds * (_TRIALS + 1) + 3:
        raise BrokenBenchmarkError(f"{runs} runs were recorded")
    floor = statistics.median(alone)
    return [
        result(
            "sweep_trial",
            f"a trial of `gitml sweep` of {_TRIALS} × `true`, {_JOBS} jobs, over the programs alone",
            "ms",
            [(wall - floor) / _TRIALS * 1000 for wall in ours],
            target=Target(60),
            reference=floor / _TRIALS * 1000,
            reference_what=f"`true` by `xargs -P {_JOBS}`",
            note="the whole command divided by the number of trials",
        )
    ]
