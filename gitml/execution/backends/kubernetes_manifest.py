"""The Job that a job becomes on Kubernetes: the user's template with our values merged in.

Values are put into a structure, never into text, so none can become YAML.
"""

from __future__ import annotations

import copy
import re
from collections.abc import Mapping
from typing import Any, cast
from urllib.parse import urlsplit

from gitml.execution.backends.contract import JobRequest, Resources
from gitml.execution.backends.options import BackendConfigError

RUN_LABEL = "gitml/run"
SECRET_FOLDER = "/var/run/secrets/gitml/git"

_CONTAINER = "gitml"
_WEEK_S = 7 * 86400
_GRACE_S = 60
_SCP_LIKE = re.compile(r"(?:[^@/:]+@)?[^/:]+:(?!//).*")
# A helper that answers from the files of a Secret; it has no use for what git would store.
_HELPER = (
    '!f() { test "$1" = get || exit 0; '
    f'printf \'username=%s\\npassword=%s\\n\' "$(cat {SECRET_FOLDER}/username)" "$(cat {SECRET_FOLDER}/password)"; }}; f'
)
_SSH = (
    f"ssh -i {SECRET_FOLDER}/ssh-privatekey -o IdentitiesOnly=yes "
    f"-o UserKnownHostsFile={SECRET_FOLDER}/known_hosts -o StrictHostKeyChecking=yes"
)


def job_name(run_id: str) -> str:
    """Name the Job of a run."""
    return f"gitml-{run_id}"


def job_manifest(job: JobRequest, template: Mapping[str, Any], image: str, namespace: str) -> dict[str, Any]:
    """Make the manifest of a job.

    Args:
        job: What is to be run, with the checked options of the backend.
        template: A Job of the user's; may be empty. What it says stands, except
            for name, image, command and what the options say. Its container
            named `gitml`, or else its first one, is the job's.
        image: The image.
        namespace: Where the Job goes.

    Raises:
        BackendConfigError: The template is no Job, or the remote can't be
            reached from a cluster.
    """
    manifest: dict[str, Any] = copy.deepcopy(dict(template))
    for key, value in (("apiVersion", "batch/v1"), ("kind", "Job")):
        if manifest.setdefault(key, value) != value:
            raise _not_a_job(f"its {key} is {manifest[key]!r:.80}, not '{value}'")
    labels = {RUN_LABEL: job.run_id, "app.kubernetes.io/managed-by": "gitml"}
    metadata = _part(manifest, "metadata")
    metadata.pop("generateName", None)
    metadata |= {"name": job_name(job.run_id), "namespace": namespace}
    _part(metadata, "labels").update(labels)
    _part(metadata, "annotations")["gitml/name"] = job.name
    spec = _part(manifest, "spec")
    spec.setdefault("backoffLimit", 0)
    spec.setdefault("ttlSecondsAfterFinished", _WEEK_S)
    if "ttl" in job.config:
        spec["ttlSecondsAfterFinished"] = job.config["ttl"]
    pod = _part(spec, "template")
    _part(_part(pod, "metadata"), "labels").update(labels)
    _fill_pod(_part(pod, "spec"), job, image)
    return manifest


def _fill_pod(pod: dict[str, Any], job: JobRequest, image: str) -> None:
    pod.setdefault("restartPolicy", "Never")
    pod.setdefault("terminationGracePeriodSeconds", _GRACE_S)
    if "grace" in job.config:
        pod["terminationGracePeriodSeconds"] = job.config["grace"]
    if job.resources.time_s is not None:
        pod["activeDeadlineSeconds"] = job.resources.time_s
    if "service_account" in job.config:
        pod["serviceAccountName"] = job.config["service_account"]
    container = _container(pod)
    container |= {"image": image, "command": list(job.command)}
    container.pop("args", None)  # of another command
    variables = dict(job.environment)
    if "git_secret" in job.config:
        variables |= _git_variables(job)
        _mount_secret(pod, container, str(job.config["git_secret"]))
    _set_variables(container, variables)
    for name in cast("list[str]", job.config.get("secrets", [])):
        _items(container, "envFrom").append({"secretRef": {"name": name}})
    _ask_for(container, job.resources, str(job.config.get("gpu_resource", "nvidia.com/gpu")))


