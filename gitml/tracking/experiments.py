"""Experiments: named groups of runs.

An experiment needs no record to exist: its id follows from its name, so two
clones that use the same name mean the same experiment. A record is written
when somebody creates, renames, deletes, restores or tags one.
"""

from __future__ import annotations

import hashlib
import itertools
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace

from gitml.entities.run import DEFAULT_EXPERIMENT, DEFAULT_EXPERIMENT_ID, Experiment
from gitml.errors import DamagedError, DeletedError, InvalidNameError, NotFoundError, RefusedError
from gitml.formats import commit_message, run_tree
from gitml.formats.names import check_name
from gitml.git.repo import TreeEntry
from gitml.repo import Repo
from gitml.tracking.commit import append_record
from gitml.tracking.redaction import redacted_tags
from gitml.tracking.secrets import redact_text


class ExperimentNotFoundError(NotFoundError):
    """There is no experiment of that name or id."""

    def __init__(self, name: str) -> None:
        super().__init__(f"there is no experiment '{name}'", hint="gitml experiments list shows them")
        self.name = name


class ExperimentExistsError(RefusedError):
    """The name is taken."""

    error_code = "RESOURCE_ALREADY_EXISTS"

    def __init__(self, experiment: Experiment) -> None:
        deleted = experiment.deleted_ms is not None
        super().__init__(
            f"there is {'a deleted' if deleted else 'an'} experiment '{experiment.name}' already",
            hint=f"gitml experiments restore '{experiment.name}'"
            if deleted
            else "use it, or choose another name",
        )
        self.experiment = experiment


def list_experiments(repo: Repo) -> list[Experiment]:
    """List all experiments, `Default` first, deleted ones included."""
    repo.index.catch_up()
    found = {experiment.id: experiment for experiment in repo.index.experiments()}
    found.setdefault(DEFAULT_EXPERIMENT_ID, Experiment(DEFAULT_EXPERIMENT_ID, DEFAULT_EXPERIMENT))
    for run_id in repo.journal.ids():
        try:
            run = repo.journal.read(run_id)
        except (NotFoundError, DamagedError):  # it ended while we looked, or is damaged: the rescue tells
            continue
        found.setdefault(
            run.experiment_id, Experiment(run.experiment_id, run.experiment, run.start_ms, run.start_ms)
        )
    return sorted(
        found.values(),
        key=lambda experiment: (
            experiment.id != DEFAULT_EXPERIMENT_ID,
            experiment.created_ms,
            experiment.name,
        ),
    )


def find_experiment(repo: Repo, name_or_id: str) -> Experiment | None:
    """Find an experiment by its name, or else by its id; an active one first."""
    known = list_experiments(repo)
    named = [experiment for experiment in known if experiment.name == name_or_id]
    named += [experiment for experiment in known if experiment.id == name_or_id]
    return min(named, key=lambda experiment: experiment.deleted_ms is not None, default=None)


def get_experiment(repo: Repo, name_or_id: str) -> Experiment:
    """Find an experiment by its name or id.

    Raises:
        ExperimentNotFoundError: There is none.
    """
    found = find_experiment(repo, name_or_id)
    if found is None:
        raise ExperimentNotFoundError(name_or_id)
    return found


def get_experiments(repo: Repo, names: Sequence[str]) -> tuple[Experiment, ...] | None:
    """Find the experiments that runs are wanted of; None for all where none is named.

    Raises:
        ExperimentNotFoundError: There is none of a name or id.
    """
    found = {experiment.id: experiment for experiment in (get_experiment(repo, name) for name in names)}
    return tuple(found.values()) if names else None


def experiment_named(repo: Repo, name: str) -> Experiment:
    """The experiment of a name; a new one (not recorded yet) if nobody used it."""
    known = list_experiments(repo)
    for experiment in known:
        if experiment.name == name:
            return experiment
    now = time.time_ns() // 1_000_000
    _check_new_name(name)
    return Experiment(free_id(name, {experiment.id for experiment in known}), name, now, now)


def _check_new_name(name: str) -> None:
    """Accept a name for an experiment; not a token, as what names one can't be a placeholder.

    Raises:
        InvalidNameError: It can't be used.
    """
    clean, kinds = redact_text(check_name("experiment", name))
    if kinds:
        raise InvalidNameError(
            "experiment", clean, f"it looks like a secret ({', '.join(kinds)})", hint="choose another name"
        )


