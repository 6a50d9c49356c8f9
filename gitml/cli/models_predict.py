"""`gitml models predict`: a table through a model."""

from __future__ import annotations

import sys
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any

import typer

from gitml.cli import complete_models
from gitml.cli.models_arguments import say
from gitml.errors import UsageError

ModelPlace = Annotated[
    str,
    typer.Argument(
        metavar="MODEL",
        help="A model: churn@v3, churn#production, models:/churn/3, runs:/RUN/path, or a folder.",
        autocompletion=complete_models.names,
    ),
]
STANDARD_INPUT = Path("-")
TrustOption = Annotated[
    bool, typer.Option("--trust", help="Code in the model may run, although nothing here vouches for it.")
]


def predict(
    model: ModelPlace,
    source: Annotated[
        Path,
        typer.Option(
            "--input",
            "-i",
            "--input-path",
            metavar="FILE",
            help="The table: .csv, .json, .jsonl, .parquet; - or none: standard input.",
            show_default=False,
        ),
    ] = STANDARD_INPUT,
    target: Annotated[
        Path | None,
        typer.Option(
            "--output",
            "-o",
            "--output-path",
            metavar="FILE",
            help="Where predictions go; printed if not given.",
        ),
    ] = None,
    input_format: Annotated[
        str | None,
        typer.Option(
            "--input-format",
            "-t",
            "--content-type",
            metavar="FORMAT",
            help="csv, json, jsonl or parquet, where the name does not say; standard input is json if not given.",
        ),
    ] = None,
    output_format: Annotated[
        str | None,
        typer.Option("--output-format", metavar="FORMAT", help="As --input-format; json if printed."),
    ] = None,
    batch_rows: Annotated[
        int, typer.Option("--batch-rows", metavar="N", min=1, help="How many rows are predicted at once.")
    ] = 10_000,
    trust: TrustOption = False,
) -> None:
    """Predict a table with a model, a batch of rows at a time.

    The rows are held against the model's signature. A file of predictions appears when it is whole.
    CSV, JSON lines and Parquet may be larger than memory; a JSON document is read as a whole:
    a list of records, or what MLflow's server is asked with ({"inputs": …}, {"dataframe_split": …}).

    Examples:
      gitml models predict churn#production -i customers.csv -o churn.parquet
      gitml models predict runs:/brisk-heron/model -i rows.jsonl
      cat customers.csv | gitml models predict churn@v3 -t csv
    """
    from gitml.models.batches import format_of, predict_file
    from gitml.models.failures import model_at_work
    from gitml.models.pyfunc.loading import load_function
    from gitml.models.tables.sinks import open_sink
    from gitml.render.progress import progress
    from gitml.render.text import plural

    is_piped = source == STANDARD_INPUT
    kind = format_of(source, input_format or ("json" if is_piped else None))
    if is_piped and kind == "parquet":
        raise UsageError("Parquet is not read from standard input", hint="-i table.parquet")
    written = format_of(target or Path("predictions.json"), output_format)
    if target is not None:
        _require_other_file(source, target)
    if is_piped and sys.stdin.isatty():
        say(f"reading {kind} from the terminal, until Ctrl-D")
    with model_at_work("be loaded"):
        loaded = load_function(model, trust=trust or None)
    with (
        _each_warning_once(),
        open_sink(target, written, sys.stdout) as sink,
        progress("predicting", None, "rows") as advance,
    ):
        table = sys.stdin.buffer if is_piped else source
        rows = predict_file(loaded, table, kind, sink, rows=batch_rows, advance=advance)
    if target is not None:
        say(f"{plural(rows, 'row')} predicted: {target}")


@contextmanager
def _each_warning_once() -> Iterator[None]:
    """Show what is said of every batch only for the first."""
    with warnings.catch_warnings():
        show, shown = warnings.showwarning, set[str]()

        def show_once(message: Warning | str, *where: Any, **more: Any) -> None:
            if str(message) not in shown:
                shown.add(str(message))
                show(message, *where, **more)

        warnings.showwarning = show_once
        yield


def _require_other_file(source: Path, target: Path) -> None:
    """Refuse to write where the table is, whatever the file is called there.

    Raises:
        UsageError: It is the same file, or a folder.
    """
    if target.is_dir():
        raise UsageError(f"'{target}' is a folder", hint="give a file: -o predictions.csv")
    if source.exists() and target.exists() and source.samefile(target):
        raise UsageError(
            f"'{target}' is the table itself, which the predictions would replace",
            hint="give another file: -o predictions.csv",
        )
