"""`gitml models promote`, `demote`, `archive`, `rollback` and `alias`: which version is where."""

from __future__ import annotations

import sys
from contextlib import closing
from typing import TYPE_CHECKING, Annotated

import typer

from gitml.cli import complete_models
from gitml.cli.models_arguments import (
    CommentOption,
    ModelOrVersion,
    OverrideOption,
    SignOption,
    StageWord,
    VersionWord,
    move_documents,
    say,
    sharing,
    two_words,
)
from gitml.cli.output import Output
from gitml.errors import UsageError

if TYPE_CHECKING:
    from gitml.entities.registry import MoveTag
    from gitml.registry.state import ModelState
    from gitml.repo import Repo


_NAMED = 5  # versions that a line names


def promote(
    output: Output,
    model: ModelOrVersion,
    version: VersionWord = None,
    stage: StageWord = None,
    comment: CommentOption = None,
    archive_existing: Annotated[
        bool, typer.Option("--archive-existing", help="Archive the versions that are in the stage.")
    ] = False,
    sign: SignOption = None,
    override: OverrideOption = None,
) -> None:
    """Bring a version into a stage, if the project's policy lets it in.

    Examples:
      gitml models promote churn 3 Production --comment "0.3 % fewer misses"
      gitml models promote churn@v3 staging
      gitml models promote churn staging production --archive-existing --sign
    """
    from gitml.registry import stages
    from gitml.registry.lookup import get_state
    from gitml.registry.naming import find_version_named, project_stages
    from gitml.repo import Repo

    word, place = two_words(model, version, stage, "stage")
    with closing(Repo.open()) as repo:
        found = find_version_named(repo, model, word)
        allowed = project_stages(repo)
        before = get_state(repo, found.name)
        event = stages.promote(
            repo, found.name, found.version, place, comment=comment, archive_existing=archive_existing,
            allowed=allowed, expected=before.holder(place), sign=sign, override=override,
        )  # fmt: skip
        _tell(repo, before, event, _promoted(before, event), output, override)


def _promoted(before: ModelState, event: MoveTag) -> str:
    there = [one for one in before.in_stage(event.name) if one not in (event.version, *event.archived)]
    parts = [f"v{event.previous} was before"] if event.previous is not None else ["nothing was before"]
    if event.archived:
        parts.append(f"{_versions(event.archived)} {'is' if len(event.archived) == 1 else 'are'} archived")
    if there:
        stays = "stays" if len(there) == 1 else "stay"
        parts.append(f"{_versions(there)} {stays} there too (--archive-existing archives)")
    return f"v{event.version} is in {event.name}; {', '.join(parts)}"


def _versions(numbers: tuple[int, ...] | list[int]) -> str:
    newest = [f"v{number}" for number in sorted(numbers)[-_NAMED:]]
    left = len(numbers) - len(newest)
    return ", ".join([f"{left:,} older ones", *newest] if left else newest)


def demote(
    output: Output,
    model: ModelOrVersion,
    version: VersionWord = None,
    stage: StageWord = None,
    comment: CommentOption = None,
    sign: SignOption = None,
    override: OverrideOption = None,
) -> None:
    """Take a version out of its stage.

    If STAGE is given, the version must be in that one.

    Examples:
      gitml models demote churn 3 --comment "drifts"
      gitml models demote churn#staging
    """
    from gitml.registry import stages
    from gitml.registry.lookup import get_state
    from gitml.registry.naming import find_version_named, parse_any, project_stages
    from gitml.repo import Repo

    with closing(Repo.open()) as repo:
        if stage is None and parse_any(repo, model) is not None:
            version, stage = None, version
        found = find_version_named(repo, model, version)
        before = get_state(repo, found.name)
        allowed = project_stages(repo)
        event = stages.demote(
            repo, found.name, found.version, stage, comment=comment, allowed=allowed, sign=sign,
            override=override,
        )  # fmt: skip
        now = get_state(repo, found.name).holder(event.name)
        holder = f"v{now} holds it now" if now is not None else "nothing is in it now"
        _tell(repo, before, event, f"v{event.version} is out of {event.name}; {holder}", output, override)


def archive(
    output: Output,
    model: ModelOrVersion,
    version: VersionWord = None,
    comment: CommentOption = None,
    sign: SignOption = None,
    override: OverrideOption = None,
) -> None:
    """Bring a version to Archived, out of the stage that it is in.

    Examples:
      gitml models archive churn 2
      gitml models archive churn@v2 --comment "trained on the wrong split"
    """
    from gitml.registry import stages
    from gitml.registry.lookup import get_state
    from gitml.registry.naming import find_version_named
    from gitml.repo import Repo

    with closing(Repo.open()) as repo:
        found = find_version_named(repo, model, version)
        before = get_state(repo, found.name)
        event = stages.archive(repo, found.name, found.version, comment=comment, sign=sign, override=override)
        left = f"; it was in {found.stage}" if found.stage is not None else ""
        _tell(repo, before, event, f"v{found.version} is archived{left}", output, override)


