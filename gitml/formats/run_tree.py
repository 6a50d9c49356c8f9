"""The files of a run that hold facts: run.yaml, params, metrics, tags, inputs, note."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import datetime, timedelta, timezone
from typing import TYPE_CHECKING, Any

from gitml.entities.run import (
    DEFAULT_EXPERIMENT,
    DEFAULT_EXPERIMENT_ID,
    CodeState,
    DatasetInput,
    Experiment,
    MetricSummary,
    Run,
    RunStatus,
)
from gitml.errors import DamagedError
from gitml.formats import yaml
from gitml.formats.wrong import WrongValueError, what_is_wrong

if TYPE_CHECKING:
    from gitml.entities.project import ProjectState

RUN_FILE = "run.yaml"
PARAMS_FILE = "params.yaml"
METRICS_FILE = "metrics.yaml"
TAGS_FILE = "tags.yaml"
INPUTS_FILE = "inputs.yaml"
NOTE_FILE = "note.md"
RECORD_FILES = (RUN_FILE, PARAMS_FILE, METRICS_FILE, TAGS_FILE, INPUTS_FILE, NOTE_FILE)
EXPERIMENT_FILE = "experiment.yaml"
MODEL_FILE = "model.yaml"
ATTRIBUTES_FILE = ".gitattributes"
LOGS = "logs"
OUTPUT_FILE = f"{LOGS}/output.log"
HISTORY = "history"
ARTIFACTS = "artifacts"
ENVIRONMENT = "environment"
CODE = "code"

_EPOCH = datetime(1970, 1, 1)  # noqa: DTZ001 - naive on purpose: all arithmetic here is UTC
_MILLISECOND = timedelta(milliseconds=1)


def format_time(ms: int) -> str:
    """Write a time as RFC 3339 in UTC with milliseconds."""
    return yaml.Timestamp((_EPOCH + timedelta(milliseconds=ms)).isoformat("T", "milliseconds") + "Z")


def parse_time(text: str) -> int:
    """Read an RFC 3339 time as milliseconds since 1970.

    Raises:
        WrongValueError: It is not one.
    """
    try:
        if text[-1:] in ("Z", "z"):
            return (datetime.fromisoformat(text[:-1]) - _EPOCH) // _MILLISECOND
        moment = datetime.fromisoformat(text)
    except (TypeError, ValueError):
        raise WrongValueError(f"{text!r:.80} is no time") from None
    if moment.tzinfo is not None:
        moment = moment.astimezone(timezone.utc).replace(tzinfo=None)
    return (moment - _EPOCH) // _MILLISECOND


def encode_run(run: Run) -> dict[str, bytes]:
    """Write a run's record files; what is absent has no file."""
    files = {
        RUN_FILE: encode_run_file(run),
        PARAMS_FILE: yaml.dump_mapping(run.params).encode(),
        METRICS_FILE: encode_metrics(run.metrics),
        TAGS_FILE: yaml.dump_mapping(run.tags).encode(),
        INPUTS_FILE: b"".join(map(encode_input, run.inputs)),
        NOTE_FILE: run.note.encode("utf-8", "replace"),
    }
    return {name: data for name, data in files.items() if data}


def encode_run_file(run: Run) -> bytes:
    """Write run.yaml: who, what, when."""
    code = run.code
    facts: dict[str, Any] = {
        "id": run.id,
        "name": run.name,
        "experiment": run.experiment,
        "experiment_id": run.experiment_id,
        "parent": run.parent_id,
        "status": run.status.value,
        "start": format_time(run.start_ms),
        "end": None if run.end_ms is None else format_time(run.end_ms),
        "duration_s": run.duration_s,
        "user": run.user,
        "host": run.host,
        "entry_point": run.entry_point,
        "command": list(run.command) or None,
        "exit_code": run.exit_code,
        "error": run.error,
        "incomplete": run.incomplete or None,
        "deleted": None if run.deleted_ms is None else format_time(run.deleted_ms),
        "code": {
            key: value
            for key, value in {
                "commit": code.commit,
                "tree": code.tree,
                "branch": code.branch,
                "dirty": code.dirty if code.commit or code.tree else None,
                "remote": code.remote,
                "left_out": list(code.left_out) or None,
            }.items()
            if value is not None
        }
        or None,
        "directory": run.directory or None,
        "project": None if run.project is None else _project_facts(run.project),
        **run.extra,
    }
    present = {key: value for key, value in facts.items() if value is not None}
    return yaml.dump_mapping(present, block_depth=2).encode()


