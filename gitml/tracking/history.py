"""Read runs back: find, list, search, curves, files. Never writes.

Live and committed runs give the same answers, so that nobody has to know
whether a run is over.
"""

from __future__ import annotations

import io
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

from gitml.entities.artifact import Artifact, Pointer, Purge
from gitml.entities.run import MetricPoint, Run
from gitml.errors import DamagedError, NotFoundError, UsageError
from gitml.formats import history, names, run_tree
from gitml.formats.pointer import MAX_BYTES, decode_pointer
from gitml.git.repo import TreeEntry
from gitml.journal import NotLiveError
from gitml.progress import Advance, Reach
from gitml.repo import RUNS_REF, Repo
from gitml.tracking import purges, united
from gitml.tracking.commit import rescue_orphans
from gitml.tracking.damage import warn_of_damage
from gitml.tracking.run_record import base_of

if TYPE_CHECKING:
    import pandas as pd

    from gitml.index import Query


class RunNotFoundError(NotFoundError):
    """There is no run of that id or name."""

    def __init__(self, name: str, close: Iterable[str] = ()) -> None:
        names_ = ", ".join(close)
        super().__init__(
            f"there is no run '{name}'",
            hint=f"did you mean {names_}?" if names_ else "gitml log lists the runs",
        )
        self.name = name


def refresh(repo: Repo, progress: Reach | None = None) -> list[str]:
    """Bring the index up to date, after rescuing runs whose processes died.

    Returns:
        The ids of runs that were rescued.
    """
    from gitml.index import LiveRow

    _begin_branch(repo, progress)
    rescued = rescue_orphans(repo)
    journal = repo.journal
    # Live runs first: one that ends now is then on the branch, which is read after.
    live = [LiveRow(run_id, journal.signature(run_id), _loader(repo, run_id)) for run_id in journal.ids()]
    repo.index.catch_up(progress)
    repo.index.put_live(live)
    warn_of_damage(repo)
    return rescued


def _begin_branch(repo: Repo, progress: Reach | None = None) -> bool:
    """Show in a plain clone what it brought along."""
    if repo.git.tip(RUNS_REF) is not None or not repo.settings.remotes:
        return False
    from gitml.sync.cloned import begin_branch  # seldom needed, and slow to import

    return begin_branch(repo, progress)


def _loader(repo: Repo, run_id: str) -> Callable[[], Run | None]:
    def load() -> Run | None:
        try:
            return repo.journal.read(run_id)
        except (NotLiveError, DamagedError):  # it ended since we listed it, or is damaged: the rescue tells
            return None

    return load


def search(repo: Repo, query: Query, progress: Reach | None = None) -> list[Run]:
    """Find runs, live ones included.

    Raises:
        FilterSyntaxError: The filter or an ordering means nothing.
    """
    refresh(repo, progress)
    return repo.index.search(query)


def get_run(repo: Repo, run_id: str) -> Run:
    """Read one run by its full id.

    Raises:
        RunNotFoundError: There is none.
    """
    try:
        return repo.journal.read(names.check_run_id(run_id))
    except NotLiveError:
        pass
    _begin_branch(repo)
    repo.index.catch_up()
    run = repo.index.get(run_id)
    if run is None:
        raise RunNotFoundError(run_id)
    return run


# Curves


def read_history(repo: Repo, run: Run, metric: str, *, fetch: bool = True) -> bytes:
    """Read a metric's whole history as the bytes of its file.

    Args:
        repo: The repository.
        run: The run.
        metric: Which one.
        fetch: Bring the object of a long history that is not here, as those of artifacts are.

    Raises:
        NotFoundError: The run has no such metric.
        HistoryPurgedError: The history was an object, which was purged.
        ObjectMissingError: The history is behind a pointer whose object is not here, and no remote has it.
        RemoteError: Why it did not come.
    """
    path = f"{run_tree.HISTORY}/{names.metric_path(metric)}"
    if run.live and (points := repo.journal.history(run.id, metric)):
        return points
    data = united.read_curve(repo, run, path, fetch=fetch)
    if data is None:
        raise NotFoundError(
            f"run '{run.id[:8]}' has no metric '{metric}'", hint=f"it has: {', '.join(run.metrics) or 'none'}"
        )
    return data


def read_metric(repo: Repo, run: Run, metric: str, *, fetch: bool = True) -> list[MetricPoint]:
    """Read a metric's points exactly as they were logged, in that order; see `read_history`.

    Raises:
        NotFoundError: The run has no such metric.
        DamagedError: A line of it is no point.
    """
    data = read_history(repo, run, metric, fetch=fetch)
    return history.decode_points(data, source=f"{run.id[:8]}:{metric}")


