"""What a worker does, wherever it runs: load the model once, and score pieces."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from gitml.errors import GitmlError
from gitml.models.batches import as_tensor
from gitml.models.scoring.checked import load_checked
from gitml.models.scoring.errors import RowError
from gitml.models.scoring.job import ScoringJob
from gitml.models.scoring.pieces import Piece
from gitml.models.scoring.places import open_place
from gitml.models.scoring.predictions import PredictionsError, framed, schema_of, table_of
from gitml.models.scoring.reading import Batch, Wanted, batches
from gitml.models.signatures.problems import SchemaError, split_row
from gitml.progress import Advance

if TYPE_CHECKING:
    import pandas as pd

_GROUP_ROWS = 100_000  # of a part: small groups are slow to read


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of a piece.

    Attributes:
        number: Which piece.
        rows: How many rows were predicted.
        message: What went wrong; empty if nothing did.
        hint: What to do about it.
        exit_code: What the command ends with then.
    """

    number: int
    rows: int
    message: str = ""
    hint: str | None = None
    exit_code: int = 0

    def require(self) -> None:
        """Raise what went wrong.

        Raises:
            PieceError: Something did.
        """
        if self.message:
            raise PieceError(self)

    def to_json(self) -> str:
        """Write it for a machine elsewhere."""
        return json.dumps([self.number, self.rows, self.message, self.hint, self.exit_code])

    @classmethod
    def from_json(cls, text: str) -> Outcome:
        """Read `to_json` again."""
        return cls(*json.loads(text))


class PieceError(GitmlError):
    """What went wrong in a worker."""

    def __init__(self, outcome: Outcome) -> None:
        super().__init__(outcome.message, hint=outcome.hint)
        self.exit_code = outcome.exit_code


class StoppedError(GitmlError):
    """Another piece failed, so that this one is not needed."""


class Scorer:
    """A loaded model, and what it is told.

    Args:
        job: What is scored.
        folder: The model's files on this machine.

    Raises:
        DamagedError: They are not those that were looked at when the job began.
    """

    def __init__(self, job: ScoringJob, folder: Path) -> None:
        self.job = job
        self.model = load_checked(job.model, folder, job.digest)

    @cached_property
    def wanted(self) -> Wanted:
        """Which columns are read."""
        return Wanted(self.job.columns, self.job.ids, self.model.metadata.get_input_schema())

    def probe(self, piece: Piece) -> bytes:
        """Find the schema of the parts: by predicting the first rows."""
        for batch in batches(piece, self.wanted, self.job.batch_rows):
            frame = self._predict(piece, batch)
            schema = schema_of(batch, frame, self.model.signature, text=piece.kind == "csv", key=self.job.key)
            return bytes(schema.serialize())
        raise RowError(piece.file, None, "it has no rows", hint=None, exit_code=2)

    def score(self, piece: Piece, is_stopped: Callable[[], bool], advance: Advance) -> Outcome:
        """Score a piece and write its part; what goes wrong is told, not raised.

        Args:
            piece: The piece.
            is_stopped: Whether nobody needs it any more; asked after each batch.
            advance: Called with the number of rows predicted since the last call.
        """
        try:
            return Outcome(piece.number, self._score(piece, is_stopped, advance))
        except GitmlError as err:
            return _failed(piece, err)

    def _score(self, piece: Piece, is_stopped: Callable[[], bool], advance: Advance) -> int:
        from pyarrow import parquet  # type: ignore[import-untyped]

        schema = self.job.arrow_schema()
        rows = 0
        with (
            open_place(self.job.out).writing(piece.part) as stream,
            parquet.ParquetWriter(stream, schema) as writer,
        ):
            for table in _grouped(self._tables(piece, schema, is_stopped, advance)):
                writer.write_table(table)
                rows += table.num_rows
        return rows

    def _tables(
        self, piece: Piece, schema: Any, is_stopped: Callable[[], bool], advance: Advance
    ) -> Iterator[Any]:
        for batch in batches(piece, self.wanted, self.job.batch_rows):
            if is_stopped():
                raise StoppedError("another piece failed")
            frame = self._predict(piece, batch)
            try:
                yield table_of(batch, frame, schema)
            except PredictionsError as err:
                raise _at(piece, batch.first + 1, err) from err
            advance(len(frame))

    def _predict(self, piece: Piece, batch: Batch) -> pd.DataFrame:
        try:
            return self._framed(batch.frame)
        except PredictionsError as err:
            raise _at(piece, batch.first + 1, err) from err
        except Exception as err:  # whatever a model may raise
            raise self._blamed(piece, batch, err) from err

    def _framed(self, frame: pd.DataFrame) -> pd.DataFrame:
        data = as_tensor(frame, self.wanted.schema)
        return framed(self.model.predict(data), len(frame))

    def _blamed(self, piece: Piece, batch: Batch, err: Exception) -> RowError:
        """Find the row that a batch fails for: halves are tried until one row is left."""
        frame, first = batch.frame, batch.first
        while len(frame) > 1:
            half = len(frame) // 2
            for part, before in ((frame.iloc[:half], 0), (frame.iloc[half:], half)):
                try:
                    self._framed(part.reset_index(drop=True))
                except Exception as found:  # noqa: BLE001 - whatever a model may raise
                    frame, first, err = part, first + before, found
                    break
            else:  # only all of them together do
                return _at(piece, first + 1, err, rows=len(frame))
        return _at(piece, first + 1, err)


