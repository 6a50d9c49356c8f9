"""What runs workers: this machine, Spark, Ray."""

from __future__ import annotations

import importlib
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol, cast

from gitml.models.scoring.job import ScoringJob
from gitml.models.scoring.pieces import Piece
from gitml.models.scoring.worker import Outcome, Scorer
from gitml.progress import Advance

ENGINES = ("local", "spark", "ray")


@dataclass(frozen=True, slots=True)
class EngineOptions:
    """How an engine is to run.

    Attributes:
        workers: How many pieces are scored at once; None: as many as there are processors.
        address: Spark's master or Ray's address; None: what the environment says, else this machine.
    """

    workers: int | None = None
    address: str | None = None


class Engine(Protocol):
    """Runs pieces; started when it is entered, so that what is missing is said first."""

    def probe(self, job: ScoringJob, piece: Piece) -> bytes:
        """Find the schema of the parts."""
        ...

    def run(self, job: ScoringJob, pieces: Sequence[Piece], advance: Advance) -> Iterator[Outcome]:
        """Score pieces, and give what becomes of each.

        Args:
            job: What all workers are told.
            pieces: The pieces.
            advance: Called with the number of rows that were predicted since the last call.

        Raises:
            EngineError: The cluster failed.
        """
        ...


def open_engine(name: str, options: EngineOptions) -> AbstractContextManager[Engine]:
    """Make an engine.

    Raises:
        NoEngineError: It is not installed.
    """
    module = importlib.import_module(f"gitml.models.scoring.on_{name}")
    return cast(AbstractContextManager[Engine], module.opened(options))


def probe_here(job: ScoringJob, piece: Piece) -> bytes:
    """Find the schema of the parts in this process; the model is let go of then."""
    return Scorer(job, Path(job.folder)).probe(piece)
