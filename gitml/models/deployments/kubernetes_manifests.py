"""What a deployment is on Kubernetes, with and without KServe.

Values are put into structures, never into text, so none can become YAML.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from gitml.execution.backends.options import Kind, Option
from gitml.models.deployments.contract import DeployedModel, DeploymentRequest
from gitml.models.shipping.health import DEFAULT_PORT
from gitml.models.shipping.recipe import ENVIRONMENT_FOLDER, USER

MANAGED = {"app.kubernetes.io/managed-by": "gitml", "app.kubernetes.io/component": "model"}
NAME_LABEL = "app.kubernetes.io/instance"
MODEL, VERSION, STAGE, RUN, DIGEST = (
    f"gitml/{word}" for word in ("model", "version", "stage", "run", "digest")
)
SELECTOR = ",".join(f"{key}={value}" for key, value in MANAGED.items())
_DNS = r"[a-z0-9]([a-z0-9.-]{0,251}[a-z0-9])?"
_CPU = r"[0-9]{1,5}m|[0-9]{1,3}(\.[0-9]{1,3})?"
_PORT_NAME = "http"
_DRAIN_S = 30
_LEAVE_S = 5  # until no proxy sends anything any more to a pod that is to end

SHARED_OPTIONS: Mapping[str, Option] = {
    "kube_context": Option(Kind.TEXT, "context of the kubeconfig; its current one unless given"),
    "kubeconfig": Option(Kind.TEXT, "the kubeconfig; where kubectl looks unless given"),
    "namespace": Option(Kind.TEXT, "namespace; the context's unless given", pattern=_DNS),
    "allow_tag": Option(Kind.FLAG, "take an image by tag as it is"),
    "cpu": Option(Kind.TEXT, "processors of a pod: 500m or 2; 500m unless given", pattern=_CPU),
    "cpu_limit": Option(Kind.TEXT, "the most processors of a pod; no limit unless given", pattern=_CPU),
    "memory": Option(Kind.SIZE, "memory of a pod, asked for and allowed; 1G unless given"),
    "gpus": Option(Kind.INTEGER, "accelerators of a pod"),
    "gpu_resource": Option(Kind.TEXT, "what an accelerator is called; nvidia.com/gpu unless given"),
    "replicas": Option(Kind.INTEGER, "pods at least; 1 unless given"),
    "max_replicas": Option(Kind.INTEGER, "pods at most; as many as 'replicas' unless given"),
    "start": Option(Kind.TIME, "how long a pod may take to load the model; 5m unless given"),
    "env": Option(Kind.MAPPING, "variables of the container: -C env.GITML_SERVE_WORKERS=2"),
    "secrets": Option(Kind.TEXTS, "Secrets whose keys become variables", pattern=_DNS),
    "service_account": Option(Kind.TEXT, "service account of the pods", pattern=_DNS),
    "pull_secret": Option(Kind.TEXT, "Secret that the image is pulled with", pattern=_DNS),
    "wait": Option(Kind.TIME, "how long to wait until it is ready; 0s: not at all; 10m unless given"),
}


def metadata(request: DeploymentRequest) -> dict[str, Any]:
    """Name an object of a deployment, and say which model it is for."""
    found: dict[str, Any] = {
        "name": request.name,
        "labels": {"app.kubernetes.io/name": request.name, NAME_LABEL: request.name, **MANAGED},
        "annotations": notes_on(request.model),
    }
    if "namespace" in request.place.config:
        found["namespace"] = request.place.config["namespace"]
    return found


def notes_on(model: DeployedModel) -> dict[str, str]:
    """Say which model it is; `kubectl rollout history` shows the last one."""
    facts = {
        MODEL: model.title,
        VERSION: None if model.version is None else str(model.version),
        STAGE: model.stage,
        RUN: model.run_id,
        DIGEST: model.digest,
        "kubernetes.io/change-cause": model.label + (f" ({model.stage})" if model.stage else ""),
    }
    return {key: value for key, value in facts.items() if value}


def objects(request: DeploymentRequest) -> dict[str, dict[str, Any]]:
    """The objects of a deployment without KServe, by the names of files."""
    least, most = replicas(request.place.config)
    labels = {NAME_LABEL: request.name, **MANAGED}
    found = {
        "deployment.yaml": _deployment(request, labels, least if most == least else None),
        "service.yaml": {
            "apiVersion": "v1",
            "kind": "Service",
            "metadata": metadata(request),
            "spec": {
                "type": request.place.config.get("service_type", "ClusterIP"),
                "selector": labels,
                "ports": [{"name": _PORT_NAME, "port": 80, "targetPort": _PORT_NAME, "protocol": "TCP"}],
            },
        },
        "pdb.yaml": {
            "apiVersion": "policy/v1",
            "kind": "PodDisruptionBudget",
            "metadata": metadata(request),
            "spec": {"maxUnavailable": 1, "selector": {"matchLabels": labels}},
        },
    }
    if most > least:
        found["hpa.yaml"] = _autoscaler(request, least, most)
    return found


def _deployment(request: DeploymentRequest, labels: Mapping[str, str], count: int | None) -> dict[str, Any]:
    # Where an autoscaler counts the pods, whoever applies this must not set their number back.
    counted = {} if count is None else {"replicas": count}
    start_s = int(request.place.config.get("start", 300))
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": metadata(request),
        "spec": {
            **counted,
            "revisionHistoryLimit": 10,
            "progressDeadlineSeconds": start_s + 300,
            "strategy": {"type": "RollingUpdate", "rollingUpdate": {"maxSurge": 1, "maxUnavailable": 0}},
            "selector": {"matchLabels": dict(labels)},
            "template": {
                "metadata": {"labels": dict(labels), "annotations": notes_on(request.model)},
                "spec": pod(request, "model"),
            },
        },
    }


def _autoscaler(request: DeploymentRequest, least: int, most: int) -> dict[str, Any]:
    load = int(request.place.config.get("target_cpu", 70))
    return {
        "apiVersion": "autoscaling/v2",
        "kind": "HorizontalPodAutoscaler",
        "metadata": metadata(request),
        "spec": {
            "scaleTargetRef": {"apiVersion": "apps/v1", "kind": "Deployment", "name": request.name},
            "minReplicas": least,
            "maxReplicas": most,
            "metrics": [
                {
                    "type": "Resource",
                    "resource": {
                        "name": "cpu",
                        "target": {"type": "Utilization", "averageUtilization": load},
                    },
                }
            ],
        },
    }


def inference_service(request: DeploymentRequest) -> dict[str, Any]:
    """The one object of a deployment with KServe, which makes the others of it."""
    config = request.place.config
    least, most = replicas(config)
    predictor = pod(request, "kserve-container")
    container = predictor["containers"][0]
    # How KServe learns of a container of one's own that it speaks the Open Inference Protocol.
    container["env"].append({"name": "PROTOCOL", "value": "v2"})
    # Knative takes that of a container alone.
    container["securityContext"] |= predictor.pop("securityContext")
    del container["securityContext"]["fsGroup"]
    del container["lifecycle"], predictor["terminationGracePeriodSeconds"]  # Knative's own affair
    # Of probes it takes some alone, and of ports one.
    del container["startupProbe"], container["livenessProbe"]
    container["ports"] = [{"containerPort": DEFAULT_PORT, "protocol": "TCP"}]
    container["readinessProbe"] = {"httpGet": {"path": "/ping", "port": DEFAULT_PORT}, "periodSeconds": 5}
    predictor |= {"minReplicas": 0 if config.get("scale_to_zero") else least, "maxReplicas": most}
    if "canary" in config:
        predictor["canaryTrafficPercent"] = config["canary"]
    described = metadata(request)
    if "deployment_mode" in config:
        described["annotations"]["serving.kserve.io/deploymentMode"] = config["deployment_mode"]
    return {
        "apiVersion": "serving.kserve.io/v1beta1",
        "kind": "InferenceService",
        "metadata": described,
        "spec": {"predictor": predictor},
    }


def replicas(config: Mapping[str, Any]) -> tuple[int, int]:
    """How many pods there are at least and at most."""
    least = max(1, int(config.get("replicas", 1)))
    return least, max(least, int(config.get("max_replicas", least)))


def pod(request: DeploymentRequest, name: str) -> dict[str, Any]:
    """A pod with the model's image as its one container."""
    config = request.place.config
    user, _, group = USER.partition(":")
    found: dict[str, Any] = {
        "automountServiceAccountToken": False,
        "enableServiceLinks": False,
        "securityContext": {
            "runAsNonRoot": True,
            "runAsUser": int(user),
            "runAsGroup": int(group),
            "fsGroup": int(group),
            "seccompProfile": {"type": "RuntimeDefault"},
        },
        "terminationGracePeriodSeconds": _LEAVE_S + _DRAIN_S + 10,
        "containers": [_container(request, name)],
        "volumes": [{"name": "tmp", "emptyDir": {}}],  # the only place that can be written to
    }
    if "service_account" in config:
        found["serviceAccountName"] = config["service_account"]
    if "pull_secret" in config:
        found["imagePullSecrets"] = [{"name": config["pull_secret"]}]
    return found


