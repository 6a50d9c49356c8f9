"""Jobs on Kubernetes: the manifest against the schemas, and the way of a job through an API server."""

from __future__ import annotations

import base64
import copy
import getpass
import json
import os
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gitml.entities.run import RunStatus
from gitml.execution.backends.contract import BackendError, JobRequest, JobState, Resources
from gitml.execution.backends.jobs import job_status
from gitml.execution.backends.kubernetes import KubernetesBackend
from gitml.execution.backends.kubernetes_manifest import job_manifest
from gitml.execution.backends.options import BackendConfigError, check_config
from gitml.execution.backends.submission import Job
from gitml.launching.request import LaunchRequest
from tests.execution.backends.harness import ROOT, Lab, jobs_of, wait_until
from tests.servers.git_http import GitServer
from tests.store.remote.servers import sshd

DIGEST = "registry.example.org/team/gitml@sha256:" + "5" * 64
# As in MLflow's documentation, but for the sidecar.
TEMPLATE = {
    "apiVersion": "batch/v1",
    "kind": "Job",
    "metadata": {"name": "{replaced with MLflow Project name}", "namespace": "elsewhere", "labels": {"team": "a"}},
    "spec": {
        "ttlSecondsAfterFinished": 100,
        "backoffLimit": 2,
        "template": {
            "spec": {
                "containers": [
                    {"name": "proxy", "image": "proxy:1"},
                    {
                        "name": "gitml",
                        "image": "{replaced with URI of Docker image created during Project execution}",
                        "command": ["{replaced with MLflow Project entry point command}"],
                        "args": ["of", "another"],
                        "env": [{"name": "A", "value": "1"}, {"name": "WORD", "value": "theirs"}],
                        "resources": {"limits": {"memory": "1Gi", "ephemeral-storage": "2Gi"}},
                    },
                ],
                "restartPolicy": "Never",
                "nodeSelector": {"pool": "gpu"},
            }
        },
    },
}  # fmt: skip


def request(**more: Any) -> JobRequest:
    asked = JobRequest(
        "ab" * 16,
        "https://git.example.org/a/b.git",
        ("gitml", "jobs", "work", "ab" * 16),
        "brisk heron",
        Path(),
    )
    config = check_config("kubernetes", KubernetesBackend.options, more.pop("config", {}))
    return replace(asked, config=config, **more)


def validate(manifest: dict[str, Any]) -> None:
    """By the schemas of the oldest and the newest release that the package has."""
    import kubernetes_validate

    for version in (kubernetes_validate.utils.all_versions()[0], kubernetes_validate.latest_version()):
        kubernetes_validate.validate(manifest, version, strict=True)


def test_the_manifest_without_a_template_is_whole():
    asked = request(
        resources=Resources(cpus=4, gpus=1, memory_mib=2048, time_s=3600),
        environment={"WORD": "$(HOME) it's"},
        config={
            "git-secret": "git",
            "secrets": ["bucket"],
            "service-account": "trainer",
            "ttl": "1h",
            "grace": "5m",
        },
    )
    manifest = job_manifest(asked, {}, DIGEST, "science")
    validate(manifest)
    assert manifest["metadata"] == {
        "name": "gitml-" + "ab" * 16,
        "namespace": "science",
        "labels": {"gitml/run": "ab" * 16, "app.kubernetes.io/managed-by": "gitml"},
        "annotations": {"gitml/name": "brisk heron"},
    }
    spec = manifest["spec"]
    assert (spec["backoffLimit"], spec["ttlSecondsAfterFinished"]) == (0, 3600)
    pod = spec["template"]["spec"]
    assert (pod["restartPolicy"], pod["activeDeadlineSeconds"], pod["terminationGracePeriodSeconds"]) == (
        "Never", 3600, 300,
    )  # fmt: skip
    (container,) = pod["containers"]
    assert (container["image"], container["command"]) == (DIGEST, ["gitml", "jobs", "work", "ab" * 16])
    assert container["resources"] == {
        "limits": {"cpu": "4", "memory": "2048Mi", "nvidia.com/gpu": "1"},
        "requests": {"cpu": "4", "memory": "2048Mi"},
    }
    variables = {one["name"]: one["value"] for one in container["env"]}
    assert variables["WORD"] == "$$(HOME) it's"
    assert variables["GIT_CONFIG_KEY_0"] == "credential.https://git.example.org.helper"


