"""Deployments: what targets are told, and models that answer on this machine."""

from __future__ import annotations

import json
import shutil
import time

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from gitml.errors import GitmlError
from gitml.formats.yaml import load_mapping
from gitml.formats.yaml_block import dump_document
from gitml.models.deployments.requesting import default_name
from tests.models.shipping.test_images import save_sum

DIGEST = "registry.example.org/churn@sha256:" + "5" * 64
SCALARS = (
    st.none()
    | st.booleans()
    | st.integers(-(10**9), 10**9)
    | st.floats(allow_nan=False)
    | st.text(max_size=12)
)
VALUES = st.recursive(
    SCALARS, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=6), inner, max_size=3), max_leaves=12
)  # fmt: skip


@given(st.dictionaries(st.text(max_size=6), VALUES, max_size=4))
def test_a_document_reads_back_by_every_reader(document):
    written = dump_document(document)
    assert (yaml.safe_load(written) or {}) == document
    assert load_mapping(written.encode(), source="x") == document


@given(st.text(max_size=70))
def test_a_name_that_is_made_is_one_that_all_targets_take(text):
    try:
        name = default_name(text)
    except GitmlError as err:
        assert err.exit_code == 2
        return
    assert name.isascii()
    assert name == name.lower()
    assert name[0].isalpha()
    assert 0 < len(name) <= 53
    assert not set(name) - set("abcdefghijklmnopqrstuvwxyz0123456789-")


@pytest.fixture
def churn(mlflow, git_repo, gitml):
    """Two versions of a model, in the image that was pushed for each; the first one in production."""
    for number in (1, 2):
        with mlflow.start_run() as run:
            mlflow.log_text(f"weights {number}", "model/weights.txt")
        mlflow.register_model(f"runs:/{run.info.run_id}/model", "churn")
        gitml(git_repo, "models", "annotate", f"churn@v{number}", "--tag", f"gitml.image={image_of(number)}")
    gitml(git_repo, "models", "promote", "churn", "1", "production")
    return git_repo


def image_of(version: int) -> str:
    return f"registry.example.org/churn@sha256:{str(version) * 64}"


def test_manifests_are_of_the_image_that_was_pushed_for_the_stage(churn, gitml):
    deploy = ("models", "deploy", "churn#production", "--target", "kubernetes", "--output", "k8s")
    gitml(churn, *deploy, "-C", "replicas=2")
    found = yaml.safe_load((churn / "k8s/deployment.yaml").read_text())
    assert found["spec"]["template"]["spec"]["containers"][0]["image"] == image_of(1)
    assert found["spec"]["replicas"] == 2
    assert found["metadata"]["annotations"] | {"gitml/run": "", "gitml/digest": ""} == {
        "gitml/model": "churn#production", "gitml/version": "1", "gitml/stage": "Production", "gitml/run": "",
        "gitml/digest": "", "kubernetes.io/change-cause": "churn v1 (Production)",
    }  # fmt: skip
    gitml(churn, "models", "promote", "churn", "2", "production")
    gitml(churn, *deploy, "-C", "max_replicas=5")
    found = yaml.safe_load((churn / "k8s/deployment.yaml").read_text())
    assert found["spec"]["template"]["spec"]["containers"][0]["image"] == image_of(2)
    assert "replicas" not in found["spec"]  # they are the autoscaler's to count


