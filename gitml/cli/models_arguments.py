"""Arguments and options that the commands on models share, and how they speak."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Annotated

import typer

from gitml.cli import complete_models
from gitml.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from gitml.entities.registry import ModelVersion
    from gitml.registry.state import ModelState
    from gitml.registry.timeline import Happening
    from gitml.repo import Repo

ModelName = Annotated[
    str, typer.Argument(metavar="MODEL", help="A model's name.", autocompletion=complete_models.models)
]
ModelOrVersion = Annotated[
    str,
    typer.Argument(
        metavar="MODEL[@VERSION]",
        help="A model, or a version: churn@v3, churn#production, churn@champion, models:/churn/3.",
        autocompletion=complete_models.names,
    ),
]
VersionWord = Annotated[
    str | None,
    typer.Argument(
        metavar="VERSION",
        help="3, v3, latest, a stage or an alias; left out where MODEL says it: churn@v3.",
        autocompletion=complete_models.versions,
    ),
]
StageWord = Annotated[
    str | None,
    typer.Argument(
        metavar="STAGE",
        help="Staging, Production, Archived, or one of the project's own.",
        autocompletion=complete_models.stages,
    ),
]
CommentOption = Annotated[
    str | None, typer.Option("--comment", "--message", "-m", metavar="TEXT", help="Why.")
]
SignOption = Annotated[
    bool | None,
    typer.Option(
        "--sign/--no-sign", help="Sign the tag, or don't; if not given, as git is set up.", show_default=False
    ),
]
OverrideOption = Annotated[
    str | None,
    typer.Option(
        "--override", metavar="REASON",
        help="Go on whatever the policy says; the reason stands in the history. A server's hook refuses it.",
    ),
]  # fmt: skip


def two_words(model: str, version: str | None, place: str | None, what: str) -> tuple[str | None, str]:
    """Read `churn v3 production` or `churn@v3 production`: the version's word, if any, and the place.

    Args:
        model: What was given for the model.
        version: The first word after it.
        place: The second.
        what: What the place is: `stage`, or `alias`.

    Raises:
        UsageError: There is no place.
    """
    if place is not None:
        return version, place
    if version is not None:
        return None, version
    raise UsageError(
        f"no {what} is given",
        hint=f"gitml models list shows what there is; write '{model}' VERSION {what.upper()}",
    )


def say(text: str) -> None:
    """Tell the reader what was done, beside the data."""
    print(text, file=sys.stderr)


def label(version: ModelVersion) -> str:
    """Name a version as people do: churn v3."""
    from gitml.render.text import clean

    return f"{clean(version.name)} v{version.version}"


def sharing(repo: Repo) -> str:
    """What to type so that others see it; nothing where there are no others."""
    return "; share it: gitml push" if repo.settings.remotes else ""


def move_documents(repo: Repo, model: ModelState, moves: Sequence[Happening]) -> list[dict[str, object]]:
    """Describe moves for programs."""
    from gitml.registry.timeline import signed_tags
    from gitml.render.model_documents import event_document

    signed = signed_tags(repo, moves)
    return [event_document(model.name, move, move.oid in signed) for move in moves]
