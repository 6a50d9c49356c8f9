"""The loop that stands between a running program and our standard streams."""

from __future__ import annotations

import errno
import os
import select
import selectors
import signal
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass

from gitml.launching.keyboard import Keyboard
from gitml.launching.signals import ENDING, SignalRelay
from gitml.launching.spawn import Placement
from gitml.launching.terminal import UserTerminal

_CHUNK = 1 << 16
_ERROR_TAIL_BYTES = 1 << 16
_PIPE_CAPACITY = 1 << 20  # the most that a program can have left in a pipe
_SENT = (*ENDING, signal.SIGUSR1, signal.SIGUSR2)  # these may be for the program alone
_LEFT_BEHIND = "processes that the program left behind still run; what they print from now on is lost: redirect it to a file"
_POLL_S = 0.05  # only where signals can't wake us


@dataclass(frozen=True, slots=True)
class Source:
    """One stream that a program prints to.

    Attributes:
        fd: Where we read it.
        target: Our descriptor that it goes on to.
        is_terminal: Whether it is the program's pseudo-terminal.
        adds_returns: Whether that terminal puts carriage returns before line ends.
        has_errors: Whether what the program writes to its standard error comes by it.
        slave: The program's side of that terminal, held open until it has
            ended: without that, a program that closes its streams before it
            exits would hang up its own terminal and die of it.
    """

    fd: int
    target: int
    is_terminal: bool = False
    adds_returns: bool = False
    has_errors: bool = False
    slave: int | None = None


