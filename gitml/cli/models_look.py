"""`gitml models list`, `show`, `history` and `diff`: looking at models."""

from __future__ import annotations

import sys
import time
from typing import TYPE_CHECKING, Annotated

import typer

from gitml.cli import complete_models, pager
from gitml.cli.arguments import read_moment
from gitml.cli.models_arguments import ModelOrVersion, say
from gitml.cli.opened import open_repo
from gitml.cli.output import Format, Output, page, warn
from gitml.cli.runs_group import View, ViewOption
from gitml.cli.terminal import screen
from gitml.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from gitml.entities.registry import ModelVersion, TagFinding
    from gitml.entities.run import Run
    from gitml.registry.state import ModelState
    from gitml.registry.timeline import Happening
    from gitml.repo import Repo

DIFFERENT = 1
_SHOWN_VERSIONS = 30
_SHOWN_FINDINGS = 3

CountOption = Annotated[
    int | None,
    typer.Option("--max-results", "-n", min=0, metavar="N", help="At most so many of the newest; 0 for all."),
]


def list_models(output: Output, view: ViewOption = View.ACTIVE) -> None:
    """List models with their latest versions, stages and aliases.

    Example: gitml models list --json
    """
    from gitml.registry.models import list_models as find_all
    from gitml.registry.reading import read_registry
    from gitml.render.model_documents import models_listing
    from gitml.render.models_text import models_text

    repo = open_repo()
    found = [
        model
        for model in find_all(repo, deleted=view.shows_deleted)
        if (view.shows_active if model.deleted_ms is None else view.shows_deleted)
    ]
    _warn_of(read_registry(repo).findings)
    if not output.is_text:
        output.write(models_listing(found))
    elif found:
        target = screen()
        text = models_text(found, _now(), target.ink, target.cells)
        page(text, less=pager.TABLE, config=lambda: repo.settings.values)
    else:
        say("there are no models; make one: gitml models register RUN NAME" + _elsewhere(repo))


def _elsewhere(repo: Repo) -> str:
    return "; or bring the team's: gitml pull" if repo.settings.remotes else ""


def _warn_of(findings: Sequence[TagFinding]) -> None:
    for finding in findings[:_SHOWN_FINDINGS]:
        warn(f"tag '{finding.ref.removeprefix('refs/tags/')}' counts for nothing: {finding.problem}")
    if len(findings) > _SHOWN_FINDINGS:
        warn(f"{len(findings) - _SHOWN_FINDINGS:,} more tags below gitml/ count for nothing")


def _now() -> int:
    return int(time.time() * 1000)


def show(output: Output, model: ModelOrVersion, count: CountOption = None) -> None:
    """Show a model with its versions, or everything about one version.

    Examples:
      gitml models show churn
      gitml models show churn#production
      gitml models show models:/churn/3 --json
    """
    from gitml.registry.naming import find_model, find_version_named, parse_any

    repo = open_repo()
    if parse_any(repo, model) is None:
        _show_model(repo, find_model(repo, model, deleted=True), count, output)
    else:
        _show_version(repo, find_version_named(repo, model, deleted=True), output)


def _show_model(repo: Repo, state: ModelState, count: int | None, output: Output) -> None:
    from gitml.registry.models import list_comments
    from gitml.render.as_json import dump_json
    from gitml.render.model_documents import comment_document, model_document, versions_listing
    from gitml.render.models_text import ModelPage, model_text, shown_metrics

    versions = list(reversed(state.versions()))
    limit = count if count is not None else _SHOWN_VERSIONS if output.is_text else 0
    versions = versions[: limit or None]
    comments = list_comments(repo, state.name)
    content = ModelPage(state.model(), versions, _runs(repo, versions), len(comments), _now())
    if output.is_text:
        target = screen()
        text = model_text(content, target.ink, target.cells)
        page(text, less=pager.TABLE, config=lambda: repo.settings.values)
        return
    records = versions_listing(versions, content.runs, shown_metrics(content))
    if output.format is Format.JSON:
        document = model_document(content.model)
        document["version_list"] = list(records.documents)
        document["comments"] = [comment_document(one) for one in comments]
        sys.stdout.write(dump_json("model", document))
    else:
        output.write(records)