def free_id(name: str, taken: set[str]) -> str:
    """Derive an id from a name; count on where a renamed experiment has it."""
    for number in itertools.count(1):
        text = name if number == 1 else f"{name}\n{number}"
        candidate = hashlib.sha256(text.encode()).hexdigest()[:16]
        if candidate not in taken:
            return candidate
    raise AssertionError("unreachable")


def create_experiment(repo: Repo, name: str, tags: Mapping[str, str] | None = None) -> Experiment:
    """Make an experiment.

    Raises:
        ExperimentExistsError: The name is taken.
        InvalidNameError: The name can't be used.
    """
    _check_new_name(name)
    taken = find_experiment(repo, name)
    if taken is not None and taken.name == name:
        raise ExperimentExistsError(taken)
    experiment = experiment_named(repo, name)
    return _record(repo, replace(experiment, tags=_checked(tags or {})), "created")


def ensure_experiment(repo: Repo, name: str) -> Experiment:
    """The experiment of a name, recorded if it is new.

    Raises:
        DeletedError: It was deleted.
    """
    found = find_experiment(repo, check_name("experiment", name))
    if found is None:
        return create_experiment(repo, name)
    refuse_deleted(found)
    return found


def refuse_deleted(experiment: Experiment) -> None:
    """Refuse to write to an experiment that was deleted.

    Raises:
        DeletedError: It was.
    """
    if experiment.deleted_ms is not None:
        raise DeletedError("experiment", experiment.name, f"gitml experiments restore '{experiment.name}'")


def deleted_experiments(repo: Repo) -> dict[str, Experiment]:
    """Find the experiments that were deleted, by id, as the index knows them."""
    return {found.id: found for found in repo.index.experiments() if found.deleted_ms is not None}


def rename_experiment(repo: Repo, name_or_id: str, new_name: str) -> Experiment:
    """Give an experiment another name; its runs show it from now on.

    Raises:
        ExperimentExistsError: The new name is taken.
        RefusedError: It is the default experiment.
    """
    _check_new_name(new_name)
    taken = find_experiment(repo, new_name)
    if taken is not None and taken.name == new_name:
        raise ExperimentExistsError(taken)
    return _change(repo, name_or_id, f"renamed to {new_name}", lambda old: replace(old, name=new_name))


def delete_experiment(repo: Repo, name_or_id: str) -> Experiment:
    """Hide an experiment and its runs; `restore_experiment` brings them back."""
    now = time.time_ns() // 1_000_000
    return _change(repo, name_or_id, "deleted", lambda old: replace(old, deleted_ms=old.deleted_ms or now))


def restore_experiment(repo: Repo, name_or_id: str) -> Experiment:
    """Bring a deleted experiment back."""
    return _change(repo, name_or_id, "restored", lambda old: replace(old, deleted_ms=None))


def set_experiment_tag(repo: Repo, name_or_id: str, key: str, value: object) -> Experiment:
    """Set a tag of an experiment."""
    clean = _checked({key: value})
    return _change(repo, name_or_id, f"tag {key}", lambda old: replace(old, tags={**old.tags, **clean}))


def delete_experiment_tag(repo: Repo, name_or_id: str, key: str) -> Experiment:
    """Remove a tag of an experiment.

    Raises:
        NotFoundError: It has no such tag.
    """
    if key not in get_experiment(repo, name_or_id).tags:
        raise NotFoundError(f"experiment '{name_or_id}' has no tag '{key}'")
    return _change(
        repo, name_or_id, f"tag {key} removed",
        lambda old: replace(old, tags={k: v for k, v in old.tags.items() if k != key}),
    )  # fmt: skip


def _change(
    repo: Repo, name_or_id: str, action: str, change: Callable[[Experiment], Experiment]
) -> Experiment:
    old = get_experiment(repo, name_or_id)
    new = change(old)
    if old.id == DEFAULT_EXPERIMENT_ID and (new.name != old.name or new.deleted_ms is not None):
        raise RefusedError(
            "the default experiment can be neither renamed nor deleted",
            hint="gitml experiments create NAME makes another; gitml run -e NAME records into it",
        )
    return old if new == old else _record(repo, new, action)


def _record(repo: Repo, experiment: Experiment, action: str) -> Experiment:
    experiment = replace(experiment, updated_ms=max(time.time_ns() // 1_000_000, experiment.updated_ms + 1))
    blob = repo.git.write_blob(run_tree.encode_experiment(experiment))
    tree = repo.git.write_tree({run_tree.EXPERIMENT_FILE: TreeEntry(blob)})
    append_record(repo, tree, commit_message.experiment_message(experiment, action))
    return experiment


def _checked(tags: Mapping[str, object]) -> dict[str, str]:
    return redacted_tags(tags)