def metric_frame(repo: Repo, run: Run, metric: str) -> pd.DataFrame:
    """Read a metric's points as a DataFrame: `step`, `timestamp` (UTC), `value`.

    Values are floats; integers if all of them are and fit 64 bits.

    Raises:
        NotFoundError: The run has no such metric.
    """
    import pandas as pd

    data = read_history(repo, run, metric)
    # pandas 3 reads floats exactly by default and deprecates the option.
    exact: Any = {} if int(pd.__version__.split(".")[0]) >= 3 else {"float_precision": "round_trip"}
    frame: pd.DataFrame = pd.read_csv(
        io.BytesIO(data), sep="\t", header=None, names=["step", "timestamp", "value"], engine="c",
        keep_default_na=False, na_values=["nan"], **exact,
    )  # fmt: skip
    if frame["value"].dtype == object:
        frame["value"] = [point.value for point in history.iter_points(data, source=metric)]
    frame["timestamp"] = pd.to_datetime(frame["timestamp"], unit="ms", utc=True)
    return frame


# Files


def list_artifacts(repo: Repo, run: Run, path: str = "") -> list[Artifact]:
    """List the files of a run below a path, sorted; sizes are those of the content."""
    path = names.check_artifact_path(path, allow_empty=True)
    if run.live:
        base = base_of(repo, run.id)
        found = (_committed_artifacts(repo, [base], []) if base else {}) | _live_artifacts(repo, run.id)
    else:
        heads, bases = united.sides(repo, run)
        found = _committed_artifacts(repo, heads or [run.commit] if run.commit else [], bases)
    return _below(found, path)


def list_record_artifacts(repo: Repo, commit: str, path: str = "") -> list[Artifact]:
    """List the files that one record of a run has below a path, whatever its later records say."""
    return _below(_committed_artifacts(repo, [commit], []), names.check_artifact_path(path, allow_empty=True))


def _below(found: Mapping[str, Artifact], path: str) -> list[Artifact]:
    inside = path + "/" if path else ""
    return [artifact for name, artifact in sorted(found.items()) if name == path or name.startswith(inside)]


def _live_artifacts(repo: Repo, run_id: str) -> dict[str, Artifact]:
    prefix = run_tree.ARTIFACTS + "/"
    found: dict[str, Artifact] = {}
    for path, entry in repo.journal.files(run_id):
        if path.startswith(prefix):
            name = names.artifact_name(path[len(prefix) :])
            size = entry.stat().st_size
            pointer = decode_pointer(Path(entry.path).read_bytes()) if size < MAX_BYTES else None
            found[name] = Artifact(name, pointer.size if pointer else size, pointer)
    return found


def _committed_artifacts(repo: Repo, commits: Sequence[str], bases: Sequence[str]) -> dict[str, Artifact]:
    marked: dict[str, bool] = {}
    for commit in commits:
        marked |= united.pointers_of(repo, commit)
    states, before = (
        [{entry.path: TreeEntry(entry.oid) for entry in repo.git.list_tree(commit, run_tree.ARTIFACTS)} for commit in group]
        for group in (commits, bases[:1] if len(bases) == 1 else [])
    )  # fmt: skip
    entries = states[0] if len(states) == 1 else united.unite_files(states, before[0] if before else {})
    sizes = repo.git.blob_sizes([entry.oid for entry in entries.values()])
    gone = purges.of_records(repo.git, commits) if marked else {}
    found = (
        _committed_artifact(repo, path, entry.oid, sizes[entry.oid], marked, gone)
        for path, entry in entries.items()
    )
    return {artifact.path: artifact for artifact in found}


def _committed_artifact(
    repo: Repo, path: str, oid: str, size: int, marked: dict[str, bool], gone: Mapping[str, Purge]
) -> Artifact:
    is_marked = f"{run_tree.ARTIFACTS}/{path}" in marked
    pointer = decode_pointer(repo.git.read_blob(oid)) if is_marked else None
    name = names.artifact_name(path)
    if pointer is None:
        return Artifact(name, size, None, oid)
    return Artifact(name, pointer.size, pointer, oid, gone.get(pointer.oid))


def get_artifact(repo: Repo, run: Run, path: str) -> Artifact:
    """Find one file of a run.

    Raises:
        NotFoundError: The run has no such file.
    """
    path = names.check_artifact_path(path)
    found = [artifact for artifact in list_artifacts(repo, run, path) if artifact.path == path]
    if not found:
        raise NotFoundError(
            f"run '{run.id[:8]}' has no artifact '{path}'", hint=f"gitml artifacts list {run.id[:8]}"
        )
    return found[0]


def open_artifact(repo: Repo, run: Run, path: str, *, artifact: Artifact | None = None) -> IO[bytes]:
    """Open one file of a run for reading; it is fetched first if it is not here.

    Args:
        repo: The repository.
        run: The run.
        path: The file's path within the run.
        artifact: The file, if it was found already.

    Raises:
        NotFoundError: The run has no such file.
        ObjectMissingError: It is behind a pointer whose object is nowhere to be had.
    """
    return _open(repo, run, artifact or get_artifact(repo, run, path))