def _runs(repo: Repo, versions: Sequence[ModelVersion]) -> Mapping[str, Run]:
    """The runs that made versions, as far as they are here."""
    repo.index.catch_up()
    found = {run_id: repo.index.get(run_id) for run_id in dict.fromkeys(one.run_id for one in versions)}
    return {run_id: run for run_id, run in found.items() if run is not None}


def _show_version(repo: Repo, version: ModelVersion, output: Output) -> None:
    from gitml.cli.models_arguments import move_documents
    from gitml.registry.content import RecordMissingError, list_files, run_of
    from gitml.registry.lookup import get_state
    from gitml.registry.models import list_comments
    from gitml.registry.timeline import events_of, signed_tags
    from gitml.render.as_json import dump_json
    from gitml.render.model_documents import version_listing
    from gitml.render.model_version_text import VersionPage, version_text

    state = get_state(repo, version.name, deleted=True)
    story = events_of(state, version.version)
    comments = list_comments(repo, version.name, version.version)
    try:
        run, files = run_of(repo, version), list_files(repo, version)
    except RecordMissingError:
        run, files = None, None
    if output.is_text:
        target = screen()
        content = VersionPage(version, run, files, comments, story, signed_tags(repo, story))
        page(version_text(content, target.ink, target.cells), config=lambda: repo.settings.values)
        return
    records = version_listing(version, run, files or [], comments, move_documents(repo, state, story))
    if output.format is Format.JSON:
        sys.stdout.write(dump_json("version", records.documents[0]))
    else:
        output.write(records)


def history(
    output: Output,
    model: ModelOrVersion,
    stage: Annotated[
        str | None,
        typer.Option(
            "--stage",
            metavar="STAGE",
            help="Only what happened to this stage.",
            autocompletion=complete_models.stages,
        ),
    ] = None,
    at: Annotated[
        str | None,
        typer.Option(
            "--at", metavar="DATE", help="Who held what then, and who put it there: 2026-03-01, '7d ago'."
        ),
    ] = None,
    count: CountOption = None,
) -> None:
    """Tell who moved what where, when and why, newest first.

    A day means its end. Times are those of the clocks of whoever did it.

    Examples:
      gitml models history churn
      gitml models history churn --stage production --at 2026-03-01
      gitml models history churn@v3 --json
    """
    from gitml.formats.registry_names import check_stage
    from gitml.registry.naming import find_model, find_version_named, parse_any, project_stages
    from gitml.registry.timeline import events_of, events_of_stage, timeline

    repo = open_repo()
    name = parse_any(repo, model)
    state = find_model(repo, model, deleted=True)
    if name is not None and name.kind == "stage" and stage is None:
        stage, name = name.what, None
    elif stage is not None:
        stage = check_stage(stage, project_stages(repo))
    if at is not None:
        if name is not None:
            raise UsageError(
                "--at asks about a model and its stages",
                hint=f"gitml models history '{state.name}' --at '{at}'",
            )
        _write_holders(repo, state, stage, at, output)
        return
    story = list(timeline(state))
    if name is not None:
        story = events_of(state, find_version_named(repo, model, deleted=True).version)
    if stage is not None:
        ours = {one.ref for one in events_of_stage(state, stage)}
        story = [one for one in story if one.ref in ours]
    _write_story(repo, state, list(reversed(story))[: count or None], output)


