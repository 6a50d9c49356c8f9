"""The client's calls for files: keep them, list them, get them back."""

from __future__ import annotations

import re
import tempfile
import time
import uuid
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Any, BinaryIO

from gitml.api import content, table_images
from gitml.api.client_logging import LoggingCalls
from gitml.api.images import encode_image
from gitml.api.values import FileInfo, ViewType
from gitml.entities import run as entities
from gitml.errors import InvalidNameError, InvalidValueError, NotFoundError, UsageError
from gitml.formats.names import check_artifact_path
from gitml.render.progress import progress

if TYPE_CHECKING:
    import os

    import pandas as pd

_IMAGE_KEY = re.compile(r"[a-zA-Z0-9_\-./ ]+")


class ArtifactCalls(LoggingCalls):
    """Keep files with any run by its id, and read them back."""

    def log_artifact(
        self, run_id: str, local_path: str | os.PathLike[str], artifact_path: str | None = None
    ) -> None:
        """Keep a file, or a folder under its own name.

        Args:
            run_id: The run.
            local_path: The file or folder.
            artifact_path: The folder within the run to put it into.

        Raises:
            InvalidNameError: The path can't be one of an artifact.
            NotFoundError: There is no such run or file.
        """
        with progress(f"keeping {Path(local_path).name}", None, "B") as advance:
            self.writer(run_id).log_artifact(Path(local_path), artifact_path, advance)

    def log_artifacts(
        self, run_id: str, local_dir: str | os.PathLike[str], artifact_path: str | None = None
    ) -> None:
        """Keep all files below a folder; see `log_artifact`."""
        with progress(f"keeping {Path(local_dir).name}", None, "B") as advance:
            self.writer(run_id).log_artifacts(Path(local_dir), artifact_path, advance)

    def log_text(self, run_id: str, text: str, artifact_file: str) -> None:
        """Keep a text as a file, in UTF-8.

        Raises:
            InvalidValueError: It is no text.
        """
        if not isinstance(text, str):
            raise InvalidValueError(
                "text", artifact_file, f"it is {type(text).__name__}, not text", hint="log str(…) of it"
            )
        self.log_bytes(run_id, text.encode("utf-8", "surrogatepass"), artifact_file)

    def log_bytes(self, run_id: str, data: bytes, artifact_file: str) -> None:
        """Keep bytes as a file."""
        self.writer(run_id).log_bytes(data, check_artifact_path(artifact_file))

    def log_stream(self, run_id: str, stream: BinaryIO, artifact_file: str) -> None:
        """Keep what a binary stream gives as a file, in constant memory."""
        path = PurePosixPath(check_artifact_path(artifact_file))
        with tempfile.TemporaryDirectory(prefix="gitml-") as folder:
            copy = Path(folder) / path.name
            with copy.open("wb") as target:
                while chunk := stream.read(1024**2):
                    target.write(chunk)
            self.writer(run_id).log_artifact(copy, _parent(path))

    def log_dict(self, run_id: str, dictionary: object, artifact_file: str) -> None:
        """Keep a dictionary or list as YAML if the name ends so, else as JSON.

        Scalars of NumPy become numbers, arrays lists, what JSON and YAML do not know text.

        Raises:
            InvalidValueError: It contains itself, or a key is no plain value.
        """
        self.log_bytes(run_id, content.encode_dictionary(dictionary, artifact_file), artifact_file)

    def log_figure(
        self, run_id: str, figure: Any, artifact_file: str, *, save_kwargs: Mapping[str, Any] | None = None
    ) -> None:
        """Keep a matplotlib or plotly figure; the name's ending is the format."""
        self.log_bytes(run_id, content.encode_figure(figure, artifact_file, save_kwargs), artifact_file)

    def log_image(
        self,
        run_id: str,
        image: Any,
        artifact_file: str | None = None,
        key: str | None = None,
        step: int | None = None,
        timestamp: int | None = None,
        synchronous: bool | None = None,
    ) -> None:
        """Keep a picture: a NumPy array or a Pillow image.

        Args:
            run_id: The run.
            image: Height by width, or with 1, 3 or 4 channels; 0…255 as
                integers or 0…1 as floats: others are rescaled to that, with
                a warning. A `gitml.Image` or a Pillow image.
            artifact_file: Its path within the run; or else
            key: names a series of pictures, kept below `images/`,
            step: each with its step, 0 if not given,
            timestamp: and its time in ms since 1970, now if not given.
            synchronous: Has no effect.

        Raises:
            InvalidValueError: It is no picture.
            MissingExtraError: Pillow is not installed.
            UsageError: Both a file and a key were given, or neither.
        """
        del synchronous
        path = image_path(artifact_file, key, step, timestamp)
        self.log_bytes(run_id, encode_image(image, path), path)

    def log_table(self, run_id: str, data: Mapping[str, Any] | pd.DataFrame, artifact_file: str) -> None:
        """Keep a table; rows are added to what the file holds already.

        Pictures in its cells, Pillow's or `gitml.Image`, are kept as files below
        `table_images/`; the cell says where: `{"type": "image", "filepath": …}`.

        Args:
            run_id: The run.
            data: A DataFrame, or a dictionary of columns.
            artifact_file: Its path; ends in `.json` or `.parquet`.

        Raises:
            InvalidNameError: The path ends in something else.
            InvalidValueError: A cell can't be written, or a column has pictures
                and something else.
        """
        import pandas as pd

        table, pictures = table_images.take_out(content.make_table(data, artifact_file), artifact_file)
        live = self.writer(run_id)
        try:
            before = self.read_artifact(live.facts(), artifact_file)
        except NotFoundError:
            pass
        else:
            table = pd.concat([content.decode_table(before, artifact_file), table], ignore_index=True)
        encoded, path = content.encode_table(table, artifact_file), check_artifact_path(artifact_file)
        for name, picture in pictures.items():
            live.log_bytes(picture, check_artifact_path(name))
        live.log_bytes(encoded, path)

    def load_table(
        self,
        experiment_id: str,
        artifact_file: str,
        run_ids: Sequence[str] | None = None,
        extra_columns: Sequence[str] | None = None,
    ) -> pd.DataFrame:
        """Read a table of several runs into one DataFrame.

        Args:
            experiment_id: The experiment to look in.
            artifact_file: The table's path within the runs.
            run_ids: Only these runs; all that have the table if not given.
            extra_columns: Columns of `search_runs` to add, such as `run_id`.

        Raises:
            NotFoundError: No run has the table, or one of `run_ids` has not.
            UsageError: There is no such column, or the table has one of that name.
        """
        import pandas as pd

        from gitml.api.frames import runs_frame

        runs = [self._find(run_id) for run_id in run_ids] if run_ids else self._all_runs(experiment_id)
        tables = []
        for run in runs:
            try:
                data = self.read_artifact(run, artifact_file)
            except NotFoundError:
                if run_ids:
                    raise
                continue
            table = content.decode_table(data, artifact_file)
            facts: Any = runs_frame([run]).iloc[0] if extra_columns else {}
            for column in extra_columns or ():
                _add_column(table, column, facts)
            tables.append(table)
        if not tables:
            raise NotFoundError(
                f"no run of experiment '{experiment_id}' has the table '{artifact_file}'",
                hint="list_artifacts shows the files of a run",
            )
        return pd.concat(tables, ignore_index=True)

    def list_artifacts(self, run_id: str, path: str | None = None) -> list[FileInfo]:
        """List the files and folders directly within a run's folder.

        Args:
            run_id: The run.
            path: A folder within the run; its top if not given. A file has
                nothing within it.

        Raises:
            RunNotFoundError: There is no such run.
        """
        from gitml.tracking.history import list_artifacts

        folder = check_artifact_path(path or "", allow_empty=True)
        found = list_artifacts(self.repo, self._find(run_id), folder)
        return direct_entries([(artifact.path, artifact.size) for artifact in found], folder)

    def download_artifacts(
        self, run_id: str, path: str = "", dst_path: str | os.PathLike[str] | None = None
    ) -> str:
        """Copy a file or folder of a run out to the file system.

        Args:
            run_id: The run.
            path: The file or folder within the run; everything if empty.
            dst_path: The folder to put it into, by its own name; a new temporary
                one, which is yours to remove, if not given.

        Returns:
            The absolute local path of the file or folder.

        Raises:
            NotFoundError: The run has nothing there.
            ChecksumMismatchError: Stored bytes are damaged.
        """
        from gitml.api.downloads import export_by_name

        path = check_artifact_path(path or "", allow_empty=True)
        run = self._find(run_id)
        target = Path(dst_path) if dst_path is not None else Path(tempfile.mkdtemp(prefix="gitml-"))
        return str(export_by_name(self.repo, run, path, target.absolute()))

    def read_artifact(self, run: entities.Run | str, path: str) -> bytes:
        """Read one file of a run into memory.

        Raises:
            NotFoundError: There is no such run or file.
        """
        from gitml.tracking.history import open_artifact

        found = self._find(run) if isinstance(run, str) else run
        with open_artifact(self.repo, found, path) as stream:
            return stream.read()

    def _all_runs(self, experiment_id: str) -> list[entities.Run]:
        runs: list[entities.Run] = []
        token: str | None = None
        while True:
            page = self.search_runs([experiment_id], run_view_type=ViewType.ACTIVE_ONLY, page_token=token)
            runs += [run.entity for run in page]
            token = page.token
            if token is None:
                return runs


