"""Installing git's hooks beside whatever hook the user already has.

Nothing of the user's is overwritten: an existing hook is renamed and called
first, and comes back when gitml's is taken out. The pre-commit framework's hook
stays where it is, and gets ours in the place it reserves for hooks of others.
Only the repository's own hooks folder is written to: a `core.hooksPath` is
shared with other repositories or tracked by git, so there the user is told
what to add.
"""

from __future__ import annotations

import os
import uuid
from dataclasses import dataclass
from importlib import resources
from pathlib import Path

from gitml.errors import GitmlError, RefusedError
from gitml.repo import Repo
from gitml.tracking.setup import Step

_MARK = "# Installed by: gitml init --"
# The name of the earlier hook is spelled out because the pre-commit framework may rename ours.
_CHAIN = """\
{mark}{option}. Taken out again by: gitml init --no-{option}
# The hook that was here before comes first; both read the same list of refs.
refs=$(cat)
before=$(dirname "$0")/{before}
if [ -z "$refs" ]; then # nothing to push: what is read is at its end, and a here-document would add an empty line
  if [ -x "$before" ]; then "$before" "$@" || exit; fi
else
  if [ -x "$before" ]; then
    "$before" "$@" <<GITML_REFS || exit
$refs
GITML_REFS
  fi
  exec <<GITML_REFS
$refs
GITML_REFS
fi
"""


@dataclass(frozen=True, slots=True)
class Hook:
    """One of gitml's hooks.

    Attributes:
        name: What git calls it.
        option: The option of `gitml init` that installs it.
    """

    name: str
    option: str

    @property
    def call(self) -> str:
        """The command that does its work."""
        return f"gitml hook {self.name}"

    @property
    def before(self) -> str:
        """What a hook of the user's is renamed to."""
        return f"{self.name}.before-gitml"

    @property
    def legacy(self) -> str:
        """What the pre-commit framework calls before its own hooks."""
        return f"{self.name}.legacy"


PRE_PUSH = Hook("pre-push", "hooks")
PRE_RECEIVE = Hook("pre-receive", "server")


class HooksElsewhereError(RefusedError):
    """The repository's hooks are in a folder that is not its own."""

    def __init__(self, folder: Path, hook: Hook) -> None:
        super().__init__(
            f"hooks of this repository are in '{folder}', outside its git folder; gitml does not write there",
            hint=f"add this line to '{folder / hook.name}': {hook.call} \"$@\"",
        )
        self.folder = folder


class HookClashError(RefusedError):
    """Two hooks claim to be the user's own; only the user knows which."""

    def __init__(self, hook: Path, earlier: Path) -> None:
        super().__init__(
            f"'{hook}' is not gitml's, yet '{earlier}' holds a hook that gitml set aside before",
            hint=f"remove the one you don't need, or join them into '{hook.name}'",
        )
        self.hook = hook
        self.earlier = earlier


@dataclass(frozen=True, slots=True)
class _Place:
    """Where gitml's hook is or belongs, given who else is there."""

    folder: Path
    kind: Hook

    @property
    def hook(self) -> Path:
        """The name that git has for the hook, or the one that the pre-commit framework reserves."""
        kind = self.kind
        return self.folder / (kind.legacy if _is_of_pre_commit(self.folder / kind.name) else kind.name)

    @property
    def before(self) -> Path:
        return self.folder / self.kind.before


