"""`gitml models score`: many files through a model."""

from __future__ import annotations

import csv
from enum import Enum
from typing import Annotated

import typer

from gitml.cli.models_arguments import say
from gitml.cli.models_predict import ModelPlace, TrustOption
from gitml.errors import UsageError


class EngineChoice(str, Enum):
    """What the model runs on."""

    LOCAL = "local"
    SPARK = "spark"
    RAY = "ray"


def score(
    model: ModelPlace,
    data: Annotated[
        list[str],
        typer.Argument(
            metavar="DATA…",
            help="Parquet and CSV files, folders, patterns in quotes, and URLs such as s3://…",
        ),
    ],
    out: Annotated[
        str, typer.Option("--out", "-o", metavar="FOLDER", help="Where the parts go: a folder, or a URL.")
    ],
    engine: Annotated[
        EngineChoice, typer.Option("--engine", "-e", help="local: processes here; spark; ray.")
    ] = EngineChoice.LOCAL,
    batch_size: Annotated[
        int, typer.Option("--batch-size", metavar="N", min=1, help="How many rows are predicted at once.")
    ] = 10_000,
    part_rows: Annotated[
        int,
        typer.Option(
            "--part-rows",
            metavar="N",
            min=1,
            help="How many rows a part has, about: what is done anew after a crash.",
        ),
    ] = 1_000_000,
    workers: Annotated[
        int | None,
        typer.Option(
            "--workers",
            "-w",
            metavar="N",
            min=1,
            show_default=False,
            help="How many parts are made at once, each with the model in memory; if not given, one a processor.",
        ),
    ] = None,
    columns: Annotated[
        list[str] | None,
        typer.Option(
            "--columns",
            metavar="A,B",
            help="The columns that the model gets, where its signature does not say.",
        ),
    ] = None,
    id_columns: Annotated[
        list[str] | None,
        typer.Option(
            "--id-columns", metavar="A,B", help="Columns of the data to keep beside the predictions."
        ),
    ] = None,
    master: Annotated[
        str | None,
        typer.Option(
            "--master", metavar="URL", help="Spark's master; this machine if not given.", show_default=False
        ),
    ] = None,
    address: Annotated[
        str | None,
        typer.Option(
            "--address", metavar="URL", help="Ray's cluster; this machine if not given.", show_default=False
        ),
    ] = None,
    trust: TrustOption = False,
) -> None:
    """Score files that are larger than memory, into a folder of Parquet files.

    The folder gets `_SUCCESS` when all is there. Started again, what is finished is kept.
    With --engine spark and ray, the machines need gitml, the model's packages, and a way to the files.

    Examples:
      gitml models score churn#production customers/ -o scores --id-columns id
      gitml models score churn@v3 s3://lake/in -o s3://lake/out --engine ray
      gitml models score churn@v3 in.parquet -o out --engine spark
    """  # fmt: skip
    from gitml.models.scoring.engines import EngineOptions
    from gitml.models.scoring.scoring import Options
    from gitml.models.scoring.scoring import score as scored
    from gitml.render.progress import progress
    from gitml.render.text import plural

    for option, value, wanted in (
        ("--master", master, EngineChoice.SPARK),
        ("--address", address, EngineChoice.RAY),
    ):
        if value is not None and engine is not wanted:
            raise UsageError(f"{option} goes with --engine {wanted.value}", hint=f"--engine {wanted.value}")
    options = Options(
        engine=engine.value, running=EngineOptions(workers, master or address), batch_rows=batch_size,
        part_rows=part_rows, columns=_names(columns), ids=_names(id_columns), trust=trust or None,
    )  # fmt: skip
    done = scored(model, data, out, options, lambda rows: progress("scoring", rows, "rows"))
    kept = f", {done.kept:,} of them were there before" if done.kept else ""
    say(f"{plural(done.rows, 'row')} scored: {plural(done.parts, 'part')} in {done.out}{kept}")


def _names(given: list[str] | None) -> list[str]:
    """Read `A,B`, also several times; a name with a comma is put in quotes, as in CSV."""
    return list(dict.fromkeys(name for row in csv.reader(given or []) for name in row if name))
