"""Jobs on Kubernetes: one Job a run, from a template of the user's."""

from __future__ import annotations

import os
import re
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from gitml.errors import DamagedError, GitmlError
from gitml.execution.backends.contract import BackendError, JobHandle, JobRequest, JobState, JobStatus
from gitml.execution.backends.kubernetes_cluster import NAME, Cluster
from gitml.execution.backends.kubernetes_manifest import check_remote, job_manifest
from gitml.execution.backends.options import BackendConfigError, Kind, Option
from gitml.execution.containers.engine import find_engine
from gitml.execution.containers.image import check_reference, get_image, name_by_digest
from gitml.formats import yaml
from gitml.progress import no_progress

_BY_DIGEST = re.compile(r".+@sha256:[0-9a-f]{64}")
_DNS = r"[a-z0-9]([a-z0-9.-]{0,251}[a-z0-9])?"
_WAIT_S = 1.0


class KubernetesBackend:
    """Jobs of a cluster, by the official client."""

    name = NAME
    options: Mapping[str, Option] = {
        "kube_context": Option(Kind.TEXT, "context of the kubeconfig; its current one unless given"),
        "kubeconfig": Option(Kind.TEXT, "the kubeconfig; where kubectl looks unless given"),
        "namespace": Option(Kind.TEXT, "namespace; the context's unless given", pattern=_DNS),
        "image": Option(Kind.TEXT, "an image that has gitml and git, by digest"),
        "repository_uri": Option(
            Kind.TEXT, "MLflow's name for the image's repository: used where there is no 'image'"
        ),
        "allow_tag": Option(Kind.FLAG, "take an image by tag as it is"),
        "kube_job_template_path": Option(Kind.TEXT, "a Job in YAML or JSON that is filled in"),
        "template": Option(Kind.TEXT, "another name of kube_job_template_path"),
        "service_account": Option(Kind.TEXT, "service account of the pod", pattern=_DNS),
        "git_secret": Option(
            Kind.TEXT,
            "Secret with git's credentials, of type basic-auth, or ssh-auth with known_hosts",
            pattern=_DNS,
        ),
        "secrets": Option(Kind.TEXTS, "Secrets whose keys become environment variables", pattern=_DNS),
        "gpu_resource": Option(Kind.TEXT, "what an accelerator is called; nvidia.com/gpu unless given"),
        "grace": Option(Kind.TIME, "how long a cancelled job has to push; 60s unless given"),
        "ttl": Option(Kind.TIME, "how long a finished Job is kept; 7d unless given"),
    }
    own_clone = True
    program = ("gitml",)

    def check(self, config: Mapping[str, object]) -> None:
        """Refuse a configuration that no job can be made of.

        Raises:
            BackendConfigError: There is no image in it, or its template can't be read.
        """
        _image_name(config, _template(config))

    def submit(self, job: JobRequest) -> str:
        """Create the Job; its id here is its namespace and name."""
        check_remote(job.remote)
        template = _template(job.config)
        image = _pinned(_image_name(job.config, template), allow_tag=bool(job.config.get("allow_tag")))
        cluster = _cluster(job.config)
        name = cluster.create(job_manifest(job, template, image, cluster.namespace))
        return f"{cluster.namespace}/{name}"

    def status(self, job: JobHandle) -> JobStatus:
        """Ask the API server; a Job that is gone is cancelled if that was our doing, else unknown."""
        cluster, name = _located(job)
        found = cluster.job(name)
        if found is None:
            return JobStatus(JobState.CANCELLED if _cancel_mark(job).exists() else JobState.UNKNOWN)
        pods = cluster.pods(job.run_id)
        code, reason = _ending(pods)
        for condition in found.status.conditions or ():
            if condition.status != "True":
                continue
            if condition.type == "Complete":
                return JobStatus(JobState.FINISHED, 0)
            if condition.type == "Failed":
                words = reason or condition.message or condition.reason
                return JobStatus(JobState.FAILED, code, words)
            if condition.type == "Suspended":
                return JobStatus(JobState.PENDING, reason=condition.message or "suspended")
        if pods and pods[-1].status.phase not in (None, "Pending"):
            return JobStatus(JobState.RUNNING)
        return JobStatus(JobState.PENDING, reason=_waits_for(pods))

    def logs(self, job: JobHandle, *, follow: bool) -> Iterator[bytes]:
        """Give what the pods printed, one after the other if the Job tried again."""
        cluster, name = _located(job)
        given: dict[str, int] = {}
        while True:
            found = cluster.job(name)
            for pod in cluster.pods(job.run_id):
                if pod.status.phase not in (None, "Pending"):
                    yield from _news(cluster, pod, given, follow=follow)
            if found is None and not given:
                raise BackendError(NAME, "the Job is gone, and its output with it", hint="gitml show RUN")
            if not follow or found is None or _is_over(found):
                return
            time.sleep(_WAIT_S)

    def cancel(self, job: JobHandle) -> None:
        """Delete the Job: its pod gets SIGTERM and has time to push."""
        cluster, name = _located(job)
        found = cluster.job(name)
        if found is None or _is_over(found):
            return
        _cancel_mark(job).touch()
        cluster.delete(name)