def _container(request: DeploymentRequest, name: str) -> dict[str, Any]:
    config, model = request.place.config, request.model
    variables = {
        "GITML_SERVE_PORT": str(DEFAULT_PORT),
        "GITML_SERVE_DRAIN": str(_DRAIN_S),
        "GITML_SERVE_NAME": request.name,
        **config.get("env", {}),
    }
    probe = {"httpGet": {"path": "/ping", "port": _PORT_NAME}, "timeoutSeconds": 5}
    tries = max(1, int(config.get("start", 300)) // 5)
    found: dict[str, Any] = {
        "name": name,
        "image": model.image,
        "args": ["serve"],
        "ports": [{"name": _PORT_NAME, "containerPort": DEFAULT_PORT, "protocol": "TCP"}],
        # `$$` is how a literal `$` is written; `$(NAME)` would be another variable.
        "env": [{"name": key, "value": value.replace("$", "$$")} for key, value in variables.items()],
        "resources": _resources(config),
        "startupProbe": {**probe, "periodSeconds": 5, "failureThreshold": tries},
        "readinessProbe": {**probe, "periodSeconds": 5, "failureThreshold": 3},
        "livenessProbe": {**probe, "periodSeconds": 15, "failureThreshold": 4},
        "lifecycle": {
            "preStop": {
                "exec": {
                    "command": [
                        f"{ENVIRONMENT_FOLDER}/bin/python",
                        "-c",
                        f"import time; time.sleep({_LEAVE_S})",
                    ]
                }
            }
        },
        "securityContext": {
            "allowPrivilegeEscalation": False,
            "readOnlyRootFilesystem": True,
            "capabilities": {"drop": ["ALL"]},
        },
        "volumeMounts": [{"name": "tmp", "mountPath": "/tmp"}],  # noqa: S108 - in the container
    }
    if "secrets" in config:
        found["envFrom"] = [{"secretRef": {"name": secret}} for secret in config["secrets"]]
    return found


def _resources(config: Mapping[str, Any]) -> dict[str, Any]:
    memory = f"{config.get('memory', 1024)}Mi"
    limits: dict[str, str] = {"memory": memory}  # what is asked for: a pod is not ended for what others use
    if "cpu_limit" in config:
        limits["cpu"] = config["cpu_limit"]
    if config.get("gpus"):
        limits[str(config.get("gpu_resource", "nvidia.com/gpu"))] = str(config["gpus"])
    return {"requests": {"cpu": config.get("cpu", "500m"), "memory": memory}, "limits": limits}
