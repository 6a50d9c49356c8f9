"""The record of output: whole where it can be, never in the program's way."""

from __future__ import annotations

import os
import threading
import time

from gitml.launching.output_log import OutputLog
from gitml.launching.relay import Relay, Source
from gitml.launching.signals import SignalRelay
from gitml.launching.spawn import Placement, spawn


def test_everything_is_written_in_order() -> None:
    written: list[bytes] = []
    log = OutputLog(written.append)
    for number in range(1000):
        log.put(b"%d\n" % number)
    assert log.close() is None
    assert b"".join(written) == b"".join(b"%d\n" % number for number in range(1000))


def test_a_disk_that_stands_still_costs_memory_only_up_to_the_limit() -> None:
    gate = threading.Event()
    written: list[bytes] = []

    def write(data: bytes) -> None:
        gate.wait(20)
        written.append(data)

    log = OutputLog(write, backlog_bytes=100)
    started = time.monotonic()
    for _ in range(50):
        log.put(b"x" * 10)
    assert time.monotonic() - started < 8
    gate.set()
    missing = log.close()
    kept = len(b"".join(written))
    assert kept == 100
    assert missing == "400 bytes of output could not be recorded: the disk was too slow"


def test_a_disk_that_never_comes_back_is_given_up() -> None:
    gate = threading.Event()
    log = OutputLog(lambda _: gate.wait(20), give_up_s=0.3)
    log.put(b"abc")
    assert log.close() == "3 bytes of output could not be recorded: the disk was too slow"
    gate.set()


def test_a_disk_that_comes_back_gets_the_rest() -> None:
    written: list[bytes] = []
    fail = True

    def write(data: bytes) -> None:
        if fail:
            raise OSError(5, "Input/output error")
        written.append(data)

    log = OutputLog(write)
    log.put(b"lost")
    time.sleep(0.2)
    fail = False
    log.put(b"kept")
    assert log.close() == "4 bytes of output could not be recorded: [Errno 5] Input/output error"
    assert written == [b"kept"]


def test_a_fault_of_ours_does_not_reach_the_program(capfd: object) -> None:
    def fail(data: bytes) -> None:
        raise RuntimeError("a bug")

    ours, theirs = os.pipe()
    environment = {"PATH": os.environ["PATH"]}
    script = "for i in 1 2 3 4 5; do head -c 100000 /dev/zero; done; exit 7"
    with SignalRelay() as signals:
        pid = spawn(["sh", "-c", script], environment, streams={1: theirs}, placement=Placement.GROUP)
        os.close(theirs)
        relay = Relay(
            pid,
            Placement.GROUP,
            sources=[Source(ours, 1)],
            terminal=None,
            signals=signals,
            log=fail,
            grace_s=1,
        )
        status = relay.run()
    assert os.waitstatus_to_exitcode(status) == 7
    assert relay.problems == ["output was relayed and recorded only in part: RuntimeError('a bug')"]
