"""`gitml models annotate`, `comment`, `rename`, `delete` and `restore`: what is said about models."""

from __future__ import annotations

import sys
from contextlib import closing
from typing import TYPE_CHECKING, Annotated

import typer

from gitml.cli.models_arguments import ModelName, ModelOrVersion, label, say, sharing
from gitml.cli.output import Output
from gitml.cli.pairs import read_pairs
from gitml.errors import NotFoundError, UsageError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from gitml.registry.state import ModelState
    from gitml.repo import Repo


def annotate(
    model: ModelOrVersion,
    description: Annotated[
        str | None, typer.Option("--description", "-m", metavar="TEXT", help="What it is; '' removes it.")
    ] = None,
    edit: Annotated[bool, typer.Option("--edit", help="Write the description in git's editor.")] = False,
    tag: Annotated[
        list[str] | None, typer.Option("--tag", metavar="KEY=VALUE", help="Set a tag. Repeatable.")
    ] = None,
    delete_tag: Annotated[
        list[str] | None, typer.Option("--delete-tag", metavar="KEY", help="Remove a tag. Repeatable.")
    ] = None,
) -> None:
    """Describe and tag a model, or one version of it.

    Examples:
      gitml models annotate churn -m "who will leave" --tag owner=ada
      gitml models annotate churn@v3 --tag reviewed=yes --delete-tag draft
    """
    from gitml.repo import Repo

    tags = read_pairs(tag or [], f"gitml models annotate '{model}' --tag owner=ada")
    removed = list(dict.fromkeys(delete_tag or []))
    if description is None and not (edit or tags or removed):
        raise UsageError(
            "nothing is to be said", hint="give --description TEXT, --edit, --tag or --delete-tag"
        )
    if description is not None and edit:
        raise UsageError("--description and --edit can't be combined", hint="give one of them")
    with closing(Repo.open()) as repo:
        state, version = _meant(repo, model)
        _check_tags(state, version, tags, removed)
        _change_tags(repo, state, version, tags, removed)
        if edit:
            _edit(repo, state, version)
        elif description is not None:
            _describe(repo, state, version, description)


def _meant(repo: Repo, text: str, *, deleted: bool = False) -> tuple[ModelState, int | None]:
    """The model, and the version if one is named."""
    from gitml.registry.naming import find_model, find_version_named, parse_any

    state = find_model(repo, text, deleted=deleted)
    if parse_any(repo, text) is None:
        return state, None
    return state, find_version_named(repo, text, deleted=deleted).version


def _check_tags(
    state: ModelState, version: int | None, tags: Mapping[str, str], removed: Sequence[str]
) -> None:
    there = state.model().tags if version is None else state.version(version).tags
    for key in removed:
        if key in tags:
            raise UsageError(f"tag '{key}' is both set and deleted", hint="give one of them")
        if key not in there:
            what = f"model '{state.name}'" + ("" if version is None else f" v{version}")
            raise NotFoundError(f"{what} has no tag '{key}'", hint=f"it has: {', '.join(there) or 'none'}")


def _change_tags(
    repo: Repo, state: ModelState, version: int | None, tags: Mapping[str, str], removed: Sequence[str]
) -> None:
    from gitml.registry import models, versions

    if tags and version is None:
        models.tag_model(repo, state.name, tags)
    elif tags and version is not None:
        versions.tag_version(repo, state.name, version, tags)
    for key in removed:
        if version is None:
            models.untag_model(repo, state.name, key)
        else:
            versions.untag_version(repo, state.name, version, key)


def _describe(repo: Repo, state: ModelState, version: int | None, text: str) -> None:
    from gitml.registry import models, versions

    if version is None:
        models.describe_model(repo, state.name, text)
    else:
        versions.describe_version(repo, state.name, version, text)


def _edit(repo: Repo, state: ModelState, version: int | None) -> None:
    from gitml.cli.editor import edited

    text = state.model().description if version is None else state.version(version).description
    with edited(repo, text or "", name="MODEL_EDITMSG.md") as changed:
        _describe(repo, state, version, changed)


def comment(
    output: Output,
    model: ModelOrVersion,
    message: Annotated[
        str | None, typer.Option("--message", "-m", metavar="TEXT", help="What to say.")
    ] = None,
) -> None:
    """Say something about a model or version, or list what was said.

    Examples:
      gitml models comment churn@v3 -m "calibrated on June"
      gitml models comment churn
    """
    from gitml.registry import models
    from gitml.repo import Repo

    with closing(Repo.open()) as repo:
        state, version = _meant(repo, model, deleted=message is None)
        if message is not None:
            models.comment(repo, state.name, message, version)
            return
        found = models.list_comments(repo, state.name, version)
        if not output.is_text:
            from gitml.render.model_documents import comments_listing

            output.write(comments_listing(found))
            return
        from gitml.cli.terminal import screen
        from gitml.render.model_version_text import comment_lines

        sys.stdout.write("".join(f"{line}\n" for line in comment_lines(found, screen().ink)))
        if not found:
            say(f"nobody said anything; be the first: gitml models comment '{model}' -m TEXT")


def rename(
    model: ModelName,
    name: Annotated[str, typer.Argument(metavar="NEWNAME", help="The name it shall have.")],
) -> None:
    """Give a model another name; the old one still leads to it.

    Example: gitml models rename churn churn-eu
    """
    from gitml.registry.models import rename_model
    from gitml.repo import Repo

    with closing(Repo.open()) as repo:
        rename_model(repo, model, name)


def delete(model: ModelOrVersion) -> None:
    """Hide a model, or one version; no tag is removed, and restore brings it back.

    Examples:
      gitml models delete churn@v2
      gitml models delete churn
    """
    from gitml.registry import models, versions
    from gitml.render.text import clean
    from gitml.repo import Repo

    with closing(Repo.open()) as repo:
        state, version = _meant(repo, model)
        if version is None:
            models.delete_model(repo, state.name)
            name = clean(state.name)
            say(f"model {name} is hidden; gitml models restore '{name}' brings it back{sharing(repo)}")
            return
        hidden = state.version(version)
        versions.delete_version(repo, state.name, version)
        lost = _lost(state, version)
        name = f"{clean(state.name)}@v{version}"
        say(f"{label(hidden)} is hidden{lost}; gitml models restore '{name}' brings it back{sharing(repo)}")


def _lost(state: ModelState, version: int) -> str:
    """Say which stages and aliases led to a version."""
    from gitml.render.text import clean

    model = state.model()
    places = [clean(stage) for stage, holder in model.holders.items() if holder == version]
    places += [f"@{clean(alias)}" for alias, target in model.aliases.items() if target == version]
    return (
        f", and {', '.join(places)} no longer {'leads' if len(places) == 1 else 'lead'} to it"
        if places
        else ""
    )


def restore(model: ModelOrVersion) -> None:
    """Bring a hidden model or version back, to where it was.

    Examples:
      gitml models restore churn@v2
      gitml models restore churn
    """
    from gitml.registry import models, versions
    from gitml.render.text import clean
    from gitml.repo import Repo

    with closing(Repo.open()) as repo:
        state, version = _meant(repo, model, deleted=True)
        if version is None:
            models.restore_model(repo, state.name)
            say(f"model {clean(state.name)} is back{sharing(repo)}")
        else:
            say(f"{label(versions.restore_version(repo, state.name, version))} is back{sharing(repo)}")
