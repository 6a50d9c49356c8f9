"""Scoring on Spark: each piece is a task, which reads its rows and writes its part itself."""

from __future__ import annotations

import threading
import uuid
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from gitml.models.scoring.engines import Engine, EngineOptions, probe_here
from gitml.models.scoring.errors import EngineError
from gitml.models.scoring.job import ScoringJob
from gitml.models.scoring.pieces import Piece, from_json, to_json
from gitml.models.scoring.spark_session import ship_model, shipped_model, spark_session, why
from gitml.models.scoring.worker import Outcome, score_piece
from gitml.progress import Advance

if TYPE_CHECKING:
    import pandas as pd

_TICK_S = 0.2


@contextmanager
def opened(options: EngineOptions) -> Iterator[Engine]:
    """Start Spark, or use what is running."""
    with spark_session(options.address, options.workers) as session:
        yield _Spark(session, options)


class _Spark:
    """A session."""

    def __init__(self, session: Any, options: EngineOptions) -> None:
        self._session = session
        self._most = options.workers if options.address else None  # here, Spark itself keeps to it

    def probe(self, job: ScoringJob, piece: Piece) -> bytes:
        """Find the schema of the parts."""
        return probe_here(job, piece)

    def run(self, job: ScoringJob, pieces: Sequence[Piece], advance: Advance) -> Iterator[Outcome]:
        """Score pieces, as many at once as Spark has room for; give what becomes of each when its task ends."""
        ship_model(self._session, Path(job.folder), job.digest)
        told = _accumulator(self._session.sparkContext)
        running = _Running(self._session, job, pieces, self._most or len(pieces), told)
        seen: set[int] = set()
        place = 0
        try:
            while True:
                is_last = running.has_ended(_TICK_S)
                texts = list(told.value)
                for text in texts[place:]:
                    outcome = Outcome.from_json(text)
                    if outcome.number not in seen:  # a task that was started twice tells twice
                        seen.add(outcome.number)
                        advance(outcome.rows)
                        yield outcome
                place = len(texts)
                if is_last:
                    break
        finally:
            running.cancel()
        if len(seen) < len(pieces):
            raise EngineError("Spark", f"{len(pieces) - len(seen)} tasks ended without a word")


class _Running:
    """A job of Spark's that runs in a thread, so that this one can look and can cancel it."""

    def __init__(self, session: Any, job: ScoringJob, pieces: Sequence[Piece], tasks: int, told: Any) -> None:
        from pyspark import InheritableThread  # type: ignore[import-not-found,unused-ignore]

        self._context = session.sparkContext
        self._group = f"gitml-{uuid.uuid4().hex}"
        self._error: BaseException | None = None
        rows = self._context.parallelize([(to_json(piece),) for piece in pieces], min(tasks, len(pieces)))
        frame = session.createDataFrame(rows, "piece string")
        self._scored = frame.mapInPandas(partial(_score, job, told), "outcome string")
        self._thread: threading.Thread = InheritableThread(target=self._collect, daemon=True)
        self._thread.start()

    def _collect(self) -> None:
        self._context.setJobGroup(self._group, "gitml models score", interruptOnCancel=True)
        try:
            self._scored.collect()
        except Exception as err:  # noqa: BLE001 - it is raised where somebody listens
            self._error = err

    def has_ended(self, patience_s: float) -> bool:
        """Wait a little, and say whether it is over.

        Raises:
            EngineError: It failed.
        """
        self._thread.join(patience_s)
        if self._thread.is_alive():
            return False
        if self._error is not None:
            lacks = "No module named 'gitml'" in str(self._error)
            hint = "install gitml and the model's packages on the executors" if lacks else None
            raise EngineError("Spark", why(self._error), hint) from self._error
        return True

    def cancel(self) -> None:
        """End it, if it runs."""
        if self._thread.is_alive():
            self._context.cancelJobGroup(self._group)
            self._thread.join(10)


def _accumulator(context: Any) -> Any:
    from pyspark.accumulators import AccumulatorParam  # type: ignore[import-not-found,unused-ignore]

    class Texts(AccumulatorParam):  # type: ignore[misc,unused-ignore]
        """Lists that grow."""

        def zero(self, value: list[str]) -> list[str]:
            """Begin with nothing."""
            del value
            return []

        def addInPlace(self, value1: list[str], value2: list[str]) -> list[str]:  # noqa: N802 - Spark's name
            """Add what a task says."""
            value1 += value2
            return value1

    return context.accumulator([], Texts())


# In a task


def _score(job: ScoringJob, told: Any, frames: Iterator[pd.DataFrame]) -> Iterator[pd.DataFrame]:
    for frame in frames:
        for text in frame["piece"]:
            outcome = score_piece(
                job, from_json(text), lambda: shipped_model(job.digest), lambda: False, lambda _: None
            )
            said = outcome.to_json()
            told.add([said])
            yield frame.iloc[:1].assign(outcome=said)[["outcome"]]
