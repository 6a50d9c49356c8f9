"""`gitml models serve`: a model behind HTTP."""

from __future__ import annotations

import errno
import os
import sys
from enum import Enum
from pathlib import Path
from typing import Annotated

import typer

from gitml.cli.models_arguments import say
from gitml.cli.models_predict import ModelPlace, TrustOption
from gitml.cli.terminal import signs
from gitml.errors import GitmlError, UsageError

_UNITS = {"": 1, "k": 1024, "m": 1024**2, "g": 1024**3}


class EnvironmentChoice(str, Enum):
    """What a model is served in."""

    LOCAL = "local"
    UV = "uv"


class AddressTakenError(GitmlError):
    """The address to listen on can't be had."""

    exit_code = 5

    def __init__(self, host: str, port: int, err: OSError) -> None:
        in_use = err.errno in (errno.EADDRINUSE, errno.EACCES)
        super().__init__(
            f"can't listen on {host}:{port}: {(err.strerror or str(err)).lower()}",
            hint="give another --port; --port 0 takes any that is free"
            if in_use
            else "--host is an address of this machine: 127.0.0.1, or 0.0.0.0 for all of them",
        )


def serve(
    model: ModelPlace,
    host: Annotated[
        str, typer.Option("--host", metavar="ADDRESS", help="The address to listen on.")
    ] = "127.0.0.1",
    port: Annotated[
        int, typer.Option("--port", "-p", metavar="N", min=0, max=65535, help="The port; 0: any free one.")
    ] = 5000,
    workers: Annotated[
        int, typer.Option("--workers", "-w", metavar="N", min=1, help="Processes, each with the model.")
    ] = 1,
    threads: Annotated[
        int,
        typer.Option(
            "--threads",
            metavar="N",
            min=1,
            help="Calls at once in a process, of models that are not batched.",
        ),
    ] = 8,
    env: Annotated[
        EnvironmentChoice,
        typer.Option(
            "--env",
            "--env-manager",
            help="local: as it is here; uv: in the model's own environment, made by uv.",
        ),
    ] = EnvironmentChoice.LOCAL,
    follow: Annotated[
        bool,
        typer.Option("--follow", help="Serve what the stage or alias leads to from then on, without a gap."),
    ] = False,
    follow_every: Annotated[
        float, typer.Option("--follow-every", metavar="SECONDS", min=0.05, help="How often to look for that.")
    ] = 5.0,
    timeout: Annotated[
        float,
        typer.Option(
            "--timeout", "-t", metavar="SECONDS", min=0.001, help="For a request, until it is answered."
        ),
    ] = 60.0,
    max_request_size: Annotated[
        str, typer.Option("--max-request-size", metavar="SIZE", help="The longest body taken: 500k, 64M, 1G.")
    ] = "64M",
    batch: Annotated[
        int | None,
        typer.Option(
            "--batch",
            metavar="ROWS",
            min=1,
            help="Rows of waiting requests that are predicted together at most; 1: none. If not given, 256 for models "
            "that are known to predict row by row.",
            show_default=False,
        ),
    ] = None,
    batch_wait: Annotated[
        float, typer.Option("--batch-wait", metavar="SECONDS", min=0, help="Wait so long for others to join.")
    ] = 0.0,
    drain: Annotated[
        float,
        typer.Option(
            "--drain", metavar="SECONDS", min=0, help="For requests under way when the server is to end."
        ),
    ] = 30.0,
    allow_host: Annotated[
        list[str] | None,
        typer.Option(
            "--allow-host",
            metavar="NAME",
            help="Answer to this name too, or with --host to such names only; can be given again.",
            show_default=False,
        ),
    ] = None,
    name: Annotated[
        str | None,
        typer.Option("--name", metavar="NAME", help="What /v2/models/NAME calls it.", show_default=False),
    ] = None,
    pid_file: Annotated[
        Path | None,
        typer.Option(
            "--pid-file",
            metavar="FILE",
            help="Write the number of the process here once requests are answered.",
            show_default=False,
        ),
    ] = None,
    trust: TrustOption = False,
) -> None:
    """Serve a model: MLflow's scoring protocol, and the Open Inference Protocol.

    /invocations, /ping, /health, /version · /v2/models/NAME/infer · /docs, /openapi.json, /metrics.
    It listens on this machine only, unless --host says otherwise. SIGTERM and Ctrl-C let it finish
    what is under way; the exit code is 0 then.

    Examples:
      gitml models serve churn#production --follow
      gitml models serve models:/churn/3 --host 0.0.0.0 --port 8080 --workers 4
      gitml models serve runs:/brisk-heron/model --env uv
    """  # fmt: skip
    _check_name(name)
    if env is EnvironmentChoice.UV:
        _in_own_environment(model)
    _check_installed()
    from gitml.models.serving.log import log_to
    from gitml.models.serving.process import listen
    from gitml.models.serving.settings import ServeSettings

    settings = ServeSettings(
        uri=model, name=name, host=host, port=port, workers=workers, threads=threads, timeout_s=timeout,
        max_bytes=_size(max_request_size), batch_rows=batch, batch_wait_s=batch_wait,
        follow_s=follow_every if follow else None, drain_s=drain, trust=trust or None, hosts=tuple(allow_host or ()),
    )  # fmt: skip
    try:
        listening = listen(settings)
    except OSError as err:
        raise AddressTakenError(host, port, err) from err
    log_to(sys.stderr)
    address = _address(host, listening.getsockname()[1])

    def ready(called: str, version: int | None) -> None:
        from gitml.render.text import clean

        label = clean(called) + (f" v{version}" if version is not None else "")
        if pid_file is not None:
            pid_file.write_text(f"{os.getpid()}\n", encoding="utf-8")
        say(f"{label} is served on {address}{signs('  ·', sys.stderr)}  {address}/docs")

    try:
        if workers > 1 or follow:
            from gitml.models.serving.supervisor import Supervisor

            status = Supervisor(settings, listening).run(ready)
        else:
            from gitml.models.serving.process import serve as serve_here

            status = serve_here(settings, listening, lambda served: ready(served.name, served.version))
    finally:
        if pid_file is not None:
            pid_file.unlink(missing_ok=True)
    if status:
        raise typer.Exit(status)