def test_manifests_of_an_earlier_call_go_and_those_of_others_stay(churn, gitml):
    def deploy(*words: str, target: str = "kubernetes", code: int = 0):
        words = ("churn@v1", "--target", target, "--output", "k8s", *words)
        return gitml(churn, "models", "deploy", *words, code=code)

    def names() -> list[str]:
        return sorted(path.name for path in (churn / "k8s").iterdir())

    deploy("-C", "max_replicas=5")
    (churn / "k8s/kustomization.yaml").write_text("resources: [hpa.yaml]\n")
    done = deploy("-C", "replicas=1")
    assert names() == ["deployment.yaml", "kustomization.yaml", "pdb.yaml", "service.yaml"]
    assert "hpa.yaml' of an earlier call is removed" in done.stderr
    assert "hpa.yaml" not in done.stdout
    deploy(target="kserve")
    assert names() == ["inferenceservice.yaml", "kustomization.yaml"]
    assert "of the deployment 'churn'" in deploy("--name", "other", target="kserve", code=2).stderr
    (churn / "k8s/service.yaml").write_text("kind: Service\n")
    assert "was not written by gitml" in deploy(code=2).stderr
    (churn / "k8s/service.yaml").unlink()
    (churn / "k8s/service.yaml").symlink_to(churn / "k8s/inferenceservice.yaml")
    assert "was not written by gitml" in deploy(code=2).stderr
    assert names() == ["inferenceservice.yaml", "kustomization.yaml", "service.yaml"]
    (churn / "k8s/service.yaml").unlink()
    deploy()
    assert names() == ["deployment.yaml", "kustomization.yaml", "pdb.yaml", "service.yaml"]


def test_what_is_wrong_with_a_request_is_told_with_what_to_do(churn, gitml):
    def refused(*words: str, code: int) -> str:
        return gitml(churn, "models", "deploy", *words, code=code).stderr

    assert "did you mean kubernetes?" in refused("churn@v1", "--target", "kubernets", code=2)
    assert "did you mean replicas" in refused("churn@v1", "--target", "kserve", "-C", "replica=2", code=2)
    assert "size such as" in refused("churn@v1", "--target", "kserve", "-C", "memory=lots", code=2)
    assert "by digest" in refused("churn@v1", "--target", "kserve", "--image", "churn:1", code=2)
    assert "can't be combined" in refused("churn@v1", "--update", "--delete", code=2)
    assert "there is no deployment 'churn' on local" in refused("churn", "--show", code=3)
    assert "no manifests" in refused("churn@v1", "--target", "local", "--output", "x", code=2)


def wait_until_ready(ask) -> dict:
    end = time.monotonic() + 60
    while True:
        found = json.loads(ask())["deployment"]
        if found["state"] == "ready":
            return found
        assert time.monotonic() < end
        time.sleep(0.2)


@pytest.mark.heavy
@pytest.mark.timeout(300)
def test_a_model_answers_on_this_machine_until_it_is_deleted(mlflow, git_repo, gitml, tmp_path):
    model = save_sum(tmp_path / "sum")
    broken = tmp_path / "broken"
    shutil.copytree(model, broken)
    next(broken.glob("*.py")).write_text("raise RuntimeError('no such thing')\n")
    (git_repo / "rows.json").write_text('{"inputs": [[1, 2]]}')
    asked = ("--name", "sums", "--json")
    made = json.loads(gitml(git_repo, "models", "deploy", str(model), *asked).stdout)["deployment"]
    assert (made["state"], made["model"]) == ("ready", str(model))
    try:
        gitml(git_repo, "models", "deploy", str(model), *asked, code=4)
        predict = ("models", "deploy", "sums", "--predict", "rows.json")
        assert json.loads(gitml(git_repo, *predict).stdout) == {"predictions": [3]}
        done = gitml(
            git_repo, "models", "deploy", str(tmp_path / "nothing"), "--name", "sums", "--update", code=3
        )
        assert "nothing" in done.stderr
        done = gitml(
            git_repo, "models", "deploy", str(broken), "--name", "sums", "--update", "--trust", code=5
        )
        assert "is not served" in done.stderr
        # What was there is there again.
        again = wait_until_ready(
            lambda: gitml(git_repo, "models", "deploy", "sums", "--show", "--json").stdout
        )
        assert again["address"] == made["address"]
        assert json.loads(gitml(git_repo, *predict).stdout) == {"predictions": [3]}
        listed = json.loads(gitml(git_repo, "models", "deploy", "--list", "--json").stdout)["deployments"]
        assert [one["name"] for one in listed] == ["sums"]
    finally:
        gitml(git_repo, "models", "deploy", "sums", "--delete")
    assert gitml(git_repo, "models", "deploy", "--list").stdout == ""
    assert not list((git_repo / ".git/gitml/deployments").iterdir())
