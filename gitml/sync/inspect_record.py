"""The rules for a record's message and files; pure: bytes in, troubles out."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import lru_cache
from typing import NamedTuple

from gitml.entities.artifact import Pointer
from gitml.entities.registry import ModelRecord
from gitml.errors import DamagedError, InvalidNameError
from gitml.formats import commit_message, model_record, run_tree
from gitml.formats.names import check_name, check_run_id
from gitml.formats.pointer import decode_attributes, encode_attributes
from gitml.formats.purge import FOLDER as PURGED
from gitml.formats.purge import decode_purge, is_tombstone
from gitml.formats.registry_names import check_model_name, name_of_id, parse_ref, version_ref
from gitml.index.facts import Facts
from gitml.sync.findings import Limits, Trouble

Message = Mapping[str, str]
_KINDS = {
    commit_message.RUN_ID: run_tree.RUN_FILE,
    commit_message.EXPERIMENT_ID: run_tree.EXPERIMENT_FILE,
    commit_message.MODEL_ID: run_tree.MODEL_FILE,
}
_OBJECT_ID = re.compile("[0-9a-f]{7,64}").fullmatch
# Of such an id or name nobody needs to ask what is wrong with it.
_IS_PLAIN_ID = re.compile("[0-9a-f]{32}").fullmatch
_IS_PLAIN_NAME = re.compile("[!-~](?:[ -~]{0,248}[!-~])?").fullmatch
_CODE_TREE = re.compile(rb'(?m)^  tree: "?([^"\n]*)')
_HEADER = re.compile(
    rb"tree ([0-9a-f]{40}|[0-9a-f]{64})\n((?:parent [0-9a-f]+\n)*)"
    rb"author [^<>\n]*<[^<>\n]*> [0-9]{1,18} [-+][0-9]{4}\ncommitter [^<>\n]*<[^<>\n]*> ([0-9]{1,18}) [-+][0-9]{4}\n"
)
_LATEST_S = 253_402_300_799  # the end of the year 9999, which is as far as calendars go


class RawCommit(NamedTuple):
    """What a commit says, as far as the rules ask.

    Attributes:
        tree: Its tree.
        parents: How many it has.
        trailers: Those of its message; one that stands twice is here twice.
        record_file: The file that makes it a record of its kind; None if it is of no kind that is known.
        is_foreign: Whether it is no record of any kind.
    """

    tree: str
    parents: int
    trailers: Sequence[tuple[str, str]]
    record_file: str | None
    is_foreign: bool


def parse_commit(data: bytes) -> RawCommit | None:
    """Read a raw commit; None if it is malformed."""
    header, _, message = data.partition(b"\n\n")
    match = _HEADER.match(header + b"\n")
    if match is None or int(match[3]) > _LATEST_S:
        return None
    trailers = commit_message.trailer_lines(message.decode("utf-8", "replace"))
    kinds = [_KINDS[key] for key, _ in trailers if key in _KINDS]
    return RawCommit(
        match[1].decode(),
        match[2].count(b"parent "),
        trailers,
        kinds[0] if len(kinds) == 1 else None,
        not kinds,
    )


class _RunFacts(NamedTuple):
    """What the rules ask of a run; `metrics`, `params`, `tags` and `inputs` are names."""

    id: object
    parent: object
    experiment_id: object
    name: object
    experiment: object
    status: object
    code_commit: object
    code_tree: object
    metrics: tuple[str, ...]
    params: tuple[str, ...]
    tags: tuple[str, ...]
    inputs: Sequence[object]


def _read_run(files: Mapping[str, bytes], facts: Facts | None) -> _RunFacts:
    """Take what the rules ask for: from what was scanned, else from the decoder, which decides."""
    if facts is None:
        run = run_tree.decode_run(files, commit="0" * 40)
        if any(isinstance(value, dict) for value in run.params.values()):
            raise DamagedError(f"'{run_tree.PARAMS_FILE}': a param can't be a mapping")
        return _RunFacts(
            run.id, run.parent_id, run.experiment_id, run.name, run.experiment, run.status.value,
            run.code.commit, run.code.tree, tuple(run.metrics), tuple(run.params), tuple(run.tags),
            [dataset.name for dataset in run.inputs],
        )  # fmt: skip
    row = facts.row
    tree = _CODE_TREE.search(files[run_tree.RUN_FILE])
    return _RunFacts(
        row[0], row[8], row[2], row[1], row[3], row[4], row[15], tree and tree[1].decode(),
        facts.metrics[0], facts.params[0], facts.tags[0], [name or "" for name, _, _ in facts.datasets],
    )  # fmt: skip


def check_record(
    commit: RawCommit, files: Mapping[str, bytes], code: str | None, facts: Facts | None
) -> Iterator[Trouble]:
    """Hold a record's files against the format, and its message against them.

    Args:
        commit: The commit.
        files: Its record files that could be read.
        code: The tree of its code.
        facts: What `scan` made of the files of a run.
    """
    if commit.record_file is None or commit.record_file not in files:
        yield Trouble("", "record", "a record is of one run, of one experiment or of one model")
        return
    try:
        if commit.record_file == run_tree.RUN_FILE:
            run = _read_run(files, facts)
            yield from _check_run(run, code)
            expected = {
                commit_message.RUN_ID: run.id,
                "Experiment": run.experiment,
                "Status": run.status,
                "Code-Commit": run.code_commit,
            }
        elif commit.record_file == run_tree.MODEL_FILE:
            model = model_record.decode_model(files[run_tree.MODEL_FILE])
            yield from _check_model(model)
            yield from _check_comments(files)
            expected = {commit_message.MODEL_ID: model.id}
        else:
            experiment = run_tree.decode_experiment(files[run_tree.EXPERIMENT_FILE])
            yield from _check_names("experiment", [experiment.name])
            yield from _check_names("tag", list(experiment.tags))
            yield from _check_ids(experiment.id, file=run_tree.EXPERIMENT_FILE)
            expected = {commit_message.EXPERIMENT_ID: experiment.id}
    except DamagedError as err:
        message = err.message.replace("000000000000:", "")
        named = message.partition("'")[2].partition("'")[0]
        yield Trouble(named if named in files else commit.record_file, "record", message)
        return
    yield from _check_trailers(commit, expected)


def _check_model(model: ModelRecord) -> Iterator[Trouble]:
    file = run_tree.MODEL_FILE
    if parse_ref(version_ref(model.id, 1)) is None:
        yield Trouble(file, "name", f"{model.id!r:.80} can't be the id of a model")
    for name in (model.name, *model.former, name_of_id(model.id)):
        try:
            check_model_name(name)
        except InvalidNameError as err:
            yield Trouble(file, "name", err.message)
    if any(number < 1 for number in model.versions):
        yield Trouble(file, "record", "versions count from 1")
    tags = [*model.tags, *(key for notes in model.versions.values() for key in notes.tags)]
    for trouble in _check_names("tag", tags):
        yield Trouble(file, trouble.rule, trouble.message)


def _check_comments(files: Mapping[str, bytes]) -> Iterator[Trouble]:
    for path, data in files.items():
        if not path.startswith(f"{model_record.COMMENTS}/"):
            continue
        comment = model_record.decode_comment(data, source=path)
        # Named by its content, so that two comments are never one file.
        if model_record.encode_comment(comment) != (path, data):
            yield Trouble(path, "name", "a comment is named by its time and its content")


def _check_trailers(commit: RawCommit, expected: Mapping[str, object]) -> Iterator[Trouble]:
    found = dict(commit.trailers)
    if len(found) < len(commit.trailers):
        yield Trouble("", "message", "its message says something twice")
    for key, value in expected.items():
        if key in found and found[key] != ("" if value is None else str(value)).strip():
            yield Trouble(
                "", "message", f"its message says '{key}: {found[key]:.80}', the record '{value!s:.80}'"
            )


def _check_run(run: _RunFacts, code: str | None) -> Iterator[Trouble]:
    if not (isinstance(run.id, str) and _IS_PLAIN_ID(run.id)):
        yield from _check_ids(run.id)
    if run.parent is not None:
        yield from _check_ids(run.parent)
    if not (isinstance(run.name, str) and _IS_PLAIN_NAME(run.name)):
        yield from _check_names("run", [run.name])
    # Most runs of an experiment have the same names.
    yield from _shared_troubles(run.experiment_id, run.experiment, run.metrics, run.params, run.tags)
    if run.inputs:
        yield from _check_names("data set", run.inputs)
    for value in (run.code_commit, run.code_tree):
        if value is not None and not (isinstance(value, str) and _OBJECT_ID(value)):
            yield Trouble(run_tree.RUN_FILE, "code", f"{value!r:.80} is not an object id")
    if code is not None and run.code_tree not in (None, code):
        yield Trouble(run_tree.CODE, "code", f"it is tree '{code[:12]}', not '{run.code_tree!s:.12}'")


@lru_cache(maxsize=4096)
def _shared_troubles(
    experiment_id: object,
    experiment: object,
    metrics: tuple[str, ...],
    params: tuple[str, ...],
    tags: tuple[str, ...],
) -> list[Trouble]:
    return [
        *_check_ids(experiment_id),
        *_check_names("experiment", [experiment]),
        *_check_names("metric", metrics),
        *_check_names("param", params),
        *_check_names("tag", tags),
    ]


def _check_ids(*values: object, file: str = run_tree.RUN_FILE) -> Iterator[Trouble]:
    for value in values:
        try:
            check_run_id(value)
        except InvalidNameError as err:
            yield Trouble(file, "name", err.message)


_FILE_OF = {"metric": run_tree.METRICS_FILE, "param": run_tree.PARAMS_FILE, "tag": run_tree.TAGS_FILE,
            "data set": run_tree.INPUTS_FILE}  # fmt: skip


def _check_names(kind: str, found: Iterable[object]) -> Iterator[Trouble]:
    for name in found:
        problem = _name_problem(kind, name) if isinstance(name, str) else f"{kind} {name!r:.80} is not text"
        if problem is not None:
            yield Trouble(_FILE_OF.get(kind, run_tree.RUN_FILE), "name", problem)


@lru_cache(maxsize=65536)
def _name_problem(kind: str, name: str) -> str | None:
    try:
        check_name(kind, name)
    except InvalidNameError as err:
        return err.message
    return None


def check_tombstones(files: Mapping[str, bytes]) -> Iterator[Trouble]:
    """Hold what a run says of purged objects against the format; other files are passed over."""
    for path in filter(is_tombstone, files):
        try:
            decode_purge(path.removeprefix(f"{PURGED}/").removesuffix(".yaml"), files[path])
        except DamagedError as err:
            yield Trouble(path, "record", err.message)


def check_pointers(attributes: bytes, pointers: Mapping[str, Pointer], limits: Limits) -> Iterator[Trouble]:
    """Make sure that `.gitattributes` marks exactly the pointers, and rules nothing else.

    Args:
        attributes: The file's content; empty if there is none.
        pointers: The pointers that were found below `artifacts/` and `history/`.
        limits: How large an object may be.
    """
    file = run_tree.ATTRIBUTES_FILE
    marked: dict[str, bool] = {}
    for line in attributes.decode("utf-8", "surrogateescape").split("\n"):
        if not line or line.startswith("#"):
            continue
        data = line.encode("utf-8", "surrogateescape")
        one = decode_attributes(data)
        if len(one) != 1 or encode_attributes(one) != data + b"\n":
            yield Trouble(file, "pointer", f"the line {line!r:.100} does not mark one pointer")
            return
        marked.update(one)
    for path, lfs in marked.items():
        pointer = pointers.get(path)
        if pointer is None:
            yield Trouble(path, "pointer", f"{file} marks it, but it is no pointer")
        elif pointer.lfs != lfs:
            yield Trouble(path, "pointer", f"{file} marks it as a pointer of another kind")
    for path, pointer in pointers.items():
        if path not in marked:
            yield Trouble(path, "pointer", f"it is a pointer that {file} does not mark")
        if pointer.size > limits.object_bytes:
            yield Trouble(path, "size", f"its object would have {pointer.size:,} bytes")