def _failed(piece: Piece, err: GitmlError) -> Outcome:
    return Outcome(piece.number, 0, err.message, err.hint, err.exit_code)


def _at(piece: Piece, row: int, err: Exception, *, rows: int = 1) -> RowError:
    if isinstance(err, SchemaError) and rows == 1:  # the row is said before
        told = [replace(each, given=split_row(each.given)[0]) for each in err.problems]
        err = SchemaError(told, extra=err.extra)
    together = f" (in {rows:,} rows from there on)" if rows > 1 else ""
    if isinstance(err, GitmlError):
        return RowError(piece.file, row, err.message + together, hint=err.hint, exit_code=err.exit_code)
    why = f"the model raised {type(err).__name__}: {err!s:.500}{together}"
    return RowError(piece.file, row, why, hint=None, exit_code=1)


def _grouped(tables: Iterator[Any]) -> Iterator[Any]:
    """Join small tables."""
    import pyarrow as pa

    waiting: list[Any] = []
    for table in tables:
        waiting.append(table)
        if sum(each.num_rows for each in waiting) >= _GROUP_ROWS:
            yield pa.concat_tables(waiting)
            waiting = []
    if waiting:
        yield pa.concat_tables(waiting)


# One a process


_loaded: dict[str, Scorer] = {}


def score_piece(
    job: ScoringJob,
    piece: Piece,
    folder: Callable[[], Path],
    is_stopped: Callable[[], bool],
    advance: Advance,
) -> Outcome:
    """Score a piece with this process's scorer, for which the model is loaded once; see `Scorer.score`.

    Args:
        job: What is scored.
        piece: The piece.
        folder: Gives the model's files on this machine.
        is_stopped: As for `Scorer.score`.
        advance: As there.
    """
    try:
        return _scorer_of(job, folder).score(piece, is_stopped, advance)
    except GitmlError as err:  # the model can't be loaded
        return _failed(piece, err)


def probe_piece(job: ScoringJob, piece: Piece, folder: Callable[[], Path]) -> tuple[bytes, Outcome]:
    """Find the schema of the parts, with this process's scorer; what goes wrong is told, not raised."""
    try:
        return _scorer_of(job, folder).probe(piece), Outcome(piece.number, 0)
    except GitmlError as err:
        return b"", _failed(piece, err)


def _scorer_of(job: ScoringJob, folder: Callable[[], Path]) -> Scorer:
    known = _loaded.get(job.key)
    if known is None:
        _loaded.clear()
        known = _loaded[job.key] = Scorer(job, folder())
    known.job = job
    return known
