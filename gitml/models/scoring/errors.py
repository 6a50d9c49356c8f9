"""What can go wrong when files are scored."""

from __future__ import annotations

from gitml.errors import GitmlError, MissingExtraError, RefusedError, RemoteError
from gitml.tracking.secrets import strip_url_credentials


class RowError(GitmlError):
    """A row that can't be scored; says which file, and which row of it.

    Attributes:
        file: The file.
        row: The number of the row, from 1; None if it is not one row.
    """

    def __init__(self, file: str, row: int | None, why: str, *, hint: str | None, exit_code: int) -> None:
        place = f"{file}, row {row:,}" if row is not None else file
        super().__init__(f"{place}: {why}", hint=hint)
        self.file = file
        self.row = row
        self.exit_code = exit_code
        self.error_code = "INVALID_PARAMETER_VALUE" if exit_code == 2 else "INTERNAL_ERROR"


class OtherPredictionsError(RefusedError):
    """The folder has files that are not of this job."""

    def __init__(self, folder: str, why: str) -> None:
        super().__init__(f"'{folder}' {why}", hint="give another folder with -o, or delete this one")


class PlaceError(RemoteError):
    """A file system did not do what it was asked for."""

    def __init__(self, place: str, why: str) -> None:
        super().__init__(
            f"'{strip_url_credentials(place)}' can't be used: {strip_url_credentials(why)[:500]}",
            hint="check the address, and the credentials that the environment gives",
        )


class EngineError(RemoteError):
    """Spark or Ray did not do what it was asked for."""

    def __init__(self, engine: str, why: str, hint: str | None = None) -> None:
        super().__init__(f"{engine}: {strip_url_credentials(why)[:1000]}", hint=hint)


class NoEngineError(MissingExtraError):
    """Spark or Ray is not installed."""

    def __init__(self, engine: str) -> None:
        super().__init__(f"scoring on {engine.capitalize()}", engine)
