"""Keys on their way from our terminal to the program's pseudo-terminal."""

from __future__ import annotations

import os
import selectors
from collections.abc import Callable

from gitml.launching.terminal import UserTerminal, suspend_key

_MOST_WAITING = 1 << 16


class Keyboard:
    """Passes keys on, and catches the one that means "stop".

    The terminal is raw while keys are ours; `release` gives it back.

    Args:
        terminal: Our terminal.
        master: Our end of the program's terminal; non-blocking, and watched
            for reading by `selector` already.
        child_group: The program's process group.
        selector: Watches for keys, and for room to write them.
        on_stop: Called when the user asks to stop (Ctrl-Z).
    """

    def __init__(
        self,
        terminal: UserTerminal,
        master: int,
        child_group: int,
        selector: selectors.BaseSelector,
        on_stop: Callable[[], None],
    ) -> None:
        self.fd = terminal.keys
        self._terminal = terminal
        self._master = master
        self._child_group = child_group
        self._selector = selector
        self._on_stop = on_stop
        self._waiting = bytearray()
        self._over = self.fd is None

    def take(self) -> None:
        """Take the keys if they are ours now, else leave them alone."""
        if not self._over:
            self._watch(self._terminal.enter_raw())

    def release(self) -> None:
        """Give the terminal back as it was; safe to repeat."""
        self._watch(wanted=False)
        self._terminal.leave_raw()

    def end(self) -> None:
        """Take no more keys: the program has nobody left to read them."""
        self._over = True
        self._watch(wanted=False)

    def read(self) -> None:
        """Take what was typed and pass it on; call when `fd` is readable."""
        if self._over or self.fd is None:
            return
        if not self._terminal.in_foreground():  # put in the background without a signal that says so
            self._watch(wanted=False)
            return
        try:
            data = os.read(self.fd, 4096)
        except OSError:  # hung up
            data = b""
        if not data:
            self.end()
            return
        key = suspend_key(self._master, self._child_group)
        if key is not None and key in data:
            before, _, data = data.partition(key)
            self._waiting += before
            self.write()
            self._on_stop()
        self._waiting += data
        self.write()

    def write(self) -> None:
        """Pass on as much as the program's terminal has room for."""
        if self._over:
            return
        try:
            while self._waiting:
                del self._waiting[: os.write(self._master, self._waiting[:1024])]
        except BlockingIOError:
            pass
        except OSError:  # nobody reads keys any more
            self._waiting.clear()
        events = selectors.EVENT_READ | (selectors.EVENT_WRITE if self._waiting else 0)
        self._selector.modify(self._master, events)
        if self._terminal.is_raw:
            self._watch(len(self._waiting) < _MOST_WAITING)

    def _watch(self, wanted: bool) -> None:
        if self.fd is None:
            return
        watched = self.fd in self._selector.get_map()
        if wanted and not watched:
            self._selector.register(self.fd, selectors.EVENT_READ)
        elif watched and not wanted:
            self._selector.unregister(self.fd)
