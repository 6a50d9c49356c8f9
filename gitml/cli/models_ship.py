"""`gitml models build-image` and `dockerfile`: a model as a container image."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from gitml.cli.models_arguments import say
from gitml.cli.models_predict import ModelPlace, TrustOption
from gitml.cli.output import json_errors, warn
from gitml.errors import UsageError

if TYPE_CHECKING:
    from gitml.models.shipping.context import ImageOptions

BaseOption = Annotated[
    str | None,
    typer.Option(
        "--base",
        metavar="IMAGE",
        help="The image to build on; python:3.N-slim of the model's version if not given.",
    ),
]
ManagerOption = Annotated[
    str, typer.Option("--env-manager", metavar="NAME", help="What installs packages in the image: pip or uv.")
]
WheelsOption = Annotated[
    Path | None,
    typer.Option(
        "--wheels",
        metavar="DIR",
        help="All packages, as files in this folder: nothing is fetched for the build.",
    ),
]
SystemOption = Annotated[
    list[str] | None,
    typer.Option(
        "--system-package", metavar="NAME", help="A Debian package to add, such as libgomp1. Repeatable."
    ),
]
PlatformOption = Annotated[
    str | None,
    typer.Option(
        "--platform", metavar="OS/ARCH", help="linux/amd64 or linux/arm64; this machine's if not given."
    ),
]
EngineOption = Annotated[
    str | None,
    typer.Option(
        "--engine", metavar="NAME", help="docker, podman or buildah; whichever is there if not given."
    ),
]
FreshOption = Annotated[bool, typer.Option("--no-cache", help="Take nothing from earlier builds.")]
PushOption = Annotated[
    bool, typer.Option("--push", help="Push it; the version then says which image it is in, for deploy.")
]
AllowTagOption = Annotated[
    bool,
    typer.Option(
        "--allow-tag", help="Where the digest of the base can't be had, write its tag into the Dockerfile."
    ),
]
JsonOption = Annotated[
    bool,
    typer.Option("--json", help="One JSON document instead of text.", callback=json_errors, is_eager=True),
]


def build_image(
    model: ModelPlace,
    tag: Annotated[
        list[str] | None,
        typer.Option(
            "--tag", "-t", "--name", "-n", metavar="TAG", help="What to call the image. Repeatable."
        ),
    ] = None,
    dockerfile: Annotated[
        Path | None,
        typer.Option(
            "--dockerfile",
            metavar="DIR",
            help="Build nothing; write what it would be built of into a new or empty folder.",
        ),
    ] = None,
    engine: EngineOption = None,
    base: BaseOption = None,
    manager: ManagerOption = "pip",
    wheels: WheelsOption = None,
    system_package: SystemOption = None,
    platform: PlatformOption = None,
    push: PushOption = False,
    no_cache: FreshOption = False,
    allow_tag: AllowTagOption = False,
    trust: TrustOption = False,
    json: JsonOption = False,
) -> None:
    """Build a container image that serves a model on port 8080; print its id, or its digest once pushed.

    It has exact packages by hash, runs as an ordinary user and has a health check. The same model gives the
    same layers with Podman and Buildah.

    Examples:
      gitml models build-image churn@v3 -t churn:3
      gitml models build-image churn#production -t churn:3 --push
      gitml models build-image ./model -t churn:3 --wheels ./wheelhouse
      gitml models build-image churn@v3 --dockerfile ./image
    """
    from gitml.models.shipping.shipping import build_image as build
    from gitml.render.progress import progress

    options = _options(base, manager, wheels, system_package, platform, trust=trust, allow_tag=allow_tag)
    if dockerfile is not None:
        _check_alone(push=push, no_cache=no_cache, json=json)
        _write(model, dockerfile, options, engine=engine, tag=tag)
        return
    if allow_tag:
        raise UsageError("--allow-tag goes with --dockerfile", hint="a build says which base it took")
    if not tag:
        raise UsageError("the image has no name", hint="-t churn:3; or, to build nothing: --dockerfile DIR")
    image, notes = build(
        model, tag, options, builder=engine, fresh=no_cache, send=push, environ=os.environ, progress=progress
    )
    for note in notes:
        warn(note)
    if json:
        from gitml.render.as_json import dump_json

        facts = {
            "tags": tag, "id": image.id, "digest": image.digest, "base": image.base, "builder": image.builder,
        }  # fmt: skip
        sys.stdout.write(dump_json("image", facts))
        return
    print(image.digest or image.id)
    say(f"try it: {_runner(image.builder)} run --rm -p 8080:8080 {image.name}")


def dockerfile(
    model: ModelPlace,
    folder: Annotated[Path, typer.Argument(metavar="DIR", help="A new or empty folder.")],
    base: BaseOption = None,
    manager: ManagerOption = "pip",
    wheels: WheelsOption = None,
    system_package: SystemOption = None,
    platform: PlatformOption = None,
    allow_tag: AllowTagOption = False,
    trust: TrustOption = False,
) -> None:
    """Write what an image of a model is built of: Dockerfile, model, and a lock with hashes.

    The base is pinned by its digest, for which an engine must be here that has the image or can pull it.

    Examples:
      gitml models dockerfile churn@v3 ./image
      docker build -t churn:3 ./image
    """
    options = _options(base, manager, wheels, system_package, platform, trust=trust, allow_tag=allow_tag)
    _write(model, folder, options)


ModelOption = Annotated[
    str, typer.Option("--model-uri", "-m", metavar="MODEL", help="The model, as in models build-image.")
]


def build_docker(
    model: ModelOption,
    name: Annotated[str, typer.Option("--name", "-n", metavar="TAG", help="What to call the image.")] = (
        "mlflow-pyfunc-servable"
    ),
    base: Annotated[
        str | None, typer.Option("--base-image", "--base", metavar="IMAGE", help="As in models build-image.")
    ] = None,
    manager: ManagerOption = "pip",
    wheels: WheelsOption = None,
    trust: TrustOption = False,
) -> None:
    """Build a container image of a model, with MLflow's options; see models build-image.

    Example: gitml models build-docker -m models:/churn/3 -n churn
    """
    build_image(model, [name], base=base, manager=_manager(manager), wheels=wheels, trust=trust)


def generate_dockerfile(
    model: ModelOption,
    folder: Annotated[
        Path, typer.Option("--output-directory", "-d", metavar="DIR", help="A new or empty folder.")
    ] = Path("mlflow-dockerfile"),
    base: Annotated[
        str | None, typer.Option("--base-image", "--base", metavar="IMAGE", help="As in models build-image.")
    ] = None,
    manager: ManagerOption = "pip",
    wheels: WheelsOption = None,
    allow_tag: AllowTagOption = False,
    trust: TrustOption = False,
) -> None:
    """Write a Dockerfile for a model, with MLflow's options; see models dockerfile.

    Example: gitml models generate-dockerfile -m models:/churn/3 -d ./image
    """
    options = _options(base, _manager(manager), wheels, None, None, trust=trust, allow_tag=allow_tag)
    _write(model, folder, options)


def in_image(
    words: Annotated[
        list[str] | None,
        typer.Argument(metavar="[serve [OPTION...]]", help="What platforms start a container with."),
    ] = None,
) -> None:
    """Serve the model of this container: what its image starts.

    Options of models serve can be variables: GITML_SERVE_WORKERS=4 is --workers 4. The port is GITML_SERVE_PORT,
    or what SageMaker, Vertex AI or Knative say, or 8080.

    Example: podman run --rm -p 8080:8080 -e GITML_SERVE_WORKERS=2 churn:3
    """
    import click

    from gitml.cli.models import ModelsGroup
    from gitml.models.shipping.health import chosen_port
    from gitml.models.shipping.recipe import MODEL_FOLDER

    given = list(words or ["serve"])
    if given[0] != "serve":
        raise UsageError(f"this image serves a model, and can't '{given[0]}'", hint="start it with: serve")
    context = click.get_current_context()
    serve = ModelsGroup().get_command(context, "serve")
    if serve is None:  # it is one of ours
        raise AssertionError
    place = ["--host=0.0.0.0", f"--port={chosen_port()}"]
    status = serve.main(
        [*place, *given[1:], MODEL_FOLDER], prog_name="gitml models serve", standalone_mode=False,
        auto_envvar_prefix="GITML_SERVE",
    )  # fmt: skip
    if status:
        raise typer.Exit(status)


def _manager(given: str) -> str:
    """MLflow's word for what pip makes."""
    return "pip" if given in ("virtualenv", "local") else given


