"""The user's terminal while a program runs on a terminal of its own.

The program gets a pseudo-terminal with our terminal's settings and size. Ours
is put in raw mode, so that every key goes to the program, whose terminal then
turns Ctrl-C into a signal for it.
"""

from __future__ import annotations

import fcntl
import os
import signal
import struct
import termios
import tty
from typing import Any

_LOCAL_FLAGS, _OUTPUT_FLAGS, _CONTROL_CHARACTERS = 3, 1, 6
_NO_SIZE = struct.pack("HHHH", 0, 0, 0, 0)
_USUAL_SIZE = struct.pack("HHHH", 24, 80, 0, 0)


class UserTerminal:
    """Our own terminal: the keys, and the window that output appears in.

    Args:
        keys: File descriptor that keys are read from, None if it is no terminal.
        window: File descriptor of a terminal that shows the output, None if
            there is none.
    """

    def __init__(self, keys: int | None, window: int | None) -> None:
        self.keys = keys
        self._window = window
        self._before: list[Any] | None = None

    @property
    def is_raw(self) -> bool:
        """Whether keys go to the program as they are."""
        return self._before is not None

    def in_foreground(self) -> bool:
        """Whether the shell lets us use the keys now (not after `&` or `bg`)."""
        if self.keys is None:
            return False
        try:
            return os.tcgetpgrp(self.keys) == os.getpgrp()
        except OSError:  # the keys are another terminal than the one that controls us
            return True

    def enter_raw(self) -> bool:
        """Take the keys, if they are ours to take; says whether they are."""
        if self.keys is None or not self.in_foreground():
            return False
        try:
            before = termios.tcgetattr(self.keys)
            # Also if it was raw before: the shell may have changed that meanwhile.
            tty.setraw(self.keys, termios.TCSADRAIN)
        except termios.error:  # hung up
            return False
        if self._before is None:
            self._before = before
        return True

    def leave_raw(self) -> None:
        """Put the terminal back as it was; safe to repeat."""
        if self.keys is None or self._before is None:
            return
        before, self._before = self._before, None
        if not self.in_foreground():
            return  # the shell has already put it right for itself
        ours = signal.pthread_sigmask(signal.SIG_BLOCK, (signal.SIGTTOU,))
        try:
            termios.tcsetattr(self.keys, termios.TCSADRAIN, before)
        except termios.error:
            pass  # the terminal is gone, and with it the need
        finally:
            signal.pthread_sigmask(signal.SIG_SETMASK, ours)

    def copy_size(self, target: int) -> None:
        """Give the pseudo-terminal `target` the size of our window."""
        size = _USUAL_SIZE
        if self._window is not None:
            try:
                size = fcntl.ioctl(self._window, termios.TIOCGWINSZ, _NO_SIZE)
            except OSError:
                return
        fcntl.ioctl(target, termios.TIOCSWINSZ, size)

    def prepare(self, slave: int) -> None:
        """Set up the program's pseudo-terminal like ours.

        When we can't go raw, our own terminal (or the file behind it) adds the
        carriage returns, and the program's terminal must not do it as well.
        """
        if self._window is not None:
            termios.tcsetattr(slave, termios.TCSANOW, termios.tcgetattr(self._window))
        if self.keys is None:
            settings = termios.tcgetattr(slave)
            settings[_OUTPUT_FLAGS] &= ~termios.OPOST
            termios.tcsetattr(slave, termios.TCSANOW, settings)
        self.copy_size(slave)


def suspend_key(master: int, child_group: int) -> bytes | None:
    """Say which key now means "stop" on the program's terminal.

    None if it means nothing there: the program reads keys itself, or a shell
    with its own job control runs in it and will see to it.
    """
    try:
        settings = termios.tcgetattr(master)
        if not settings[_LOCAL_FLAGS] & termios.ISIG or os.tcgetpgrp(master) != child_group:
            return None
    except (OSError, termios.error):
        return None
    key = settings[_CONTROL_CHARACTERS][termios.VSUSP]
    return key if isinstance(key, bytes) and key != b"\0" else None
