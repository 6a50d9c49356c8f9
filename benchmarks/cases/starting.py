"""Starting: what the wrapper, the import and the command line add to a program."""

from __future__ import annotations

import statistics
import sys
from collections.abc import Callable, Mapping
from pathlib import Path

from context import Context
from measure import Result, Target, interleave, result, run_child

_NOTHING = "pass"
# A name of the package that is loaded on first use: what a script pays before its first call.
_READY = "import {0}; {0}.start_run"


def wrap(context: Context) -> list[Result]:
    """`gitml run true` over `true`, in a clean work tree."""
    sizes = context.sizes
    repository = context.new_repository(sizes.files)
    command = [*context.gitml_command, "run", "true"]
    context.run(command, repository)
    ours, alone = interleave(
        (lambda: context.run(command, repository).wall_s, sizes.start_rounds),
        (lambda: context.run(["true"], repository).wall_s, sizes.start_rounds),
    )
    floor = statistics.median(alone)
    return [
        result(
            "run_overhead",
            f"`gitml run true` over `true`, {sizes.files:,} clean files",
            "s",
            [wall - floor for wall in ours],
            target=Target(0.25),
            reference=floor,
            reference_what="`true` alone",
        )
    ]


def start_up(context: Context) -> list[Result]:
    """Importing, being ready to log, and printing the help."""
    folder = context.new_repository()
    sizes = context.sizes

    def python(code: str) -> Callable[[], float]:
        return lambda: context.run([sys.executable, "-c", code], folder).wall_s

    measures: list[tuple[Callable[[], float], int]] = [
        (python(_NOTHING), sizes.start_rounds),
        (python("import gitml"), sizes.start_rounds),
        (python(_READY.format("gitml")), sizes.start_rounds),
        (lambda: context.run([*context.gitml_command, "--help"], folder).wall_s, sizes.start_rounds),
    ]
    if context.peer:
        measures += [(measure, sizes.peer_rounds) for measure in _peer_starts(context, context.peer)]
    for measure, _ in measures:
        measure()  # byte code and page cache
    found = [[wall * 1000 for wall in walls] for walls in interleave(*measures)]
    bare, imported, ready, helped = found[:4]
    peer_bare, peer_imported, peer_ready, peer_helped = found[4:] if context.peer else ([], [], [], [])
    return [
        result(
            "import",
            "`import gitml` over bare Python",
            "ms",
            _over(imported, bare),
            peer=_over(peer_imported, peer_bare),
            target=Target(60),
            reference=statistics.median(bare),
            reference_what="`python -c pass`",
        ),
        result(
            "import_ready",
            "… and looking `start_run` up, which loads what logging needs",
            "ms",
            _over(ready, bare),
            peer=_over(peer_ready, peer_bare),
        ),
        result(
            "help", "`gitml --help`, the whole process", "ms", helped, peer=peer_helped, target=Target(150)
        ),
    ]


def _peer_starts(context: Context, python: Path) -> list[Callable[[], float]]:
    store = context.new_mlflow_store()
    assert store is not None
    env = context.peer_env(store)
    commands: list[list[object]] = [
        [python, "-c", _NOTHING],
        [python, "-c", "import mlflow"],
        [python, "-c", _READY.format("mlflow")],
        [python.with_name("mlflow"), "--help"],
    ]
    return [_timed(command, store, env) for command in commands]


def _timed(command: list[object], cwd: Path, env: Mapping[str, str]) -> Callable[[], float]:
    return lambda: run_child(command, cwd=cwd, env=env).wall_s


def _over(walls: list[float], floor: list[float]) -> list[float]:
    return [wall - statistics.median(floor) for wall in walls]
