"""Runs out to MLflow's file store and back: the same runs."""

from __future__ import annotations

import resource
import shutil
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from gitml.entities.run import CodeState, MetricPoint, Run, RunStatus
from gitml.formats import history as lines
from gitml.index import Query
from gitml.interop.importing import import_from
from gitml.interop.mapping import param_text, param_value
from gitml.interop.mlruns_reader import MlrunsSource, points
from gitml.interop.mlruns_writer import export_mlruns
from gitml.interop.sources import Curve, Problem, SourceFile, SourceRun
from gitml.registry import aliases, models, stages, versions
from gitml.registry.lookup import get_state
from gitml.repo import Repo
from gitml.tracking import edit, experiments, history
from gitml.tracking.commit import finish_run
from gitml.tracking.start import start_run
from tests import strategies

EVERYTHING = Query(view="all")


@dataclass(frozen=True)
class Given:
    """Runs that are there already, as a source of an import."""

    sources: list[SourceRun]
    kind: str = "test"

    def ids(self):
        return [source.run.id for source in self.sources]

    def experiments(self):
        return ()

    def runs(self) -> Iterator[SourceRun | Problem]:
        yield from self.sources


numbers = st.one_of(st.integers(-(10**30), 10**30), strategies.floats)
histories = st.lists(
    st.builds(MetricPoint, strategies.integers, strategies.times, numbers), min_size=1, max_size=8
)


@given(histories)
def test_every_number_survives_mlflows_lines(found):
    text = "".join(f"{p.timestamp_ms} {p.value!r} {p.step}\n" for p in found).encode()
    back, problem = points(text, "metrics/m")
    assert problem is None
    assert list(map(repr, lines.decode_points(back, source="m"))) == list(map(repr, found))


@given(strategies.param_values)
def test_a_params_text_is_never_lost(value):
    text = param_text(value)
    assert param_text(param_value(text)) == text


@pytest.fixture(scope="module")
def repos(tmp_path_factory, git):
    """Two empty repositories to copy."""
    folder = tmp_path_factory.mktemp("repos")
    git(folder, "init", "--quiet", "repo")
    git(folder / "repo", "config", "user.name", "Ada Example")
    git(folder / "repo", "config", "user.email", "ada@example.org")
    return folder


def plain(run, *, experiment_id=False):
    """A run without what belongs to the record alone."""
    left = {} if experiment_id else {"experiment_id": ""}
    summaries = {key: repr(summary) for key, summary in sorted(run.metrics.items())}
    return repr(
        replace(
            run, commit=None, metrics=summaries, params=dict(sorted(run.params.items())),
            tags=dict(sorted(run.tags.items())), code=replace(run.code, tree=None), **left,
        )
    )  # fmt: skip


tidy = strategies.runs.map(
    lambda run: replace(
        run, metrics={}, duration_s=run.duration_s if run.end_ms is not None else None,
        code=run.code if run.code.commit else CodeState(),
    )
)  # fmt: skip


@settings(
    max_examples=12,
    suppress_health_check=list(HealthCheck),
    phases=[Phase.explicit, Phase.reuse, Phase.generate],
)
@given(
    st.lists(tidy, min_size=1, max_size=3, unique_by=lambda run: run.id),
    st.dictionaries(strategies.metric_names, histories, max_size=4),
)
@pytest.mark.filterwarnings("ignore:.*secret:UserWarning")
def test_what_goes_out_comes_back(repos, tmp_path_factory, runs, curves):
    """Params with their types, names that MLflow refuses, big integers, the command line."""
    room = tmp_path_factory.mktemp("room")
    made = [
        Curve(name, b"".join(lines.encode_point(p.step, p.timestamp_ms, p.value) for p in found))
        for name, found in curves.items()
    ]
    for name in ("one", "two"):
        shutil.copytree(repos / "repo", room / name)
    one, two = Repo.open(room / "one"), Repo.open(room / "two")
    try:
        report = import_from(one, Given([SourceRun(run, curves=lambda: made) for run in runs]))
        assert report.new == len(runs), report
        out = export_mlruns(one, room / "mlruns", EVERYTHING)
        assert (out.new, out.skipped_runs) == (len(runs), 0), out
        back = import_from(two, MlrunsSource(room / "mlruns"))
        assert (back.new, back.problems) == (len(runs), []), back
        for run in one.index.search(EVERYTHING):
            again = history.get_run(two, run.id)
            assert plain(again) == plain(run)
            for metric in run.metrics:
                assert history.read_history(two, again, metric) == history.read_history(one, run, metric)
        assert import_from(two, MlrunsSource(room / "mlruns")).unchanged == len(runs)
    finally:
        one.close()
        two.close()
        shutil.rmtree(room)


