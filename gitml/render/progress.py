"""A progress bar for what takes long; silent otherwise.

On standard error, on a terminal only, and only after a second; in CI a plain
line every ten seconds.
"""

from __future__ import annotations

import os
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Protocol

from gitml.render.numbers import format_size

if TYPE_CHECKING:
    from rich.progress import Progress, ProgressColumn

PATIENCE_S = 1.0
CI_INTERVAL_S = 10.0


@contextmanager
def progress(
    label: str, total: int | None, unit: str = "", *, patience_s: float = PATIENCE_S
) -> Iterator[Callable[[int], None]]:
    """Show how far something is.

    Args:
        label: What is being done: "copying model.bin".
        total: How much there is to do; None if nobody knows.
        unit: What is counted: "B" for bytes, or a noun.
        patience_s: Seconds before anything is shown.

    Yields:
        A function to call with how much was done since the last call.
    """
    meter = _Meter(label, total, unit, patience_s)
    try:
        yield meter.add
    finally:
        meter.close()


@contextmanager
def count_progress(label: str, unit: str) -> Iterator[Callable[[int, int], None]]:
    """Show how far something is whose size is known only once it began.

    Yields:
        A function to call with how much is done, and of how much.
    """
    meter = _Meter(label, None, unit, PATIENCE_S)
    try:
        yield meter.reach
    finally:
        meter.close()


@contextmanager
def phase_progress(label: str) -> Iterator[Callable[[str, int, int], None]]:
    """Show how far something is that has several phases, each with its own count.

    Yields:
        A function to call with the phase's name, how much is done, and of how much.
    """
    meter = _Meter(label, None, "", PATIENCE_S)
    try:
        yield lambda phase, done, total: meter.reach(done, total, f"{label}: {phase}")
    finally:
        meter.close()


class LiveText(Protocol):
    """Lines that are drawn again and again in one place."""

    def draw(self, lines: Sequence[str]) -> None:
        """Replace what is shown."""
        ...

    def say(self, line: str) -> None:
        """Write a line above, which stays."""
        ...


@contextmanager
def live_text() -> Iterator[LiveText | None]:
    """Have a few lines at the bottom of the terminal, gone at the end; None where standard error is none.

    No thread draws: lines change when they are drawn. Text is clean already.
    """
    if not sys.stderr.isatty() or os.environ.get("TERM") == "dumb":
        yield None
        return
    from rich.console import Console
    from rich.live import Live
    from rich.text import Text

    console = Console(stderr=True, highlight=False)

    def set_text(text: str) -> Text:
        return Text(text, no_wrap=True, overflow="ellipsis")

    with Live(console=console, auto_refresh=False, transient=True) as live:

        class Shown:
            """What `live_text` shows."""

            def draw(self, lines: Sequence[str]) -> None:
                """Replace what is shown."""
                live.update(set_text("\n".join(lines)), refresh=True)

            def say(self, line: str) -> None:
                """Write a line above, which stays."""
                console.print(set_text(line))

        yield Shown()


class _Meter:
    """Counts, and shows what it counted when it is time to."""

    def __init__(self, label: str, total: int | None, unit: str, patience_s: float) -> None:
        self._label = label
        self._total = total
        self._unit = unit
        self._done = 0
        self._terminal = sys.stderr.isatty() and os.environ.get("TERM") != "dumb"
        self._interval = patience_s if self._terminal else CI_INTERVAL_S
        self._wanted = self._terminal or bool(os.environ.get("CI"))
        self._next = time.monotonic() + self._interval
        self._bar: Progress | None = None
        self._lock = threading.Lock()  # files are kept by several threads

    def add(self, amount: int) -> None:
        """Count some more."""
        with self._lock:
            self._done += amount
            self._show()

    def reach(self, done: int, total: int, label: str | None = None) -> None:
        """Set how much is done, and of how much, and what it is now."""
        with self._lock:
            self._done, self._total = done, total
            self._label = label or self._label
            self._show()

    def _show(self) -> None:
        if not self._wanted:
            return
        if self._bar is not None:
            self._bar.update(
                self._bar.task_ids[0], description=self._label, completed=self._done, total=self._total
            )
        elif time.monotonic() >= self._next:
            self._next = time.monotonic() + self._interval
            if self._terminal:
                self._bar = self._start_bar()
            else:
                print(f"{self._label}: {self._amount()}", file=sys.stderr, flush=True)  # noqa: T201 - the one place below cli

    def _amount(self) -> str:
        def text(amount: int) -> str:
            return format_size(amount) if self._unit == "B" else f"{amount:,}"

        done = text(self._done) + (f" of {text(self._total)}" if self._total is not None else "")
        return done if self._unit == "B" else f"{done} {self._unit}".rstrip()

    def _start_bar(self) -> Progress:
        from rich.console import Console  # 90 ms, only for those who wait anyway
        from rich.progress import (
            BarColumn,
            DownloadColumn,
            MofNCompleteColumn,
            Progress,
            TextColumn,
            TimeRemainingColumn,
        )

        amount: ProgressColumn = DownloadColumn() if self._unit == "B" else MofNCompleteColumn()
        bar = Progress(
            TextColumn("{task.description}", markup=False), BarColumn(), amount, TimeRemainingColumn(),
            console=Console(stderr=True), transient=True,
        )  # fmt: skip
        bar.add_task(self._label, total=self._total, completed=self._done)
        bar.start()
        return bar

    def close(self) -> None:
        """Take the bar away."""
        if self._bar is not None:
            self._bar.stop()
