"""Child processes and what they cost; results and the statistics on them.

Everything that is measured runs in a process of its own, so that no
measurement warms, or fattens, the next one.
"""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

_KIB = 1024
_PAGE = 4096


class BrokenBenchmarkError(Exception):
    """Something that was to be measured did not work, or gave a wrong answer."""


@dataclass(frozen=True, slots=True)
class Child:
    """A process that ended well: seconds by the clock, peak memory in bytes, what it printed.

    The peak is that of the largest process among it and those it waited for.
    """

    wall_s: float
    peak_bytes: int
    output: bytes

    @property
    def answer(self) -> dict[str, Any]:
        """The JSON object on the last line that it printed."""
        return dict(json.loads(self.output.splitlines()[-1]))


def run_child(command: Sequence[object], *, cwd: Path, env: Mapping[str, str], expect: int = 0) -> Child:
    """Run a process to its end and weigh it.

    Args:
        command: The program and its arguments.
        cwd: Where it runs.
        env: Its whole environment.
        expect: The exit status that is right; -9 is a death by SIGKILL.

    Raises:
        BrokenBenchmarkError: It ended otherwise; the message has the end of what it said.
    """
    with tempfile.TemporaryFile() as errors:
        start = time.perf_counter()
        process = subprocess.Popen(
            list(map(str, command)),
            cwd=cwd,
            env=env,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=errors,
        )
        assert process.stdout is not None
        with process.stdout as stream:
            output = stream.read()
        _, status, usage = os.wait4(process.pid, 0)
        wall = time.perf_counter() - start
        process.returncode = os.waitstatus_to_exitcode(status)
        if process.returncode != expect:
            errors.seek(0)
            said = (output + errors.read()).decode("utf-8", "replace")[-4000:]
            raise BrokenBenchmarkError(
                f"`{' '.join(map(str, command))}` ended with {process.returncode}:\n{said}"
            )
    unit = 1 if sys.platform == "darwin" else _KIB
    return Child(wall, usage.ru_maxrss * unit, output)


def interleave(*measures: tuple[Callable[[], Any], int] | None) -> list[list[Any]]:
    """Measure several things in turns, so that a slow minute of the machine hits all of them.

    What was written before, such as 100,000 runs to measure on, is on the disk first:
    making files takes several times as long while it is not.

    Args:
        measures: What to call, and in how many of the rounds; None for what is left out.

    Returns:
        Per measure its outcomes, in the order taken; nothing for what was left out.
    """
    outcomes: list[list[Any]] = [[] for _ in measures]
    os.sync()
    for turn in range(max(rounds for _, rounds in filter(None, measures))):
        for found, planned in zip(outcomes, measures, strict=True):
            if planned is not None and turn < planned[1]:
                found.append(planned[0]())
    return outcomes


def touch_memory(size: int) -> None:
    """Make the host of a virtual machine back `size` bytes of memory before they are needed.

    The first touch of a GiB that the host has not handed out yet can cost seconds,
    which say nothing of the program that happens to be the one to touch it.
    """
    code = f"size = {size}; block = bytearray(size); block[::{_PAGE}] = bytes([1]) * len(range(0, size, {_PAGE}))"
    subprocess.run([sys.executable, "-c", code], check=True)


@dataclass(frozen=True, slots=True)
class Target:
    """What the value should be: at most, or at least, the limit."""

    limit: float
    at_least: bool = False

    def is_met(self, value: float) -> bool:
        """Whether a value keeps to it."""
        return value >= self.limit if self.at_least else value <= self.limit


@dataclass(frozen=True, slots=True)
class Result:
    """One number.

    Attributes:
        name: What programs call it.
        what: What it is, for people.
        value: The median of `repeats` measurements.
        unit: Of `value`, `low`, `high`, the target, `reference` and `peer`.
        low: The smallest of the measurements.
        high: The largest.
        repeats: How many there were.
        target: What it should be, if that was promised.
        peer: The same of the peer, None if it has no such thing or was left out.
        peer_what: What the peer did, if not the same call.
        peer_repeats: How many measurements of the peer there were.
        reference: The floor that the value stands on, such as the wrapped program alone.
        reference_what: What the floor is.
        note: What a reader has to know.
    """

    name: str
    what: str
    value: float
    unit: str
    low: float
    high: float
    repeats: int
    target: Target | None = None
    peer: float | None = None
    peer_what: str = ""
    peer_repeats: int = 0
    reference: float | None = None
    reference_what: str = ""
    note: str = ""

    @property
    def met(self) -> bool | None:
        """Whether the target is met; None if there is none."""
        return None if self.target is None else self.target.is_met(self.value)

    @property
    def ratio(self) -> float | None:
        """How many times the peer's value is of gitml's."""
        return None if self.peer is None or self.value <= 0 else self.peer / self.value

    def as_json(self) -> dict[str, Any]:
        """Spell it out for `results.json`."""
        limit = None if self.target is None else self.target.limit
        return {
            "name": self.name,
            "what": self.what,
            "value": _short(self.value),
            "unit": self.unit,
            "low": _short(self.low),
            "high": _short(self.high),
            "repeats": self.repeats,
            "target": limit,
            "target_is": None if self.target is None else ("at least" if self.target.at_least else "at most"),
            "met": self.met,
            "peer": _short(self.peer),
            "peer_what": self.peer_what or None,
            "peer_repeats": self.peer_repeats,
            "ratio": _short(self.ratio),
            "reference": _short(self.reference),
            "reference_what": self.reference_what or None,
            "note": self.note or None,
        }


def result(
    name: str, what: str, unit: str, values: Sequence[float], *, peer: Sequence[float] = (), **more: Any
) -> Result:
    """Make a result of repeated measurements; `more` goes to `Result` as it is."""
    return Result(
        name=name,
        what=what,
        unit=unit,
        value=statistics.median(values),
        low=min(values),
        high=max(values),
        repeats=len(values),
        peer=statistics.median(peer) if peer else None,
        peer_repeats=len(peer),
        **more,
    )


def _short(value: float | None) -> float | None:
    return None if value is None else float(f"{value:.4g}")
