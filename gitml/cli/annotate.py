"""`gitml tag`, `gitml note`, `gitml mv`: what people say about runs."""

from __future__ import annotations

import sys
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from gitml.cli.arguments import RunName
from gitml.cli.output import Output, listing
from gitml.cli.pairs import read_pairs
from gitml.errors import NotFoundError, UsageError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from gitml.entities.run import Run
    from gitml.repo import Repo


def register(app: typer.Typer) -> None:
    """Add the commands to the application."""
    app.command("tag", no_args_is_help=True)(listing()(tag))
    app.command("note", no_args_is_help=True)(note)
    app.command("mv", no_args_is_help=True)(move)


def tag(
    output: Output,
    run: RunName,
    pairs: Annotated[list[str] | None, typer.Argument(metavar="[KEY=VALUE...]", help="Tags to set.")] = None,
    delete: Annotated[
        list[str] | None, typer.Option("--delete", "-d", metavar="KEY", help="Remove a tag. Repeatable.")
    ] = None,
) -> None:
    """Set or delete tags of a run, live or not; with neither, list them.

    Examples:
      gitml tag @ team=vision reviewed=yes
      gitml tag brisk-heron --delete reviewed
      gitml tag @ --json
    """
    from gitml.repo import Repo
    from gitml.tracking.resolve import resolve_run

    tags = read_pairs(pairs or [], f"gitml tag {run} team=vision")
    with closing(Repo.open()) as repo:
        found = resolve_run(repo, run)
        if tags or delete:
            change_tags(repo, found, tags, delete or [])
        else:
            _list_tags(found, output)


def change_tags(repo: Repo, run: Run, tags: Mapping[str, str], delete: list[str]) -> None:
    """Delete and set tags, after checking that all of it can be done.

    Raises:
        NotFoundError: A tag to delete is not there.
        UsageError: A tag is both set and deleted.
    """
    from gitml.tracking import edit

    for key in delete:
        if key in tags:
            raise UsageError(f"tag '{key}' is both set and deleted", hint="give one of them")
        if key not in run.tags:
            raise NotFoundError(
                f"run '{run.id[:8]}' has no tag '{key}'", hint=f"gitml tag {run.id[:8]} lists its tags"
            )
    if tags:
        edit.set_tags(repo, run.id, tags)
    for key in dict.fromkeys(delete):
        edit.delete_tag(repo, run.id, key)


def _list_tags(run: Run, output: Output) -> None:
    from gitml.render.listing import Listing
    from gitml.render.text import clean

    if output.is_text:
        sys.stdout.write("".join(f"{clean(key)}={clean(value)}\n" for key, value in run.tags.items()))
    else:
        output.write(
            Listing.of("tags", [{"key": k, "value": v} for k, v in run.tags.items()], ["key", "value"])
        )


def note(
    run: RunName,
    message: Annotated[
        str | None, typer.Option("--message", "-m", metavar="TEXT", help="The note; '' removes it.")
    ] = None,
    file: Annotated[
        Path | None,
        typer.Option(
            "--file", "-F", metavar="FILE", help="Take the note from a file; '-' is standard input."
        ),
    ] = None,
    edit: Annotated[bool, typer.Option("--edit", help="Write it in git's editor.")] = False,
    append: Annotated[bool, typer.Option("--append", help="Add to the note that is there.")] = False,
) -> None:
    """Write the note of a run, live or not; without options, print it.

    Examples:
      gitml note @ -m "class weights helped"
      gitml note brisk-heron --edit
      gitml note @ --append -F findings.md
    """
    from gitml.repo import Repo
    from gitml.tracking.edit import set_note
    from gitml.tracking.resolve import resolve_run

    if message is not None and file is not None:
        raise UsageError("--message and --file can't be combined", hint="give one of them")
    given = message if file is None else _read(file)
    if append and given is None and not edit:
        raise UsageError("--append needs a text", hint=f"gitml note {run} --append -m TEXT")
    with closing(Repo.open()) as repo:
        found = resolve_run(repo, run)
        if given is None and not edit:
            _print_note(found)
            return
        text = found.note if given is None else given
        if append and given and found.note:
            text = f"{found.note.rstrip()}\n\n{given}"
        if not edit:
            set_note(repo, found.id, text)
            return
        from gitml.cli.editor import edited

        with edited(repo, text, name="NOTE_EDITMSG.md") as changed:
            set_note(repo, found.id, changed)


def _print_note(run: Run) -> None:
    from gitml.render.text import clean_block

    if run.note:
        # As it is for programs; what could move a cursor is shown as an escape to people.
        text = clean_block(run.note) if sys.stdout.isatty() else run.note
        sys.stdout.write(text if text.endswith("\n") else text + "\n")


def _read(file: Path) -> str:
    data = sys.stdin.buffer.read() if str(file) == "-" else file.read_bytes()
    try:
        return data.decode("utf-8").rstrip("\n")
    except UnicodeDecodeError as err:
        raise UsageError(
            f"'{file}' is not UTF-8 text (byte {err.start})",
            hint="keep it as an artifact: gitml log-artifact",
        ) from err


def move(
    run: RunName,
    name: Annotated[str, typer.Argument(metavar="NEWNAME", help="The name it shall have.")],
) -> None:
    """Give a run another name, live or not.

    Example: gitml mv calm-otter baseline
    """
    from gitml.repo import Repo
    from gitml.tracking.edit import rename_run
    from gitml.tracking.resolve import resolve_run

    with closing(Repo.open()) as repo:
        rename_run(repo, resolve_run(repo, run).id, name)