def test_a_template_keeps_what_it_says():
    before = copy.deepcopy(TEMPLATE)
    asked = request(environment={"WORD": "ours"}, resources=Resources(memory_mib=512))
    manifest = job_manifest(asked, TEMPLATE, DIGEST, "science")
    assert before == TEMPLATE
    validate(manifest)
    assert manifest["metadata"]["labels"]["team"] == "a"
    assert (manifest["spec"]["backoffLimit"], manifest["spec"]["ttlSecondsAfterFinished"]) == (2, 100)
    proxy, ours = manifest["spec"]["template"]["spec"]["containers"]
    assert proxy == {"name": "proxy", "image": "proxy:1"}
    assert ours["image"] == DIGEST
    assert "args" not in ours
    assert ours["env"] == [{"name": "A", "value": "1"}, {"name": "WORD", "value": "ours"}]
    assert ours["resources"]["limits"] == {"memory": "512Mi", "ephemeral-storage": "2Gi"}


@given(
    text=st.text(st.characters(exclude_categories=["Cs"])),
    name=st.text(st.characters(exclude_categories=["Cs"])),
)
def test_values_stay_values(text, name):
    manifest = job_manifest(request(environment={"WORD": text}, name=name), TEMPLATE, DIGEST, "science")
    again = json.loads(json.dumps(manifest))
    ours = again["spec"]["template"]["spec"]["containers"][1]
    assert ours["env"][1]["value"].replace("$$", "$") == text
    assert again["metadata"]["annotations"]["gitml/name"] == name
    assert again["spec"]["template"]["spec"]["nodeSelector"] == {"pool": "gpu"}


@pytest.mark.parametrize(
    ("template", "words"),
    [
        ({"kind": "Pod"}, "its kind is 'Pod'"),
        ({"spec": {"template": []}}, "'template' is no mapping"),
        ({"spec": {"template": {"spec": {"containers": ["x"]}}}}, "a container of it is no mapping"),
    ],
)
def test_a_template_that_is_no_job_is_refused(template, words):
    with pytest.raises(BackendConfigError, match=words):
        job_manifest(request(), template, DIGEST, "science")