def _write_story(repo: Repo, state: ModelState, story: Sequence[Happening], output: Output) -> None:
    from gitml.registry.timeline import signed_tags
    from gitml.render.model_documents import event_document, history_listing
    from gitml.render.model_version_text import story_lines

    signed = signed_tags(repo, story)
    if not output.is_text:
        output.write(history_listing([event_document(state.name, one, one.oid in signed) for one in story]))
    elif story:
        target = screen()
        text = "".join(f"{line}\n" for line in story_lines(story, signed, target.ink, target.cells))
        page(text, less=pager.TABLE, config=lambda: repo.settings.values)
    else:
        say("nothing happened yet")


def _write_holders(repo: Repo, state: ModelState, stage: str | None, at: str, output: Output) -> None:
    from gitml.registry.timeline import places_at, signed_tags
    from gitml.render.model_documents import holders_listing
    from gitml.render.model_version_text import holders_text

    time_ms = read_moment(at, "--at", whole_day=True)
    places = places_at(repo, state, time_ms, stage)
    signed = signed_tags(repo, places)
    if not output.is_text:
        output.write(holders_listing(state.name, time_ms, places, signed))
        return
    if places:
        sys.stdout.write(holders_text(state.name, time_ms, places, signed, screen().ink))
        return
    from gitml.render.numbers import local_text
    from gitml.render.text import clean

    where = stage or "any stage"
    say(f"no version of {clean(state.name)} was in {where} at {local_text(time_ms)}")


def diff(
    output: Output,
    model: ModelOrVersion,
    words: Annotated[
        list[str],
        typer.Argument(
            metavar="VERSION...",
            help="Versions to compare it with: churn@v2; or 2, latest, production, of the same model.",
            autocompletion=complete_models.versions,
        ),
    ],
    everything: Annotated[bool, typer.Option("--all", help="Show what is the same, too.")] = False,
    stat: Annotated[bool, typer.Option("--stat", help="List the files of the source that differ.")] = False,
    exit_code: Annotated[
        bool, typer.Option("--exit-code", help="Exit with 1 if the content of the versions differs.")
    ] = False,
) -> None:
    """Compare versions: facts, files, and the runs behind them.

    Examples:
      gitml models diff churn@v1 churn@v2
      gitml models diff churn production latest
      gitml models diff churn#production other@v3 --md
    """
    from gitml.registry.comparison import compare_versions
    from gitml.render.as_json import dump_json
    from gitml.render.model_diff import (
        model_diff_document,
        model_diff_listing,
        model_diff_table,
        model_diff_text,
    )

    repo = open_repo()
    found = compare_versions(repo, _compared(repo, model, words))
    if output.is_text:
        target = screen()
        text = model_diff_text(found, target.ink, target.cells, everything=everything, stat=stat)
        page(text, less=pager.TABLE, config=lambda: repo.settings.values)
    elif output.format is Format.JSON:
        sys.stdout.write(dump_json("diff", model_diff_document(found, everything=everything)))
    else:
        arrange = model_diff_table if output.format is Format.MD else model_diff_listing
        output.write(arrange(found, everything=everything))
    if exit_code and found.differs:
        raise typer.Exit(DIFFERENT)


def _compared(repo: Repo, model: str, words: Sequence[str]) -> list[ModelVersion]:
    """The versions that are meant: `A@v1 B@v2`, or `A v1 v2`."""
    from gitml.registry.lookup import get_state
    from gitml.registry.naming import find_version_named, parse_any, project_stages, version_by_word

    first = parse_any(repo, model)
    if first is None and len(words) < 2:
        raise UsageError(
            "a comparison needs two versions", hint=f"gitml models diff '{model}' production latest"
        )
    stages = project_stages(repo)
    versions = [] if first is None else [find_version_named(repo, model)]
    state = get_state(repo, model if first is None else versions[0].name)
    for word in words:
        whole = parse_any(repo, word) if _is_whole(word) else None
        versions.append(
            version_by_word(state, word, stages) if whole is None else find_version_named(repo, word)
        )
    return versions


def _is_whole(word: str) -> bool:
    """Whether a word names a model of its own."""
    from gitml.registry.names import is_model_name

    return is_model_name(word)
