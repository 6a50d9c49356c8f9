"""The client's calls for versions of models: make, copy, find, describe, tag, and stages."""

from __future__ import annotations

import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from gitml.api.client_artifacts import direct_entries
from gitml.api.client_models import ModelCalls, version_number
from gitml.api.paging import page_of
from gitml.api.registry_handles import ModelVersion
from gitml.api.values import FileInfo, PagedList
from gitml.entities import registry as entities
from gitml.errors import UsageError

if TYPE_CHECKING:
    import os

_STAGES = (entities.NO_STAGE, *entities.STAGES)


class VersionCalls(ModelCalls):
    """Create, copy, find, describe, tag and delete versions, and bring them into stages."""

    def create_model_version(
        self,
        name: str,
        source: str,
        run_id: str | None = None,
        tags: Mapping[str, Any] | None = None,
        run_link: str | None = None,
        description: str | None = None,
        await_creation_for: int | None = None,
        model_id: str | None = None,
    ) -> ModelVersion:
        """Make the next version of a model that there is.

        Args:
            name: The model.
            source: `runs:/RUN/path`, for files that a run kept; or
                `models:/NAME/3`, `models:/NAME@alias` for a version's.
            run_id: The run, if it should be checked against the source.
            tags: Tags of the version; values become text.
            run_link: An address to keep with it.
            description: What it is.
            await_creation_for: Has no effect: it is there when this returns.
            model_id: The id of a logged model of MLflow's, to keep with it.

        Raises:
            NotFoundError: There is no such model or run, or it has nothing at the path.
            RefusedError: The run was deleted.
            UsageError: The source is no run's and no version's.
        """
        del await_creation_for
        known = self._model(name)
        kept = {entities.RUN_LINK_TAG: run_link, entities.MODEL_ID_TAG: model_id}
        tags = {**(tags or {}), **{key: value for key, value in kept.items() if value is not None}}
        return self.register_version(source, known.name, run_id=run_id, tags=tags, description=description)

    def register_version(
        self,
        source: str,
        name: str,
        *,
        run_id: str | None = None,
        tags: Mapping[str, Any] | None = None,
        description: str | None = None,
    ) -> ModelVersion:
        """Make the next version of a model, which is new if nobody used its name.

        Args:
            source: As for `create_model_version`.
            name: The model.
            run_id: As there.
            tags: As there.
            description: As there.

        Raises:
            NotFoundError: There is no such run, or it has nothing at the path.
            RefusedError: The run was deleted.
            UsageError: The source is no run's and no version's.
        """
        from gitml.registry import names, versions
        from gitml.registry.naming import project_stages

        parsed = names.parse_model_name(_checked_source(source, run_id), project_stages(self.repo))
        if parsed.kind == "run":
            run = self._find(parsed.name)
            _check_run(run_id, run.id)
            self.open_runs.settle(run.id)
            record = self._record_so_far(run.id)
            said: dict[str, Any] = {"description": description, "tags": tags}
            if record is not None:
                return ModelVersion(versions.register_record(self.repo, record, name, parsed.path, **said))
            return ModelVersion(versions.register(self.repo, run, name, parsed.path, **said))
        if parsed.path:
            raise UsageError(
                f"'{source}' is a part of a version", hint="a version is copied whole: leave out the path"
            )
        version = names.find_version(self.repo, parsed)
        _check_run(run_id, version.run_id)
        return ModelVersion(
            versions.copy(self.repo, version, name, description=description or "", tags=tags or {})
        )

    def _record_so_far(self, run_id: str) -> str | None:
        """Record a live run as it is now, since a version names what does not change any more; None if it ended."""
        from gitml.journal import NotLiveError
        from gitml.tracking.commit import record_live

        live = self.open_runs.find(run_id)
        if live is not None:
            live.flush()
        try:
            return record_live(self.repo, run_id)
        except NotLiveError:
            return None

    def copy_model_version(self, src_model_uri: str, dst_name: str) -> ModelVersion:
        """Make the next version of a model from one of another: same content, description and tags.

        Args:
            src_model_uri: The version, as `models:/NAME/3` or `models:/NAME@alias`.
            dst_name: The model, which is new if nobody used its name.

        Raises:
            NotFoundError: There is no such version.
            UsageError: The URI is no version's.
        """
        from gitml.registry import names, versions
        from gitml.registry.naming import project_stages

        if not str(src_model_uri).startswith("models:/"):
            raise UsageError(f"'{src_model_uri}' is no version of a model", hint="use models:/NAME/3")
        parsed = names.parse_model_name(src_model_uri, project_stages(self.repo))
        if parsed.path:
            raise UsageError(
                f"'{src_model_uri}' is a part of a version",
                hint="a version is copied whole: leave out the path",
            )
        return ModelVersion(versions.copy(self.repo, names.find_version(self.repo, parsed), dst_name))

    def get_model_version(self, name: str, version: int | str) -> ModelVersion:
        """Look a version up.

        Raises:
            NotFoundError: There is no such model or version, or it was deleted.
        """
        from gitml.registry import versions

        return ModelVersion(versions.get_version(self.repo, name, version_number(version)))

    def search_model_versions(
        self,
        filter_string: str | None = None,
        max_results: int | None = 10_000,
        order_by: Sequence[str] | None = None,
        page_token: str | None = None,
    ) -> PagedList[ModelVersion]:
        """List versions of all models, those changed last first.

        Args:
            filter_string: Conditions on `name`, `run_id`, `source_path`,
                `version_number`, `stage`, `user_id`, `creation_timestamp`,
                `last_updated_timestamp` (ms) and `tags.<key>`, in the grammar of
                docs/reference/filters.md.
            max_results: How many a page; None is all.
            order_by: Sort keys such as `version_number DESC`.
            page_token: The `token` of the page before.

        Raises:
            FilterSyntaxError: The filter or an ordering means nothing.
        """
        from gitml.api.registry_filter import VERSIONS  # SQLite is not needed to record
        from gitml.registry import versions

        known = [ModelVersion(version) for version in versions.list_versions(self.repo)]
        known.sort(key=lambda version: (-version.last_updated_timestamp, version.name, -version.version))
        found = VERSIONS.select(known, filter_string, order_by or ())
        items, token = page_of(found, max_results, page_token)
        return PagedList(items, token)

    def update_model_version(
        self, name: str, version: int | str, description: str | None = None
    ) -> ModelVersion:
        """Say what a version is; None removes what was said.

        Raises:
            NotFoundError: There is no such model or version.
        """
        from gitml.registry import versions

        return ModelVersion(
            versions.describe_version(self.repo, name, version_number(version), description or "")
        )

    def delete_model_version(self, name: str, version: int | str) -> None:
        """Hide a version; `gitml models restore` brings it back. Its number is not used again.

        Raises:
            NotFoundError: There is no such model or version.
        """
        from gitml.registry import versions

        versions.delete_version(self.repo, name, version_number(version))

    def get_model_version_download_uri(self, name: str, version: int | str) -> str:
        """Give the URI of a version's files, for `gitml.artifacts`.

        It names the version, so what it leads to never changes.

        Raises:
            NotFoundError: There is no such model or version.
        """
        return self.get_model_version(name, version).entity.uri

    def list_version_files(self, uri: str) -> list[FileInfo]:
        """List the files and folders directly within a version, or within a folder of it.

        Args:
            uri: `models:/NAME/3`, `models:/NAME@alias`, `models:/NAME/Production`,
                `models:/NAME/latest`, with a path after it.

        Raises:
            NotFoundError: There is no such version, or it has nothing at the path.
        """
        from gitml.registry import content

        version, path = self._place(uri)
        top = f"{version.path}/" if version.path else ""
        files = content.list_files(self.repo, version, path)
        return direct_entries([(file.path.removeprefix(top), file.size) for file in files], path)

    def download_version(self, uri: str, dst_path: str | os.PathLike[str] | None = None) -> str:
        """Copy the files of a version, or a file or folder of it, out to the file system.

        Args:
            uri: As for `list_version_files`.
            dst_path: The folder to put it into; a new temporary one, which is
                yours to remove, if not given.

        Returns:
            The local path of the file or folder.

        Raises:
            NotFoundError: There is no such version, or it has nothing at the path.
            VersionChangedError: Its files are not those that its tag names.
        """
        from gitml.registry import content

        version, path = self._place(uri)
        target = Path(dst_path) if dst_path is not None else Path(tempfile.mkdtemp(prefix="gitml-"))
        return str(content.export_version(self.repo, version, path, target, bare=True))

    def read_version_file(self, uri: str) -> bytes:
        """Read one file of a version into memory.

        Raises:
            NotFoundError: There is no such version or file.
        """
        from gitml.registry import content

        version, path = self._place(uri)
        with content.open_file(self.repo, version, path) as stream:
            return stream.read()

    def _place(self, uri: str) -> tuple[entities.ModelVersion, str]:
        """Find out which version and which path within it are meant."""
        from gitml.registry import names
        from gitml.registry.naming import project_stages

        parsed = names.parse_model_name(uri, project_stages(self.repo))
        return names.find_version(self.repo, parsed), parsed.path

    def set_model_version_tag(
        self,
        name: str,
        version: int | str | None = None,
        key: str | None = None,
        value: Any = None,
        stage: str | None = None,
    ) -> None:
        """Set a tag of a version; the value becomes text.

        Args:
            name: The model.
            version: The version's number; or `stage`.
            key: The tag's name.
            value: Its value.
            stage: The newest version in this stage is meant.

        Raises:
            NotFoundError: There is no such model or version.
            UsageError: A version and a stage were both given, or neither.
        """
        from gitml.registry import versions

        number = self._number(name, version, stage)
        versions.tag_version(self.repo, name, number, {_required(key): value})

    def delete_model_version_tag(
        self, name: str, version: int | str | None = None, key: str | None = None, stage: str | None = None
    ) -> None:
        """Remove a tag of a version; without effect if it has none of that key, as in MLflow.

        Args:
            name: The model.
            version: The version's number; or `stage`.
            key: The tag's name.
            stage: The newest version in this stage is meant.

        Raises:
            NotFoundError: There is no such model or version.
            UsageError: A version and a stage were both given, or neither.
        """
        from gitml.registry import versions

        number, key = self._number(name, version, stage), _required(key)
        if key in versions.get_version(self.repo, name, number).tags:
            versions.untag_version(self.repo, name, number, key)

    # Stages

    def transition_model_version_stage(
        self,
        name: str,
        version: int | str,
        stage: str,
        archive_existing_versions: bool = False,
        *,
        comment: str | None = None,
    ) -> ModelVersion:
        """Bring a version into a stage.

        Args:
            name: The model.
            version: The version's number.
            stage: 'Staging', 'Production', 'Archived' or a stage of the project's
                own, in any case; 'None' takes it out of its stage.
            archive_existing_versions: Whether the versions that are in the stage
                go to Archived.
            comment: Why, for the history.

        Raises:
            InvalidNameError: There is no such stage.
            NotFoundError: There is no such model or version.
            PolicyRefusedError: Something that the project's policy asks for does not hold.
            StageConflictError: Somebody else changed the stage meanwhile.
            UsageError: Only what is in a stage in use can make room for another.
        """
        from gitml.registry import stages

        number = version_number(version)
        found = self.get_model_version(name, number)
        wanted = self._stage(stage)
        if archive_existing_versions and wanted in (entities.NO_STAGE, entities.ARCHIVED):
            raise UsageError(
                f"versions can't make room in '{wanted}'", hint="leave out archive_existing_versions"
            )
        if wanted == entities.NO_STAGE:
            if found.current_stage != entities.NO_STAGE:
                stages.demote(self.repo, name, number, comment=comment)
        elif wanted == entities.ARCHIVED:
            stages.archive(self.repo, name, number, comment=comment)
        else:
            stages.promote(
                self.repo, name, number, wanted, comment=comment, allowed=(wanted,),
                archive_existing=archive_existing_versions,
            )  # fmt: skip
        return self.get_model_version(name, number)

    def get_model_version_stages(self, name: str, version: int | str) -> list[str]:
        """Name the stages that a version can be in.

        Raises:
            NotFoundError: There is no such model or version.
        """
        from gitml.registry.naming import project_stages

        self.get_model_version(name, version)
        own = project_stages(self.repo)
        return [*_STAGES, *(stage for stage in own if stage not in _STAGES)]

    def _number(self, name: str, version: int | str | None, stage: str | None) -> int:
        if (version is None) == (stage is None):
            raise UsageError("give either 'version' or 'stage'")
        if stage is None:
            return version_number(version)
        found = self.get_latest_versions(name, [stage])
        if not found:
            from gitml.registry.lookup import NobodyHoldsError

            raise NobodyHoldsError(self._model(name), "stage", stage)
        return found[0].version


def _checked_source(source: str, run_id: str | None) -> str:
    """Refuse what names no run and no version; gitml's own paths and others' addresses alike."""
    text = str(source)
    if not text.startswith(("runs:/", "models:/")):
        run = run_id or "RUN"
        raise UsageError(
            f"'{text}' is neither a run's nor a version's, and a version names what a run kept",
            hint=f"gitml.log_artifacts(folder, 'model') keeps files in a run; then register 'runs:/{run}/model'",
        )
    return text


def _check_run(given: str | None, found: str) -> None:
    if given is not None and given != found:
        raise UsageError(
            f"run_id is '{given[:32]}', and the source is of run '{found[:32]}'", hint="leave out run_id"
        )


def _required(key: str | None) -> str:
    if key is None:
        raise UsageError("the tag has no key", hint="give 'key'")
    return key