def _open(repo: Repo, run: Run, artifact: Artifact) -> IO[bytes]:
    if artifact.pointer is not None:
        purges.refuse_purged(repo, artifact)
        _ensure_here(repo, [artifact.pointer])
        return repo.objects.open(artifact.pointer)
    if artifact.blob is not None:
        return io.BytesIO(repo.git.read_blob(artifact.blob))
    return (repo.journal.folder(run.id) / run_tree.ARTIFACTS / names.artifact_tree_path(artifact.path)).open(
        "rb"
    )


def _ensure_here(repo: Repo, pointers: Sequence[Pointer]) -> None:
    from gitml.sync.objects import ensure_here  # remotes and their stores: only to read large files

    ensure_here(repo, pointers)


def export_artifacts(
    repo: Repo, run: Run, path: str, destination: Path, *, overwrite: bool = True,
    progress: Advance | None = None, artifacts: Sequence[Artifact] | None = None,
) -> Path:  # fmt: skip
    """Copy a file of a run, or all below a folder, out to the file system.

    What is not here is fetched first, all at once. Every object's content is checked against its hash before the file appears.

    Args:
        repo: The repository.
        run: The run.
        path: A file's or folder's path within the run; "" is everything.
        destination: The folder to put it into; made if needed.
        overwrite: Whether files that exist are replaced.
        progress: Called with the number of bytes done since the last call.
        artifacts: The files, if others are meant than those that the run has at the path now.

    Returns:
        Where the file or folder is now.

    Raises:
        NotFoundError: The run has nothing there.
        UsageError: A file exists and `overwrite` is off; nothing was written.
        ObjectMissingError: An object is nowhere to be had; nothing was written.
        ChecksumMismatchError: Stored bytes are damaged.
    """
    artifacts = list_artifacts(repo, run, path) if artifacts is None else artifacts
    if not artifacts and path:
        raise NotFoundError(
            f"run '{run.id[:8]}' has no artifact '{path}'", hint=f"gitml artifacts list {run.id[:8]}"
        )
    taken = [target for target in (destination / artifact.path for artifact in artifacts) if target.exists()]
    if taken and not overwrite:
        raise UsageError(f"'{taken[0]}' exists already", hint="give another folder, or --force to replace it")
    for artifact in artifacts:
        purges.refuse_purged(repo, artifact)
    _ensure_here(repo, [artifact.pointer for artifact in artifacts if artifact.pointer is not None])
    for artifact in artifacts:
        _export(repo, run, artifact, destination, progress)
    return destination / path if path else destination


def _export(repo: Repo, run: Run, artifact: Artifact, destination: Path, progress: Advance | None) -> None:
    target = destination / names.check_artifact_path(artifact.path)
    target.parent.mkdir(parents=True, exist_ok=True)
    if not target.parent.resolve().is_relative_to(destination.resolve()):
        raise DamagedError(
            f"'{target.parent}' is a link that leads out of '{destination}'", hint="remove the link"
        )
    if artifact.pointer is not None:
        repo.objects.export(artifact.pointer, target, progress)
        return
    temporary = target.with_name(f".gitml-{target.name[:200]}")
    with _open(repo, run, artifact) as source:
        temporary.write_bytes(source.read())
    temporary.replace(target)
    if progress:
        progress(artifact.size)


def read_output(repo: Repo, run: Run) -> bytes:
    """Read what the program printed; empty if nothing was kept.

    Raises:
        OutputPurgedError: It was so much that it was an object, and that was purged.
        ObjectMissingError: It is behind a pointer whose object is nowhere to be had.
    """
    if run.live:
        file = repo.journal.folder(run.id) / run_tree.OUTPUT_FILE
        if file.exists():
            return file.read_bytes()
    return united.read_output(repo, run) or b""


def read_environment(repo: Repo, run: Run) -> dict[str, bytes]:
    """Read the files that describe the environment: name to content."""
    commit = run.commit
    if run.live:
        folder = repo.journal.folder(run.id) / run_tree.ENVIRONMENT
        if folder.is_dir():
            return {file.name: file.read_bytes() for file in sorted(folder.iterdir()) if file.is_file()}
        commit = base_of(repo, run.id)
    if commit is None:
        return {}
    return {
        entry.path: repo.git.read_blob(entry.oid)
        for entry in repo.git.list_tree(commit, run_tree.ENVIRONMENT)
    }


def read_record(repo: Repo, commit: str) -> Run:
    """Read the run as one record has it, without the index.

    Raises:
        DamagedError: The commit is no record of a run.
    """
    files = {
        name: data for name in run_tree.RECORD_FILES if (data := repo.git.read_path(commit, name)) is not None
    }
    if run_tree.RUN_FILE not in files:
        raise DamagedError(f"commit '{commit[:12]}' is not a record of a run")
    return run_tree.decode_run(files, commit=commit)
