"""Registered models of a source become models here: versions, stages and aliases as tags.

Each version keeps its number. What can't be one here (its run was not imported, it has no
files) stays a fact in `imported/models.json`; where a later version needs its number to be
taken, a version that is deleted at once stands for it. Importing again does what changed
at the source, and nothing else: what somebody did here since stays.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from gitml.entities.registry import ARCHIVED, MODEL_ID_TAG, NO_STAGE, RUN_LINK_TAG
from gitml.errors import GitmlError, NotFoundError
from gitml.interop.report import Report
from gitml.interop.sources import Problem
from gitml.registry import aliases, models, stages, versions
from gitml.registry.names import find_version, parse_model_name
from gitml.registry.reading import read_registry
from gitml.registry.state import ModelState
from gitml.repo import Repo
from gitml.tracking import history

_COMMENT = "imported"
_PACKED_AT = 200  # tags
STANDS_IN = "stands for a version that was not imported"
_RUN_URI = re.compile(r"runs:/+([^/]+)(?:/(.*))?")
_STORED = re.compile(r".*/([0-9a-f]{32})/artifacts(?:/(.*))?", re.DOTALL)
_LOGGED = re.compile(r"(?:models:/+|.*/models/)(m-[^/@]+)(?:/artifacts)?/?", re.DOTALL)


@dataclass
class _Facts:
    """What a source says of a model: of itself, and of its versions by number."""

    model: Mapping[str, Any] | None = None
    versions: dict[int, Mapping[str, Any]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class _Place:
    """Where the files of a version are; `source` is the version that it is a copy of."""

    run_id: str
    path: str
    source: str | None = None


class RegistryImport:
    """The registered models that one import has met."""

    def __init__(self, repo: Repo, report: Report) -> None:
        self._repo = repo
        self._report = report
        self._now: dict[str, _Facts] = {}
        self._before: dict[str, _Facts] = {}
        self._logged: dict[str, _Place] = {}
        self._made = 0

    def note(self, run_id: str, now: Mapping[str, Any] | None, before: Mapping[str, Any] | None) -> None:
        """Take what a run keeps of models, and what it kept before this import."""
        for document, known in ((now, self._now), (before, self._before)):
            for entry in (document or {}).get("registered", ()):
                facts = known.setdefault(str(entry["name"]), _Facts())
                facts.model = entry.get("model", facts.model)
                facts.versions |= {int(version["version"]): version for version in entry["versions"]}
        for model in (now or {}).get("logged", ()):
            self._logged[str(model["model_id"])] = _Place(run_id, str(model.get("artifacts") or ""))

    def apply(self) -> None:
        """Do what the source has and is not here yet; of a trial only tell what it has."""
        if self._report.dry_run:
            changed = [name for name, facts in self._now.items() if facts != self._before.get(name)]
            self._report.models = {name: _count(len(self._now[name].versions)) for name in sorted(changed)}
            return
        copies_last = sorted(self._now, key=lambda name: (self._is_copy(name), name))
        for name in copies_last:
            try:
                self._model(name, self._now[name], self._before.get(name, _Facts()))
            except GitmlError as err:
                self._problem(f"registered model {name!r:.80}", err)

    def _is_copy(self, name: str) -> bool:
        return any(
            str(facts.get("source") or "").startswith("models:/")
            for facts in self._now[name].versions.values()
        )

    def _tidy(self) -> None:
        """Pack refs now and then: each new one is looked for among all that lie loose."""
        self._made += 1
        if self._made % _PACKED_AT == 0:
            self._repo.git.process.run(["pack-refs"], check=False)  # busy elsewhere: the next time

    def _problem(self, what: str, why: object) -> None:
        self._report.problems.append(Problem(what, f"{why}; what is known of it is kept", lost=False))

    # Models

    def _model(self, name: str, now: _Facts, before: _Facts) -> None:
        facts = now.model or {}
        state = read_registry(self._repo).named(name)
        if state is None:
            models.create_model(
                self._repo, name, description=facts.get("description"), tags=facts.get("tags"),
                created_ms=_time(facts, "creation_timestamp"), updated_ms=_time(facts, "last_updated_timestamp"),
            )  # fmt: skip
        elif state.is_deleted:
            return  # by somebody here, and it stays so
        elif before.model is not None:
            self._describe(name, facts, before.model)
        count = self._versions(name, now, before)
        self._stages(name, now, before)
        self._aliases(name, now, before.model or {})
        if state is None or count:
            self._report.models[name] = _count(count)

    def _describe(self, name: str, facts: Mapping[str, Any], before: Mapping[str, Any]) -> None:
        if (facts.get("description") or "") != (before.get("description") or ""):
            models.describe_model(self._repo, name, facts.get("description"))
        changed = _changed_tags(facts, before)
        if changed:
            models.tag_model(self._repo, name, changed)
        for key in _removed_tags(facts, before) & self._state(name).model().tags.keys():
            models.untag_model(self._repo, name, key)

    def _state(self, name: str) -> ModelState:
        state = read_registry(self._repo).named(name)
        if state is None:
            raise NotFoundError(f"model '{name}' is gone")
        return state

    # Versions

    def _versions(self, name: str, now: _Facts, before: _Facts) -> int:
        count, waiting = 0, list[int]()
        taken = self._state(name).tags.keys()
        for number in range(1, max(now.versions, default=0) + 1):
            facts, known = now.versions.get(number), before.versions.get(number)
            if number in taken:
                if facts is not None:
                    self._update(name, number, facts, known)
                continue
            what = f"version {number} of registered model {name!r:.80}"
            try:
                if facts is None or facts.get("status", "READY") != "READY":
                    raise NotFoundError(f"{what} is not there any more")
                place = self._place(facts)
                run = history.get_run(self._repo, place.run_id)
                for missing in waiting:  # numbers have no gaps
                    past = versions.Past(missing, _time(facts, "creation_timestamp") or 0)
                    versions.register(
                        self._repo, run, name, place.path, description=STANDS_IN, sign=False, past=past
                    )
                    versions.delete_version(self._repo, name, missing)
                waiting.clear()
                past = versions.Past(number, _time(facts, "creation_timestamp") or 0, place.source)
                versions.register(
                    self._repo, run, name, place.path, description=facts.get("description"),
                    tags=_tags(facts), sign=False, past=past,
                )  # fmt: skip
                count += 1
                self._tidy()
            except GitmlError as err:
                waiting.append(number)
                if facts is not None and facts != known:
                    self._problem(what, err)
        return count

    def _place(self, facts: Mapping[str, Any]) -> _Place:
        """Find out where the files of a version are.

        Raises:
            NotFoundError: They are in no run's artifacts.
        """
        source = str(facts.get("source") or "")
        logged = _LOGGED.fullmatch(source)
        model_id = facts.get("model_id") or (logged and logged[1])
        if model_id and str(model_id) in self._logged:
            return self._logged[str(model_id)]
        if source.startswith("models:/") and not logged:
            origin = find_version(self._repo, parse_model_name(source))
            return _Place(origin.run_id, origin.path, source)
        run_id = str(facts.get("run_id") or "")
        _, inside, path = f"{source}/".partition(f"/{run_id}/artifacts/")
        if run_id and inside:
            return _Place(run_id, path.strip("/"))
        found = _RUN_URI.fullmatch(source) or _STORED.fullmatch(source)
        if found is None or run_id not in ("", found[1]):
            raise NotFoundError(f"its files are at {source!r:.200}, in no run's artifacts")
        return _Place(found[1], (found[2] or "").strip("/"))

    def _update(
        self, name: str, number: int, facts: Mapping[str, Any], before: Mapping[str, Any] | None
    ) -> None:
        """Say anew what was changed at the source since the last import."""
        present = self._state(name).version(number)
        if facts.get("run_id") and facts["run_id"] != present.run_id:
            if facts != before and present.description != STANDS_IN:
                self._problem(
                    f"version {number} of registered model {name!r:.80}",
                    f"there is a version of this number here, of run '{present.run_id[:8]}'",
                )
            return
        if before is None or present.deleted_ms is not None:
            return
        if (facts.get("description") or "") != (before.get("description") or ""):
            versions.describe_version(self._repo, name, number, facts.get("description"))
        changed = _changed_tags(facts, before)
        if changed:
            versions.tag_version(self._repo, name, number, changed)
        for key in _removed_tags(facts, before) & present.tags.keys():
            versions.untag_version(self._repo, name, number, key)

    def _is_ours(self, state: ModelState, number: int, facts: Mapping[str, Any]) -> bool:
        """Whether a version here is the one that the source means."""
        if number not in state.tags or number in state.deleted:
            return False
        return facts.get("run_id") in (None, "", state.tags[number].run_id)

    # Stages and aliases

    def _stages(self, name: str, now: _Facts, before: _Facts) -> None:
        state = self._state(name)
        known_to_move = {
            number
            for event in state.events
            if event.kind == "stage"
            for number in (event.version, *event.archived, *event.left)
        }
        for number, facts in sorted(now.versions.items()):
            if not self._is_ours(state, number, facts):
                continue
            moved = number in known_to_move
            stage = str(facts.get("current_stage") or NO_STAGE)
            known = before.versions.get(number)
            if not moved and stage == NO_STAGE:
                continue
            if moved and (known is None or stage == str(known.get("current_stage") or NO_STAGE)):
                continue
            try:
                self._to_stage(name, number, stage, state, _time(facts, "last_updated_timestamp"))
                self._tidy()
            except GitmlError as err:
                self._problem(
                    f"stage {stage!r:.40} of version {number} of registered model {name!r:.80}", err
                )

    def _to_stage(self, name: str, number: int, stage: str, state: ModelState, time_ms: int | None) -> None:
        if stage.lower() == NO_STAGE.lower():
            if state.stage_of(number) is not None:
                stages.demote(self._repo, name, number, comment=_COMMENT, sign=False)
        elif stage.lower() == ARCHIVED.lower():
            stages.archive(self._repo, name, number, comment=_COMMENT, sign=False, time_ms=time_ms)
        else:
            stages.promote(self._repo, name, number, stage, comment=_COMMENT, sign=False, time_ms=time_ms)

    def _aliases(self, name: str, now: _Facts, before: Mapping[str, Any]) -> None:
        told, known = _aliases_in(now.model or {}), _aliases_in(before)
        time_ms = _time(now.model or {}, "last_updated_timestamp")
        for alias, number in told.items():
            state = self._state(name)
            if not self._is_ours(state, number, now.versions.get(number, {})):
                continue
            is_known = any(event.kind == "alias" and event.name == alias for event in state.events)
            if is_known and known.get(alias, number) == number:
                continue
            try:
                aliases.set_alias(
                    self._repo, name, alias, number, comment=_COMMENT, sign=False, time_ms=time_ms
                )
            except GitmlError as err:
                if known.get(alias) != number:
                    self._problem(f"alias {alias!r:.80} of registered model {name!r:.80}", err)
        for alias in known.keys() - told.keys():
            if self._state(name).moves.aliases.get(alias) == known[alias]:
                aliases.remove_alias(self._repo, name, alias, comment=_COMMENT, sign=False)


def _count(versions: int) -> str:
    return f"{versions:,} version{'' if versions == 1 else 's'}"


def _tags(facts: Mapping[str, Any]) -> dict[str, Any]:
    """The tags of a version, and what MLflow has fields for and gitml has not."""
    own = {RUN_LINK_TAG: facts.get("run_link"), MODEL_ID_TAG: facts.get("model_id")}
    return {**(facts.get("tags") or {}), **{key: value for key, value in own.items() if value}}


def _aliases_in(facts: Mapping[str, Any]) -> dict[str, int]:
    return {str(alias): int(number) for alias, number in (facts.get("aliases") or {}).items()}


def _time(facts: Mapping[str, Any], key: str) -> int | None:
    value = facts.get(key)
    return int(value) if isinstance(value, int | float | str) and str(value).isdigit() else None


def _changed_tags(facts: Mapping[str, Any], before: Mapping[str, Any]) -> dict[str, Any]:
    known = before.get("tags") or {}
    return {key: value for key, value in (facts.get("tags") or {}).items() if known.get(key) != value}


def _removed_tags(facts: Mapping[str, Any], before: Mapping[str, Any]) -> set[str]:
    return {*(before.get("tags") or {})} - {*(facts.get("tags") or {})}