def _check_name(name: str | None) -> None:
    if name is not None and (not name or "/" in name or not name.isprintable()):
        raise UsageError(
            f"--name {name!r:.80} can't be part of an address", hint="use letters, digits, - and _"
        )


def _check_installed() -> None:
    from importlib.util import find_spec

    from gitml.models.errors import MissingPackageError

    if any(find_spec(module) is None for module in ("uvicorn", "httptools", "orjson", "prometheus_client")):
        raise MissingPackageError("serving a model", "gitml[serve]")


def _size(text: str) -> int:
    given = text.strip().lower().removesuffix("b").removesuffix("i")
    number, unit = (given[:-1], given[-1]) if given[-1:] in "kmg" and given else (given, "")
    if not number.isdigit() or not int(number):
        raise UsageError(f"--max-request-size '{text}' is no size", hint="write 500k, 64M or 1G")
    return int(number) * _UNITS[unit]


def _address(host: str, port: int) -> str:
    shown = {"0.0.0.0": "127.0.0.1", "::": "[::1]"}.get(host, f"[{host}]" if ":" in host else host)  # noqa: S104
    return f"http://{shown}:{port}"


def _in_own_environment(model: str) -> None:
    """Begin again with the Python of the model's own environment; does not come back."""
    from gitml.cli.output import warn
    from gitml.execution.cache import cache_dir
    from gitml.launching.own import own_command
    from gitml.models.serving.environment import prepare_serving
    from gitml.render.progress import progress

    made = prepare_serving(model, cache=cache_dir(os.environ), environ=os.environ, progress=progress)
    for note in made.notes:
        warn(note)
    words = [str(made.python), *own_command()[1:], *_rest(sys.argv[1:])]
    sys.stdout.flush()
    sys.stderr.flush()
    os.execve(words[0], words, {**os.environ, **made.variables})  # noqa: S606 - a list of words, no shell


def _rest(words: list[str]) -> list[str]:
    """Leave out of a command line what was done: `--env` and `-C`, with their values."""
    kept, skip = [], False
    for word in words:
        if skip or word.partition("=")[0] in ("--env", "--env-manager", "-C"):
            skip = not skip and "=" not in word
            continue
        kept.append(word)
    return kept
