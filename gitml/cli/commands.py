"""The commands there are, and where they live.

A table, so that `gitml --help` loads no command and `gitml log` loads only one.
"""

from __future__ import annotations

from typing import NamedTuple


class Command(NamedTuple):
    """One command or group of commands.

    Attributes:
        name: What people type.
        module: The module in `gitml.cli` whose `register` adds it.
        summary: What it does, in a line.
        daily: Whether it is one of the commands that `gitml` alone shows.
    """

    name: str
    module: str
    summary: str
    daily: bool = False


SECTIONS: dict[str, tuple[Command, ...]] = {
    "Record": (
        Command("run", "run", "Run a program as a tracked run", daily=True),
        Command("projects", "projects", "Show what a project can run, and check its MLproject file"),
        Command("reproduce", "reproduce", "Do a run again and say whether the result is the same"),
        Command("sweep", "sweep", "Run a program or project many times with other values"),
        Command("log-metric", "logging_commands", "Log a value of a metric to a live run"),
        Command("log-param", "logging_commands", "Log a param to a live run"),
        Command("log-artifact", "logging_commands", "Keep a file or folder with a live run"),
        Command("set-tag", "logging_commands", "Set a tag on a live run"),
    ),
    "Look": (
        Command("log", "log", "List runs, newest first", daily=True),
        Command("show", "show", "Show one run", daily=True),
        Command("diff", "diff", "Compare runs: params, metrics, environment, code", daily=True),
        Command("status", "status", "Show what a run would record now, and live runs", daily=True),
        Command("watch", "watch", "Follow a live run", daily=True),
        Command("plot", "plot", "Draw a metric of one or more runs", daily=True),
    ),
    "Annotate and keep order": (
        Command("tag", "annotate", "Set, list or delete tags of a run", daily=True),
        Command("note", "annotate", "Show or write the note of a run"),
        Command("mv", "annotate", "Rename a run"),
        Command("rm", "runs_group", "Delete runs; they can be restored"),
        Command("artifacts", "artifacts", "List, get and print files of a run"),
        Command("checkout", "checkout", "Lay a run's code and artifacts out in a folder"),
        Command("jobs", "jobs", "List, follow and cancel what runs in the background or on a cluster"),
        Command("runs", "runs_group", "List, finish, delete and restore runs"),
        Command("experiments", "experiments", "List, create, rename and delete experiments"),
    ),
    "Models": (
        Command("models", "models", "Register, promote, compare and get versions of models"),
        Command("verify", "verify", "Show what is proved of a model or run: signatures, files, source"),
        Command("report", "report", "Report on a branch's runs, for its pull request"),
        Command("ci", "ci", "Write workflows for promotions and pull requests"),
    ),
    "Share": (
        Command("push", "share", "Send runs, artifacts and tags to a remote", daily=True),
        Command("pull", "share", "Bring a remote's runs and join them with yours", daily=True),
        Command("fetch", "share", "Look what runs a remote has"),
        Command("sync", "share", "Pull, then push"),
        Command("clone", "clone", "Clone a repository with its runs"),
        Command("remote", "remote", "Show remotes, and set where artifacts travel"),
    ),
    "Move": (
        Command("import", "importing", "Bring runs of MLflow, TensorBoard or CSV files here"),
        Command("export", "exporting", "Write runs for MLflow, or as a table"),
        Command("bundle", "bundle", "Carry runs and artifacts in one file to a site with no network"),
    ),
    "Care": (
        Command("fsck", "care", "Check runs, objects, index and git; repair what can be"),
        Command("gc", "care", "Clean up what nothing needs; rescue runs that lost their process"),
        Command("purge", "care", "Drop the bytes of artifacts for good"),
        Command("du", "care", "Show where the bytes are"),
    ),
    "Set up": (
        Command("init", "init", "Prepare a repository"),
        Command("config", "config", "Show and set gitml's settings"),
        Command("demo", "demo", "Make a small project with real runs to play with"),
        Command("completion", "complete", "Print the completion script of a shell"),
        Command("help", "help", "Explain a command or a topic"),
    ),
}

HIDDEN: tuple[Command, ...] = (
    Command("compare", "diff", "Compare runs; the same as diff"),
    Command("model", "models", "Models; the same as models"),
    Command("restore-run", "runs_group", "Restore deleted runs; the same as runs restore"),
    Command("hook", "hook", "What the scripts in hooks/ call"),
)

COMMANDS: dict[str, Command] = {
    command.name: command for section in (*SECTIONS.values(), HIDDEN) for command in section
}