def _options(
    base: str | None, manager: str, wheels: Path | None, system: list[str] | None, platform: str | None, *,
    trust: bool, allow_tag: bool = False,
) -> ImageOptions:  # fmt: skip
    from gitml.models.shipping.context import ImageOptions as Options

    return Options(base, manager, wheels, tuple(system or ()), platform, trust or None, allow_tag)


def _check_alone(**given: bool) -> None:
    for word, value in given.items():
        if value:
            option = "--" + word.replace("_", "-")
            raise UsageError(
                f"{option} and --dockerfile can't be combined", hint="--dockerfile builds nothing"
            )


def _write(
    model: str,
    folder: Path,
    options: ImageOptions,
    *,
    engine: str | None = None,
    tag: list[str] | None = None,
) -> None:
    from gitml.models.shipping.shipping import make_context
    from gitml.render.progress import progress

    context = make_context(model, folder, options, builder=engine, environ=os.environ, progress=progress)
    for note in context.notes:
        warn(note)
    print(folder / "Dockerfile")
    names = " ".join(f"-t {name}" for name in tag or ["NAME"])
    say(f"build it: {engine or 'docker'} build {names} {folder}")


def _runner(builder: str) -> str:
    name = builder.partition(" ")[0]
    return "podman" if name == "buildah" else name
