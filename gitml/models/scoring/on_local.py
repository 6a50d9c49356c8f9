"""Scoring on this machine: in this process, or in several."""

from __future__ import annotations

import multiprocessing
import os
import signal
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from gitml.errors import ExecutionError
from gitml.models.scoring.engines import Engine, EngineOptions
from gitml.models.scoring.job import ScoringJob
from gitml.models.scoring.pieces import Piece
from gitml.models.scoring.worker import Outcome, Scorer, probe_piece, score_piece
from gitml.progress import Advance

_TICK_S = 0.2


class WorkerLostError(ExecutionError):
    """A process ended without a word, most often for want of memory."""

    def __init__(self) -> None:
        super().__init__(
            "a worker was ended from outside, most often because memory ran out",
            hint="fewer --workers, or a smaller --batch-size; finished parts are kept",
        )


@contextmanager
def opened(options: EngineOptions) -> Iterator[Engine]:
    """Start as many processes as are asked for; none if one will do."""
    workers = options.workers or os.cpu_count() or 1
    if workers == 1:
        yield _Here()
        return
    context = multiprocessing.get_context("spawn")  # a fork of a process with threads may hang
    stop, done = context.Event(), context.Value("q", 0)
    threads = max((os.cpu_count() or 1) // workers, 1)
    pool = ProcessPoolExecutor(workers, context, _begin, (stop, done, threads))
    try:
        yield _Processes(pool, done)
    finally:
        stop.set()
        pool.shutdown(cancel_futures=True)


class _Here:
    """One worker: this process."""

    def __init__(self) -> None:
        self._scorer: Scorer | None = None

    def _of(self, job: ScoringJob) -> Scorer:
        if self._scorer is None:
            self._scorer = Scorer(job, Path(job.folder))
        self._scorer.job = job
        return self._scorer

    def probe(self, job: ScoringJob, piece: Piece) -> bytes:
        """Find the schema of the parts."""
        return self._of(job).probe(piece)

    def run(self, job: ScoringJob, pieces: Sequence[Piece], advance: Advance) -> Iterator[Outcome]:
        """Score pieces, one after the other."""
        scorer = self._of(job)
        for piece in pieces:
            yield scorer.score(piece, lambda: False, advance)


class _Processes:
    """Several workers."""

    def __init__(self, pool: ProcessPoolExecutor, done: Any) -> None:
        self._pool, self._done = pool, done

    def probe(self, job: ScoringJob, piece: Piece) -> bytes:
        """Find the schema of the parts, in a worker: the model is not loaded here."""
        try:
            schema, outcome = self._pool.submit(_probe, job, piece).result()
        except BrokenProcessPool as err:
            raise WorkerLostError from err
        outcome.require()
        return schema

    def run(self, job: ScoringJob, pieces: Sequence[Piece], advance: Advance) -> Iterator[Outcome]:
        """Score pieces, as many at once as there are processes."""
        waiting: set[Future[Outcome]] = {self._pool.submit(_score, job, piece) for piece in pieces}
        counted = 0
        while waiting:
            ended, waiting = wait(waiting, _TICK_S, FIRST_COMPLETED)
            counted, before = self._done.value, counted
            advance(counted - before)
            for future in ended:
                try:
                    yield future.result()
                except BrokenProcessPool as err:
                    raise WorkerLostError from err


# In a worker


_is_stopped: Callable[[], bool] = bool
_count: Any = None


def _begin(stop: Any, done: Any, threads: int) -> None:
    """Leave Ctrl-C to whoever started this, and processors to the other workers."""
    global _is_stopped, _count
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threading.Thread(target=_end_with_parent, name="gitml-score-life", daemon=True).start()
    for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
        os.environ.setdefault(name, str(threads))
    _is_stopped, _count = stop.is_set, done


def _end_with_parent() -> None:
    """End as soon as whoever started this has gone, even by SIGKILL: nobody waits for the parts any more.

    The parent alone holds the other end of the pipe that is waited for. Without this a worker would wait
    for tasks for ever: its siblings and itself hold both ends of the queue's pipe.
    """
    parent = multiprocessing.parent_process()
    if parent is not None:  # it is a child: the pool started it
        parent.join()
        os._exit(1)


def _advance(rows: int) -> None:
    with _count.get_lock():
        _count.value += rows


def _probe(job: ScoringJob, piece: Piece) -> tuple[bytes, Outcome]:
    return probe_piece(job, piece, lambda: Path(job.folder))


def _score(job: ScoringJob, piece: Piece) -> Outcome:
    return score_piece(job, piece, lambda: Path(job.folder), _is_stopped, _advance)