def test_files_logs_and_experiments_come_back(repo, other_repo, tmp_path):
    made = experiments.create_experiment(repo, "churn", {"team": "growth"})
    experiments.rename_experiment(repo, "churn", "churn 2026")
    live = start_run(
        repo, name="first", experiment="churn 2026", command=["python", "train.py", "--lr", "0.1"],
        params={"lr": 0.1, "layers": [1, 2], "none": None},
    )  # fmt: skip
    live.log_metric("loss", 0.5)
    live.log_metric("loss/val", 2**70)
    live.log_bytes(b"hello", "notes/a.txt")
    live.log_bytes(b"x" * 200_000, "big.bin")
    live.log_bytes(b"* text\n", ".gitattributes")
    finish_run(repo, live, RunStatus.FAILED, error="exit 3", exit_code=3)
    child = start_run(repo, name="child", parent_id=live.run_id)
    finish_run(repo, child, RunStatus.FINISHED)
    edit.delete_run(repo, child.run_id)
    report = export_mlruns(repo, tmp_path / "out", EVERYTHING)
    assert [problem.reason for problem in report.problems] == ["metric 'loss/val' is called 'loss_val_" + (
        report.problems[0].reason.split("'loss_val_")[1]
    )]  # fmt: skip
    back = import_from(other_repo, MlrunsSource(tmp_path / "out"))
    assert (back.new, back.problems) == (2, [])
    for run_id in (live.run_id, child.run_id):
        assert plain(history.get_run(other_repo, run_id), experiment_id=True) == plain(
            history.get_run(repo, run_id), experiment_id=True
        )
    run = history.get_run(other_repo, live.run_id)
    assert (run.command, run.exit_code, run.error) == (("python", "train.py", "--lr", "0.1"), 3, "exit 3")
    assert run.metrics["loss/val"].last == 2**70
    before = {a.path: a.size for a in history.list_artifacts(repo, history.get_run(repo, live.run_id))}
    assert {a.path: a.size for a in history.list_artifacts(other_repo, run)} == before
    assert (
        history.read_environment(other_repo, run).keys()
        == history.read_environment(repo, history.get_run(repo, live.run_id)).keys()
    )
    found = experiments.get_experiment(other_repo, "churn 2026")
    assert (found.id, found.tags["team"]) == (made.id, "growth")


def test_a_change_made_in_mlflow_wins_over_what_was_exported(repo, other_repo, tmp_path):
    live = start_run(repo, name="first", params={"lr": 0.1})
    finish_run(repo, live, RunStatus.FINISHED)
    export_mlruns(repo, tmp_path / "out", EVERYTHING)
    (folder,) = (tmp_path / "out").glob(f"*/{live.run_id}")
    (folder / "params" / "lr").write_text("0.2")
    (folder / "tags" / "new").write_text("yes")
    (folder / "tags" / "mlflow.note.content").write_text("written in MLflow")
    import_from(other_repo, MlrunsSource(tmp_path / "out"))
    run = history.get_run(other_repo, live.run_id)
    assert (run.params, run.tags, run.note) == ({"lr": 0.2}, {"new": "yes"}, "written in MLflow")


def test_models_come_back_too(repo, other_repo, store, tmp_path):
    churn = store.experiment("churn", "819569111588590845")
    run_id = "c" * 32
    store.run(churn, run_id, files={"model/w.bin": b"w"})
    store.model("net", {1: run_id, 2: "f" * 32}, {"prod": 1})
    import_from(repo, MlrunsSource(store.root))
    export_mlruns(repo, tmp_path / "out", EVERYTHING)
    assert (tmp_path / "out" / "models" / "net" / "aliases" / "prod").read_text() == "1"
    assert (tmp_path / "out" / "819569111588590845" / run_id / "meta.yaml").exists()
    meta = (tmp_path / "out" / "models" / "net" / "version-1" / "meta.yaml").read_text()
    assert f"{tmp_path}/out/819569111588590845/{run_id}/artifacts/model" in meta
    back = import_from(other_repo, MlrunsSource(tmp_path / "out"))
    assert back.models == {"net": "1 version"}
    assert [problem.what for problem in back.problems] == ["version 2 of registered model 'net'"]