def encode_metrics(metrics: Mapping[str, MetricSummary]) -> bytes:
    """Write metrics.yaml: a line a metric, so that a diff shows what changed."""
    number = yaml.dump_value
    return "".join(
        f"{yaml.dump_string(key)}: {{last: {number(m.last)}, step: {m.step}, "
        f"time: {m.timestamp_ms}, min: {number(m.min)}, min_step: {m.min_step}, "
        f"max: {number(m.max)}, max_step: {m.max_step}, count: {m.count}}}\n"
        for key, m in metrics.items()
    ).encode()


def encode_input(dataset: DatasetInput) -> bytes:
    """Write one line of inputs.yaml."""
    facts = {
        "name": dataset.name,
        "digest": dataset.digest,
        "source_type": dataset.source_type,
        "source": dataset.source,
        "context": dataset.context,
        "schema": dataset.schema,
        "profile": dataset.profile,
        "tags": dict(dataset.tags) or None,
    }
    return f"- {yaml.dump_value({k: v for k, v in facts.items() if v is not None})}\n".encode()


def decode_run(files: Mapping[str, bytes], *, commit: str | None) -> Run:
    """Read a run from its record files.

    Args:
        files: Name to content; absent files may be missing. Bytes of
            run.yaml must be there.
        commit: The record they are from, or None of a live run.

    Raises:
        DamagedError: A file can't be read; names the file and the line.
    """
    where = f"{commit[:12]}:" if commit else ""
    facts = yaml.load_mapping(files[RUN_FILE], source=where + RUN_FILE)
    load = yaml.load_mapping if commit else yaml.load_journal
    params = files.get(PARAMS_FILE)
    tags = files.get(TAGS_FILE)
    inputs = files.get(INPUTS_FILE)
    metrics = files.get(METRICS_FILE)
    try:
        return Run(
            params=load(params, source=where + PARAMS_FILE) if params else {},
            metrics=decode_metrics(metrics, source=where + METRICS_FILE) if metrics else {},
            tags=_tags(load(tags, source=where + TAGS_FILE)) if tags else {},
            inputs=decode_inputs(inputs, source=where + INPUTS_FILE) if inputs else (),
            note=files.get(NOTE_FILE, b"").decode("utf-8", "replace"),
            commit=commit,
            live=commit is None,
            **_run_facts(facts),
        )
    except (KeyError, ValueError, TypeError, AttributeError, OverflowError) as err:
        raise DamagedError(f"'{where}{RUN_FILE}' {what_is_wrong(err)}") from err


_KNOWN = frozenset(
    [
        "id",
        "name",
        "experiment",
        "experiment_id",
        "parent",
        "status",
        "start",
        "end",
        "duration_s",
        "user",
        "host",
        "entry_point",
        "command",
        "exit_code",
        "error",
        "incomplete",
        "deleted",
        "code",
        "directory",
        "project",
    ]
)


def _run_facts(facts: dict[str, Any]) -> dict[str, Any]:
    get = facts.get
    end = get("end")
    deleted = get("deleted")
    code = get("code")
    project = get("project")
    unknown = facts.keys() - _KNOWN
    run_id = str(facts["id"])
    return {
        "id": run_id,
        "name": str(get("name", run_id[:8])),
        "experiment": str(get("experiment", DEFAULT_EXPERIMENT)),
        "experiment_id": str(get("experiment_id", DEFAULT_EXPERIMENT_ID)),
        "parent_id": get("parent"),
        "status": _status(facts["status"]),
        "start_ms": parse_time(facts["start"]),
        "end_ms": None if end is None else parse_time(end),
        "duration_s": get("duration_s"),
        "user": get("user"),
        "host": get("host"),
        "entry_point": get("entry_point"),
        "command": tuple(map(str, get("command", ()))),
        "exit_code": get("exit_code"),
        "error": get("error"),
        "incomplete": bool(get("incomplete", False)),
        "deleted_ms": None if deleted is None else parse_time(deleted),
        "code": _code_state(code) if code else _NO_CODE,
        "directory": str(get("directory", "")),
        "project": _project_state(project) if project else None,
        "extra": {key: facts[key] for key in facts if key in unknown} if unknown else {},
    }


def _project_facts(state: ProjectState) -> dict[str, Any]:
    from gitml.formats.project_state import encode_project_state  # few runs are of projects

    return encode_project_state(state)


def _project_state(facts: dict[str, Any]) -> ProjectState:
    from gitml.formats.project_state import decode_project_state

    return decode_project_state(facts)


_STATUS = {status.value: status for status in RunStatus}
_NO_CODE = CodeState()


def _status(text: object) -> RunStatus:
    if not isinstance(text, str) or text not in _STATUS:
        raise WrongValueError(f"status {text!r:.80} is none of {', '.join(_STATUS)}")
    return _STATUS[text]


def _code_state(code: dict[str, Any]) -> CodeState:
    return CodeState(
        commit=code.get("commit"),
        tree=code.get("tree"),
        branch=code.get("branch"),
        dirty=bool(code.get("dirty", False)),
        remote=code.get("remote"),
        left_out=tuple(code.get("left_out", ())),
    )


