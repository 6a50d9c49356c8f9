"""`gitml config`: gitml's settings, which are git's, checked before they are written."""

from __future__ import annotations

import sys
from contextlib import closing
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated

import typer

from gitml.cli.opened import open_repo
from gitml.cli.output import Output, listing
from gitml.cli.terminal import signs
from gitml.errors import NotFoundError, UsageError

if TYPE_CHECKING:
    from gitml.repo import Repo

_UNSET = 5  # what git ends with when there was nothing to unset


@dataclass(frozen=True, slots=True)
class _Key:
    name: str
    default: str
    summary: str


_KEYS = (
    _Key("gitml.code", "tree", "What a run keeps of the source: tree, commit or off."),
    _Key("gitml.artifacts.inlineLimit", "100000", "Bytes up to which an artifact stays plain in git."),
    _Key("gitml.artifacts.url", "", "Where artifacts travel instead of the host's Git LFS."),
    _Key("gitml.historyLimit", "4m", "Bytes up to which a metric's history stays plain in git."),
    _Key("gitml.snapshotLimit", "1m", "Bytes above which an untracked file is left out of a snapshot."),
    _Key("gitml.recordHost", "false", "Whether runs name the machine."),
    _Key("gitml.receive.blobLimit", "100m", "On a server: bytes above which a file is not taken into git."),
    _Key("gitml.allowedSigners", "", "A file: whose SSH signatures count for gitml verify."),
    _Key("gitml.receive.lfsObjects", "auto", "On a server: artifacts beside it: auto, require or ignore."),
)


class UnknownKeyError(NotFoundError):
    """gitml has no setting of that name."""

    exit_code = 2

    def __init__(self, name: str) -> None:
        import difflib

        close = difflib.get_close_matches(name, [key.name for key in _KEYS], n=1)
        hint = (
            f"did you mean {close[0]}?" if close else "gitml config lists them; git config has all of git's"
        )
        super().__init__(f"gitml has no setting '{name}'", hint=hint)


def _offers() -> list[tuple[str, str]]:
    return [(key.name, key.summary) for key in _KEYS]


def register(app: typer.Typer) -> None:
    """Add the command to the application."""
    app.command("config")(listing()(config))


def config(
    output: Output,
    name: Annotated[
        str | None,
        typer.Argument(metavar="[KEY]", help="The setting: gitml.code, or code.", autocompletion=_offers),
    ] = None,
    value: Annotated[str | None, typer.Argument(metavar="[VALUE]", help="What to set it to.")] = None,
    unset: Annotated[bool, typer.Option("--unset", help="Back to what holds without it.")] = False,
    everywhere: Annotated[
        bool, typer.Option("--global", help="For all repositories of this user, not only this one.")
    ] = False,
) -> None:
    """List gitml's settings, show one, or set it; `git config` does the same, unchecked.

    Examples:
      gitml config
      gitml config code commit
      gitml config --global recordHost true
    """
    key = _find(name) if name is not None else None
    with closing(open_repo()) as repo:
        if key is None:
            if unset or everywhere:
                raise UsageError("there is no KEY", hint="gitml config --unset code")
        elif unset and value is not None:
            raise UsageError("VALUE and --unset can't be combined", hint="give one of them")
        elif unset or value is not None:
            _write(repo, key, value, "--global" if everywhere else "--local")
            return
        _show(repo, output, key)


def _find(name: str) -> _Key:
    wanted = name.lower().removeprefix("gitml.")
    for key in _KEYS:
        if key.name.lower().removeprefix("gitml.") == wanted:
            return key
    raise UnknownKeyError(name)


def _write(repo: Repo, key: _Key, value: str | None, scope: str) -> None:
    from gitml.config import check_setting
    from gitml.git.process import GitCommandFailedError

    if value is None:
        arguments = ["config", scope, "--unset-all", key.name]
        status, _, err = repo.git.process.run_status(arguments)
        if status not in (0, _UNSET):
            raise GitCommandFailedError(arguments, status, err)
        return
    check_setting(key.name, value)
    if key.name == "gitml.artifacts.url":
        from gitml.store.cloud import open_store

        open_store(value, {}).close()  # refuses what it could not use
    repo.git.process.run(["config", scope, "--replace-all", key.name, value])


def _show(repo: Repo, output: Output, wanted: _Key | None) -> None:
    from gitml.render.listing import Listing
    from gitml.render.numbers import MISSING
    from gitml.render.text import clean, pad

    found = _read(repo)
    records = [
        {
            "key": key.name,
            "value": found.get(key.name.lower(), (key.default, ""))[0],
            "set": found.get(key.name.lower(), ("", "default"))[1],
            "meaning": key.summary,
        }
        for key in _KEYS
        if wanted in (None, key)
    ]
    if not output.is_text:
        output.write(Listing.of("settings", records, ("key", "value", "set", "meaning")))
    elif wanted is not None:
        print(clean(records[0]["value"]))
    else:
        for record in records:
            state = "" if record["set"] == "default" else f"  ({record['set']})"
            print(f"{pad(record['key'], 28)} {clean(record['value']) or signs(MISSING, sys.stdout)}{state}")
            print(f"    {record['meaning']}")


def _read(repo: Repo) -> dict[str, tuple[str, str]]:
    """Value and scope of each key that is set; of several, the one that counts."""
    import os

    out = os.fsdecode(repo.git.process.run(["config", "--null", "--show-scope", "--list"])).split("\0")
    found: dict[str, tuple[str, str]] = {}
    for scope, pair in zip(out[::2], out[1::2], strict=False):
        key, newline, value = pair.partition("\n")
        found[key] = (value if newline else "true", scope)
    return found
