"""A live folder as a git tree: one pass over its files, each read once."""

from __future__ import annotations

import os
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

from gitml.entities.run import MetricSummary, Run
from gitml.formats import names, run_tree
from gitml.formats.pointer import (
    MAX_BYTES,
    decode_attributes,
    decode_pointer,
    encode_attributes,
    encode_pointer,
)
from gitml.git.repo import TREE_MODE, TreeEntry
from gitml.journal import BASE_FILE, read_file
from gitml.repo import Repo

_ARTIFACTS = run_tree.ARTIFACTS + "/"
_HISTORY = run_tree.HISTORY + "/"
_LOGS = run_tree.LOGS + "/"
_ENVIRONMENT = run_tree.ENVIRONMENT + "/"


def write_run_tree(repo: Repo, run_id: str) -> tuple[Run, str]:
    """Store a live run as a tree, on top of the record that it resumes (if any).

    Returns:
        The run as recorded, and the tree's object id.
    """
    entries, pointers = _base(repo, run_id)
    metrics: dict[str, MetricSummary] = {}
    damaged = False
    files = list(repo.journal.files(run_id))
    if any(name.startswith(_ENVIRONMENT) for name, _ in files):  # it runs in another one now, as a whole
        entries = {name: entry for name, entry in entries.items() if not name.startswith(_ENVIRONMENT)}
    for name, entry in files:
        if name not in run_tree.RECORD_FILES and not name.startswith(_HISTORY):
            data = _read_output(repo, entry) if name == run_tree.OUTPUT_FILE else read_file(entry.path)
            entries[name] = TreeEntry(repo.git.write_blob(data))
            _note_pointer(pointers, name, data)
    for curve in repo.journal.curves(run_id):
        damaged |= curve.torn
        if curve.summary is not None:
            metrics[curve.metric] = curve.summary
            name = _HISTORY + names.metric_path(curve.metric)
            is_long = len(curve.points) > repo.settings.history_limit
            data = _as_pointer(repo, curve.points) if is_long else curve.points
            entries[name] = TreeEntry(repo.git.write_blob(data))
            _note_pointer(pointers, name, data)
    run = repo.journal.read_facts(run_id)
    run = replace(run, live=False, metrics=metrics, incomplete=run.incomplete or damaged)
    for name, data in run_tree.encode_run(run).items():
        entries[name] = TreeEntry(repo.git.write_blob(data))
    if run.code.tree is not None:
        entries[run_tree.CODE] = TreeEntry(run.code.tree, TREE_MODE)
    if pointers:
        entries[run_tree.ATTRIBUTES_FILE] = TreeEntry(repo.git.write_blob(encode_attributes(pointers)))
    return run, repo.git.write_tree(entries)


def _note_pointer(pointers: dict[str, bool], name: str, data: bytes) -> None:
    if name.startswith((_ARTIFACTS, _HISTORY, _LOGS)):
        pointer = decode_pointer(data) if len(data) < MAX_BYTES else None
        if pointer is not None:
            pointers[name] = pointer.lfs
        else:
            pointers.pop(name, None)


def _read_output(repo: Repo, entry: os.DirEntry[str]) -> bytes:
    """Read what the program printed, or put it into the store and give its pointer.

    So it is with what is long, and with what reads like a pointer, which it would be taken for.
    """
    size = entry.stat().st_size
    data = read_file(entry.path) if size <= repo.settings.history_limit else b""
    if size == len(data) and decode_pointer(data) is None:
        return data
    pointer = repo.objects.put_file(Path(entry.path), lfs=repo.settings.artifacts_url is None)
    return encode_pointer(pointer)


def _as_pointer(repo: Repo, data: bytes) -> bytes:
    """Put a large history into the store; not its file, which a live run still writes to."""
    return encode_pointer(repo.objects.put_bytes(data, lfs=repo.settings.artifacts_url is None))


def base_of(repo: Repo, run_id: str) -> str | None:
    """The record that a live run goes on from, None if it is new."""
    with suppress(FileNotFoundError):
        return (repo.journal.folder(run_id) / BASE_FILE).read_text().strip() or None
    return None


def _base(repo: Repo, run_id: str) -> tuple[dict[str, TreeEntry], dict[str, bool]]:
    """The files of the record that a live run resumes, and which are pointers.

    Flat, but code stays one tree: it can be large and does not change.
    """
    base = base_of(repo, run_id)
    if base is None:
        return {}, {}
    entries: dict[str, TreeEntry] = {}
    for entry in repo.git.list_tree(base, recursive=False):
        if entry.is_tree and entry.path != run_tree.CODE:
            for inner in repo.git.list_tree(base, entry.path):
                entries[f"{entry.path}/{inner.path}"] = TreeEntry(inner.oid, inner.mode)
        elif entry.path not in (*run_tree.RECORD_FILES, run_tree.ATTRIBUTES_FILE):
            entries[entry.path] = TreeEntry(entry.oid, entry.mode)
    return entries, decode_attributes(repo.git.read_path(base, run_tree.ATTRIBUTES_FILE) or b"")