def test_what_no_job_can_be_made_of_is_told_before_a_cluster_is_asked(tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", "")
    backend = KubernetesBackend()
    for more, words in (
        ({"config": {"image": DIGEST}, "remote": "/srv/git/a.git"}, "is on this machine"),
        ({"config": {"image": DIGEST}, "remote": "file:///srv/git/a.git"}, "is on this machine"),
        ({"config": {"image": "gitml:1"}}, "is not named by digest"),
        ({"config": {}}, "needs an image"),
        ({"config": {"image": DIGEST, "template": str(tmp_path / "no.yaml")}}, "can't be read"),
    ):  # fmt: skip
        with pytest.raises(BackendConfigError, match=words):
            backend.submit(request(**more))


heavy = pytest.mark.heavy


@pytest.fixture(scope="module", params=["control plane", "stand-in"])
def api(request: pytest.FixtureRequest) -> Iterator[Any]:
    from tests.servers import kubernetes

    if request.param == "stand-in":
        from tests.servers.kubernetes_stand_in import stand_in

        make = stand_in
    elif kubernetes.is_installed():
        make = kubernetes.control_plane
    else:
        pytest.skip(f"needs {', '.join(kubernetes.CONTROL_PLANE)}")
    with make() as found:
        found.call("POST", "/api/v1/namespaces", {"metadata": {"name": "science"}})
        data = {"username": b"ada", "password": b"correct horse"}
        found.call("POST", "/api/v1/namespaces/science/secrets", secret("git", "basic-auth", data))
        yield found


@pytest.fixture
def config(api: Any, tmp_path: Path) -> dict[str, object]:
    kubeconfig = tmp_path / "kubeconfig"
    kubeconfig.write_text(api.kubeconfig("science"))
    return {
        "kubeconfig": str(kubeconfig),
        "kube-context": "test",
        "image": DIGEST,
        "git-secret": "git",
        "python": sys.executable,
        "env": {"PYTHONPATH": str(ROOT)},
    }


@pytest.fixture
def hosted_lab(lab: Lab, git, tmp_path: Path) -> Iterator[Lab]:
    """A repository whose remote asks for a password, which only its own git and the cluster's Secret know."""
    git(tmp_path, "init", "--quiet", "--bare", "server.git")
    git(tmp_path / "server.git", "config", "http.receivepack", "true")
    with GitServer(tmp_path, "correct horse") as server:
        import threading

        threading.Thread(target=server.serve_forever, daemon=True).start()
        git(lab.folder, "remote", "add", "origin", server.url("server.git"))
        helper = "!f() { echo username=ada; echo 'password=correct horse'; }; f"
        git(lab.folder, "config", "credential.helper", helper)
        yield lab
        server.shutdown()


def train(lab: Lab, **options: Any) -> LaunchRequest:
    """Ask for the script, and for no file of it: the host has no place for those."""
    return replace(lab.train(**options), artifacts=())


def status(lab: Lab, job: Job):
    with lab.opened() as repo:
        return job_status(repo, job.record)


@heavy
def test_a_job_comes_back_with_its_log_exit_code_and_run(api, hosted_lab: Lab, config, gitml):
    config["env"] |= {"WORD": "it's $HOME $(HOME)"}
    asked = train(hosted_lab, code=3, recorded_variables=("WORD",))
    (job,) = hosted_lab.submit(asked, backend="kubernetes", config=config)
    assert job.record.id == f"science/gitml-{job.run.id}"
    printed = gitml(hosted_lab.folder, "jobs", "logs", "-f", env=os.environ).stdout
    assert "step 2\nready\n" in printed
    listed = jobs_of(gitml, hosted_lab.folder, env=os.environ)[job.run.id]
    assert (listed["state"], listed["exit_code"]) == ("failed", 3)
    run = hosted_lab.run_of(job, remote=True)
    assert (run.status, run.exit_code, run.metrics["loss"].count) == (RunStatus.FAILED, 3, 3)
    assert "it's $HOME $(HOME)" in gitml(hosted_lab.folder, "show", "--env", job.run.id).stdout


@heavy
def test_a_job_that_ends_well_says_so(api, hosted_lab: Lab, config):
    (job,) = hosted_lab.submit(train(hosted_lab), backend="kubernetes", config=config)
    wait_until(lambda: status(hosted_lab, job).state.is_over, "the job's end")
    assert (status(hosted_lab, job).state, status(hosted_lab, job).exit_code) == (JobState.FINISHED, 0)
    assert hosted_lab.run_of(job, remote=True).status is RunStatus.FINISHED


@heavy
def test_a_job_clones_and_pushes_by_ssh(api, lab: Lab, config, git, tmp_path: Path, monkeypatch):
    git(tmp_path, "init", "--quiet", "--bare", "server.git")
    keys = tmp_path / "keys"
    keys.mkdir()
    with sshd(keys) as port:
        (keys / "known").write_text(f"[127.0.0.1]:{port} {(keys / 'host.pub').read_text()}")
        data = {"ssh-privatekey": (keys / "id").read_bytes(), "known_hosts": (keys / "known").read_bytes()}
        api.call("POST", "/api/v1/namespaces/science/secrets", secret(f"ssh-{port}", "ssh-auth", data))
        git(
            lab.folder,
            "remote",
            "add",
            "origin",
            f"ssh://{getpass.getuser()}@127.0.0.1:{port}{tmp_path}/server.git",
        )
        ssh = f"ssh -F none -i {keys}/id -o UserKnownHostsFile={keys}/known"
        monkeypatch.setenv("GIT_SSH_COMMAND", ssh)
        (job,) = lab.submit(train(lab), backend="kubernetes", config={**config, "git-secret": f"ssh-{port}"})
        wait_until(lambda: status(lab, job).state.is_over, "the job's end")
        assert status(lab, job).state is JobState.FINISHED
        assert lab.run_of(job, remote=True).status is RunStatus.FINISHED


def secret(name: str, kind: str, data: dict[str, bytes]) -> dict[str, Any]:
    """A Secret as the API has it."""
    encoded = {key: base64.b64encode(value).decode() for key, value in data.items()}
    return {"metadata": {"name": name}, "type": f"kubernetes.io/{kind}", "data": encoded}


@heavy
def test_cancelling_keeps_what_was_logged(api, hosted_lab: Lab, config, gitml):
    (job,) = hosted_lab.submit(train(hosted_lab, wait="once"), backend="kubernetes", config=config)
    wait_until(lambda: "ready" in gitml(hosted_lab.folder, "jobs", "logs", env=os.environ).stdout, "the log")
    assert status(hosted_lab, job).state is JobState.RUNNING
    gitml(hosted_lab.folder, "jobs", "cancel", job.run.id, env=os.environ)
    wait_until(lambda: status(hosted_lab, job).state is JobState.CANCELLED, "the job was cancelled")
    wait_until(lambda: hosted_lab.run_of(job, remote=True).status is RunStatus.KILLED, "its run was pushed")
    assert hosted_lab.steps_of(job) == 3


@heavy
def test_a_pod_that_is_taken_away_goes_on_in_another(api, hosted_lab: Lab, config, gitml, request):
    if "stand-in" in request.node.name:
        pytest.skip("the stand-in makes no other pod")
    (job,) = hosted_lab.submit(train(hosted_lab, wait="once"), backend="kubernetes", config=config)
    wait_until(lambda: "ready" in gitml(hosted_lab.folder, "jobs", "logs", env=os.environ).stdout, "the log")
    place = "/api/v1/namespaces/science/pods"
    (pod,) = api.call("GET", f"{place}?labelSelector=gitml%2Frun%3D{job.run.id}")["items"]
    api.call("DELETE", f"{place}/{pod['metadata']['name']}")
    wait_until(lambda: status(hosted_lab, job).state.is_over, "the job's end")
    assert status(hosted_lab, job).state is JobState.FINISHED
    run = hosted_lab.run_of(job, remote=True)
    assert (run.status, hosted_lab.steps_of(job)) == (RunStatus.FINISHED, 6)


@heavy
def test_a_job_that_waits_says_why(api, hosted_lab: Lab, config, gitml):
    missing = {**config, "image": DIGEST.replace("team", "missing")}
    (job,) = hosted_lab.submit(train(hosted_lab), backend="kubernetes", config=missing)
    wait_until(lambda: status(hosted_lab, job).reason, "a reason")
    found = status(hosted_lab, job)
    assert found.state is JobState.PENDING
    assert found.reason.startswith("ImagePullBackOff: ")
    gitml(hosted_lab.folder, "jobs", "cancel", job.run.id, env=os.environ)
    assert hosted_lab.run_of(job).status is RunStatus.KILLED


@heavy
def test_what_the_server_refuses_is_told_in_its_words(api, hosted_lab: Lab, config, tmp_path):
    for more, words in (
        ({"namespace": "nowhere"}, 'namespaces "nowhere" not found'),
        ({"kube-context": "other"}, "it is not known how to reach the cluster"),
        ({"template": template(tmp_path, {"spec": {"backoffLimit": -1}})}, "backoffLimit"),
    ):
        with pytest.raises(BackendError, match=words) as caught:
            hosted_lab.submit(train(hosted_lab), backend="kubernetes", config={**config, **more})
        assert caught.value.exit_code == 5
    kubeconfig = Path(str(config["kubeconfig"]))
    for wrong, other in ((api.url, "https://127.0.0.1:9"), (api.token, "wrong")):
        text = kubeconfig.read_text()
        kubeconfig.write_text(text.replace(wrong, other))
        with pytest.raises(BackendError, match="refused|Unauthorized"):
            hosted_lab.submit(train(hosted_lab), backend="kubernetes", config=config)
        kubeconfig.write_text(text)


def template(folder: Path, content: dict[str, Any]) -> str:
    path = folder / "job.json"
    path.write_text(json.dumps(content))
    return str(path)
