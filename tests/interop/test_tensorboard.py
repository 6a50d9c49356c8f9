"""`gitml import tensorboard`: event files, written by the tensorboard package itself."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

if "CI" not in os.environ:
    pytest.importorskip("tensorboard")

from gitml.index import Query
from gitml.tracking import history


def write(
    folder: Path, scalars, *, start: float = 1_700_000_000.0, params=None, texts=None, image=False
) -> Path:
    """Write an event file as SummaryWriter of PyTorch and TensorFlow do."""
    import numpy as np
    from tensorboard.compat.proto.event_pb2 import Event
    from tensorboard.compat.proto.summary_pb2 import Summary, SummaryMetadata
    from tensorboard.plugins.hparams import metadata
    from tensorboard.plugins.hparams.plugin_data_pb2 import (
        HParamsPluginData,
        SessionEndInfo,
        SessionStartInfo,
    )
    from tensorboard.summary.writer.event_file_writer import EventFileWriter
    from tensorboard.util.tensor_util import make_tensor_proto

    writer = EventFileWriter(str(folder))
    if params:
        begin = SessionStartInfo()
        for name, value in params.items():
            kind = {bool: "bool_value", float: "number_value", str: "string_value"}[type(value)]
            setattr(begin.hparams[name], kind, value)
        for tag, data in (
            (metadata.SESSION_START_INFO_TAG, HParamsPluginData(session_start_info=begin)),
            (metadata.SESSION_END_INFO_TAG, HParamsPluginData(session_end_info=SessionEndInfo(status=2))),
        ):
            meta = metadata.create_summary_metadata(data)
            value = Summary.Value(tag=tag, metadata=meta, tensor=metadata.NULL_TENSOR)
            writer.add_event(Event(wall_time=start, summary=Summary(value=[value])))
    for index, (tag, step, value) in enumerate(scalars):
        summary = Summary(value=[Summary.Value(tag=tag, simple_value=value)])
        writer.add_event(Event(wall_time=start + index, step=step, summary=summary))
    for tag, text in (texts or {}).items():
        meta = SummaryMetadata(plugin_data=SummaryMetadata.PluginData(plugin_name="text"))
        tensor = make_tensor_proto(np.array([text.encode()], dtype=object))
        summary = Summary(value=[Summary.Value(tag=f"{tag}/text_summary", metadata=meta, tensor=tensor)])
        writer.add_event(Event(wall_time=start, summary=summary))
    if image:
        picture = Summary.Image(height=1, width=1, colorspace=3, encoded_image_string=b"x")
        writer.add_event(
            Event(wall_time=start, summary=Summary(value=[Summary.Value(tag="img", image=picture)]))
        )
    writer.close()
    return next(folder.glob("*tfevents*"))


def runs_of(repo):
    repo.index.catch_up()
    return {run.name: run for run in repo.index.search(Query())}


def test_folders_become_runs(cli, repo, tmp_path):
    logs = tmp_path / "logs"
    write(logs / "a", [("loss", 0, 0.5), ("loss", 1, 0.25), ("acc", 1, float("nan"))])
    write(
        logs / "b" / "deep", [("loss", 7, 0.1)], params={"lr": 0.1, "opt": "adam", "flag": True},
        texts={"notes": "hello"}, image=True,
    )  # fmt: skip
    report = cli("import", "tensorboard", logs, "--json").report
    assert report["new"] == 2
    (problem,) = report["problems"]
    assert "left out: img (images)" in problem["reason"]
    found = runs_of(repo)
    assert set(found) == {"a", "b/deep"}
    assert history.read_metric(repo, found["a"], "loss") == [
        (0, 1_700_000_000_000, 0.5),
        (1, 1_700_000_001_000, 0.25),
    ]
    assert repr(found["a"].metrics["acc"].last) == "nan"
    assert found["b/deep"].metrics["loss"].last == pytest.approx(0.1)
    assert found["b/deep"].params == {"lr": 0.1, "opt": "adam", "flag": True}
    assert found["b/deep"].tags == {"notes": "hello"}
    assert found["b/deep"].status.value == "failed"
    assert found["a"].experiment == "logs"
    again = cli("import", "tensorboard", logs, "--json").report
    assert (again["new"], again["unchanged"]) == (0, 2)
    moved = tmp_path / "moved"
    logs.rename(moved)
    assert cli("import", "tensorboard", moved, "-e", "logs", "--json").report["unchanged"] == 2


def test_more_events_and_damaged_files(cli, repo, tmp_path):
    logs = tmp_path / "logs" / "run"
    file = write(logs, [("loss", step, 0.5) for step in range(20)])
    whole = file.read_bytes()
    file.write_bytes(whole[: len(whole) // 2])
    done = cli("import", "tensorboard", logs, "--json", code=6)
    (problem,) = done.report["problems"]
    assert "is damaged after event" in problem["reason"]
    run = runs_of(repo)["run"]
    assert 0 < run.metrics["loss"].count < 20
    assert run.incomplete
    file.write_bytes(whole)
    assert cli("import", "tensorboard", logs, "--json").report["updated"] == 1
    assert runs_of(repo)["run"].metrics["loss"].count == 20
    flipped = bytearray(whole)
    flipped[len(whole) // 2] ^= 0xFF
    file.write_bytes(flipped)
    assert "is damaged" in cli("import", "tensorboard", file, code=6).err


def test_no_event_files(cli, tmp_path):
    assert "has no event files" in cli("import", "tensorboard", tmp_path, code=3).err