def install_hook(repo: Repo, kind: Hook = PRE_PUSH) -> Step:
    """Let `git push` send artifacts first, or a server look at what is pushed; safe to repeat.

    Raises:
        HooksElsewhereError: `core.hooksPath` leads out of the git folder.
        HookClashError: There are two earlier hooks.
    """
    folder = hooks_folder(repo)
    if not folder.resolve().is_relative_to(repo.git.common_dir.resolve()):
        if kind.call in _text(folder / kind.name):
            return Step(False, f"'{folder / kind.name}' calls gitml already")
        raise HooksElsewhereError(folder, kind)
    place = _Place(folder, kind)
    hook, before = place.hook, place.before
    text = hook_text(kind)
    if _is_ours(hook):
        if _text(hook) == text and os.access(hook, os.X_OK):
            return Step(False, f"'{hook}' is installed already")
        _write(hook, text)
        return Step(True, f"renewed '{hook}'")
    if kind.call in _text(hook):
        return Step(False, f"'{hook}' calls gitml already; left as it is")
    chained = os.path.lexists(hook)
    if chained:
        if os.path.lexists(before):
            raise HookClashError(hook, before)
        hook.rename(before)
    folder.mkdir(parents=True, exist_ok=True)
    _write(hook, text)
    note = f"; your own is '{before.name}' now, and is called first" if chained else ""
    note += "; the pre-commit framework calls it first" if hook.name == kind.legacy else ""
    return Step(True, f"installed '{hook}'{note}")


def remove_hook(repo: Repo, kind: Hook = PRE_PUSH) -> Step:
    """Take gitml's hook out and put back the one that was there before; safe to repeat."""
    folder = hooks_folder(repo)
    for name in (kind.name, kind.legacy):
        hook = folder / name
        if _is_ours(hook) and folder.resolve().is_relative_to(repo.git.common_dir.resolve()):
            hook.unlink()
            before = folder / kind.before
            if not os.path.lexists(before):
                return Step(True, f"removed '{hook}'")
            before.rename(hook)
            return Step(True, f"removed gitml's '{hook}' and put your own back")
    if kind.call in _text(folder / kind.name):
        return Step(
            False, f"'{folder / kind.name}' is not gitml's; take the line '{kind.call}' out of it yourself"
        )
    return Step(False, "gitml has no hook here")


def hooks_folder(repo: Repo) -> Path:
    """Where git looks for the hooks of a repository."""
    # gitml's own git calls switch hooks off on the command line: skip that word.
    out = repo.git.process.run(
        ["config", "--null", "--show-scope", "--type=path", "--get-all", "core.hooksPath"], check=False
    )
    words = os.fsdecode(out).split("\0")
    configured = [path for scope, path in zip(words[::2], words[1::2], strict=False) if scope != "command"]
    if not configured:
        return repo.git.common_dir / "hooks"
    return (repo.git.work_tree or repo.git.git_dir) / configured[-1]


def hook_text(kind: Hook = PRE_PUSH) -> str:
    """The script to install: the one that ships with gitml, behind the user's own."""
    first, _, rest = _shipped(kind).partition("\n")
    chain = _CHAIN.format(mark=_MARK, option=kind.option, before=kind.before)
    return f"{first}\n{chain}{rest}"


def _shipped(kind: Hook) -> str:
    package = resources.files("gitml")
    # Inside an installed package, or beside it in a checkout.
    for place in (package / "_hooks" / kind.name, Path(str(package)).parent / "hooks" / kind.name):
        if place.is_file():
            return place.read_text(encoding="utf-8")
    raise GitmlError("gitml's own hook script is missing", hint="install gitml again")


def _is_ours(hook: Path) -> bool:
    return _MARK in _text(hook)


def _is_of_pre_commit(hook: Path) -> bool:
    return "File generated by pre-commit" in _text(hook)


def _text(path: Path) -> str:
    """The beginning of a script; empty if there is none."""
    try:
        with path.open("rb") as stream:
            return stream.read(100_000).decode("utf-8", "replace")
    except OSError:  # missing, a dangling link, or not for us to read: not ours in any case
        return ""


def _write(hook: Path, text: str) -> None:
    temporary = hook.with_name(f".gitml-{uuid.uuid4().hex}")
    try:
        descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o777)
        with os.fdopen(descriptor, "w", encoding="utf-8") as stream:
            stream.write(text)
        temporary.replace(hook)
    finally:
        temporary.unlink(missing_ok=True)
