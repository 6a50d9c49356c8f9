"""What was submitted from a repository: a file a job in `.git/gitml/jobs/`, named by its run.

Notes for this machine, so that jobs can be asked about from another terminal; they
are not pushed, and nothing of a run is lost with them.
"""

from __future__ import annotations

import json
import os
import uuid
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import asdict, dataclass, field
from pathlib import Path

from gitml.errors import DamagedError, NotFoundError
from gitml.execution.backends.contract import JobHandle
from gitml.formats.names import check_run_id

_SUFFIX = ".json"


class JobNotFoundError(NotFoundError):
    """No job was submitted for a run from this repository."""

    def __init__(self, run: str) -> None:
        super().__init__(
            f"no job of run '{run}' was submitted from this repository",
            hint="gitml jobs list shows those that were",
        )
        self.run = run


@dataclass(frozen=True, slots=True)
class JobRecord:
    """One job as it was submitted.

    Attributes:
        run_id: The run that it works on.
        name: The run's name.
        backend: Where it was submitted.
        id: The scheduler's own id.
        submitted_ms: When, in UTC milliseconds since 1970.
        remote: The URL that it pushes to, without credentials; None if it works here.
        config: The backend's options, but for `env`: what the job alone needs may be secret.
    """

    run_id: str
    name: str
    backend: str
    id: str
    submitted_ms: int
    remote: str | None = None
    config: Mapping[str, object] = field(default_factory=dict)


class JobRecords:
    """The jobs of one repository."""

    def __init__(self, root: Path) -> None:
        """Name the repository's gitml folder; `jobs/` in it is made at the first job."""
        self.folder = root / "jobs"

    def make_folder(self) -> None:
        """Make the folder, for the user alone: options may say what others should not read."""
        self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)

    def add(self, record: JobRecord) -> None:
        """Write down a job; one of the same run that was there before is replaced."""
        self.make_folder()
        path = self._path(record.run_id)
        temporary = self.folder / f".{record.run_id}-{uuid.uuid4().hex}"
        descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        try:
            with open(descriptor, "w", encoding="utf-8") as stream:
                json.dump(asdict(record), stream)
            os.replace(temporary, path)
        except BaseException:
            temporary.unlink(missing_ok=True)
            raise

    def get(self, run_id: str) -> JobRecord:
        """Read the job of a run.

        Raises:
            JobNotFoundError: There is none.
            DamagedError: Its file can't be read.
        """
        try:
            data = self._path(run_id).read_bytes()
        except FileNotFoundError:
            raise JobNotFoundError(run_id) from None
        return _decoded(data, f"{run_id}{_SUFFIX}")

    def all(self) -> list[JobRecord]:
        """Read all jobs, the newest first.

        Raises:
            DamagedError: A file can't be read.
        """
        found = []
        with suppress(FileNotFoundError):
            for entry in sorted(os.listdir(self.folder)):
                if entry.endswith(_SUFFIX) and not entry.startswith("."):
                    with suppress(JobNotFoundError):  # removed since
                        found.append(self.get(entry.removesuffix(_SUFFIX)))
        return sorted(found, key=lambda record: (-record.submitted_ms, record.run_id))

    def handle(self, record: JobRecord) -> JobHandle:
        """Give a job as its backend needs it."""
        return JobHandle(record.id, record.run_id, record.name, record.config, self.folder)

    def _path(self, run_id: str) -> Path:
        return self.folder / f"{check_run_id(run_id)}{_SUFFIX}"


def _decoded(data: bytes, source: str) -> JobRecord:
    try:
        facts = json.loads(data)
        return JobRecord(
            run_id=check_run_id(facts["run_id"]),
            name=str(facts["name"]),
            backend=str(facts["backend"]),
            id=str(facts["id"]),
            submitted_ms=int(facts["submitted_ms"]),
            remote=facts.get("remote"),
            config=dict(facts.get("config", {})),
        )
    except (ValueError, KeyError, TypeError) as err:
        raise DamagedError(
            f"the record of a job '{source}' can't be read: {type(err).__name__}: {err}",
            hint="remove that file of .git/gitml/jobs; the run itself is not touched by that",
        ) from err
