"""`gitml models …`: the model registry. What each command does is in the modules beside this one."""

from __future__ import annotations

import importlib
from typing import NamedTuple

import click
import typer
from typer.core import TyperGroup
from typer.main import get_group

from gitml.cli.app import HELP_NAMES, prepared
from gitml.cli.output import listing
from gitml.errors import UsageError


class _Command(NamedTuple):
    """One of the commands: where its function is, and how it is offered."""

    module: str
    function: str
    formats: bool = True
    hidden: bool = False
    bare: bool = False  # whether it does something without arguments


_COMMANDS = {
    "register": _Command("models_make", "register_version"),
    "list": _Command("models_look", "list_models", bare=True),
    "show": _Command("models_look", "show"),
    "history": _Command("models_look", "history"),
    "log": _Command("models_look", "history", hidden=True),  # git's word
    "diff": _Command("models_look", "diff"),
    "promote": _Command("models_move", "promote"),
    "demote": _Command("models_move", "demote"),
    "archive": _Command("models_move", "archive"),
    "rollback": _Command("models_move", "rollback"),
    "request": _Command("models_request", "request", formats=False),
    "check": _Command("models_check", "check"),
    "approve": _Command("models_check", "approve", formats=False),
    "alias": _Command("models_move", "alias"),
    "withdraw": _Command("models_withdraw", "withdraw"),
    "get": _Command("models_make", "get", formats=False),
    "download": _Command("models_make", "get", formats=False, hidden=True),  # MLflow's word
    "gto": _Command("models_gto", "gto", formats=False, bare=True),
    "copy": _Command("models_make", "copy"),
    "predict": _Command("models_predict", "predict", formats=False),
    "env": _Command("models_env", "env", formats=False),
    "score": _Command("models_score", "score", formats=False),
    "serve": _Command("models_serve", "serve", formats=False),
    "build-image": _Command("models_ship", "build_image", formats=False),
    "build-docker": _Command("models_ship", "build_docker", formats=False, hidden=True),  # MLflow's word
    "dockerfile": _Command("models_ship", "dockerfile", formats=False),
    "generate-dockerfile": _Command("models_ship", "generate_dockerfile", formats=False, hidden=True),
    "deploy": _Command("models_deploy", "deploy", formats=False),
    "in-image": _Command("models_ship", "in_image", formats=False, hidden=True, bare=True),
    "annotate": _Command("models_say", "annotate", formats=False),
    "comment": _Command("models_say", "comment"),
    "rename": _Command("models_say", "rename", formats=False),
    "delete": _Command("models_say", "delete", formats=False),
    "restore": _Command("models_say", "restore", formats=False),
}


class UnknownModelsCommandError(UsageError):
    """There is no such command on models."""

    def __init__(self, name: str) -> None:
        import difflib  # 10 ms, only for who mistyped

        shown = [known for known, command in _COMMANDS.items() if not command.hidden]
        close = difflib.get_close_matches(name, shown, n=2)
        hint = " or ".join(f"gitml models {one}" for one in close)
        super().__init__(
            f"there is no command 'models {name}'",
            hint=f"did you mean {hint}?" if close else f"there are {', '.join(shown)}",
        )


class ModelsGroup(TyperGroup):
    """The commands on models, made when they are called: to make all of them takes 0.1 s."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Name the commands, in the order of the help."""
        del ctx
        return list(_COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Make one command."""
        del ctx
        entry = _COMMANDS.get(cmd_name)
        if entry is None:
            return None
        function = getattr(importlib.import_module(f"gitml.cli.{entry.module}"), entry.function)
        part = typer.Typer(rich_markup_mode=None, add_completion=False, context_settings=HELP_NAMES)
        made = listing()(function) if entry.formats else function
        part.command(cmd_name, hidden=entry.hidden, no_args_is_help=not entry.bare)(made)
        return prepared(get_group(part).commands[cmd_name])

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Find the command that the arguments begin with.

        Raises:
            UnknownModelsCommandError: There is no such command.
        """
        if args[0] not in _COMMANDS and not args[0].startswith("-"):
            raise UnknownModelsCommandError(args[0])
        return super().resolve_command(ctx, args)


def register(app: typer.Typer) -> None:
    """Add the group to the application, under both of its names."""
    summary = "Register, promote, compare and get versions of models.\n\nExample: gitml models list"
    for name in ("models", "model"):
        group = typer.Typer(rich_markup_mode=None, no_args_is_help=True, context_settings=HELP_NAMES)
        app.add_typer(group, name=name, cls=ModelsGroup, help=summary)
