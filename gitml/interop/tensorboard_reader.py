"""TensorBoard's event files, read through the tensorboard package."""

from __future__ import annotations

import hashlib
import importlib
import struct
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from types import ModuleType
from typing import Any

from gitml.entities.run import Experiment, ParamValue, Run, RunStatus
from gitml.errors import DamagedError, MissingExtraError, NotFoundError
from gitml.formats import history
from gitml.interop.folders import walk
from gitml.interop.sources import Curve, Problem, SourceRun

_MARK = "tfevents"
_TEXT_SUFFIX = "/text_summary"
_STATUS = {1: RunStatus.FINISHED, 2: RunStatus.FAILED, 3: RunStatus.RUNNING}


class NoEventFilesError(NotFoundError):
    """There are no event files."""

    def __init__(self, path: Path) -> None:
        super().__init__(
            f"'{path}' has no event files of TensorBoard",
            hint="give the folder that tensorboard --logdir shows; files are called *tfevents*",
        )
        self.path = path


@dataclass
class _Events:
    """What the event files of a folder come to."""

    points: dict[str, list[bytes]] = field(default_factory=dict)
    params: dict[str, ParamValue] = field(default_factory=dict)
    tags: dict[str, str] = field(default_factory=dict)
    plugins: dict[str, str] = field(default_factory=dict)
    others: set[str] = field(default_factory=set)
    status: RunStatus = RunStatus.FINISHED
    first: float | None = None
    last: float = 0.0
    problems: list[Problem] = field(default_factory=list)


class TensorboardSource:
    """A folder of event files: a run for each folder that has some."""

    kind = "tensorboard"

    def __init__(self, path: Path, experiment: str | None = None) -> None:
        """Find the event files.

        Args:
            path: The folder, or one file.
            experiment: Where the runs come into; the folder's name if not given.

        Raises:
            NoEventFilesError: There are none.
            MissingExtraError: tensorboard is not installed.
        """
        top = path.resolve()
        self._top = top if top.is_dir() else top.parent
        self._experiment = experiment or self._top.name or "tensorboard"
        self._folders: dict[str, list[Path]] = {}
        if top.is_file():
            self._folders["."] = [top]
        for name, entry in walk(str(top)):
            if _MARK in entry.name and not entry.is_symlink():
                self._folders.setdefault(name.rpartition("/")[0] or ".", []).append(Path(entry.path))
        if not self._folders:
            raise NoEventFilesError(path)
        try:
            _part("backend.event_processing.event_file_loader")
        except ImportError:
            raise MissingExtraError("reading TensorBoard's event files", "tensorboard") from None

    def ids(self) -> None:
        """They are known only when the files are read."""
        return

    def experiments(self) -> Iterable[Experiment]:
        """TensorBoard knows of none."""
        return ()

    def runs(self) -> Iterator[SourceRun | Problem]:
        """Read the runs, one folder after the other."""
        for name, paths in self._folders.items():
            try:
                yield self._run(name, paths)
            except DamagedError as err:
                yield Problem(f"folder '{name}'", str(err), damaged=True)

    def _run(self, name: str, paths: list[Path]) -> SourceRun:
        folder = self._top.name if name == "." else name.rpartition("/")[2]
        events = _Events()
        for path in paths:
            _read(path, events)
        if events.first is None:
            raise DamagedError("its event files hold no events")
        # The same wherever the folder is, and also when more events have come.
        identity = f"tensorboard\n{paths[0].name}\n{events.first!r}\n{folder}"
        run = Run(
            id=hashlib.sha256(identity.encode()).hexdigest()[:32],
            name=folder if name == "." else name,
            experiment=self._experiment,
            experiment_id=self._experiment,
            status=events.status,
            start_ms=int(events.first * 1000),
            end_ms=int(events.last * 1000),
            duration_s=round(events.last - events.first, 3),
            params=events.params,
            tags=events.tags,
        )
        curves = [Curve(metric, b"".join(lines)) for metric, lines in events.points.items()]
        problems = list(events.problems)
        if events.others:
            reason = f"only scalars, texts and hyper-parameters are imported; left out: {', '.join(sorted(events.others))}"
            problems.append(Problem(f"run '{run.name}'", reason))
        return SourceRun(
            run,
            curves=lambda: curves,
            facts={"files": [path.name for path in paths]},
            problems=tuple(problems),
        )


def _part(name: str) -> ModuleType:
    """Import a module of the tensorboard package, which has no types to check."""
    return importlib.import_module(f"tensorboard.{name}")


def _read(path: Path, events: _Events) -> None:
    """Read one event file; what is behind a damaged event can't be reached, and is told."""
    loader = _part("backend.event_processing.event_file_loader")
    count = 0
    for event in loader.EventFileLoader(str(path)).Load():
        count += 1
        if events.first is None:
            events.first = event.wall_time
        events.first = min(events.first, event.wall_time)
        events.last = max(events.last, event.wall_time)
        for value in event.summary.value:
            _take(value, event.step, event.wall_time, events)
    there, whole = _records(path)
    if not whole or count < there:
        reason = f"'{path.name}' is damaged after event {count:,}; what comes after it is lost"
        events.problems.append(Problem(f"folder '{path.parent.name}'", reason, damaged=True))


def _take(value: Any, step: int, wall_time: float, events: _Events) -> None:
    tensor_util = _part("util.tensor_util")
    # A writer names the kind of a tag only with its first value.
    plugin = value.metadata.plugin_data.plugin_name or events.plugins.get(value.tag, "")
    events.plugins[value.tag] = plugin
    if plugin == "scalars":
        number = tensor_util.make_ndarray(value.tensor).item()
        line = history.encode_point(step, int(wall_time * 1000), number)
        events.points.setdefault(value.tag, []).append(line)
    elif plugin == "text":
        texts = tensor_util.make_ndarray(value.tensor).reshape(-1)
        events.tags[value.tag.removesuffix(_TEXT_SUFFIX)] = "\n".join(
            text.decode("utf-8", "replace") if isinstance(text, bytes) else str(text) for text in texts
        )
    elif plugin == "hparams":
        _take_hparams(value, events)
    else:
        events.others.add(f"{value.tag} ({plugin or 'unknown'})")


def _take_hparams(value: Any, events: _Events) -> None:
    metadata = _part("plugins.hparams.metadata")
    content = value.metadata.plugin_data.content
    if value.tag == metadata.SESSION_START_INFO_TAG:
        info = metadata.parse_session_start_info_plugin_data(content)
        for name, item in info.hparams.items():
            kind = item.WhichOneof("kind")
            if kind in ("number_value", "string_value", "bool_value"):
                events.params[name] = getattr(item, kind)
    elif value.tag == metadata.SESSION_END_INFO_TAG:
        info = metadata.parse_session_end_info_plugin_data(content)
        events.status = _STATUS.get(info.status, RunStatus.FINISHED)


def _records(path: Path) -> tuple[int, bool]:
    """Count the records that a file has by their lengths, and say whether the last one is whole."""
    size, at, count = path.stat().st_size, 0, 0
    with path.open("rb") as stream:
        while at < size:
            header = stream.read(8)
            if len(header) < 8:
                return count, False
            at += 8 + 4 + struct.unpack("<Q", header)[0] + 4
            if at > size:
                return count, False
            stream.seek(at)
            count += 1
    return count, True
