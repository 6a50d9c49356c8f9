"""LiveRun: what user code writes to while a run lasts.

It appends to files and knows no git, so a training loop pays for one `write`.
Wrong use raises at once; trouble with the disk never does (unless `strict`):
it is told once, what can be kept is kept, and the run is marked incomplete.
"""

from __future__ import annotations

import os
import threading
from collections import deque
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import replace
from itertools import count
from pathlib import Path
from time import time_ns
from typing import Any

from gitml.entities.run import DatasetInput, Number, ParamValue, Run
from gitml.errors import GitmlError, RefusedError
from gitml.formats import run_tree, yaml
from gitml.formats.names import check_name
from gitml.journal import (
    ASSUMED_FILE,
    TEMPORARY,
    AppendFile,
    FirstPoints,
    FolderLock,
    Series,
    change_facts,
    give_up_reserve,
)
from gitml.progress import Advance
from gitml.repo import Repo
from gitml.tracking.artifacts import ArtifactWriter
from gitml.tracking.params_file import ParamsFile
from gitml.tracking.redaction import redacted_tags, redacted_text, redacted_value
from gitml.tracking.troubles import Troubles
from gitml.tracking.values import (
    clean_text,
    distinct_params,
    flatten_params,
    to_number,
    to_param,
    to_whole,
    warn_if_cut,
)

_MAX_OPEN = 256


class RunEndedError(RefusedError):
    """The run was ended; nothing more can be logged through this handle."""

    def __init__(self, run_id: str) -> None:
        super().__init__(
            f"run '{run_id[:8]}' has ended", hint="start a new one, or resume it: start_run(run_id=…)"
        )
        self.run_id = run_id


