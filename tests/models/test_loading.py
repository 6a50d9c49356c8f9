"""Finding and loading models: from the store without a copy, whole, and only if their code may run."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import numpy as np
import pytest

from gitml import models
from gitml.errors import DamagedError, NotFoundError, UsageError
from gitml.formats.mlmodel import UnsafePathError
from gitml.models.flavors import sklearn
from gitml.models.locating import locate
from gitml.repo import Repo
from tests.models.saved import QUICK, Adder, elsewhere
from tests.registry.conftest import ssh as ssh  # noqa: PLC0414
from tests.registry.keys import SshKeys

PICKLE = {"serialization_format": "pickle", **QUICK}


@pytest.fixture(autouse=True)
def _own_machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("GITML_CACHE_DIR", str(tmp_path / "own"))


@pytest.fixture
def logged(mlflow) -> str:
    """A pickled model with a large file, in a run that has ended."""
    with mlflow.start_run() as run:
        sklearn.log_model(Adder(np.arange(50_000)), name="adder", **PICKLE)
    return f"runs:/{run.info.run_id}/adder"


def test_one_model_by_all_its_names(mlflow, logged: str, tmp_path: Path):
    mlflow.register_model(logged, "adder")
    client = mlflow.MlflowClient()
    client.set_registered_model_alias("adder", "best", 1)
    client.transition_model_version_stage("adder", 1, "Production")
    folder = mlflow.artifacts.download_artifacts(logged, dst_path=tmp_path / "copy")
    names = [
        logged,
        "models:/adder/1",
        "models:/adder/latest",
        "models:/adder/Production",
        "models:/adder@best",
    ]
    for name in [*names, "adder@v1", "adder#production", folder, f"file://{folder}", Path(folder)]:
        assert sklearn.load_model(name).predict(1)[:2].tolist() == [1, 2], name
    for name in (
        "models:/adder/2",
        "models:/other/1",
        "runs:/nothing/adder",
        logged + "/other",
        str(tmp_path),
    ):
        with pytest.raises(NotFoundError):
            sklearn.load_model(name)
    for name in ("s3://bucket/model", "models:/adder"):
        with pytest.raises(UsageError):
            sklearn.load_model(name)


def test_large_files_are_not_copied_unless_somebody_may_write_to_them(mlflow, logged: str, tmp_path: Path):
    folder = locate(logged).folder
    assert (folder / "model.pkl").stat().st_nlink == 2
    assert locate(logged).folder == folder
    shutil.copytree(locate(logged, tmp_path / "own copy").folder, tmp_path / "again")
    assert (tmp_path / "own copy/model.pkl").stat().st_nlink == 1
    with pytest.raises(UsageError, match="has a model already"):
        locate(logged, tmp_path / "own copy")


def test_bytes_that_are_not_those_that_were_logged_are_never_loaded(mlflow, in_repo: Path, logged: str):
    folder = locate(logged).folder
    (folder / "MLmodel").write_text("flavors: {}\n")  # in the folder of links: it is laid out anew
    (folder / "more.py").write_text("")
    assert "sklearn" in locate(logged).model.flavors
    assert not (locate(logged).folder / "more.py").exists()
    content = (folder / "model.pkl").read_bytes()
    (folder / "model.pkl").write_bytes(content[:-1] + b"!")  # the object itself
    with pytest.raises(DamagedError, match="is damaged"):
        sklearn.load_model(logged, trust=True)
    assert not any(path.name.startswith(".gitml") for path in folder.parent.iterdir())


def test_code_of_others_runs_only_when_that_was_said(
    mlflow, logged: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    folder = Path(mlflow.artifacts.download_artifacts(logged, dst_path=tmp_path / "copy"))
    assert sklearn.load_model(folder).number.size == 50_000  # what this user made, wherever it is now
    with pytest.raises(models.UntrustedModelError, match="trust=False"):
        sklearn.load_model(folder, trust=False)
    with (folder / "requirements.txt").open("a") as file:
        file.write("other\n")
    with pytest.raises(models.UntrustedModelError, match="'model.pkl' is a pickle"):
        sklearn.load_model(folder)
    elsewhere(monkeypatch, tmp_path / "other")
    for name in (logged, folder):
        with pytest.raises(models.UntrustedModelError) as caught:
            sklearn.load_model(name)
        assert "GITML_TRUST_MODELS=1" in str(caught.value.hint)
    assert sklearn.load_model(logged, trust=True).number.size == 50_000
    monkeypatch.setenv("GITML_TRUST_MODELS", "1")
    assert sklearn.load_model(logged).number.size == 50_000


def test_marks_that_others_can_write_vouch_for_nothing(logged: str, tmp_path: Path):
    (tmp_path / "own/own-models").chmod(0o777)
    with pytest.raises(models.UntrustedModelError):
        sklearn.load_model(logged)


def test_a_signed_version_needs_no_word(
    mlflow, logged: str, ssh: SshKeys, git, in_repo: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    elsewhere(monkeypatch, tmp_path / "other")
    mlflow.register_model(logged, "adder")
    with pytest.raises(models.UntrustedModelError, match="is not signed"):
        sklearn.load_model("models:/adder/1")
    signers = tmp_path / "signers"
    signers.write_text(f"ada@example.org {ssh.public('ada')}\n")
    for key, value in (
        ("gpg.format", "ssh"),
        ("user.signingKey", str(ssh["ada"])),
        ("tag.gpgSign", "true"),
        ("gpg.ssh.allowedSignersFile", str(signers)),
    ):
        git(in_repo, "config", key, value)
    mlflow.set_tracking_uri(in_repo)  # git's settings are read once
    assert mlflow.register_model(logged, "adder").version == 2
    assert sklearn.load_model("models:/adder/2").number.size == 50_000
    with pytest.raises(models.UntrustedModelError):
        sklearn.load_model(logged)
    mlflow.MlflowClient().transition_model_version_stage("adder", 1, "Production")  # by a signed tag
    assert sklearn.load_model("models:/adder/Production").number.size == 50_000
    signers.write_text(f"ada@example.org {ssh.public('eve')}\n")
    with pytest.raises(models.UntrustedModelError, match="nobody here vouches for"):
        sklearn.load_model("models:/adder/2")


def test_files_that_a_model_names_stay_in_its_folder(logged: str, mlflow, tmp_path: Path):
    folder = Path(mlflow.artifacts.download_artifacts(logged, dst_path=tmp_path / "copy"))
    said = (folder / "MLmodel").read_text()
    outside = tmp_path / "outside.pkl"
    shutil.copy(folder / "model.pkl", outside)
    for name in ("../../outside.pkl", str(outside)):
        (folder / "MLmodel").write_text(said.replace("pickled_model: model.pkl", f"pickled_model: {name}"))
        with pytest.raises(UnsafePathError):
            sklearn.load_model(folder, trust=True)
    (folder / "MLmodel").write_text(said)
    (folder / "model.pkl").unlink()
    os.symlink(outside, folder / "model.pkl")
    with pytest.raises(UnsafePathError):
        sklearn.load_model(folder, trust=True)


def test_what_is_missing_is_named(mlflow, logged: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    import sys

    monkeypatch.setitem(sys.modules, "cloudpickle", None)
    with mlflow.start_run(), pytest.raises(models.MissingPackageError) as caught:
        mlflow.pyfunc.log_model("model", python_model=Adder().predict, **QUICK)
    assert caught.value.hint.startswith("pip install 'cloudpickle'")
    with pytest.raises(models.NoFlavorError, match="no flavor 'python_function', it has sklearn") as none:
        from gitml.models.loading import load_native

        load_native("python_function", _without_function(mlflow, logged, tmp_path))
    assert none.value.hint == "gitml.sklearn.load_model loads it"


def _without_function(mlflow, logged: str, tmp_path: Path) -> Path:
    from dataclasses import replace

    from gitml.models.directory import read_model, write_model

    folder = Path(mlflow.artifacts.download_artifacts(logged, dst_path=tmp_path / "bare"))
    model = read_model(folder)
    write_model(folder, replace(model, flavors={"sklearn": model.flavors["sklearn"]}))
    return folder


def test_a_purged_or_foreign_folder_is_no_model(in_repo: Path, mlflow):
    with mlflow.start_run() as run:
        mlflow.log_text("x", "plots/a.txt")
    with pytest.raises(NotFoundError, match="is no model"):
        mlflow.models.get_model_info(f"runs:/{run.info.run_id}/plots")
    assert not (Repo.open(in_repo).root / "cache/models").exists()
