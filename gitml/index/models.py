"""What records say of models of the registry → rows."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterable, Sequence

from gitml.entities.registry import ModelRecord
from gitml.formats.model_record import decode_model, encode_model
from gitml.formats.run_tree import MODEL_FILE
from gitml.git.repo import GitRepo
from gitml.index.fold_models import fold_models
from gitml.index.records import read_record
from gitml.index.values import clean
from gitml.index.walk import common_base, newest, places


def key_of(body: bytes) -> str:
    """Find which model a record is of."""
    return clean(decode_model(body).id)


def put_model(connection: sqlite3.Connection, model: str, body: bytes, heads: Sequence[str]) -> None:
    """Store what a model is, and its newest records, the latest first."""
    connection.execute("INSERT OR REPLACE INTO model VALUES (?, ?, ?)", (model, body, json.dumps(heads)))


def settle_model(git: GitRepo, connection: sqlite3.Connection, model: str) -> None:
    """Store what a model is that may have been changed in two places at once."""
    known = places(connection, "model_id", model)
    heads = newest(git, known)
    records = sorted(_models(git, heads), key=lambda record: record[:2], reverse=True)
    bases = common_base(git, known, heads) if len(heads) > 1 else []
    folded = fold_models(records, fold_models(_models(git, bases)) if bases else None)
    put_model(connection, model, encode_model(folded), [commit for _, commit, _ in records])


def _models(git: GitRepo, commits: Iterable[str]) -> list[tuple[int, str, ModelRecord]]:
    return [
        (git.commit_info(commit).time_ms, commit, decode_model(read_record(git, commit)[MODEL_FILE]))
        for commit in commits
    ]