class LiveRun:
    """One run in progress, safe to write to from many threads and processes."""

    def __init__(
        self, repo: Repo, run_id: str, folder: Path, lock: FolderLock, *, owner: bool, strict: bool = False
    ) -> None:
        """Wrap a locked live folder; `tracking.start` makes and joins them.

        Args:
            repo: The repository that records it.
            run_id: The run's id.
            folder: Its live folder.
            lock: The shared lock on it, taken over.
            owner: Whether ending this handle ends the run.
            strict: Whether trouble with the disk raises.
        """
        self.run_id = run_id
        self.folder = folder
        self.owner = owner
        self.strict = strict
        self.ended = False
        self._troubles = Troubles(run_id, strict=strict)
        self._waiting: list[str] = []
        self._cut_steps: set[str] = set()
        self._journal = repo.journal
        self._lock = lock
        self._series: dict[str, Series] = {}
        self._open: deque[Series] = deque()
        report = self._troubles.add
        self._first_points = FirstPoints(folder)
        self._output = AppendFile(folder, run_tree.OUTPUT_FILE, report)
        self._tags = AppendFile(folder, run_tree.TAGS_FILE, report)
        self._inputs = AppendFile(folder, run_tree.INPUTS_FILE, report)
        self._assumed = AppendFile(folder, ASSUMED_FILE, report)
        self._params = ParamsFile(folder / run_tree.PARAMS_FILE, report)
        self._mutex = threading.RLock()
        self._artifacts = ArtifactWriter(
            folder / run_tree.ARTIFACTS,
            repo.objects,
            repo.settings.inline_limit,
            report,
            lfs=repo.settings.artifacts_url is None,
        )

    # Metrics

    def log_metric(
        self, key: str, value: Number, step: int | None = None, timestamp_ms: int | None = None
    ) -> None:
        """Log one value of a metric.

        Args:
            key: The metric's name; '/' groups.
            value: A number: Python's, NumPy's or a tensor with one element.
            step: An integer position, the fraction of another number is cut;
                one more than the last if not given.
            timestamp_ms: UTC milliseconds since 1970; now if not given.

        Raises:
            InvalidNameError: The name can't be used.
            InvalidValueError: The value is no number.
            RunEndedError: The run has ended.
        """
        try:
            series = self._series[key]
        except (KeyError, TypeError):
            series = self._new_series(key)
        if type(value) is not float:
            value = to_number(key, value)
        if step is None:
            step = next(series.steps)
        else:
            if type(step) is not int:
                step = self._whole_step(key, step)
            series.steps = count(step + 1)
        now = time_ns() // 1_000_000 if timestamp_ms is None else to_whole(key, "timestamp", timestamp_ms)
        line = b"%d\t%d\t%r\n" % (step, now, value)
        # One system call per point; this is the hot path, so no call in between.
        try:
            written = series.write(line)
        except (OSError, ValueError):
            written = 0
        if written != len(line):
            series.append_rest(line[written or 0 :])

    def log_metrics(
        self, metrics: Mapping[str, Number], step: int | None = None, timestamp_ms: int | None = None
    ) -> None:
        """Log one value of each of several metrics, or on a wrong one none; see `log_metric`."""
        if step is not None:
            to_whole("step", "step", step)
        numbers = {self._metric_name(key): to_number(key, value) for key, value in metrics.items()}
        for key, number in numbers.items():
            whole = step if step is None or type(step) is int else self._whole_step(key, step)
            self.log_metric(key, number, whole, timestamp_ms)

    def _whole_step(self, key: str, step: Any) -> int:
        """Make a step a whole number; of the first one of a metric that is not, say so."""
        whole = to_whole(key, "step", step)
        if key not in self._cut_steps and warn_if_cut(key, step, whole, stacklevel=4):
            self._cut_steps.add(key)
        return whole

    def _metric_name(self, key: str) -> str:
        return key if key in self._series else check_name("metric", key)

    def _new_series(self, key: str) -> Series:
        self._refuse_if_ended()
        check_name("metric", key)
        with self._mutex:
            if key in self._series:
                return self._series[key]
            series = Series(self.folder, key, self._troubles.add, self._first_points, self._limit_open)
            self._series[key] = series
            return series

    def _limit_open(self, series: Series) -> None:
        """Keep the number of open files down; a closed one opens again when needed."""
        self._open.append(series)
        if len(self._open) > _MAX_OPEN:
            with suppress(IndexError):  # other threads close some too
                self._open.popleft().close()

    # Params, tags, data sets, note

    def log_param(self, key: str, value: Any) -> ParamValue:
        """Record a param; nested mappings are flattened with dots.

        Raises:
            ParamChangedError: It was recorded with another value before.
        """
        if isinstance(value, Mapping):
            self.log_params({key: value})
            return None
        plain = to_param(check_name("param", key), value)
        self._add_params({key: plain})
        return plain

    def log_params(self, params: Mapping[str, Any]) -> None:
        """Record several params: all of them, or on a wrong one none."""
        self._add_params(distinct_params(flatten_params(params)))

    def assume_params(self, params: Mapping[str, Any]) -> None:
        """Record params that hold unless the program itself logs others by these names."""
        self._refuse_if_ended()
        clean = {key: redacted_value("param", key, value) for key, value in flatten_params(params)}
        lines = "".join(yaml.dump_line(key, value) for key, value in clean.items())
        self._assumed.append(lines.encode())

    def _add_params(self, params: dict[str, ParamValue]) -> None:
        self._refuse_if_ended()
        clean = {key: redacted_value("param", key, value) for key, value in params.items()}
        with self._mutex:
            self._params.add(clean)

    def set_tag(self, key: str, value: Any) -> None:
        """Set a tag; a later value replaces an earlier one."""
        self.set_tags({key: value})

    def set_tags(self, tags: Mapping[str, Any]) -> None:
        """Set several tags: all of them, or on a wrong one none."""
        self._refuse_if_ended()
        clean = redacted_tags(tags)
        lines = "".join(yaml.dump_line(key, value) for key, value in clean.items())
        self._tags.append(lines.encode())

    def delete_tag(self, key: str) -> None:
        """Remove a tag; harmless if there is none."""
        self._refuse_if_ended()
        self._tags.append(yaml.dump_line(check_name("tag", key), None).encode())

    def set_note(self, text: str) -> None:
        """Set the run's note, replacing an earlier one."""
        self._refuse_if_ended()
        self._replace(run_tree.NOTE_FILE, redacted_text("note", clean_text(text)).encode())

    def log_input(self, dataset: DatasetInput) -> None:
        """Record a data set that the run uses."""
        self._refuse_if_ended()
        check_name("data set", dataset.name)
        dataset = replace(dataset, source=redacted_text("data set's source", dataset.source))
        self._inputs.append(run_tree.encode_input(dataset))

    # Files

    def log_artifact(
        self, local_path: str | Path, artifact_path: str | None = None, progress: Advance | None = None
    ) -> None:
        """Keep a file, or a folder with all that is in it.

        Args:
            local_path: The file or folder. A link is followed.
            artifact_path: The folder within the run to put it into.
            progress: Called with the number of bytes done since the last call.

        Raises:
            InvalidNameError: The path can't be one of an artifact.
            NotFoundError: There is no such file.
            UsageError: It is neither a file nor a folder.
        """
        self._refuse_if_ended()
        with self._surviving(str(local_path)):
            self._artifacts.add(Path(local_path), artifact_path or "", progress)

    def take_artifact(self, local_path: Path, artifact_path: str, progress: Advance | None = None) -> None:
        """Keep a file that its writer has no more use for, on the store's file system; see `log_artifact`."""
        self._refuse_if_ended()
        with self._surviving(str(local_path)):
            self._artifacts.take(local_path, artifact_path, progress)

    def log_artifacts(
        self, local_dir: str | Path, artifact_path: str | None = None, progress: Advance | None = None
    ) -> None:
        """Keep all files below a folder; see `log_artifact`."""
        self._refuse_if_ended()
        with self._surviving(str(local_dir)):
            self._artifacts.add_folder(Path(local_dir), artifact_path or "", progress)

    def log_bytes(self, data: bytes, artifact_file: str) -> None:
        """Keep bytes as an artifact of the given path."""
        self._refuse_if_ended()
        with self._surviving(artifact_file):
            self._artifacts.add_bytes(data, artifact_file)

    def append_output(self, data: bytes) -> None:
        """Add to what the program printed."""
        self._output.append(data)

    def add_environment(self, files: Mapping[str, bytes]) -> None:
        """Record what is not said yet of what the run runs in: name to content."""
        self._refuse_if_ended()
        folder = self.folder / run_tree.ENVIRONMENT
        with self._surviving(run_tree.ENVIRONMENT), self._mutex:
            folder.mkdir(exist_ok=True)
            for name, data in files.items():
                if not (folder / name).exists():
                    self._replace(f"{run_tree.ENVIRONMENT}/{name}", data)

    # The run itself

    def update(self, **fields: Any) -> Run:
        """Change fields of run.yaml, such as `name`, `status` or `error`.

        Returns:
            What run.yaml says now: the run without params, metrics and tags.
        """
        with self._mutex:
            before = self.facts()

            def change(facts: bytes) -> bytes:
                run = run_tree.decode_run({run_tree.RUN_FILE: facts}, commit=None)
                return run_tree.encode_run_file(replace(run, **fields))

            self._with_the_reserve(run_tree.RUN_FILE, lambda path: change_facts(path, change))
            return replace(before, **fields)

    def facts(self) -> Run:
        """Read run.yaml: the run without params, metrics and tags."""
        return self._journal.read_run_file(self.run_id)

    def to_run(self) -> Run:
        """Read back everything recorded so far."""
        return self._journal.read(self.run_id)

    def flush(self) -> bool:
        """Try again to write what could not be written; say whether all is."""
        return not self._unwritten()

    @property
    def lost(self) -> list[str]:
        """What the record lacks because the disk failed, a sentence each."""
        return self._troubles.summary(self._unwritten())

    def _unwritten(self) -> list[str]:
        """Try again to write what waits, while there is a folder to write to; name what still waits."""
        if not self.ended and self.folder.exists():
            files = [file.path.name for file in self._files() if not file.flush()]
            with self._mutex:
                params = [] if self._params.flush() else [self._params.path.name]
            self._waiting = [*files, *params, *self._artifacts.flush()]
        return self._waiting

    def _files(self) -> list[AppendFile]:
        return [
            *self._series.values(), self._output, self._tags, self._inputs, self._assumed
        ]  # fmt: skip

    def close(self) -> None:
        """Let go of files and lock. The run stays live unless it was committed."""
        try:
            self.flush()
        finally:
            self.ended = True
            with self._mutex:
                for file in self._files():
                    file.close()
                self._series.clear()
            self._lock.release()

    # Trouble

    def _refuse_if_ended(self) -> None:
        if self.ended:
            raise RunEndedError(self.run_id)

    def _surviving(self, what: str) -> _Surviving:
        return _Surviving(self._troubles, what)

    def _replace(self, name: str, data: bytes) -> None:
        temporary = self.folder / f"{TEMPORARY}{os.getpid()}-{threading.get_ident()}"

        def replace_by_rename(path: Path) -> None:
            try:
                temporary.write_bytes(data)
                os.replace(temporary, path)
            except OSError:
                with suppress(OSError):
                    temporary.unlink(missing_ok=True)
                raise

        self._with_the_reserve(name, replace_by_rename)

    def _with_the_reserve(self, name: str, write: Callable[[Path], None]) -> None:
        """Write a file; on a full disk once more, into the room that was kept for this."""
        path = self.folder / name
        try:
            try:
                write(path)
            except OSError:
                give_up_reserve(self.folder)
                write(path)
        except OSError as err:
            self._troubles.add(err, name, True)


class _Surviving:
    """Turns an OSError of the disk into a report; gitml's own errors pass."""

    def __init__(self, troubles: Troubles, what: str) -> None:
        self._troubles = troubles
        self._what = what

    def __enter__(self) -> None:
        return None

    def __exit__(self, kind: object, err: BaseException | None, trace: object) -> bool:
        if isinstance(err, OSError) and not isinstance(err, GitmlError):
            self._troubles.add(err, f"artifact '{self._what}'", True)
            return True
        return False