def direct_entries(files: Iterable[tuple[str, int]], folder: str) -> list[FileInfo]:
    """What is directly within a folder, given all paths below it and their sizes."""
    prefix = f"{folder}/" if folder else ""
    found: dict[str, FileInfo] = {}
    for path, size in files:
        if path != folder:
            name, is_deeper, _ = path[len(prefix) :].partition("/")
            found.setdefault(name, FileInfo(prefix + name, bool(is_deeper), None if is_deeper else size))
    return [found[name] for name in sorted(found)]


def image_path(artifact_file: str | None, key: str | None, step: int | None, timestamp: int | None) -> str:
    """Decide where a picture goes: to a file, or into a series by key and step.

    Raises:
        UsageError: Both a file and a key were given, or neither.
    """
    if artifact_file is not None:
        if key is not None or step is not None or timestamp is not None:
            raise UsageError(
                "'artifact_file' can't go with 'key', 'step' or 'timestamp'", hint="give one or the other"
            )
        return check_artifact_path(artifact_file)
    if key is None:
        raise UsageError(
            "log_image needs 'artifact_file' or 'key'", hint="log_image(image, 'plots/sample.png')"
        )
    if not _IMAGE_KEY.fullmatch(key):
        raise InvalidNameError("image key", key, "it can have letters, digits, '_', '-', '.', ' ' and '/'")
    moment = timestamp if timestamp is not None else time.time_ns() // 1_000_000
    name = key.replace("/", "~")  # MLflow's layout, which its web page reads
    return check_artifact_path(f"images/{name}+step+{step or 0}+timestamp+{moment}+{uuid.uuid4()}.png")


def _parent(path: PurePosixPath) -> str | None:
    folder = path.parent.as_posix()
    return None if folder == "." else folder


def _add_column(table: pd.DataFrame, column: str, facts: Any) -> None:
    if column in table:
        raise UsageError(f"the table has a column '{column}' already", hint="leave it out of extra_columns")
    if column not in facts:
        raise UsageError(
            f"runs have no column '{column}'", hint="use a column of search_runs, such as 'run_id'"
        )
    table[column] = facts[column]
