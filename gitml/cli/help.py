"""`gitml help`: a command, or a topic that commands share."""

from __future__ import annotations

import sys
from typing import Annotated

import typer

from gitml.cli.commands import COMMANDS, HIDDEN
from gitml.cli.overview import TOPICS, overview
from gitml.errors import NotFoundError


class TopicNotFoundError(NotFoundError):
    """There is no help on that."""

    def __init__(self, topic: str) -> None:
        super().__init__(
            f"there is no help on '{topic}'", hint=f"gitml help {'|'.join(TOPICS)}, or a command's name"
        )


def register(app: typer.Typer) -> None:
    """Add the command to the application."""
    app.command("help")(help_)


def _offers(incomplete: str) -> list[tuple[str, str]]:
    topics = {name: title for name, (title, _) in TOPICS.items()}
    commands = {name: entry.summary for name, entry in COMMANDS.items() if entry not in HIDDEN}
    return [(name, text) for name, text in (topics | commands).items() if name.startswith(incomplete)]


def help_(
    ctx: typer.Context,
    topic: Annotated[
        str | None,
        typer.Argument(metavar="TOPIC", help="A command or one of the topics.", autocompletion=_offers),
    ] = None,
) -> None:
    """Explain a command or a topic.

    Topics: filters, names, models, formats, mlflow, git, exit-codes.
    """
    if topic is None:
        sys.stdout.write(overview())
    elif topic in TOPICS:
        title, text = TOPICS[topic]
        sys.stdout.write(f"{title}\n\n{text}")
    elif topic in COMMANDS:
        _command_help(ctx, topic)
    else:
        raise TopicNotFoundError(topic)


def _command_help(ctx: typer.Context, name: str) -> None:
    import click

    root = ctx.find_root()
    group = root.command
    command = group.get_command(root, name) if isinstance(group, click.Group) else None
    if command is None:
        raise TopicNotFoundError(name)
    with command.make_context(name, [], parent=root, resilient_parsing=True) as context:
        print(command.get_help(context))
