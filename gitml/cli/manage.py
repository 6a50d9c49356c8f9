"""The commands that keep runs in order, each noun in a module of its own."""

from __future__ import annotations

import typer

from gitml.cli import annotate, artifacts, experiments, hook, init, logging_commands, runs_group


def register(app: typer.Typer) -> None:
    """Add the commands to the application."""
    for part in (annotate, artifacts, experiments, hook, init, logging_commands, runs_group):
        part.register(app)
