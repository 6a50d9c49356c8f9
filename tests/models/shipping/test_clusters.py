"""Deployments on Kubernetes and KServe: manifests against the schemas, and requests against a stand-in."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from gitml.models.deployments.contract import DeployedModel, DeploymentError, DeploymentRequest, Place
from gitml.models.deployments.kserve import KServeTarget
from gitml.models.deployments.kubernetes import KubernetesTarget
from gitml.models.deployments.requesting import make_place
from tests.models.shipping.test_deployments import DIGEST, churn, image_of
from tests.models.shipping.test_images import save_sum

pytestmark = pytest.mark.heavy
__all__ = ["churn"]  # a fixture

ALL = {
    "namespace": "team", "cpu": "250m", "cpu_limit": "2", "memory": "2G", "gpus": "1", "replicas": "2",
    "start": "10m", "env.A": "x", "env.GITML_SERVE_WORKERS": "2", "secrets": "one,two", "service_account": "models",
    "pull_secret": "registry",
}  # fmt: skip


def request(target: Any, config: dict[str, str], **more: Any) -> DeploymentRequest:
    model = DeployedModel(
        "churn#production", "churn", 3, "Production", "ab" * 16, "sha256:" + "1" * 64, DIGEST
    )
    return DeploymentRequest(
        more.get("name", "churn"), more.get("model", model), make_place(target, config, {})
    )


def validate(manifest: dict[str, Any]) -> None:
    """By the schemas of the oldest release that has all kinds, and the newest that the package has."""
    import kubernetes_validate

    versions = [
        one
        for one in kubernetes_validate.utils.all_versions()
        if tuple(map(int, one.split(".")[:2])) >= (1, 23)
    ]
    for version in (versions[0], kubernetes_validate.latest_version()):
        kubernetes_validate.validate(manifest, version, strict=True)


@pytest.mark.parametrize("config", [{}, ALL, {**ALL, "max_replicas": "9", "service_type": "LoadBalancer"}])
def test_what_is_deployed_is_what_kubernetes_takes(config):
    target = KubernetesTarget()
    found = target.manifests(request(target, config))
    assert ("hpa.yaml" in found) == ("max_replicas" in config)
    for manifest in found.values():
        validate(manifest)
    pod = found["deployment.yaml"]["spec"]["template"]["spec"]
    assert {"startupProbe", "readinessProbe", "livenessProbe"} <= pod["containers"][0].keys()
    assert pod["containers"][0]["resources"]["limits"]["memory"]


@given(st.text(max_size=20), st.text(max_size=20))
def test_values_stay_values(value, uri):
    target = KubernetesTarget()
    if "\0" in value:
        return
    model = DeployedModel(uri, "churn", 3, uri, uri, uri, DIGEST)
    for manifest in target.manifests(request(target, {"env.A": value}, model=model)).values():
        validate(manifest)
    container = target.manifests(request(target, {"env.A": value}))["deployment.yaml"]["spec"]["template"][
        "spec"
    ]["containers"][0]
    assert container["env"][-1]["value"].replace("$$", "$") == value


@pytest.mark.parametrize(
    "config", [{}, {**ALL, "canary": "10", "scale_to_zero": "true", "deployment_mode": "Serverless"}]
)
def test_an_inference_service_has_what_its_kind_has(config):
    target = KServeTarget()
    found = target.manifests(request(target, config))["inferenceservice.yaml"]
    assert (found["apiVersion"], found["kind"]) == ("serving.kserve.io/v1beta1", "InferenceService")
    predictor = dict(found["spec"]["predictor"])
    ours = {
        key: predictor.pop(key)
        for key in ("minReplicas", "maxReplicas", "canaryTrafficPercent")
        if key in predictor
    }
    assert ours["minReplicas"] == (0 if config else 1)
    # What is left of it is a pod's, which Kubernetes has a schema for.
    validate({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "x"}, "spec": predictor})
    container = predictor["containers"][0]
    assert container["name"] == "kserve-container"
    assert {"name": "PROTOCOL", "value": "v2"} in container["env"]
    # Of what a pod can say, Knative refuses these unless it is set up otherwise.
    assert not {"securityContext", "nodeSelector", "terminationGracePeriodSeconds"} & predictor.keys()
    assert not {"lifecycle", "startupProbe"} & container.keys()
    assert len(container["ports"]) == 1


@pytest.fixture
def team(tmp_path: Path) -> Iterator[Any]:
    from tests.servers.kubernetes_deployments import cluster

    with cluster(tmp_path) as started:
        yield started


@pytest.mark.timeout(300)
@pytest.mark.parametrize("target", ["kubernetes", "kserve"])
def test_a_stage_is_rolled_out_and_back(target, team, churn, gitml, tmp_path):
    kind = "deployments" if target == "kubernetes" else "inferenceservices"

    def deploy(*words: str, code: int = 0, what: str = "churn#production") -> Any:
        reach = ("--target", target, "-C", f"kubeconfig={tmp_path / 'kubeconfig'}", "--json", "-C", "wait=5s")
        done = gitml(churn, "models", "deploy", *([what] if what else []), *reach, *words, code=code)
        return json.loads(done.stdout or "null") if code == 0 else done.stderr

    made = deploy("-C", "replicas=2", "-C", "max_replicas=4")["deployment"]
    assert (made["state"], made["version"], made["image"]) == ("ready", 1, image_of(1))
    assert "already" in deploy(code=4)
    if target == "kubernetes":
        assert team.find("horizontalpodautoscalers", "churn")["spec"]["maxReplicas"] == 4
        team.edit("deployments", "churn", lambda found: found["spec"].update(replicas=3))  # the autoscaler
    gitml(churn, "models", "promote", "churn", "2", "production")
    made = deploy("--update", "-C", "replicas=2", "-C", "max_replicas=4")["deployment"]
    assert (made["version"], made["image"]) == (2, image_of(2))
    if target == "kubernetes":
        assert team.find("deployments", "churn")["spec"]["replicas"] == 3
    assert team.find(kind, "churn")["metadata"]["annotations"]["gitml/version"] == "2"
    gitml(churn, "models", "rollback", "churn", "production")
    assert deploy("--update")["deployment"]["image"] == image_of(1)
    assert team.find("horizontalpodautoscalers", "churn") is None
    assert [one["name"] for one in deploy("--list", what="")["deployments"]] == ["churn"]
    if target == "kubernetes":
        gitml(churn, "models", "annotate", "churn@v2", "--tag", f"gitml.image=broken@sha256:{'2' * 64}")
        assert "timed out" in deploy("--update", code=5, what="churn@v2")
        team.edit(
            "services", "churn", lambda found: found["metadata"]["labels"].clear()
        )  # somebody else's by now
    deploy_delete = gitml(
        churn,
        "models",
        "deploy",
        "churn",
        "--target",
        target,
        "-C",
        f"kubeconfig={tmp_path / 'kubeconfig'}",
        "--delete",
    )
    assert "gone" in deploy_delete.stderr
    assert team.find(kind, "churn") is None
    assert (team.find("services", "churn") is not None) == (target == "kubernetes")
    assert "there is no deployment" in deploy("--show", code=3)


@pytest.mark.timeout(300)
@pytest.mark.parametrize("target", ["kubernetes", "kserve"])
def test_predictions_come_through_the_cluster(target, team, mlflow, git_repo, gitml, tmp_path):
    reach = ("--target", target, "-C", f"kubeconfig={tmp_path / 'kubeconfig'}")
    served = gitml(git_repo, "models", "deploy", str(save_sum(tmp_path / "sum")), "--name", "sums", "--json")
    try:
        address = json.loads(served.stdout)["deployment"]["address"]
        team.answer_with(address.removesuffix("/invocations"))
        gitml(git_repo, "models", "deploy", str(tmp_path / "sum"), *reach, "--image", DIGEST, "-C", "wait=5s")
        (git_repo / "rows.json").write_text('{"inputs": [[1, 2]]}')
        done = gitml(git_repo, "models", "deploy", "sum", *reach, "--predict", "rows.json")
        assert json.loads(done.stdout) == {"predictions": [3]}
        (git_repo / "rows.json").write_text('{"rows": 1}')
        done = gitml(git_repo, "models", "deploy", "sum", *reach, "--predict", "rows.json", code=5)
        assert "dataframe_split" in done.stderr
    finally:
        gitml(git_repo, "models", "deploy", "sums", "--delete")


def test_a_cluster_that_refuses_is_told_in_its_own_words(team, tmp_path):
    target = KubernetesTarget()
    config = {"kubeconfig": str(tmp_path / "kubeconfig")}
    bad = request(target, config)
    text = json.loads((tmp_path / "kubeconfig").read_text())
    text["users"][0]["user"]["token"] = "wrong"
    (tmp_path / "kubeconfig").write_text(yaml.safe_dump(text))
    with pytest.raises(DeploymentError, match="Unauthorized"):
        target.create(bad)
    text["clusters"][0]["cluster"]["server"] = "https://127.0.0.1:9"
    (tmp_path / "kubeconfig").write_text(yaml.safe_dump(text))
    with pytest.raises(DeploymentError, match="can't be reached"):
        target.list(Place(bad.place.config))
