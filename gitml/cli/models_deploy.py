"""`gitml models deploy`: a model that answers somewhere, on this machine or on others."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from gitml.cli import complete_models
from gitml.cli.models_arguments import say
from gitml.cli.models_predict import TrustOption
from gitml.cli.output import json_errors, warn
from gitml.cli.pairs import read_pairs
from gitml.errors import NotFoundError, UsageError

if TYPE_CHECKING:
    from gitml.models.deployments.contract import Deployment, DeploymentRequest, Place, Target

_EXAMPLE = "gitml models deploy churn#production --target kubernetes -C replicas=2"
_CONTENT_TYPES = {
    ".json": "application/json",
    ".csv": "text/csv",
    ".parquet": "application/vnd.apache.parquet",
}


def deploy(
    model: Annotated[
        str | None,
        typer.Argument(
            metavar="MODEL",
            help="A model: churn#production, churn@v3, models:/churn/3, or a folder; or a deployment's name.",
            autocompletion=complete_models.names,
        ),
    ] = None,
    target: Annotated[
        str,
        typer.Option(
            "--target", "-t", metavar="NAME", help="local, kubernetes, kserve, azureml, sagemaker or vertex."
        ),
    ] = "local",
    name: Annotated[
        str | None, typer.Option("--name", metavar="NAME", help="What to call it; as the model if not given.")
    ] = None,
    image: Annotated[
        str | None,
        typer.Option(
            "--image", metavar="IMAGE", help="The model's image, by digest; the pushed one if not given."
        ),
    ] = None,
    config: Annotated[
        list[str] | None,
        typer.Option("--config", "-C", metavar="KEY=VALUE", help="An option of the target. Repeatable."),
    ] = None,
    update: Annotated[bool, typer.Option("--update", help="Give the deployment this model.")] = False,
    delete: Annotated[bool, typer.Option("--delete", help="End the deployment.")] = False,
    show: Annotated[bool, typer.Option("--show", help="Say how the deployment stands.")] = False,
    list_all: Annotated[bool, typer.Option("--list", help="List all deployments of the target.")] = False,
    predict: Annotated[
        Path | None,
        typer.Option(
            "--predict", metavar="FILE", help="Send it a request: .json, .csv or .parquet; print the answer."
        ),
    ] = None,
    output: Annotated[
        Path | None,
        typer.Option("--output", metavar="DIR", help="Write manifests into a folder, and reach no cluster."),
    ] = None,
    options: Annotated[bool, typer.Option("--options", help="List what -C takes for the target.")] = False,
    trust: TrustOption = False,
    json: Annotated[
        bool,
        typer.Option(
            "--json", help="One JSON document instead of text.", callback=json_errors, is_eager=True
        ),
    ] = False,
) -> None:
    """Deploy a model, update it to another version, ask it, or end it.

    On clusters and clouds it is the image that gitml models build-image --push made. What answers goes on
    answering until the new version does. A stage is what it is now: after gitml models promote or rollback,
    --update brings the deployment there.

    Examples:
      gitml models deploy churn#production --target kubernetes -C replicas=2
      gitml models deploy churn#production --target kubernetes --update
      gitml models deploy churn#production --target kserve --output manifests
      gitml models deploy churn --target local --predict rows.json
    """
    from gitml.models.deployments.registry import find_target
    from gitml.models.deployments.requesting import make_place, make_request

    _check_one(
        update=update,
        delete=delete,
        show=show,
        list=list_all,
        options=options,
        predict=predict,
        output=output,
    )
    place_of = find_target(target)
    if options:
        _print_options(place_of)
        return
    place = make_place(place_of, read_pairs(config or [], _EXAMPLE), os.environ)
    if list_all:
        _print_all([*place_of.list(place)], json=json)
        return
    if model is None:
        raise UsageError("no model is given", hint=_EXAMPLE)
    if delete or show or predict is not None:
        _on_one(place_of, place, name or model, delete=delete, predict=predict, json=json)
        return
    request = make_request(place_of, model, place, name=name, image=image, trust=trust)
    if output is not None:
        _write(place_of, request, output)
        return
    done = place_of.update(request) if update else place_of.create(request)
    _print(done, json=json)
    say(
        f"{request.model.label} is {done.state.value} on {target}"
        + (f": {done.reason}" if done.reason else "")
    )


def _check_one(**asked: object) -> None:
    given = [f"--{word}" for word, value in asked.items() if value]
    if len(given) > 1 and given != ["--update", "--output"]:
        raise UsageError(f"{' and '.join(given)} can't be combined", hint="give one of them")


def _on_one(
    target: Target, place: Place, called: str, *, delete: bool, predict: Path | None, json: bool
) -> None:
    from gitml.models.deployments.requesting import default_name
    from gitml.render.text import clean

    name = default_name(called)
    if delete:
        target.delete(name, place)
        say(f"{clean(name)} is gone from {target.name}")
    elif predict is not None:
        kind = _CONTENT_TYPES.get(predict.suffix)
        if kind is None:
            raise UsageError(
                f"'{predict}' is not {', '.join(_CONTENT_TYPES)}", hint="a request of MLflow's: rows.json"
            )
        try:
            body = predict.read_bytes()
        except OSError as err:
            raise NotFoundError(f"'{predict}' can't be read: {err.strerror}") from err
        answer = target.predict(name, body, kind, place)
        sys.stdout.write(answer.decode("utf-8", "replace").rstrip("\n") + "\n")
    else:
        _print(target.get(name, place), json=json)


def _write(target: Target, request: DeploymentRequest, folder: Path) -> None:
    from gitml.models.deployments.contract import WritesManifests
    from gitml.models.deployments.writing import write_manifests

    if not isinstance(target, WritesManifests):
        raise UsageError(
            f"--output is for clusters; '{target.name}' has no manifests", hint="--target kubernetes"
        )
    done = write_manifests(folder, request.name, target.manifests(request))
    for path in done.written:
        print(path, flush=True)
    for path in done.removed:
        warn(f"'{path}' of an earlier call is removed; what was made of it in a cluster stays there")
    say(f"{request.model.label}: apply them with kubectl apply -f {folder}, or commit them for GitOps")


def _print_options(target: Target) -> None:
    if not target.options:
        warn(f"'{target.name}' has no options")
    width = max(map(len, target.options), default=0)
    for key, option in sorted(target.options.items()):
        print(f"{key:<{width}}  {option.kind.value}: {option.help}")


def _document(found: Deployment) -> dict[str, Any]:
    return {
        "name": found.name,
        "target": found.target,
        "state": found.state.value,
        "model": found.model,
        "version": found.version,
        "image": found.image,
        "address": found.address,
        "reason": found.reason,
    }


def _print_all(found: list[Deployment], *, json: bool) -> None:
    if json:
        from gitml.render.as_json import dump_json

        sys.stdout.write(dump_json("deployments", [_document(one) for one in found]))
        return
    for one in found:
        print(_line(one))


def _print(found: Deployment, *, json: bool) -> None:
    if json:
        from gitml.render.as_json import dump_json

        sys.stdout.write(dump_json("deployment", _document(found)))
        return
    print(_line(found))


def _line(found: Deployment) -> str:
    from gitml.render.text import clean

    version = "" if found.version is None else f" v{found.version}"
    parts = (found.name, found.state.value, f"{found.model or ''}{version}", found.address or "")
    return "  ".join(clean(part) for part in parts if part)
