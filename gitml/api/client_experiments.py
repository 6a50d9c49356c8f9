"""The client's calls for experiments."""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from typing import Any

from gitml.api.connection import Connection
from gitml.api.handles import Experiment, experiment_handle
from gitml.api.paging import page_of
from gitml.api.values import LifecycleStage, PagedList, ViewType
from gitml.entities import run as entities
from gitml.errors import NotFoundError, RefusedError


class ExperimentCalls(Connection):
    """Create, find, rename, delete, restore and tag experiments."""

    def create_experiment(
        self, name: str, artifact_location: str | None = None, tags: Mapping[str, Any] | None = None
    ) -> str:
        """Make an experiment and return its id.

        Args:
            name: Its name, up to 250 characters.
            artifact_location: Ignored, with a warning: large files of every
                run are kept in the repository's own store.
            tags: First tags.

        Raises:
            ExperimentExistsError: The name is taken, perhaps by a deleted one.
            InvalidNameError: The name can't be used.
        """
        from gitml.tracking import experiments

        if artifact_location is not None:
            warnings.warn(
                "artifact_location is ignored: gitml keeps large files in the repository's own store, "
                "gitml.artifacts.url in git's configuration says where they travel",
                stacklevel=2,
            )
        texts = {key: str(value) for key, value in (tags or {}).items()}
        return experiments.create_experiment(self.repo, name, texts).id

    def ensure_experiment(self, name: str) -> Experiment:
        """Get the experiment of a name, made if there is none.

        Raises:
            DeletedError: It was deleted.
        """
        from gitml.tracking import experiments

        return self._show(experiments.ensure_experiment(self.repo, name))

    def get_experiment(self, experiment_id: str) -> Experiment:
        """Look an experiment up by its id.

        Raises:
            ExperimentNotFoundError: There is none.
        """
        from gitml.tracking import experiments

        return self._show(self._by_id(experiments.list_experiments(self.repo), str(experiment_id)))

    def get_experiment_by_name(self, name: str) -> Experiment | None:
        """Look an experiment up by its name; None if there is none."""
        from gitml.tracking import experiments

        found = experiments.find_experiment(self.repo, name)
        return self._show(found) if found is not None and found.name == name else None

    def search_experiments(
        self,
        view_type: int = ViewType.ACTIVE_ONLY,
        max_results: int | None = 1000,
        filter_string: str | None = None,
        order_by: Sequence[str] | None = None,
        page_token: str | None = None,
    ) -> PagedList[Experiment]:
        """List experiments, newest first.

        Args:
            view_type: `ViewType.ACTIVE_ONLY`, `DELETED_ONLY` or `ALL`.
            max_results: How many a page; None is all.
            filter_string: Conditions on `name`, `experiment_id`,
                `creation_time`, `last_update_time` (ms) and `tags.<key>`.
            order_by: Keys out of name, experiment_id, creation_time and
                last_update_time, each with `ASC` or `DESC`.
            page_token: The `token` of the page before.

        Raises:
            FilterSyntaxError: The filter or an ordering means nothing.
        """
        from gitml.api.experiment_filter import select_experiments  # SQLite is not needed to record
        from gitml.tracking import experiments

        found = select_experiments(
            experiments.list_experiments(self.repo), view_type, filter_string or "", order_by or ()
        )
        items, token = page_of(found, max_results, page_token)
        return PagedList(map(self._show, items), token)

    def rename_experiment(self, experiment_id: str, new_name: str) -> None:
        """Give an experiment another name; its runs show it from now on.

        Raises:
            ExperimentExistsError: The new name is taken.
            RefusedError: It is the default experiment, or was deleted.
        """
        from gitml.tracking import experiments

        found = self.get_experiment(experiment_id)
        if found.lifecycle_stage != LifecycleStage.ACTIVE:
            raise RefusedError(
                f"experiment '{found.name}' was deleted and can't be renamed", hint="restore it first"
            )
        experiments.rename_experiment(self.repo, found.experiment_id, new_name)

    def delete_experiment(self, experiment_id: str) -> None:
        """Hide an experiment and its runs; `restore_experiment` brings them back.

        Raises:
            NotFoundError: There is none of that id that was not deleted.
            RefusedError: It is the default experiment.
        """
        from gitml.tracking import experiments

        experiments.delete_experiment(self.repo, self._in_stage(experiment_id, LifecycleStage.ACTIVE))

    def restore_experiment(self, experiment_id: str) -> None:
        """Bring a deleted experiment back.

        Raises:
            NotFoundError: There is no deleted one of that id.
        """
        from gitml.tracking import experiments

        experiments.restore_experiment(self.repo, self._in_stage(experiment_id, LifecycleStage.DELETED))

    def set_experiment_tag(self, experiment_id: str, key: str, value: Any) -> None:
        """Set a tag of an experiment; the value becomes text.

        Raises:
            DeletedError: It was deleted.
            NotFoundError: There is no such experiment.
        """
        from gitml.tracking import experiments

        experiments.set_experiment_tag(self.repo, self._writable_experiment(experiment_id), key, value)

    def delete_experiment_tag(self, experiment_id: str, key: str) -> None:
        """Remove a tag of an experiment.

        Raises:
            DeletedError: It was deleted.
            NotFoundError: It has no such tag.
        """
        from gitml.tracking import experiments

        experiments.delete_experiment_tag(self.repo, self._writable_experiment(experiment_id), key)

    def _in_stage(self, experiment_id: str, stage: str) -> str:
        found = self.get_experiment(experiment_id)
        if found.lifecycle_stage != stage:
            raise NotFoundError(
                f"there is no {stage} experiment of the id '{experiment_id}'",
                hint=f"'{found.name}' of that id is {found.lifecycle_stage}",
            )
        return found.experiment_id

    def _writable_experiment(self, experiment_id: str) -> str:
        from gitml.tracking import experiments

        found = self._by_id(experiments.list_experiments(self.repo), str(experiment_id))
        experiments.refuse_deleted(found)
        return found.id

    def _show(self, entity: entities.Experiment) -> Experiment:
        return experiment_handle(entity, self.artifact_location)

    @staticmethod
    def _by_id(known: Sequence[entities.Experiment], experiment_id: str) -> entities.Experiment:
        for experiment in known:
            if experiment.id == experiment_id:
                return experiment
        raise NotFoundError(
            f"there is no experiment of the id '{experiment_id}'",
            hint="gitml experiments list shows them; get_experiment_by_name takes a name",
        )
