"""The gitml command without the time it takes to start: forked from a process that has loaded it.

What runs is a process of its own all the same, with its own streams, folder, variables and signals.
Only loading Python and gitml is shared, which is most of what a short command costs.

    python forked_gitml.py serve SOCKET     waits for commands until its standard input ends
    python forked_gitml.py run SOCKET ...   runs a command, in place of `gitml ...`; starts it if it must
"""

from __future__ import annotations

import contextlib
import json
import os
import re
import socket
import sys
from collections.abc import Mapping, Sequence

TYPE_CHECKING = False  # `run` is to start quickly
if TYPE_CHECKING:
    from typing import Any, NoReturn

# What Python and the C library look at when they start: it is to be for a command as it was for the server.
_AT_START = re.compile(r"(?!PYTHON(PATH|UNBUFFERED|DONTWRITEBYTECODE)$)(PYTHON|LC_|LANG|TZ$)")


class OtherStartError(Exception):
    """The command needs a Python that starts otherwise than the server's did."""


class Forked:
    """A command that runs."""

    def __init__(self, connection: socket.socket) -> None:
        self._connection = connection
        self._words = connection.makefile("r")
        told = self._words.readline()
        if not told.strip().isdecimal():
            self._close()
            raise OtherStartError(told)
        self.pid = int(told)

    def wait(self, timeout_s: float | None = None) -> int:
        """Wait for its end; gives its exit code, or the negative number of the signal that killed it."""
        self._connection.settimeout(timeout_s)
        try:
            return int(self._words.readline())
        except TimeoutError:
            os.kill(self.pid, 9)
            raise
        finally:
            self._close()

    def _close(self) -> None:
        self._words.close()
        self._connection.close()


def fork(
    path: str, arguments: Sequence[str], folder: str, streams: Sequence[int], environ: Mapping[str, str],
    *, new_session: bool = False,
) -> Forked:  # fmt: skip
    """Start a command.

    Args:
        path: The socket of the process that has gitml loaded.
        arguments: What follows `gitml`.
        folder: Where the command runs.
        streams: Descriptors that become its standard input, output and errors.
        environ: Its variables, of which those that Python reads when it starts are to be the server's.
        new_session: Whether it gets a session of its own.
    """
    request = json.dumps(
        {"arguments": [*arguments], "folder": folder, "environ": {**environ}, "session": new_session}
    )
    connection = socket.socket(socket.AF_UNIX)
    connection.connect(path)
    socket.send_fds(connection, [b"\0"], [*streams])
    connection.sendall(request.encode() + b"\n")
    return Forked(connection)


def _load() -> None:
    """Load what commands load, but nothing that looks at the repository or the machine."""
    import importlib
    import pkgutil
    import warnings

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # typer's, for older versions of click
        for name in ("dulwich.config", "dulwich.object_store", "gitml", "rich.console", "rich.table", "yaml"):
            importlib.import_module(name)
        for module in pkgutil.walk_packages(sys.modules["gitml"].__path__, "gitml."):
            if module.name.endswith("__main__"):
                continue
            with contextlib.suppress(Exception):  # a command that needs it will say so
                importlib.import_module(module.name)


def _serve(path: str) -> None:
    """Run what is asked for, each in a process of its own, and tell who asked how it ended."""
    import gc
    import select
    import signal

    _load()
    awake, waker = os.pipe()
    os.set_blocking(waker, False)
    signal.signal(signal.SIGCHLD, lambda *_: None)
    signal.set_wakeup_fd(waker)
    running: dict[int, socket.socket] = {}
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(path)
        listener.listen(16)
        gc.collect()
        gc.freeze()  # else the first collection in each child copies all of it
        print("ready", flush=True)
        while True:
            ready = select.select([listener, awake, sys.stdin], [], [])[0]
            if sys.stdin in ready:
                return
            if awake in ready:
                os.read(awake, 4096)
                _tell(running)
            if listener in ready:
                connection, _ = listener.accept()
                child = _start(connection, [listener, *running.values()])
                if child:
                    running[child] = connection
                    with contextlib.suppress(OSError):  # who asked may be gone
                        connection.sendall(b"%d\n" % child)


def _tell(running: dict[int, socket.socket]) -> None:
    """Tell how commands ended."""
    for child in [*running]:
        pid, status = os.waitpid(child, os.WNOHANG)
        if pid:
            with contextlib.suppress(OSError), running.pop(child) as connection:
                connection.sendall(b"%d\n" % os.waitstatus_to_exitcode(status))


def _start(connection: socket.socket, others: list[socket.socket]) -> int | None:
    """Start a command that is asked for, if it may be forked."""
    import signal

    _, streams, _, _ = socket.recv_fds(connection, 1, 3)
    with connection.makefile("r") as words:
        request = json.loads(words.readline() or "null")
    if request is None:  # who asked is gone
        connection.close()
        return None
    other = {
        name
        for name in {*request["environ"], *os.environ}
        if _AT_START.match(name) and request["environ"].get(name) != os.environ.get(name)
    }
    child = None
    if other:
        connection.sendall(f"it has other values of {', '.join(other)}\n".encode())
        connection.close()
    else:
        child = os.fork()
        if child == 0:
            signal.set_wakeup_fd(-1)
            signal.signal(signal.SIGCHLD, signal.SIG_DFL)
            for one in [connection, *others]:
                one.close()
            _become(request, streams)
    for fd in streams:
        os.close(fd)
    return child


def _become(request: dict[str, Any], streams: list[int]) -> NoReturn:
    """Be gitml, in the place and with the streams that were asked for."""
    if request["session"]:
        os.setsid()
    for number, fd in enumerate(streams):
        os.dup2(fd, number)
        os.close(fd)
    os.chdir(request["folder"])
    os.environ.clear()
    os.environ.update(request["environ"])
    old = sys.stdin, sys.stdout, sys.stderr
    at_once = bool(request["environ"].get("PYTHONUNBUFFERED"))
    sys.stdin, sys.stdout, sys.stderr = (
        os.fdopen(number, mode, encoding=stream.encoding, errors=stream.errors, closefd=False)
        for number, (mode, stream) in enumerate(zip("rww", old, strict=True))
    )
    sys.stdout.reconfigure(write_through=at_once)
    sys.stderr.reconfigure(line_buffering=True, write_through=at_once)
    sys.argv = ["gitml", *request["arguments"]]
    _gitml()


def _gitml() -> NoReturn:
    """Run it and leave as Python does, but without taking apart what was loaded, which takes longer."""
    import atexit
    import threading
    import traceback

    from gitml.__main__ import main

    code: object = 1
    try:
        main()
    except SystemExit as err:
        code = err.code
    except BaseException:  # noqa: BLE001 - what Python does with them
        traceback.print_exc()
    threading._shutdown()
    atexit._run_exitfuncs()
    sys.stdout.flush()
    os._exit(code if isinstance(code, int) else 0 if code is None else 1)


if __name__ == "__main__":
    del sys.path[0]  # the tests are no modules of gitml
    if sys.argv[1] == "serve":
        _serve(sys.argv[2])
    else:
        try:
            code = fork(sys.argv[2], sys.argv[3:], os.getcwd(), (0, 1, 2), os.environ).wait()
        except OtherStartError:
            os.execv(sys.executable, [sys.executable, "-m", "gitml", *sys.argv[3:]])
        sys.exit(code if code >= 0 else 128 - code)
