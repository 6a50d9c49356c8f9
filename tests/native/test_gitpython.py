"""Another program reads what gitml wrote: GitPython, which MLflow and DVC use."""

from __future__ import annotations

import yaml


def test_gitpython_reads_runs_curves_and_code(recorded):
    import git

    with git.Repo(recorded.folder) as repo:
        second, first = repo.iter_commits("gitml/runs")
        assert (second.hexsha, first.hexsha) == (recorded.second, recorded.first)
        facts = yaml.safe_load((first.tree / "run.yaml").data_stream.read())
        assert first.trailers_dict["Run-Id"] == [facts["id"]]
        assert first.trailers_dict["Code-Commit"] == [repo.commit("main~2").hexsha]
        assert yaml.safe_load((first.tree / "params.yaml").data_stream.read())["optimizer"] == "adam"
        assert len((first.tree / "history/val/loss.tsv").data_stream.read().splitlines()) == 20
        changed = {diff.b_path for diff in first.diff(second)}
        assert {"params.yaml", "code/train.py", "artifacts/model/weights.bin"} <= changed
