"""The client's calls that make, find, change and end runs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Literal

from gitml.api.command_line import running_command
from gitml.api.connection import Connection
from gitml.api.handles import Run, Runs, run_handles
from gitml.api.paging import check_size, offset_of, token_for
from gitml.api.reserved import NOTE_TAG, PARENT_TAG, RUN_NAME_TAG, mlflow_tags
from gitml.api.values import Done, Metric, ViewType, done, parse_status
from gitml.entities import run as entities
from gitml.errors import DeletedError, InvalidNameError, NotFoundError, RefusedError
from gitml.formats.names import check_name, check_run_id
from gitml.tracking.values import to_tag

if TYPE_CHECKING:
    import pandas as pd

    from gitml.index import Query

_VIEWS: Mapping[str, Literal["active", "deleted", "all"]] = {
    "active_only": "active",
    "deleted_only": "deleted",
    "all": "all",
}
_OWN_TAGS = (RUN_NAME_TAG, NOTE_TAG, PARENT_TAG)


class RunCalls(Connection):
    """Create, find, rename, end, delete and restore runs; read their curves."""

    def create_run(
        self,
        experiment_id: str,
        start_time: int | None = None,
        tags: Mapping[str, Any] | None = None,
        run_name: str | None = None,
    ) -> Run:
        """Begin a run without making it the current one.

        It stays live until `set_terminated`. If the process ends before that,
        the next gitml command records it as killed, with all it logged.

        Args:
            experiment_id: The experiment's id; '0' is `Default`.
            start_time: When it began, in ms since 1970; now if not given.
            tags: First tags. `mlflow.runName`, `mlflow.note.content` and
                `mlflow.parentRunId` set name, note and parent.
            run_name: Its name; two random words if not given.

        Raises:
            ExperimentNotFoundError: There is no such experiment.
            InvalidNameError: A name can't be used.
        """
        live = self.open_runs.start(
            experiment_id=str(experiment_id), command=running_command(), **start_facts(tags, run_name)
        )
        if start_time is not None:
            live.update(start_ms=int(start_time))
        return Run(live.to_run(), self.repo)

    def get_run(self, run_id: str) -> Run:
        """Look a run up as it is now.

        Raises:
            RunNotFoundError: There is none.
            AmbiguousNameError: Several fit what was given.
        """
        (run,) = self._shown([self._find(run_id)])
        return Run(run, self.repo)

    def get_parent_run(self, run_id: str) -> Run | None:
        """Look up the run that a run is part of; None if it is part of none.

        Raises:
            RunNotFoundError: There is no such run.
        """
        parent = self._find(run_id).parent_id
        return None if parent is None else self.get_run(parent)

    def search_runs(
        self,
        experiment_ids: Sequence[str],
        filter_string: str = "",
        run_view_type: int = ViewType.ACTIVE_ONLY,
        max_results: int = 1000,
        order_by: Sequence[str] | None = None,
        page_token: str | None = None,
    ) -> Runs:
        """Find runs, live ones included, newest first.

        Args:
            experiment_ids: Ids of the experiments to look in; none finds nothing.
            filter_string: A filter, as in docs/reference/filters.md: MLflow's
                grammar and more.
            run_view_type: `ViewType.ACTIVE_ONLY`, `DELETED_ONLY` or `ALL`.
            max_results: How many a page.
            order_by: Sort keys such as `metrics.loss ASC`.
            page_token: The `token` of the page before.

        Raises:
            FilterSyntaxError: The filter or an ordering means nothing.
        """
        from gitml.tracking.history import search

        start = offset_of(page_token)
        check_size(max_results)
        query = _query(experiment_ids, filter_string, run_view_type, order_by, max_results + 1, start)
        found = search(self.repo, query)
        token = token_for(start + max_results) if len(found) > max_results else None
        page = found[:max_results]
        shown = page if run_view_type == ViewType.ACTIVE_ONLY else self._shown(page)
        return run_handles(shown, token, self.repo)

    def search_frame(
        self,
        experiment_ids: Sequence[str],
        filter_string: str = "",
        run_view_type: int = ViewType.ACTIVE_ONLY,
        max_results: int = 100_000,
        order_by: Sequence[str] | None = None,
    ) -> pd.DataFrame:
        """Find runs as a DataFrame; see `search_runs`, and `gitml.search_runs` for the columns.

        Raises:
            FilterSyntaxError: The filter or an ordering means nothing.
        """
        from gitml.api.frames import columns_frame
        from gitml.index.collector import collector_paused
        from gitml.tracking.history import refresh

        check_size(max_results)
        query = _query(experiment_ids, filter_string, run_view_type, order_by, max_results, 0)
        refresh(self.repo)
        with collector_paused():
            return columns_frame(self.repo.index.columns(query))

    def get_metric_history(self, run_id: str, key: str) -> list[Metric]:
        """Read all points of a metric, exact, in the order they were logged.

        An unknown metric has no points, as in MLflow.

        Raises:
            RunNotFoundError: There is no such run.
        """
        from gitml.tracking.history import read_metric

        run = self._find(run_id)
        if key not in run.metrics:
            return []
        return [
            Metric(key, point.value, point.timestamp_ms, point.step)
            for point in read_metric(self.repo, run, key)
        ]

    def get_metric_frame(self, run_id: str, key: str) -> pd.DataFrame:
        """Read all points of a metric as a DataFrame: `step`, `timestamp` (UTC), `value`.

        Raises:
            NotFoundError: There is no such run, or it has no such metric.
        """
        from gitml.tracking.history import metric_frame

        return metric_frame(self.repo, self._find(run_id), key)

    def update_run(self, run_id: str, status: str | int | None = None, name: str | None = None) -> None:
        """Change a run's status or name.

        A final status ends a live run, as `set_terminated` does.

        Raises:
            DeletedError: The run or its experiment was deleted.
            RunNotFoundError: There is no such run.
            UsageError: There is no such status.
        """
        from gitml.tracking import edit

        run_id = self._writable(run_id)
        self.open_runs.settle(run_id)
        if name is not None:
            edit.rename_run(self.repo, run_id, str(name))
        if status is None:
            return
        wanted = parse_status(status)
        if wanted.is_final:
            self.open_runs.end(run_id, wanted)
        else:
            self.open_runs.resume(run_id).update(status=wanted)

    def set_terminated(
        self, run_id: str, status: str | int | None = None, end_time: int | None = None
    ) -> None:
        """End a run: it becomes a commit.

        If another process writes to it, that process is told, and commits it.

        Args:
            run_id: The run.
            status: 'FINISHED' if not given.
            end_time: When it ended, in ms since 1970; now if not given.

        Raises:
            RunNotFoundError: There is no such run.
            UsageError: There is no such status.
        """
        wanted = parse_status(status) if status is not None else entities.RunStatus.FINISHED
        if not wanted.is_final:
            self.update_run(run_id, wanted)
            return
        self.open_runs.end(self._id_of(run_id), wanted, end_ms=end_time)

    def delete_run(self, run_id: str) -> None:
        """Hide a run; `restore_run` brings it back. Nothing leaves git's history.

        Raises:
            RunNotFoundError: There is no such run.
            RefusedError: It is live.
        """
        from gitml.tracking import edit

        run_id = self._id_of(run_id)
        self.open_runs.settle(run_id)
        edit.delete_run(self.repo, run_id)

    def restore_run(self, run_id: str) -> None:
        """Bring a deleted run back.

        Raises:
            RunNotFoundError: There is no such run.
        """
        from gitml.tracking import edit

        edit.restore_run(self.repo, self._id_of(run_id))

    def set_tag(self, run_id: str, key: str, value: Any, synchronous: bool | None = None) -> Done | None:
        """Set a tag of a run, live or ended; see `set_tags`."""
        self.set_tags(run_id, {key: value})
        return done(synchronous)

    def set_tags(self, run_id: str, tags: Mapping[str, Any]) -> None:
        """Set tags of a run, live or ended; values become text.

        `mlflow.runName` renames it and `mlflow.note.content` sets its note.
        Each call on an ended run is one more record of it.

        Raises:
            DeletedError: The run or its experiment was deleted.
            InvalidNameError: A name can't be used.
            RefusedError: `mlflow.parentRunId` of a run that has ended.
            RunNotFoundError: There is no such run.
        """
        from gitml.tracking import edit

        run_id, plain, own = self._writable(run_id), *split_tags(tags)
        live = self.open_runs.find(run_id)
        if live is not None:
            live_tags(live, plain, own)
            return
        if own.get(PARENT_TAG) is not None:
            if not self.open_runs.is_live(run_id):
                raise RefusedError(
                    f"run '{run_id[:8]}' has ended and can't become part of another",
                    hint="set the parent when you start it",
                )
            self.open_runs.writer(run_id).update(parent_id=own[PARENT_TAG])
        if plain:
            edit.set_tags(self.repo, run_id, plain)
        if RUN_NAME_TAG in own:
            edit.rename_run(self.repo, run_id, own[RUN_NAME_TAG])
        if NOTE_TAG in own:
            edit.set_note(self.repo, run_id, own[NOTE_TAG])

    def delete_tag(self, run_id: str, key: str) -> None:
        """Remove a tag of a run, live or ended.

        Of `mlflow.runName` nothing is left to remove: the name stays, as in MLflow.

        Raises:
            DeletedError: The run or its experiment was deleted.
            NotFoundError: There is no such run, or it has no such tag.
            RefusedError: The tag stands for what gitml recorded itself, such as the user.
        """
        from gitml.tracking import edit

        run = self._find(self._writable(run_id))
        if key == NOTE_TAG and run.note:
            self.set_tags(run.id, {NOTE_TAG: ""})
            return
        if key not in run.tags:
            if key == RUN_NAME_TAG:
                return
            if key in mlflow_tags(run):
                raise RefusedError(
                    f"tag '{key}' of run '{run.id[:8]}' stands for what gitml recorded itself and stays",
                    hint="a tag that you set under this name is shown in its place",
                )
            raise NotFoundError(f"run '{run.id[:8]}' has no tag '{key}'", hint="run.data.tags lists them")
        live = self.open_runs.find(run.id)
        if live is not None:
            live.delete_tag(key)
        else:
            edit.delete_tag(self.repo, run.id, key)

    def _id_of(self, run_id: str) -> str:
        """Find out the full id; a live run's is known without reading its curves."""
        try:
            if self.open_runs.is_live(run_id):
                return run_id
        except InvalidNameError:
            pass
        return self._find(run_id).id

    def _writable(self, run_id: str) -> str:
        """Find out the full id of a run that is live, or that has ended and was not deleted."""
        from gitml.tracking import experiments

        run_id = self._id_of(run_id)
        if self.open_runs.find(run_id) is not None or self.open_runs.is_live(run_id):
            return run_id
        run = self._find(run_id)
        if run.deleted_ms is not None:
            raise DeletedError("run", run.id, f"gitml runs restore {run.id[:8]}")
        home = experiments.deleted_experiments(self.repo).get(run.experiment_id)
        if home is not None:
            experiments.refuse_deleted(home)
        return run.id

    def _shown(self, runs: Sequence[entities.Run]) -> list[entities.Run]:
        """Show as deleted what was with its experiment; a live run goes on to its end."""
        from gitml.tracking import experiments

        if all(run.live or run.experiment_id == entities.DEFAULT_EXPERIMENT_ID for run in runs):
            return list(runs)
        gone = experiments.deleted_experiments(self.repo)
        return [
            replace(run, deleted_ms=gone[run.experiment_id].deleted_ms)
            if run.experiment_id in gone and run.deleted_ms is None and not run.live
            else run
            for run in runs
        ]

    def _find(self, run_id: str) -> entities.Run:
        """Find a run by its full id, the fast way, or else by any name for it."""
        from gitml.tracking.history import RunNotFoundError, get_run
        from gitml.tracking.resolve import resolve_run

        try:
            return get_run(self.repo, run_id)
        except (RunNotFoundError, InvalidNameError):
            return resolve_run(self.repo, run_id)


