"""Scoring on Ray: actors that each hold the model, and take one piece after the other."""

from __future__ import annotations

import logging
import shutil
import tempfile
import zipfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from gitml.models.scoring.engines import Engine, EngineOptions, probe_here
from gitml.models.scoring.errors import EngineError, NoEngineError
from gitml.models.scoring.job import ScoringJob, content_digest
from gitml.models.scoring.pieces import Piece, from_json, to_json
from gitml.models.scoring.shipping import pack
from gitml.models.scoring.worker import Outcome, score_piece
from gitml.progress import Advance

_BLOCK = 64 << 20  # of the model, on its way: no machine holds more of its archive in memory at once


@contextmanager
def opened(options: EngineOptions) -> Iterator[Engine]:
    """Go to a cluster, or start one on this machine and stop it afterwards.

    Raises:
        NoEngineError: Ray is not installed.
        EngineError: It can't be reached.
    """
    try:
        import ray
    except ImportError as err:
        raise NoEngineError("ray") from err
    if ray.is_initialized():
        yield _Ray(ray, options)
        return
    try:
        here: dict[str, Any] = (
            {} if options.address else {"include_dashboard": False}
        )  # nobody is to find it listening
        ray.init(options.address, log_to_driver=False, logging_level=logging.ERROR, **here)
    except (OSError, ValueError, RuntimeError) as err:
        raise EngineError("Ray", str(err), "check --address: 'auto', or ray://HOST:10001") from err
    try:
        yield _Ray(ray, options)
    finally:
        ray.shutdown()


class _Ray:
    """A cluster."""

    def __init__(self, ray: Any, options: EngineOptions) -> None:
        self._ray = ray
        self._workers = options.workers

    def probe(self, job: ScoringJob, piece: Piece) -> bytes:
        """Find the schema of the parts."""
        return probe_here(job, piece)

    def run(self, job: ScoringJob, pieces: Sequence[Piece], advance: Advance) -> Iterator[Outcome]:
        """Score pieces, one at a time an actor."""
        actors = self._actors(job, len(pieces))
        try:
            yield from self._shared_out(actors, self._blocks(job), pieces, advance)
        except self._ray.exceptions.RayError as err:
            lacks = "No module named 'gitml'" in str(err)
            hint = "install gitml and the model's packages on the cluster" if lacks else "see ray status"
            raise EngineError("Ray", str(err).strip().splitlines()[-1], hint) from err
        finally:
            for actor in actors:
                self._ray.kill(actor)

    def _actors(self, job: ScoringJob, pieces: int) -> list[Any]:
        there = int(self._ray.cluster_resources().get("CPU", 1)) or 1
        # Pieces that a lost actor had are done again by the one that takes its place.
        made = self._ray.remote(num_cpus=1, max_restarts=2, max_task_retries=2)(Worker)
        return [made.remote(job) for _ in range(min(self._workers or there, there, pieces))]

    def _blocks(self, job: ScoringJob) -> list[Any]:
        with tempfile.TemporaryDirectory(prefix="gitml-") as folder:
            archive = pack(Path(job.folder), job.digest, Path(folder))
            with archive.open("rb") as stream:
                return [self._ray.put(block) for block in iter(lambda: stream.read(_BLOCK), b"")]

    def _shared_out(
        self, actors: Sequence[Any], blocks: Sequence[Any], pieces: Sequence[Piece], advance: Advance
    ) -> Iterator[Outcome]:
        left = iter(pieces)
        busy: dict[Any, Any] = {}
        for actor, piece in zip(actors, left, strict=False):
            busy[actor.score.remote(to_json(piece), blocks)] = actor
        while busy:
            (ended,), _ = self._ray.wait(list(busy), num_returns=1)
            actor = busy.pop(ended)
            outcome = Outcome.from_json(self._ray.get(ended))
            if (next_piece := next(left, None)) is not None:
                busy[actor.score.remote(to_json(next_piece), blocks)] = actor
            advance(outcome.rows)
            yield outcome


class Worker:
    """An actor: lays the model out, unless its files are here, and scores.

    Args:
        job: What is scored.
    """

    def __init__(self, job: ScoringJob) -> None:
        self._job = job
        self._folder: Path | None = None

    def score(self, text: str, blocks: Sequence[Any]) -> str:
        """Score a piece.

        Args:
            text: The piece, as JSON.
            blocks: The model's archive, as objects of Ray's.
        """
        piece = from_json(text)
        return score_piece(
            self._job, piece, lambda: self._model(blocks), lambda: False, lambda _: None
        ).to_json()

    def _model(self, blocks: Sequence[Any]) -> Path:
        shared = Path(self._job.folder)
        if shared.is_dir() and content_digest(shared) == self._job.digest:
            return shared
        import ray

        self._folder = self._folder or Path(tempfile.mkdtemp(prefix="gitml-"))
        archive = self._folder / "model.zip"
        with archive.open("wb") as stream:
            for block in blocks:
                stream.write(ray.get(block))
        with zipfile.ZipFile(archive) as source:  # whoever loads it looks at its hash first
            source.extractall(self._folder / "model")
        archive.unlink()
        return self._folder / "model"

    def __ray_terminate__(self) -> None:
        """Take the model's files away."""
        if self._folder is not None:
            shutil.rmtree(self._folder, ignore_errors=True)