def _news(cluster: Cluster, pod: Any, given: dict[str, int], *, follow: bool) -> Iterator[bytes]:
    """Give what a pod printed since it was last asked: proxies between us and it cut what is long silent."""
    name = str(pod.metadata.name)
    skip = given.setdefault(name, 0)
    for piece in cluster.log(name, _container_name(pod), follow=follow):
        new = piece[skip:]
        skip -= len(piece) - len(new)
        given[name] += len(new)
        if new:
            yield new


def _cluster(config: Mapping[str, object], namespace: str | None = None) -> Cluster:
    def text(key: str) -> str | None:
        value = config.get(key)
        return None if value is None else str(value)

    return Cluster(
        kubeconfig=text("kubeconfig"),
        context=text("kube_context"),
        namespace=namespace or text("namespace"),
    )


def _located(job: JobHandle) -> tuple[Cluster, str]:
    """The namespace is in the id: that of the context may be another one by now."""
    namespace, _, name = job.id.partition("/")
    return _cluster(job.config, namespace), name


def _cancel_mark(job: JobHandle) -> Path:
    return job.folder / f"{job.run_id}.cancelled"


def _template(config: Mapping[str, object]) -> dict[str, Any]:
    path = config.get("kube_job_template_path") or config.get("template")
    if path is None:
        return {}
    try:
        return yaml.load_mapping(Path(str(path)).read_bytes(), source=str(path))
    except OSError as err:
        raise BackendConfigError(
            f"the template '{path}' can't be read: {(err.strerror or str(err)).lower()}"
        ) from err
    except DamagedError as err:
        raise BackendConfigError(err.message) from err


def _image_name(config: Mapping[str, object], template: Mapping[str, Any]) -> str:
    given = config.get("image") or config.get("repository_uri")
    if given is None:
        # MLflow's examples have a sentence in braces there.
        found = str(_template_image(template) or "")
        given = found if not found.startswith("{") else ""
    if not given:
        raise BackendConfigError(
            "backend 'kubernetes' needs an image that has gitml",
            hint="gitml run --backend kubernetes -c image=NAME@sha256:... ...",
        )
    return check_reference(str(given))


def _template_image(template: Mapping[str, Any]) -> object:
    try:
        containers = template["spec"]["template"]["spec"]["containers"]
        return next((one for one in containers if one.get("name") == "gitml"), containers[0])["image"]
    except (KeyError, IndexError, TypeError, AttributeError):
        return None


def _pinned(name: str, *, allow_tag: bool) -> str:
    """Name an image by digest: a tag can come to mean another image while the job waits."""
    if allow_tag or _BY_DIGEST.fullmatch(name):
        return name
    hint = "name it by digest: -c image=NAME@sha256:...; or take the tag: -c allow_tag=true"
    try:
        engine, _ = find_engine(os.environ)
        found = name_by_digest(get_image(engine, name, no_progress))
    except GitmlError as err:
        raise BackendConfigError(
            f"the image '{name}' is not named by digest, and it can't be looked up: {err}", hint=hint
        ) from err
    if found is None:
        raise BackendConfigError(f"the image '{name}' was never pushed to its registry", hint=hint)
    return found


def _is_over(job: Any) -> bool:
    return any(
        condition.status == "True" and condition.type in ("Complete", "Failed")
        for condition in job.status.conditions or ()
    )


def _container_name(pod: Any) -> str:
    names = [container.name for container in pod.spec.containers]
    return "gitml" if "gitml" in names else str(names[0])


def _state(pod: Any) -> Any:
    name = _container_name(pod)
    for status in pod.status.container_statuses or ():
        if status.name == name:
            return status.state
    return None


def _ending(pods: list[Any]) -> tuple[int | None, str | None]:
    """How the last pod ended: its exit code, and why if that is not just the code."""
    for pod in reversed(pods):
        state = _state(pod)
        if state is not None and state.terminated is not None:
            reason = state.terminated.reason
            said = state.terminated.message or (
                reason if reason not in (None, "Error", "Completed") else None
            )
            return state.terminated.exit_code, said or pod.status.message
        if pod.status.phase == "Failed":
            return None, pod.status.message or pod.status.reason
    return None, None


def _waits_for(pods: list[Any]) -> str | None:
    if not pods:
        return None
    state = _state(pods[-1])
    if state is not None and state.waiting is not None:
        return ": ".join(word for word in (state.waiting.reason, state.waiting.message) if word)
    for condition in pods[-1].status.conditions or ():
        if condition.type == "PodScheduled" and condition.status == "False":
            return str(condition.message or condition.reason)
    return None
