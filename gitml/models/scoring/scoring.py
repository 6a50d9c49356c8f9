"""Score files with a model: find both, cut the files, run what is not finished, say that all is."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field, replace
from typing import Any

from gitml.entities.signature import Schema
from gitml.errors import UsageError
from gitml.models.batches import BATCH_ROWS
from gitml.models.loading import warn_of_other_versions
from gitml.models.locating import Located
from gitml.models.scoring.checked import locate_checked
from gitml.models.scoring.engines import EngineOptions, open_engine
from gitml.models.scoring.job import ScoringJob
from gitml.models.scoring.pieces import PART_ROWS, DataFile, cut, find_files
from gitml.models.scoring.places import Place, open_place
from gitml.models.scoring.record import (
    SUCCESS,
    Record,
    finished,
    key_of,
    read_record,
    write_record,
    write_success,
)
from gitml.progress import Advance

ShowProgress = Callable[[int], AbstractContextManager[Advance]]


@dataclass(frozen=True, slots=True)
class Options:
    """How files are scored.

    Attributes:
        engine: `local`, `spark` or `ray`.
        running: How that is to run.
        batch_rows: How many rows are predicted at once.
        part_rows: How many rows a part of the result has, about.
        columns: The columns that the model gets; empty: those of its signature, or all but `ids`.
        ids: The columns of the data that are kept beside the predictions.
        trust: Whether code in the model may run; see `trust`.
    """

    engine: str = "local"
    running: EngineOptions = field(default_factory=EngineOptions)
    batch_rows: int = BATCH_ROWS
    part_rows: int = PART_ROWS
    columns: Sequence[str] = ()
    ids: Sequence[str] = ()
    trust: bool | None = None


@dataclass(frozen=True, slots=True)
class Scored:
    """What was done.

    Attributes:
        out: The folder of the result.
        parts: How many parts it has.
        rows: How many rows these have.
        kept: How many of the parts were there before.
    """

    out: str
    parts: int
    rows: int
    kept: int


def score(
    model: str | os.PathLike[str], sources: Sequence[str], out: str, options: Options, show: ShowProgress
) -> Scored:
    """Score files with a model; what an earlier start finished is kept.

    Args:
        model: A folder, `runs:/RUN/path`, `models:/NAME/3`, `NAME@v3` …
        sources: Files, folders, patterns and URLs of CSV and Parquet files.
        out: The folder that the parts go to, or its URL.
        options: How.
        show: Called with the number of rows that there are; gives what is called as they are done.

    Raises:
        NotFoundError: There is no such model, or no data.
        UntrustedModelError: The model would run code, and nothing vouches for it.
        OtherPredictionsError: The folder has something else.
        PieceError: A row can't be scored; says which file and row.
    """
    located, digest = locate_checked(model, options.trust)
    place = open_place(out)
    job, files, said = _planned(located, digest, sources, place, options)
    record = read_record(place, job.key, said)
    done = finished(place, record) if record else {}
    if record and len(done) == len(record.pieces) and place.read(SUCCESS) is not None:
        return Scored(out, len(done), sum(done.values()), len(done))
    warn_of_other_versions(located)
    kept = len(done)
    with open_engine(options.engine, options.running) as engine:
        if record is None:
            pieces = tuple(cut(files, options.part_rows))
            record = Record(job.key, said, pieces, engine.probe(job, pieces[0]) if pieces else b"")
            write_record(place, record)
        left = [piece for piece in record.pieces if piece.number not in done]
        job = replace(job, schema=record.schema)
        with show(sum(piece.rows for piece in left)) as advance:
            for outcome in engine.run(job, left, advance) if left else ():
                outcome.require()
                done[outcome.number] = outcome.rows
    write_success(place, list(done.values()))
    return Scored(out, len(done), sum(done.values()), kept)


def _planned(
    located: Located, digest: str, sources: Sequence[str], out: Place, options: Options
) -> tuple[ScoringJob, list[DataFile], dict[str, Any]]:
    files = find_files(sources)
    if out.here and any(file.file.path.startswith(f"{out.path}/") for file in files):
        raise UsageError(f"'{out.url}' has the data in it", hint="give another folder: -o predictions")
    version = located.origin.version
    named: dict[str, Any] = {"name": located.origin.name, "digest": digest, "run_id": located.model.run_id}
    if version is not None:
        named |= {"name": version.name, "version": version.version}
    said = {
        "model": named,
        "data": [file.said() for file in files],
        "options": {
            "columns": list(options.columns),
            "id_columns": list(options.ids),
            "part_rows": options.part_rows,
        },
    }
    # What the model is called, and by which run, decides nothing.
    key = key_of({**said, "model": digest})
    columns = tuple(options.columns) or _columns(located.model.get_input_schema())
    job = ScoringJob(
        located.origin.name,
        str(located.folder),
        digest,
        columns,
        tuple(options.ids),
        options.batch_rows,
        out.url,
        key,
    )
    return job, files, said


def _columns(schema: Schema | None) -> tuple[str, ...]:
    if schema is None or not schema.has_input_names():
        return ()
    return tuple(map(str, schema.input_names()))