def _container(pod: dict[str, Any]) -> dict[str, Any]:
    containers = _items(pod, "containers")
    if not containers:
        containers.append({"name": _CONTAINER})
    if not all(isinstance(container, dict) for container in containers):
        raise _not_a_job("a container of it is no mapping")
    chosen = next((one for one in containers if one.get("name") == _CONTAINER), containers[0])
    chosen.setdefault("name", _CONTAINER)
    return cast("dict[str, Any]", chosen)


def _set_variables(container: dict[str, Any], variables: Mapping[str, str]) -> None:
    if not variables:
        return
    kept = [one for one in _items(container, "env") if one.get("name") not in variables]
    # `$(NAME)` would be another variable's value to Kubernetes.
    ours = [{"name": name, "value": text.replace("$", "$$")} for name, text in variables.items()]
    container["env"] = kept + ours


def _mount_secret(pod: dict[str, Any], container: dict[str, Any], name: str) -> None:
    _items(pod, "volumes").append({"name": "gitml-git", "secret": {"secretName": name, "defaultMode": 0o400}})
    _items(container, "volumeMounts").append(
        {"name": "gitml-git", "mountPath": SECRET_FOLDER, "readOnly": True}
    )


def _git_variables(job: JobRequest) -> dict[str, str]:
    """Tell git where its credentials are, for the remote's host alone."""
    remote = job.remote or ""
    if remote.startswith("ssh://") or _SCP_LIKE.fullmatch(remote):
        return {"GIT_SSH_COMMAND": _SSH}
    parts = urlsplit(remote)
    return {
        "GIT_CONFIG_COUNT": "1",
        "GIT_CONFIG_KEY_0": f"credential.{parts.scheme}://{parts.netloc}.helper",
        "GIT_CONFIG_VALUE_0": _HELPER,
    }


def check_remote(remote: str | None) -> None:
    """Check that a pod can have a way to a remote.

    Raises:
        BackendConfigError: It is a folder of this machine, or there is none.
    """
    if remote is not None and (
        re.match(r"(?:https?|ssh|git)://", remote) or ("://" not in remote and _SCP_LIKE.fullmatch(remote))
    ):
        return
    raise BackendConfigError(
        f"the remote '{remote}' is on this machine, and a pod can't reach it",
        hint="name a remote with a URL: -c remote=NAME",
    )


def _ask_for(container: dict[str, Any], asked: Resources, gpu: str) -> None:
    amounts: dict[str, str] = {}
    if asked.cpus is not None:
        amounts["cpu"] = str(asked.cpus)
    if asked.memory_mib is not None:
        amounts["memory"] = f"{asked.memory_mib}Mi"
    limits = {**amounts, gpu: str(asked.gpus)} if asked.gpus else amounts
    if limits:
        resources = _part(container, "resources")
        _part(resources, "limits").update(limits)
        _part(resources, "requests").update(amounts)


def _part(mapping: dict[str, Any], key: str) -> dict[str, Any]:
    value = mapping.get(key)
    if value is None:
        value = mapping[key] = {}
    if not isinstance(value, dict):
        raise _not_a_job(f"its '{key}' is no mapping")
    return cast("dict[str, Any]", value)


def _items(mapping: dict[str, Any], key: str) -> list[Any]:
    value = mapping.get(key)
    if value is None:
        value = mapping[key] = []
    if not isinstance(value, list):
        raise _not_a_job(f"its '{key}' is no list")
    return value


def _not_a_job(what: str) -> BackendConfigError:
    return BackendConfigError(
        f"the template is no Job of Kubernetes: {what}",
        hint="kubectl create job example --image=none --dry-run=client -o yaml shows what one looks like",
    )
