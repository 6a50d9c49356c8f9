"""`gitml watch`: a live run as it goes."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from gitml.cli import complete
from gitml.cli.keys import Pause, quit_key, sleep
from gitml.cli.opened import open_repo
from gitml.cli.terminal import Screen, screen
from gitml.errors import NotFoundError

if TYPE_CHECKING:
    from rich.text import Text

    from gitml.entities.run import Number, Run
    from gitml.render.run_text import RunPage
    from gitml.repo import Repo

_INTERVAL_S = 1.0
_LINES_APART_S = 5.0  # a pipe is mostly a log file, which a line a second would fill
_OUTPUT_LINES = 8
_TAIL_BYTES = 64_000


class NothingLiveError(NotFoundError):
    """No run is going on."""

    def __init__(self) -> None:
        super().__init__("no run is live", hint="start one: gitml run python train.py")


def register(app: typer.Typer) -> None:
    """Add the command to the application."""
    app.command("watch")(watch)


def watch(
    name: Annotated[
        str | None,
        typer.Argument(
            metavar="[RUN]",
            help="The run; the newest live one if none is given.",
            autocompletion=complete.runs,
        ),
    ] = None,
    interval: Annotated[
        float | None,
        typer.Option(
            "--interval", min=0.1, max=60.0, metavar="SECONDS", help="How often to look.",
            show_default="1; in a pipe a line every 5 at most",
        ),
    ] = None,
) -> None:  # fmt: skip
    """Follow a live run: metrics, curves, output. `q` and Ctrl-C leave the run alone.

    Where the output is no terminal, it is a line whenever something new was logged.

    Examples:
      gitml watch
      gitml watch brisk-heron --interval 0.5 | tee progress.txt
    """
    repo = open_repo()
    run = _find(repo, name)
    target = screen()
    redraws = target.interactive and os.environ.get("TERM") not in ("dumb", "unknown")
    follow = _follow_on_screen if redraws and not run.status.is_final else _follow_in_lines
    try:
        over = follow(repo, run, target, interval)
    except KeyboardInterrupt:
        print()
        over = False
    if not over:
        print(f"run {run.id[:7]} goes on")


def _find(repo: Repo, name: str | None) -> Run:
    from gitml.cli.status import live_runs
    from gitml.tracking.resolve import resolve_run

    if name is not None:
        return resolve_run(repo, name)
    live = live_runs(repo)
    if not live:
        raise NothingLiveError
    return live[0]


def _states(repo: Repo, run: Run, interval: float, pause: Pause) -> Iterator[Run]:
    """Read a run again and again until it is over, the last state included, or the reader quits."""
    from gitml.tracking.history import get_run, refresh

    while True:
        yield run
        if run.status.is_final and not run.live:
            return
        if pause(interval):
            return
        run = get_run(repo, run.id)
        if run.live and repo.journal.is_orphaned(run.id):
            refresh(repo)  # its process is gone: this records it as killed
            run = get_run(repo, run.id)


def _follow_in_lines(repo: Repo, run: Run, target: Screen, interval: float | None) -> bool:
    """Print a line when something was logged, and one at the end."""
    from gitml.render.numbers import format_duration

    apart_s = 0.0 if interval is not None else _LINES_APART_S  # looking that often is slow enough
    last_line, last_time = "", float("-inf")
    for state in _states(repo, run, interval or _INTERVAL_S, sleep):
        text = _metrics_line(state)
        over = state.status.is_final and not state.live
        if over or (text != last_line and time.monotonic() - last_time >= apart_s):
            seconds = state.duration_s if over else max(0.0, time.time() - state.start_ms / 1000)
            mark = target.ink.mark(state.status)
            line = f"{mark} {state.id[:7]} {state.status.value} {format_duration(seconds)}  {text}".rstrip()
            print(target.ink.sign(line), flush=True)
            last_line, last_time = text, time.monotonic()
    return True


def _metrics_line(run: Run) -> str:
    from gitml.render.numbers import format_number
    from gitml.render.text import clean

    shown = [(key, summary) for key, summary in run.metrics.items() if not key.startswith("system/")]
    step = max((summary.step for _, summary in shown), default=None)
    pairs = [f"{clean(key)}={format_number(summary.last)}" for key, summary in shown]
    return " ".join([f"step {step}", *pairs] if step is not None else pairs)


def _follow_on_screen(repo: Repo, run: Run, target: Screen, interval: float | None) -> bool:
    """Draw the run again and again; tell whether it is over, or else the reader quit."""
    from rich.console import Console  # 90 ms, only for who watches
    from rich.live import Live

    from gitml.cli.show import code_subject
    from gitml.render.run_text import RunPage

    curves, subject = _Curves(repo), code_subject(repo, run)
    console = Console(no_color=not target.ink.colour, highlight=False, markup=False, emoji=False)
    state = run
    with quit_key() as pause, Live(console=console, auto_refresh=False, vertical_overflow="crop") as live:
        for state in _states(repo, run, interval or _INTERVAL_S, pause or sleep):
            size = console.size
            page = RunPage(run=state, subject=subject, now_ms=int(time.time() * 1000))
            frame = _frame(repo, page, curves, target, size.width, size.height)
            if pause is not None and not state.status.is_final:
                frame.append("\nq quit", "dim")
            live.update(frame, refresh=True)
    return state.status.is_final


class _Curves:
    """Keeps the curves it has read, so that only what was logged since is read again."""

    def __init__(self, repo: Repo) -> None:
        self._repo = repo
        self._known: dict[str, tuple[int, Sequence[Number]]] = {}

    def of(self, run: Run, metrics: Sequence[str]) -> dict[str, Sequence[Number]]:
        """Read the curves of some metrics as far as they changed."""
        from gitml.render.curves import read_curves

        changed = [key for key in metrics if self._known.get(key, (0, ()))[0] != run.metrics[key].count]
        for key, values in read_curves(self._repo, run, changed).items():
            self._known[key] = (run.metrics[key].count, values)
        return {key: self._known[key][1] for key in metrics if key in self._known}


def _frame(repo: Repo, page: RunPage, curves: _Curves, target: Screen, cells: int, lines: int) -> Text:
    """Draw a run with as many of its curves and last lines as there is room for."""
    from rich.text import Text

    from gitml.render.run_text import run_text, shown_metrics

    run = page.run
    keys = shown_metrics(run, everything=False)[: max(3, lines // 2 - 4)]
    view = replace(page, curves=curves.of(run, keys))
    body = run_text(view, target.ink, cells).splitlines()[: max(1, lines - 3)]
    room = max(0, min(_OUTPUT_LINES, lines - len(body) - 4))
    output = _last_output(repo, run, cells, room)
    rule = (
        [target.ink.paint(target.ink.sign("── output " + "─" * max(0, cells - 11)), "dim")] if output else []
    )
    return Text.from_ansi("\n".join([*body, *rule, *output]), no_wrap=True, overflow="crop")


def _last_output(repo: Repo, run: Run, cells: int, count: int) -> list[str]:
    from gitml.formats.run_tree import OUTPUT_FILE
    from gitml.render.text import clean_output, clip
    from gitml.tracking.history import read_output

    if count == 0:
        return []
    file = repo.journal.folder(run.id) / OUTPUT_FILE
    if run.live and file.exists():
        data = _read_tail(file, _TAIL_BYTES)
    else:
        data = read_output(repo, run)[-_TAIL_BYTES:]
    text = clean_output(data.decode("utf-8", "replace"), colour=False)
    kept = [line.expandtabs() for line in text.split("\n") if line.strip()]
    return [clip(line, cells) for line in kept[-count:]]


def _read_tail(file: Path, count: int) -> bytes:
    with file.open("rb") as stream:
        stream.seek(0, os.SEEK_END)
        stream.seek(max(0, stream.tell() - count))
        return stream.read()
