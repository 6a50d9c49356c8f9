"""What `gitml sweep` shows while it runs, and at its end."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from gitml.cli.output import warn
from gitml.cli.terminal import screen, speaks_unicode
from gitml.render.ink import Ink

if TYPE_CHECKING:
    from gitml.execution.sweeps.optimizers import TrialResult
    from gitml.execution.sweeps.state import SweepResult, SweepState, Watch

_REDRAW_S = 0.1


class SweepView:
    """Shows a sweep on the terminal.

    Args:
        top: How many of the best trials are listed at the end.
        as_json: Whether the end is a JSON document.
        quiet: Whether nothing is shown that was not asked for.
    """

    def __init__(self, *, top: int, as_json: bool, quiet: bool) -> None:
        self.quiet = quiet
        self._top = max(0, top)
        self._as_json = as_json
        self._ink = Ink(colour=False, unicode=speaks_unicode(sys.stderr))
        self._warned: set[str] = set()

    def begin(self, text: str) -> None:
        """Say what is going to be run."""
        if not self.quiet:
            print(self._ink.sign(text), file=sys.stderr, flush=True)

    @contextmanager
    def watching(self) -> Iterator[Watch]:
        """Show how far the sweep is: in place on a terminal, else a line for each trial."""
        from gitml.render.progress import live_text
        from gitml.render.sweep_text import sweep_lines, trial_line

        if self.quiet:
            yield self._only_redactions
            return
        drawn_s = 0.0
        with live_text() as live:

            def watch(state: SweepState, ended: TrialResult | None) -> None:
                nonlocal drawn_s
                if ended is not None:
                    self._only_redactions(state, ended)
                    self._warn(ended.warnings)
                    if live is None:
                        print(trial_line(ended, state, self._ink), file=sys.stderr, flush=True)
                    elif ended.error is not None:
                        live.say(trial_line(ended, state, self._ink))
                elif live is not None and time.monotonic() - drawn_s >= _REDRAW_S:
                    live.draw(sweep_lines(state, self._ink))
                    drawn_s = time.monotonic()

            yield watch

    def detached(self, state: SweepState) -> None:
        """Say how to go on with a sweep that nobody waits for; its id goes to standard output, for scripts."""
        if self._as_json:
            from gitml.entities.run import RunStatus
            from gitml.execution.sweeps.state import SweepResult
            from gitml.render.as_json import dump_json
            from gitml.render.sweep_text import sweep_document

            document = sweep_document(SweepResult(state, RunStatus.SCHEDULED, 0, None, 0.0))
            sys.stdout.write(dump_json("sweep", document))
        else:
            print(state.run_id, flush=True)
        short = state.run_id[:7]
        self.begin(
            f"{len(state.pending):,} pending, {len(state.running):,} running, {len(state.results):,} done"
            f"  \N{MIDDLE DOT}  gitml sweep --resume {short}  \N{MIDDLE DOT}  gitml jobs list"
        )

    def end(self, result: SweepResult) -> None:
        """Say what came of it."""
        from gitml.entities.run import RunStatus
        from gitml.render.sweep_text import best_table, sweep_document, sweep_summary

        target = screen()
        if self._as_json:
            from gitml.render.as_json import dump_json

            sys.stdout.write(dump_json("sweep", sweep_document(result)))
        elif not self.quiet:
            sys.stdout.write(best_table(result.state, self._top, target.ink, target.cells))
            sys.stdout.flush()
        if self.quiet:
            return
        state, goal = result.state, result.state.plan.goal
        if goal is not None and state.best is None and len(state.results) > state.failed:
            warn(f"no trial has a value of '{goal.metric}'; --scalars and --metrics find what is not logged")
        print(self._ink.sign(sweep_summary(result)), file=sys.stderr)
        if len(state.results) < state.plan.trials or result.status is RunStatus.KILLED:
            print(f"hint: gitml sweep --resume {state.run_id[:7]}", file=sys.stderr)

    def _only_redactions(self, state: SweepState, ended: TrialResult | None) -> None:
        del state
        if ended is not None:
            self._warn(ended.redactions)

    def _warn(self, texts: tuple[str, ...]) -> None:
        for text in texts:
            if text not in self._warned:
                self._warned.add(text)
                warn(text)