def _query(
    experiment_ids: Sequence[str],
    filter_string: str,
    run_view_type: int,
    order_by: Sequence[str] | None,
    limit: int,
    offset: int,
) -> Query:
    from gitml.index import Query  # SQLite is not needed to record

    ids = [experiment_ids] if isinstance(experiment_ids, str) else experiment_ids
    return Query(
        filter=filter_string or "",
        order_by=tuple(order_by or ()),
        experiment_ids=tuple(map(str, ids)),
        view=_VIEWS[ViewType.to_string(run_view_type)],
        limit=limit,
        offset=offset,
    )


def split_tags(tags: Mapping[str, Any]) -> tuple[dict[str, Any], dict[str, str]]:
    """Part tags from those reserved names that are facts of their own in gitml."""
    plain = {key: value for key, value in tags.items() if key not in _OWN_TAGS}
    own = {key: to_tag(key, tags[key]) for key in _OWN_TAGS if key in tags}
    return plain, own


def start_facts(tags: Mapping[str, Any] | None, run_name: str | None) -> dict[str, Any]:
    """Turn MLflow's first tags into what `tracking.start.start_run` takes."""
    plain, own = split_tags(tags or {})
    given = "" if run_name is None else str(run_name)
    return {
        "tags": plain,
        "name": given or own.get(RUN_NAME_TAG),
        "note": own.get(NOTE_TAG),
        "parent_id": own.get(PARENT_TAG),
    }


def own_fields(own: Mapping[str, str]) -> dict[str, str]:
    """Turn reserved tags into fields of a run.

    Raises:
        InvalidNameError: One can't be used.
    """
    fields = {}
    if RUN_NAME_TAG in own:
        fields["name"] = check_name("run", own[RUN_NAME_TAG])
    if PARENT_TAG in own:
        fields["parent_id"] = check_run_id(own[PARENT_TAG])
    return fields


def live_tags(live: Any, plain: Mapping[str, Any], own: Mapping[str, str]) -> None:
    """Set tags of a live run, those that are facts of their own included."""
    fields = own_fields(own)
    if plain:
        live.set_tags(plain)
    if NOTE_TAG in own:
        live.set_note(own[NOTE_TAG])
    if fields:
        live.update(**fields)
