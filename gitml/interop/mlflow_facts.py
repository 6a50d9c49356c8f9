"""MLflow's words for a run, made into gitml's fields.

What gitml records as facts of its own (who, which commit, what the run is part of, the
note) is taken out of MLflow's reserved tags; every other tag stays a tag. The way back
is `gitml.interop.mlflow_words`.
"""

from __future__ import annotations

import json
import re
from collections.abc import Container, Iterable, Mapping
from typing import Any

from gitml.entities.run import CodeState, DatasetInput, Run, RunStatus
from gitml.errors import DamagedError, InvalidNameError
from gitml.formats.names import check_run_id
from gitml.formats.wrong import what_is_wrong
from gitml.interop.mapping import param_value

# The numbers are those of MLflow's files, the words those of its API.
STATUSES: Mapping[object, RunStatus] = {
    1: RunStatus.RUNNING, 2: RunStatus.SCHEDULED, 3: RunStatus.FINISHED, 4: RunStatus.FAILED, 5: RunStatus.KILLED,
    **{status.name: status for status in RunStatus},
}  # fmt: skip
NAME_TAG = "mlflow.runName"
NOTE_TAG = "mlflow.note.content"
PARENT_TAG = "mlflow.parentRunId"
USER_TAG = "mlflow.user"
ENTRY_POINT_TAG = "mlflow.project.entryPoint"
COMMIT_TAG = "mlflow.source.git.commit"
BRANCH_TAG = "mlflow.source.git.branch"
REMOTE_TAG = "mlflow.source.git.repoURL"
DIRTY_TAG = "mlflow.source.git.dirty"
CONTEXT_TAG = "mlflow.data.context"
_CODE_TAGS = (COMMIT_TAG, BRANCH_TAG, REMOTE_TAG, DIRTY_TAG)
_FACTS = (NAME_TAG, NOTE_TAG, USER_TAG, ENTRY_POINT_TAG)
_COMMIT = re.compile(r"[0-9a-f]{40}|[0-9a-f]{64}")


def run_of(
    info: Mapping[str, Any],
    params: Mapping[str, str],
    tags: Mapping[str, str],
    inputs: Iterable[DatasetInput],
    experiment: str,
) -> Run:
    """Make a run of what MLflow says of it.

    Args:
        info: The keys of `meta.yaml`: `run_id`, `status`, `start_time` …
        params: Its params, as text.
        tags: All its tags.
        inputs: The data sets that it used.
        experiment: The name of its experiment at the source.

    Raises:
        DamagedError: A fact is missing or means nothing.
    """
    try:
        run_id = check_run_id(info.get("run_id") or info["run_uuid"])
        start = _time(info.get("start_time"))
        end = _time(info.get("end_time"))
        deleted = info.get("lifecycle_stage", "active") == "deleted"
        status = STATUSES[info.get("status") or 1]
        parent = tags.get(PARENT_TAG, "")
        code = _code(tags, info)
        taken = (
            *_FACTS,
            *((PARENT_TAG,) if is_run_id(parent) else ()),
            *(_CODE_TAGS if code.commit else ()),
        )
        return Run(
            id=run_id,
            name=info.get("run_name") or tags.get(NAME_TAG) or run_id[:8],
            experiment_id=str(info["experiment_id"]),
            experiment=experiment,
            status=status,
            start_ms=start or 0,
            end_ms=end,
            duration_s=None if start is None or end is None else max(end - start, 0) / 1000,
            parent_id=parent if is_run_id(parent) else None,
            user=tags.get(USER_TAG) or info.get("user_id") or None,
            entry_point=tags.get(ENTRY_POINT_TAG) or info.get("entry_point_name") or None,
            deleted_ms=_first(_time(info.get("deleted_time")), end, start) if deleted else None,
            code=code,
            params={key: param_value(value) for key, value in params.items()},
            tags=_other_tags(tags, info, taken),
            inputs=tuple(inputs),
            note=tags.get(NOTE_TAG, ""),
        )
    except (KeyError, TypeError, ValueError, AttributeError) as err:
        raise DamagedError(f"what it says of itself {what_is_wrong(err)}") from err


def _time(value: object) -> int | None:
    if value is None or value == "":
        return None
    milliseconds = int(value)  # type: ignore[call-overload]  # what is no number raises what the caller expects
    if not -62_135_596_800_000 <= milliseconds <= 253_402_300_799_999:
        raise ValueError(f"the time {milliseconds}")
    return int(milliseconds)


def _first(*times: int | None) -> int:
    return next((time for time in times if time is not None), 0)


def is_run_id(text: str) -> bool:
    """Whether a text can be the id of a run; what can't stays a tag."""
    try:
        check_run_id(text)
    except InvalidNameError:
        return False
    return True


def _code(tags: Mapping[str, str], info: Mapping[str, Any]) -> CodeState:
    """The source of a run, if its commit is one; else what is said of it stays in tags."""
    commit = str(tags.get(COMMIT_TAG) or info.get("source_version") or "")
    if not _COMMIT.fullmatch(commit):
        return CodeState()
    return CodeState(
        commit=commit,
        branch=tags.get(BRANCH_TAG) or None,
        dirty=tags.get(DIRTY_TAG, "").lower() == "true",
        remote=tags.get(REMOTE_TAG) or None,
    )


def _other_tags(tags: Mapping[str, str], info: Mapping[str, Any], taken: Container[str]) -> dict[str, str]:
    other = {key: value for key, value in tags.items() if key not in taken}
    if info.get("source_name"):  # MLflow below 1.0 had it here
        other.setdefault("mlflow.source.name", str(info["source_name"]))
    return other


def input_of(dataset: Mapping[str, Any], tags: Mapping[str, str]) -> DatasetInput:
    """Make a data set of MLflow's two parts: what it is, and what it was to the run.

    Raises:
        DamagedError: It has no name or digest.
    """
    try:
        return DatasetInput(
            name=str(dataset["name"]),
            digest=str(dataset["digest"]),
            source_type=str(dataset.get("source_type") or "local"),
            source=_plain_source(str(dataset.get("source") or "")),
            schema=dataset.get("schema"),
            profile=dataset.get("profile"),
            context=tags.get(CONTEXT_TAG),
            tags={key: str(value) for key, value in tags.items() if key != CONTEXT_TAG},
        )
    except (KeyError, AttributeError) as err:
        raise DamagedError(f"a data set {what_is_wrong(err)}") from err


def _plain_source(source: str) -> str:
    """Take the place out of MLflow's `{"uri": "…"}`, so that a run shows it as it is."""
    try:
        facts = json.loads(source)
    except ValueError:
        return source
    if isinstance(facts, dict) and len(facts) == 1:
        ((key, value),) = facts.items()
        if key in ("uri", "url") and isinstance(value, str) and not value.startswith("{"):
            return value
    return source
