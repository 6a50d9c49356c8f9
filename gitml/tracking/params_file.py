"""The params of a live run: one file that several processes add to, each name once."""

from __future__ import annotations

from pathlib import Path

from gitml.entities.run import ParamValue
from gitml.errors import RefusedError
from gitml.formats import yaml
from gitml.journal import Trouble, append_whole, locked_file, read_locked
from gitml.tracking.values import same_param


class ParamChangedError(RefusedError):
    """A param was logged again with another value."""

    exit_code = 2
    error_code = "INVALID_PARAMETER_VALUE"

    def __init__(self, key: str, old: ParamValue, new: ParamValue) -> None:
        super().__init__(
            f"param '{key}' is {old!r:.80} already and can't become {new!r:.80}",
            hint="params are set once; use a tag or a metric for what changes, or start a nested run",
        )
        self.key = key
        self.old = old
        self.new = new


class ParamsFile:
    """A file of params that only grows, locked against other processes while it does.

    What can't be written (a full disk) is kept in memory and tried again with
    each later param, and by `flush`. Threads take turns outside.
    """

    def __init__(self, path: Path, report: Trouble) -> None:
        """Name the file and whom to tell of trouble."""
        self.path = path
        self._report = report
        self._waiting: dict[str, ParamValue] = {}

    def add(self, params: dict[str, ParamValue]) -> None:
        """Add params: all of them, or on a changed one none.

        Raises:
            ParamChangedError: One was recorded with another value before.
        """
        _refuse_changed(self._waiting, params)
        try:
            with locked_file(self.path) as fd:
                known = yaml.load_journal(read_locked(fd), source=self.path.name)
                _refuse_changed(known, params)
                wanted = {**self._waiting, **params}
                lines = "".join(yaml.dump_line(k, v) for k, v in wanted.items() if k not in known)
                append_whole(fd, lines.encode())
        except OSError as err:
            self._waiting |= params
            self._report(err, self.path.name, False)
        else:
            self._waiting.clear()

    def flush(self) -> bool:
        """Try again to write what was kept; say whether all is written."""
        if self._waiting:
            self.add({})
        return not self._waiting


def _refuse_changed(known: dict[str, ParamValue], params: dict[str, ParamValue]) -> None:
    for key, value in params.items():
        if key in known and not same_param(known[key], value):
            raise ParamChangedError(key, known[key], value)