class Relay:
    """Relays output, keys and signals until the program has ended.

    Args:
        pid: The program's process.
        placement: How it was started.
        sources: Its output streams; closed at the end.
        terminal: Our terminal, if it runs on a pseudo-terminal.
        signals: What arrives for us.
        log: Gets a copy of the output; must not raise.
        grace_s: Seconds to wait for output after its end.

    Attributes:
        problems: Sentences about what went wrong on the way.
        losses: Sentences about output that nobody gets to see.
        ends_in_line: Whether the last output had no line end.
    """

    def __init__(
        self,
        pid: int,
        placement: Placement,
        *,
        sources: Sequence[Source],
        terminal: UserTerminal | None,
        signals: SignalRelay,
        log: Callable[[bytes], None],
        grace_s: float,
    ) -> None:
        self.problems: list[str] = []
        self.losses: list[str] = []
        self.ends_in_line = False
        self._errors = bytearray()
        self._pid: int | None = pid
        self._group = pid
        self._placement = placement
        self._open = {source.fd: source for source in sources}
        self._slaves = [source.slave for source in sources if source.slave is not None]
        self._mute: set[int] = set()
        self._terminal = terminal
        self._master = next((source.fd for source in sources if source.is_terminal), None)
        self._signals = signals
        self._log = log
        self._grace_s = grace_s
        self._held_return = False
        self._sent: set[int] = set()
        self._status: int | None = None
        self._deadline: float | None = None
        self._selector = selectors.DefaultSelector()
        self._keyboard: Keyboard | None = None

    @property
    def error_tail(self) -> bytes:
        """What came last from its standard error."""
        return bytes(self._errors[-_ERROR_TAIL_BYTES:])

    def run(self) -> int:
        """Relay until the program has ended, whatever happens here.

        Returns:
            Its wait status.
        """
        self._signals.forward_to(self._forward)
        try:
            self._watch_all()
            while not self._finished():
                self._turn()
            self._drain()
            if self._open:
                self.losses.append(_LEFT_BEHIND)
        except Exception as error:  # noqa: BLE001 - the program must not suffer for a fault of ours
            self.problems.append(f"output was relayed and recorded only in part: {error!r}")
        finally:
            if self._keyboard is not None:
                self._keyboard.release()
            status = self._wait_without_relaying()
            self._signals.forward_to(None)
            self._selector.close()
            for fd in self._open:
                os.close(fd)
        return status

    # One turn of the loop

    def _watch_all(self) -> None:
        for fd in self._open:
            self._selector.register(fd, selectors.EVENT_READ)
        if self._signals.wakeup_fd is not None:
            self._selector.register(self._signals.wakeup_fd, selectors.EVENT_READ)
        if self._terminal is not None and self._master is not None:
            self._keyboard = Keyboard(
                self._terminal,
                self._master,
                self._group,
                self._selector,
                lambda: self._suspend(whole_group=True),
            )
            self._keyboard.take()

    def _turn(self) -> None:
        for key, mask in self._selector.select(self._timeout()):
            self._serve(key.fd, mask)
        for number in self._signals.take_in_turn():
            self._follow_terminal(number)
        self._reap()

    def _timeout(self) -> float | None:
        if self._deadline is not None:
            return max(0.0, self._deadline - time.monotonic())
        return _POLL_S if self._signals.wakeup_fd is None else None

    def _serve(self, fd: int, mask: int) -> None:
        if self._keyboard is not None:
            if fd == self._keyboard.fd:
                self._keyboard.read()
                return
            if mask & selectors.EVENT_WRITE:
                self._keyboard.write()
        source = self._open.get(fd)
        if source is not None and mask & selectors.EVENT_READ:
            self._pump(source)

    def _finished(self) -> bool:
        if self._status is None:
            return False
        return not self._open or (self._deadline is not None and time.monotonic() >= self._deadline)

    def _reap(self) -> None:
        if self._pid is None:
            return
        # A signal handler must not meet a process id that is free for others again.
        pid, self._pid = self._pid, None
        if self._sent:
            self._end_what_it_leaves(pid)
        done, status = os.waitpid(pid, os.WNOHANG)
        if done == 0:
            self._pid = pid
            self._signals.forward_to(self._forward)
        else:
            self._status = status
            self._deadline = time.monotonic() + self._grace_s
            while self._slaves:
                os.close(self._slaves.pop())

    # Output

    def _pump(self, source: Source) -> int:
        """Relay one piece; returns its length, 0 if there was none."""
        try:
            data = os.read(source.fd, _CHUNK)
        except BlockingIOError:
            return 0
        except OSError as err:
            if err.errno != errno.EIO:  # EIO: the last process on the pseudo-terminal is gone
                self.problems.append(f"output could not be read: {err.strerror}")
            data = b""
        if not data:
            self._close(source)
            return 0
        logged = self._as_logged(data) if source.adds_returns else data
        if source.target not in self._mute:
            # In the background our terminal is not raw, and adds its own returns.
            is_raw = self._terminal is not None and self._terminal.is_raw
            self._show(source, data if is_raw or not source.adds_returns else logged)
        self._log(logged)
        if source.has_errors:
            self._errors += logged
            if len(self._errors) > 2 * _ERROR_TAIL_BYTES:  # cut seldom: a program may write many short pieces
                del self._errors[:-_ERROR_TAIL_BYTES]
        return len(data)

    def _show(self, source: Source, data: bytes) -> None:
        try:
            _write_all(source.target, data)
        except BrokenPipeError:
            # Our reader left (`| head`): let the program meet the same, as it would without us.
            self._mute.add(source.target)
            if not source.is_terminal:
                self._close(source)
        except OSError as err:
            self._mute.add(source.target)
            if err.errno != errno.EIO:  # a terminal that hung up needs no explanation
                reason = (err.strerror or str(err)).lower()
                self.losses.append(
                    f"output could not be shown from some point on: {reason}; the record has it"
                )
        else:
            self.ends_in_line = self.ends_in_line if not data else not data.endswith(b"\n")

    def _as_logged(self, data: bytes) -> bytes:
        """Undo the carriage returns that a terminal adds at line ends."""
        if self._held_return:
            data = b"\r" + data
        self._held_return = data.endswith(b"\r")
        if self._held_return:
            data = data[:-1]
        return data.replace(b"\r\n", b"\n")

    def _close(self, source: Source) -> None:
        if self._open.pop(source.fd, None) is None:
            return
        if source.is_terminal and self._keyboard is not None:
            self._keyboard.end()
        self._selector.unregister(source.fd)
        os.close(source.fd)

    def _drain(self) -> None:
        """Take what the program itself left, even if others still write behind it."""
        for source in list(self._open.values()):
            taken = 0
            while source.fd in self._open and taken < _PIPE_CAPACITY:
                if not select.select([source.fd], [], [], 0)[0]:
                    break
                taken += self._pump(source)
        if self._held_return:
            self._log(b"\r")

    def _wait_without_relaying(self) -> int:
        """See the program to its end; where relaying failed, its output goes nowhere but it goes on."""
        while self._status is None:
            if self._open:
                for fd in select.select(list(self._open), [], [], _POLL_S)[0]:
                    self._discard(fd)
            else:
                time.sleep(_POLL_S)
            self._reap()
        return self._status

    def _discard(self, fd: int) -> None:
        try:
            data = os.read(fd, _CHUNK)
        except BlockingIOError:
            return
        except OSError:  # a terminal's way to say that it has ended
            data = b""
        if not data:
            del self._open[fd]
            os.close(fd)

    # Signals

    def _forward(self, number: int) -> bool:
        """Hand a signal to the program; called from within signal handlers.

        What we are sent is for the program alone, as it would be without us; what a
        terminal sends to all in its foreground goes to its whole group.

        Returns:
            False if that must be tried again.
        """
        pid = self._pid
        if pid is None:
            return False
        if self._placement is Placement.OURS:
            if number not in (signal.SIGINT, signal.SIGQUIT) or not _typed_on_our_terminal():
                _send(os.kill, pid, number)
        elif number not in _SENT or self._is_the_terminals(number):
            _send(os.killpg, self._group, number)
        else:
            self._sent.add(number)
            _send(os.kill, pid, number)
        return True

    def _is_the_terminals(self, number: int) -> bool:
        """Whether a signal to us is probably one that our terminal sent to all in its foreground."""
        if self._terminal is None or number not in (signal.SIGINT, signal.SIGQUIT, signal.SIGHUP):
            return False
        return number == signal.SIGHUP or (not self._terminal.is_raw and _typed_on_our_terminal())

    def _end_what_it_leaves(self, pid: int) -> None:
        """Hand a signal that ended the program on to those of its group: `sh -c 'a; b'` leaves `a` behind."""
        ended = None
        if hasattr(os, "waitid"):  # before its id, which is the group's too, is free for others again
            ended = os.waitid(os.P_PID, pid, os.WEXITED | os.WNOHANG | os.WNOWAIT)
        if (
            ended is not None
            and ended.si_code in (os.CLD_KILLED, os.CLD_DUMPED)
            and ended.si_status in self._sent
        ):
            _send(os.killpg, self._group, ended.si_status)

    def _follow_terminal(self, number: int) -> None:
        if number == signal.SIGWINCH:
            self._copy_size()
        elif number == signal.SIGTSTP:
            self._suspend(whole_group=False)
        elif number == signal.SIGCONT:
            self._resume()

    def _suspend(self, *, whole_group: bool) -> None:
        # In a session of its own nobody could continue the program, so the
        # kernel would ignore the polite signal.
        self._forward(signal.SIGSTOP if self._placement is Placement.SESSION else signal.SIGTSTP)
        if self._keyboard is not None:
            self._keyboard.release()
        self._signals.stop_ourselves(whole_group=whole_group)
        self._resume()

    def _resume(self) -> None:
        if self._keyboard is not None:
            self._keyboard.take()
        self._copy_size()
        self._forward(signal.SIGCONT)

    def _copy_size(self) -> None:
        if self._terminal is not None and self._master is not None and self._master in self._open:
            self._terminal.copy_size(self._master)


def _typed_on_our_terminal() -> bool:
    """Whether a Ctrl-C now would reach our whole group, so that this one probably did."""
    try:
        terminal = os.open("/dev/tty", os.O_RDONLY | os.O_NOCTTY)
    except OSError:
        return False
    try:
        return os.tcgetpgrp(terminal) == os.getpgrp()
    except OSError:
        return False
    finally:
        os.close(terminal)


def _send(kill: Callable[[int, int], None], target: int, number: int) -> None:
    with suppress(ProcessLookupError, PermissionError):  # it has ended, or became another user's (sudo)
        kill(target, number)


def _write_all(fd: int, data: bytes) -> None:
    view = memoryview(data)
    while view:
        try:
            view = view[os.write(fd, view) :]
        except BlockingIOError:  # somebody made the stream we share non-blocking
            select.select([], [fd], [])
