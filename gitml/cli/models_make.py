"""`gitml models register`, `copy` and `get`: versions come into being, and their files out."""

from __future__ import annotations

import re
import sys
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from gitml.cli import complete, complete_models
from gitml.cli.models_arguments import SignOption, label, say, sharing
from gitml.cli.output import Output
from gitml.cli.pairs import read_pairs

if TYPE_CHECKING:
    from gitml.entities.registry import ModelVersion
    from gitml.entities.run import Run
    from gitml.repo import Repo

# What names a run can hold a colon: '@{best:acc}'.
_SOURCE = re.compile(r"(@\{[^}]*\}|[^:]*)(?::(.*))?", re.DOTALL)
_SHARED_NAME = Annotated[
    str,
    typer.Argument(
        metavar="MODEL",
        help="The model's name; it is new if nobody used it.",
        autocompletion=complete_models.models,
    ),
]


def register_version(
    output: Output,
    source: Annotated[
        str,
        typer.Argument(
            metavar="RUN[:PATH]",
            help="A run, and the file or folder of it that is the model; all its files if not given.",
            autocompletion=complete.runs,
        ),
    ],
    model: _SHARED_NAME,
    description: Annotated[
        str | None, typer.Option("--description", "-m", metavar="TEXT", help="What this version is.")
    ] = None,
    tag: Annotated[
        list[str] | None, typer.Option("--tag", metavar="KEY=VALUE", help="Set a tag. Repeatable.")
    ] = None,
    sign: SignOption = None,
) -> None:
    """Make the next version of a model from a run; prints its URI.

    Examples:
      gitml models register @:model churn
      gitml models register brisk-heron:model churn -m "class weights"
      gitml models register runs:/4c8ae10f/model churn --tag team=growth
    """
    from gitml.registry import versions
    from gitml.registry.content import list_files
    from gitml.render.model_version_text import files_summary
    from gitml.render.text import clean
    from gitml.repo import Repo

    tags = read_pairs(tag or [], f"gitml models register {source} {model} --tag team=growth")
    with closing(Repo.open()) as repo:
        run, path = _source(repo, source)
        made = versions.register(repo, run, model, path, description=description, tags=tags, sign=sign)
        _tell_of_no_model(repo, made)
        if not output.is_text:
            _write(made, run, output)
            return
        print(made.uri, flush=True)  # before what is said of it
        what = clean(made.path) + " of " if made.path else "all files of "
        files = files_summary(list_files(repo, made))
        say(
            f"{label(made)} is {what}run {run.id[:8]} {clean(run.name)}: {files}{_same(repo, made)}{sharing(repo)}"
        )


def _source(repo: Repo, source: str) -> tuple[Run, str]:
    """Find the run and the path that are meant."""
    from gitml.registry.names import ModelUriError, parse_model_name
    from gitml.tracking.history import RunNotFoundError
    from gitml.tracking.resolve import resolve_run

    if source.startswith("models:"):
        raise ModelUriError(
            source, "it names a version of a model", "gitml models copy takes it to another model"
        )
    if source.startswith("runs:"):
        name = parse_model_name(source)
        return resolve_run(repo, name.name), name.path
    match = _SOURCE.fullmatch(source)
    head, path = (match[1], match[2] or "") if match else (source, "")
    try:
        return resolve_run(repo, head), path
    except RunNotFoundError:
        if not path:
            raise
        try:
            return resolve_run(repo, source), ""  # a run's name may hold a colon
        except RunNotFoundError:
            pass
        raise


def _tell_of_no_model(repo: Repo, made: ModelVersion) -> None:
    """Say that nothing in it can be a model; the registry keeps any file."""
    from gitml.cli.output import warn
    from gitml.formats.serialization import is_no_model
    from gitml.registry.content import list_files

    if is_no_model(file.path for file in list_files(repo, made)):
        what = f"'{made.path}'" if made.path else f"run {made.run_id[:8]}"
        warn(
            f"{what} has no model in it, only tables, pictures or pages; if a model was meant:"
            f" gitml artifacts list {made.run_id[:8]}, gitml models delete '{made.name}' {made.version}"
        )


def _same(repo: Repo, made: ModelVersion) -> str:
    """Say which version has the same content, if one has."""
    from gitml.registry.versions import list_versions

    same = [one for one in list_versions(repo, made.name) if one.digest == made.digest and one != made]
    return f", the same content as v{same[-1].version}" if same else ""


def _write(made: ModelVersion, run: Run | None, output: Output) -> None:
    from gitml.render.model_documents import versions_listing

    output.write(versions_listing([made], {run.id: run} if run else {}, ()))


def copy(
    output: Output,
    source: Annotated[
        str,
        typer.Argument(
            metavar="MODEL@VERSION", help="The version to copy.", autocompletion=complete_models.names
        ),
    ],
    model: _SHARED_NAME,
    sign: SignOption = None,
) -> None:
    """Make a version of another model with the same content.

    Example: gitml models copy churn-dev@champion churn
    """
    from gitml.registry import versions
    from gitml.registry.naming import find_version_named
    from gitml.repo import Repo

    with closing(Repo.open()) as repo:
        found = find_version_named(repo, source)
        made = versions.copy(repo, found, model, sign=sign)
        if not output.is_text:
            _write(made, None, output)
            return
        print(made.uri, flush=True)  # before what is said of it
        say(f"{label(made)} is a copy of {label(found)}{sharing(repo)}")


def get(
    model: Annotated[
        str,
        typer.Argument(
            metavar="MODEL@VERSION",
            help="A version: churn@v3, churn#production, models:/churn/3, models:/churn/3/path.",
            autocompletion=complete_models.names,
        ),
    ],
    path: Annotated[
        str, typer.Argument(metavar="[PATH]", help="A file or folder of the model; all if not given.")
    ] = "",
    destination: Annotated[
        Path,
        typer.Option(
            "--output", "-o", "--dst-path", metavar="DIR", help="The folder to put them into; made if needed."
        ),
    ] = Path(),
    force: Annotated[bool, typer.Option("--force", help="Replace files that exist.")] = False,
) -> None:
    """Copy the files of a version out, checked against its digest.

    Prints where they are. What is not here is fetched from a remote.

    Examples:
      gitml models get churn#production -o served
      gitml models get churn@v3 weights.bin
    """
    from gitml.cli.artifacts import bring
    from gitml.registry.content import export_version, list_files
    from gitml.registry.naming import find_version_named, parse_any
    from gitml.render.progress import progress
    from gitml.repo import Repo

    with closing(Repo.open()) as repo:
        name = parse_any(repo, model)
        inner = "/".join(part for part in (name.path if name else "", path) if part)
        version = find_version_named(repo, model)
        files = list_files(repo, version, inner)
        bring(repo, [file.pointer for file in files if file.pointer and not file.purged])
        with progress(f"copying {label(version)}", sum(file.size for file in files), "B") as advance:
            where = export_version(repo, version, inner, destination, overwrite=force, progress=advance)
        sys.stdout.write(f"{where}\n")
