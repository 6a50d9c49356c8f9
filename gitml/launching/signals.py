"""Signals for a process that stands in for another one.

From `__enter__` on no signal ends us any more: it is noted, handed to the child
once there is one, and the run is recorded in any case. Signals that end a program
are handed on from within the handler, so that they arrive even while we wait
for a terminal or a pipe that nobody reads.
"""

from __future__ import annotations

import os
import signal
import threading
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from types import FrameType, TracebackType
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from typing_extensions import Self

ENDING = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGQUIT)
_AT_ONCE = (*ENDING, signal.SIGUSR1, signal.SIGUSR2)
# These touch the terminal, so they wait for the loop instead of interrupting it.
_IN_TURN = (signal.SIGTSTP, signal.SIGCONT, signal.SIGWINCH)


class SignalRelay:
    """Collect signals and hand them on; a context manager, for the main thread.

    In another thread, where Python allows no handlers, it does nothing.
    Signals that were ignored when we started (`nohup`) stay ignored.

    Attributes:
        wakeup_fd: Becomes readable when a signal arrived; None without handlers.
    """

    def __init__(self) -> None:
        self.wakeup_fd: int | None = None
        self._wakeup_write: int | None = None
        self._old_wakeup = -1
        self._old: dict[int, object] = {}
        self._forward: Callable[[int], bool] | None = None
        self._undelivered: deque[int] = deque()
        self._in_turn: deque[int] = deque()
        self._ending: list[int] = []

    def __enter__(self) -> Self:
        if threading.current_thread() is not threading.main_thread():
            return self
        self.wakeup_fd, self._wakeup_write = os.pipe()
        os.set_blocking(self.wakeup_fd, False)
        os.set_blocking(self._wakeup_write, False)
        for number in (*_AT_ONCE, *_IN_TURN, signal.SIGCHLD):
            if number == signal.SIGCHLD or signal.getsignal(number) is not signal.SIG_IGN:
                self._old[number] = signal.signal(number, self._note)
        self._old_wakeup = signal.set_wakeup_fd(self._wakeup_write, warn_on_full_buffer=False)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self.wakeup_fd is None or self._wakeup_write is None:
            return
        signal.set_wakeup_fd(self._old_wakeup)
        for number, handler in self._old.items():
            signal.signal(number, handler)  # type: ignore[arg-type]  # None: set from C, cannot be put back
        os.close(self.wakeup_fd)
        os.close(self._wakeup_write)
        self.wakeup_fd = None

    @property
    def ending(self) -> int | None:
        """The first signal that asked us to end, None while nobody did."""
        return self._ending[0] if self._ending else None

    @property
    def ending_count(self) -> int:
        """How often we were asked to end."""
        return len(self._ending)

    @property
    def last_ending(self) -> int | None:
        """The latest signal that asked us to end."""
        return self._ending[-1] if self._ending else None

    def forward_to(self, forward: Callable[[int], bool] | None) -> None:
        """Hand signals to `forward` from now on, those that waited first; None: keep them.

        `forward` is called within signal handlers, and answers False to be
        asked again at the next `forward_to`.
        """
        self._forward = forward
        if forward is not None:
            self._deliver()

    def take_in_turn(self) -> list[int]:
        """Take the signals that concern the terminal, oldest first, and reset the wake-up."""
        if self.wakeup_fd is not None:
            with suppress(BlockingIOError):
                while os.read(self.wakeup_fd, 512):
                    pass
        taken = []
        while self._in_turn:
            taken.append(self._in_turn.popleft())
        return taken

    @contextmanager
    def held(self) -> Iterator[None]:
        """Let nothing interrupt what happens here, nor the git processes it starts.

        Ctrl-C reaches everybody in the foreground: without this it would end
        git in the middle of recording the run.
        """
        if not self._old:
            yield
            return
        before = signal.pthread_sigmask(signal.SIG_BLOCK, _AT_ONCE)
        try:
            yield
        finally:
            signal.pthread_sigmask(signal.SIG_SETMASK, before)

    def stop_ourselves(self, *, whole_group: bool) -> None:
        """Stop as Ctrl-Z does; returns when somebody continues us.

        Returns at once where nobody could continue us (an orphaned process group).

        Args:
            whole_group: Stop also the others in our pipeline.
        """
        if self.wakeup_fd is None:
            return
        signal.signal(signal.SIGTSTP, signal.SIG_DFL)
        try:
            os.kill(0 if whole_group else os.getpid(), signal.SIGTSTP)
        finally:
            signal.signal(signal.SIGTSTP, self._note)

    def _note(self, number: int, _frame: FrameType | None) -> None:
        if number in _IN_TURN:
            self._in_turn.append(number)
        elif number != signal.SIGCHLD:
            if number in ENDING:
                self._ending.append(number)
            self._undelivered.append(number)
            self._deliver()

    def _deliver(self) -> None:
        while self._forward is not None and self._undelivered:
            number = self._undelivered.popleft()
            if not self._forward(number):
                self._undelivered.appendleft(number)
                return


def signal_name(number: int) -> str:
    """Name a signal ("SIGTERM"), also one that Python has no name for.

    Example:
        >>> signal_name(15)
        'SIGTERM'
    """
    try:
        return signal.Signals(number).name
    except ValueError:
        return f"signal {number}"