def _tags(mapping: dict[str, Any]) -> dict[str, str]:
    return {
        key: value if isinstance(value, str) else yaml.dump_value(value)
        for key, value in mapping.items()
        if value is not None
    }


_INTEGER = r"(-?[0-9]+)"
_NUMBER = r"(-?(?:[0-9]+(?:\.[0-9]+(?:e[-+][0-9]+)?)?|\.inf)|\.nan)"
_METRIC_LINE = re.compile(
    rf"(?m)^([A-Za-z_/][A-Za-z0-9_./@+=~%-]*): {{last: {_NUMBER}, step: {_INTEGER}, time: {_INTEGER}, "
    rf"min: {_NUMBER}, min_step: {_INTEGER}, max: {_NUMBER}, max_step: {_INTEGER}, count: ([0-9]+)}}\n"
)


def decode_metrics(data: bytes, *, source: str) -> dict[str, MetricSummary]:
    """Read metrics.yaml.

    Raises:
        DamagedError: It can't be read, or a metric lacks a field.
    """
    text = data.decode("utf-8", "replace")
    rows = _METRIC_LINE.findall(text)
    if len(rows) == text.count("\n"):
        number = _number
        return {
            key: MetricSummary(
                number(last),
                int(step),
                int(time),
                number(low),
                int(low_step),
                number(high),
                int(high_step),
                int(count),
            )
            for key, last, step, time, low, low_step, high, high_step, count in rows
        }
    return {
        key: _summary(key, fields, source) for key, fields in yaml.load_mapping(data, source=source).items()
    }


def _number(text: str) -> int | float:
    if "." not in text:
        return int(text)
    return float(text.replace(".inf", "inf").replace(".nan", "nan"))


def _summary(key: str, fields: Any, source: str) -> MetricSummary:
    try:
        if not isinstance(fields, dict):
            raise WrongValueError(f"{fields!r:.80} instead of its last value, step, time and so on")
        last, low, high = fields["last"], fields["min"], fields["max"]
        if not all(type(value) in (int, float) for value in (last, low, high)):
            raise WrongValueError("a value that is no number")
        return MetricSummary(
            last,
            int(fields["step"]),
            int(fields["time"]),
            low,
            int(fields["min_step"]),
            high,
            int(fields["max_step"]),
            int(fields["count"]),
        )
    except (KeyError, TypeError, ValueError, OverflowError) as err:
        raise DamagedError(f"'{source}': metric '{key}' {what_is_wrong(err)}") from err


def decode_inputs(data: bytes, *, source: str) -> tuple[DatasetInput, ...]:
    """Read inputs.yaml.

    Raises:
        DamagedError: It can't be read, or a data set lacks its name or digest.
    """
    items = yaml.load_sequence(data[: data.rfind(b"\n") + 1], source=source)
    try:
        return tuple(
            DatasetInput(
                name=item["name"],
                digest=item["digest"],
                source_type=item.get("source_type", "local"),
                source=item.get("source", ""),
                schema=item.get("schema"),
                profile=item.get("profile"),
                context=item.get("context"),
                tags=item.get("tags", {}),
            )
            for item in items
        )
    except (KeyError, TypeError, AttributeError) as err:
        raise DamagedError(f"'{source}': a data set {what_is_wrong(err)}") from err


def encode_experiment(experiment: Experiment) -> bytes:
    """Write experiment.yaml, the one file of an experiment's record."""
    facts: dict[str, Any] = {
        "id": experiment.id,
        "name": experiment.name,
        "created": format_time(experiment.created_ms),
        "updated": format_time(experiment.updated_ms),
        "deleted": None if experiment.deleted_ms is None else format_time(experiment.deleted_ms),
        "tags": dict(experiment.tags) or None,
    }
    return yaml.dump_mapping({k: v for k, v in facts.items() if v is not None}, block_depth=2).encode()


def decode_experiment(data: bytes, *, source: str = EXPERIMENT_FILE) -> Experiment:
    """Read experiment.yaml.

    Raises:
        DamagedError: It can't be read or lacks a field.
    """
    facts = yaml.load_mapping(data, source=source)
    deleted = facts.get("deleted")
    try:
        return Experiment(
            id=str(facts["id"]),
            name=str(facts["name"]),
            created_ms=parse_time(facts["created"]),
            updated_ms=parse_time(facts.get("updated", facts["created"])),
            deleted_ms=None if deleted is None else parse_time(deleted),
            tags=_tags(facts.get("tags", {})),
        )
    except (KeyError, TypeError, ValueError, AttributeError, OverflowError) as err:
        raise DamagedError(f"'{source}' {what_is_wrong(err)}") from err