def rollback(
    output: Output,
    model: ModelOrVersion,
    stage: StageWord = None,
    comment: CommentOption = None,
    sign: SignOption = None,
    override: OverrideOption = None,
) -> None:
    """Bring back the version that held a stage before.

    The present one leaves the stage. A second rollback goes one further back, not forth again.

    Examples:
      gitml models rollback churn production --comment "p95 latency doubled"
      gitml models rollback churn#production
    """
    from gitml.registry import stages
    from gitml.registry.naming import find_model, parse_any, project_stages
    from gitml.repo import Repo

    with closing(Repo.open()) as repo:
        name = parse_any(repo, model)
        if name is not None and (name.kind != "stage" or stage is not None):
            raise UsageError(
                f"'{model}' is no model and its stage", hint=f"gitml models rollback '{name.name}' production"
            )
        place = stage if name is None else name.what
        if place is None:
            raise UsageError("no stage is given", hint=f"gitml models rollback '{model}' production")
        before = find_model(repo, model)
        allowed = project_stages(repo)
        event = stages.rollback(
            repo, before.name, place, comment=comment, allowed=allowed, sign=sign, override=override
        )
        left = f"; {_versions(event.left)} left it" if event.left else ""
        _tell(repo, before, event, f"v{event.version} is back in {event.name}{left}", output, override)


def alias(
    output: Output,
    model: ModelOrVersion,
    name: Annotated[
        str | None,
        typer.Argument(metavar="ALIAS", help="The alias.", autocompletion=complete_models.aliases),
    ] = None,
    version: VersionWord = None,
    delete: Annotated[bool, typer.Option("--delete", "-d", help="Let the alias mean nothing.")] = False,
    comment: CommentOption = None,
    sign: SignOption = None,
) -> None:
    """Set, remove or list aliases of a model.

    Examples:
      gitml models alias churn champion 3
      gitml models alias churn@v4 challenger
      gitml models alias churn champion --delete
      gitml models alias churn
    """
    from gitml.registry import aliases
    from gitml.registry.naming import find_model, find_version_named, parse_any
    from gitml.repo import Repo

    with closing(Repo.open()) as repo:
        before = find_model(repo, model)
        if name is None:
            if delete:
                raise UsageError("no alias is given", hint=f"gitml models alias '{model}' ALIAS --delete")
            _list_aliases(before, output)
            return
        name = name.removeprefix("@")
        if delete:
            if version is not None:
                raise UsageError(
                    "--delete needs no version", hint=f"gitml models alias '{model}' {name} --delete"
                )
            event = aliases.remove_alias(repo, before.name, name, comment=comment, sign=sign)
            _tell(repo, before, event, f"@{name} means nothing any more; it was v{event.version}", output)
            return
        if version is None and parse_any(repo, model) is None:
            raise UsageError("no version is given", hint=f"gitml models alias '{model}' {name} VERSION")
        found = find_version_named(repo, model, version)
        event = aliases.set_alias(repo, found.name, name, found.version, comment=comment, sign=sign)
        was = f"; it was v{event.previous}" if event.previous is not None else ""
        _tell(repo, before, event, f"@{name} is v{event.version}{was}", output)


def _list_aliases(model: ModelState, output: Output) -> None:
    from gitml.render.listing import Listing
    from gitml.render.text import clean

    found = model.model().aliases
    if output.is_text:
        sys.stdout.write("".join(f"{clean(alias)} v{version}\n" for alias, version in found.items()))
        if not found:
            say(
                f"{clean(model.name)} has no aliases; give it one: gitml models alias '{clean(model.name)}' ALIAS VERSION"
            )
        return
    rows = [{"alias": alias, "version": version} for alias, version in found.items()]
    output.write(Listing.of("aliases", rows, ("alias", "version")))


def _tell(
    repo: Repo, before: ModelState, event: MoveTag, what: str, output: Output, override: str | None = None
) -> None:
    """Say what was done, or that it had been done before; and if a reason to override was not needed."""
    from gitml.render.model_version_text import happened
    from gitml.render.models_text import person
    from gitml.render.numbers import local_text
    from gitml.render.text import clean

    if override is not None and (event.override is None or event.order < before.next_order):
        say(f"nothing had to be overridden: the reason is not recorded ({clean(override)})")
    if not output.is_text:
        from gitml.render.model_documents import history_listing

        output.write(history_listing(move_documents(repo, before, [event])))
        return
    name = clean(before.name)
    if event.order < before.next_order:
        say(f"{name}: {happened(event)} already, since {local_text(event.time_ms)} by {person(event.who)}")
    else:
        say(f"{name} {clean(what)}{sharing(repo)}")