def test_models_made_here_go_to_mlflow_and_back(repo, other_repo, tmp_path):
    live = start_run(repo, name="first")
    live.log_bytes(b"weights", "model/w.bin")
    finish_run(repo, live, RunStatus.FINISHED)
    run = history.get_run(repo, live.run_id)
    for number in range(1, 4):
        versions.register(repo, run, "churn", "model", description=f"d{number}", tags={"n": number})
    stages.promote(repo, "churn", 1, "Production")
    stages.promote(repo, "churn", 3, "Canary", allowed=("Canary",))
    aliases.set_alias(repo, "churn", "champion", 3)
    versions.delete_version(repo, "churn", 2)
    models.tag_model(repo, "churn", {"team": "growth"})
    models.rename_model(repo, "churn", "leavers")
    models.create_model(repo, "empty", description="nothing yet")
    done = export_mlruns(repo, tmp_path / "out", EVERYTHING)
    assert set(done.models) == {"leavers", "empty"}
    assert [problem.reason for problem in done.problems] == [
        "it is in 'Canary', which MLflow has no stage for"
    ]
    import_from(other_repo, MlrunsSource(tmp_path / "out"))
    before, after = (get_state(one, "leavers") for one in (repo, other_repo))
    assert [
        (v.version, v.run_id, v.path, v.digest, v.description, v.tags, v.created_ms)
        for v in after.versions()
    ] == [
        (v.version, v.run_id, v.path, v.digest, v.description, v.tags, v.created_ms)
        for v in before.versions()
    ]  # fmt: skip
    assert (after.model().aliases, after.model().holders) == ({"champion": 3}, {"Production": 1})
    assert after.model().tags == {"team": "growth"}
    again = export_mlruns(other_repo, tmp_path / "again", Query(filter="run_name = 'none'"))
    assert again.models == {}


def test_what_is_not_here_is_listed(cli, repo, tmp_path):
    live = start_run(repo, name="first")
    live.log_bytes(b"x" * 200_000, "big.bin")
    live.log_bytes(b"small", "small.txt")
    finish_run(repo, live, RunStatus.FINISHED)
    for path in repo.objects.root.glob("objects/*/*/*"):
        path.unlink()
    done = cli("export", "mlruns", tmp_path / "out")
    assert "artifact 'big.bin' is not exported: the store has no object" in done.err
    (folder,) = (tmp_path / "out").glob(f"*/{live.run_id}/artifacts")
    assert [path.name for path in folder.iterdir()] == ["small.txt"]


def test_a_disk_that_takes_no_more_stops_an_export(cli, repo, tmp_path):
    live = start_run(repo, name="first")
    live.log_bytes(b"x" * 4_000_000, "big.bin")
    finish_run(repo, live, RunStatus.FINISHED)
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (3_000_000, before[1]))
    try:
        done = cli("export", "mlruns", tmp_path / "out", code=4)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert "could not be read" not in done.err
    assert "hint: make room" in done.err
    assert list(tmp_path.glob("*out*")) == []


def test_nothing_is_overwritten_unasked(cli, repo, tmp_path):
    finish_run(repo, start_run(repo, name="first"), RunStatus.FINISHED)
    finish_run(repo, start_run(repo, name="second"), RunStatus.FINISHED)
    out = tmp_path / "out"
    assert cli("export", "mlruns", out, "--filter", "run_name = 'first'").out == f"wrote 1 runs to {out}\n"
    assert "exists already" in cli("export", "mlruns", out, code=4).err
    assert cli("export", "mlruns", out, "--force", "--json").report["runs"] == 2
    mine = tmp_path / "mine"
    mine.mkdir()
    (mine / "thesis.tex").write_text("years of work")
    assert "it is not replaced" in cli("export", "mlruns", mine, "--force", code=4).err
    assert (mine / "thesis.tex").exists()
    assert cli("export", "mlruns", tmp_path / "dry", "-n").out.startswith("would write 2 runs")
    assert not (tmp_path / "dry").exists()
    assert "no attribute" in cli("export", "mlruns", tmp_path / "x", "-f", "nonsense = 3", code=2).err
    assert [path for path in tmp_path.iterdir() if path.name.startswith(".gitml-")] == []


def test_an_exported_file_of_a_source_is_read_again(repo, tmp_path: Path):
    """Files of an import go through the store's own rules, whatever source they are of."""
    big = tmp_path / "big.bin"
    big.write_bytes(b"x" * 200_000)
    pointer = tmp_path / "pointer.txt"
    pointer.write_text(f"version https://git-lfs.github.com/spec/v1\noid sha256:{'a' * 64}\nsize 3\n")
    run = Run(id="a" * 32, name="bare", status=RunStatus.FINISHED)
    files = [SourceFile(path.name, path, path.stat().st_size) for path in (big, pointer)]
    import_from(repo, Given([SourceRun(run, files=lambda: files)]))
    found = history.list_artifacts(repo, history.get_run(repo, "a" * 32))
    assert [(a.path, a.pointer is not None) for a in found] == [("big.bin", True), ("pointer.txt", True)]
