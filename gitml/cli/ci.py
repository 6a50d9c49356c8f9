"""`gitml ci …`: workflows for promotions and pull requests, and what they call."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from gitml.cli.app import HELP_NAMES
from gitml.cli.models_arguments import SignOption, say
from gitml.cli.opened import open_repo
from gitml.cli.output import json_errors
from gitml.errors import NotFoundError, RefusedError, UsageError

if TYPE_CHECKING:
    from gitml.registry.requests import Applied

_HOSTS = {"github": ".github/workflows", "gitlab": ".gitlab"}
_TEMPLATES = Path(__file__).parent / "ci_templates"
_INCLUDE = "include:\n  - local: .gitlab/gitml-ci.yml\n"
_Ref = Annotated[
    str,
    typer.Argument(
        metavar="REF", help="A tag: gitml/stages/churn/production/3, or with refs/tags/ before it."
    ),
]
_Json = Annotated[
    bool, typer.Option("--json", help="One JSON document.", callback=json_errors, is_eager=True)
]


class FileInTheWayError(RefusedError):
    """A file that would be written is there already."""

    def __init__(self, paths: list[str]) -> None:
        super().__init__(
            f"there is {' and '.join(paths)} already; nothing was written", hint="--force replaces it"
        )
        self.paths = tuple(paths)


def register(app: typer.Typer) -> None:
    """Add the commands to the application."""
    group = typer.Typer(rich_markup_mode=None, no_args_is_help=True, context_settings=HELP_NAMES)
    group.callback()(_ci)
    group.command("init", no_args_is_help=True)(init)
    group.command("parse-ref", no_args_is_help=True)(parse_ref)
    group.command("apply-requests")(apply_requests)
    group.command("trigger", no_args_is_help=True)(trigger)
    app.add_typer(group, name="ci")


def _ci() -> None:
    """Write workflows for promotions and pull requests; what they call is here too.

    Example: gitml ci init github
    """


def init(
    host: Annotated[str, typer.Argument(metavar="HOST", help="github or gitlab.")],
    branch: Annotated[
        str | None,
        typer.Option(
            "--branch", metavar="NAME", help="The default branch; if not given, the remote's, or main."
        ),
    ] = None,
    force: Annotated[bool, typer.Option("--force", help="Replace files that are there.")] = False,
) -> None:
    """Write the workflows of a host into the work tree; says what to do next.

    A promotion is verified, held against the policy, tested and deployed; a pull request
    gets a comment on its runs; a request that is merged becomes a promotion.

    Examples:
      gitml ci init github
      gitml ci init gitlab --branch trunk
    """
    from gitml.registry.requests import default_branch

    if host not in _HOSTS:
        raise UsageError(f"there are no workflows for {host!r:.40}", hint="there are github and gitlab")
    repo = open_repo()
    if repo.git.work_tree is None:
        raise UsageError("a bare repository has no files", hint="go to a clone of it")
    known = (default_branch(repo) or "").partition("/")[2]
    name = branch or (known if known not in ("", "HEAD") else _head_of(repo.git.common_dir) or "main")
    if repo.git.process.run_status(["check-ref-format", "--branch", name])[0] != 0 or '"' in name:
        raise UsageError(f"{name!r:.100} can't be a branch", hint="gitml ci init github --branch main")
    files = _files(host, name, repo.git.work_tree)
    _write(repo.git.work_tree, files, force=force)
    for path in files:
        print(path)
    for line in _next_steps(host, repo.git.work_tree):
        say(line)


def _head_of(common_dir: Path) -> str | None:
    """The branch that the remote's HEAD means, as it is known here."""
    try:
        text = (common_dir / "refs/remotes/origin/HEAD").read_text(encoding="utf-8")
    except FileNotFoundError:
        return None
    return text.strip().removeprefix("ref: refs/remotes/origin/") if text.startswith("ref: ") else None


def _files(host: str, branch: str, top: Path) -> dict[str, str]:
    from gitml import __version__

    made = {}
    for template in sorted((_TEMPLATES / host).glob("*.yml")):
        text = template.read_text(encoding="utf-8")
        text = text.replace("@GITML@", f"gitml=={__version__}").replace("@BRANCH@", branch)
        made[f"{_HOSTS[host]}/{template.name}"] = text
    if host == "gitlab" and not (top / ".gitlab-ci.yml").exists():
        made[".gitlab-ci.yml"] = _INCLUDE
    return made


def _write(top: Path, files: dict[str, str], *, force: bool) -> None:
    """Write all files or none; never one outside of the work tree."""
    there = [path for path in files if (top / path).exists() or (top / path).is_symlink()]
    if there and not force:
        raise FileInTheWayError(there)
    for path in files:
        if not (top / path).parent.resolve().is_relative_to(top.resolve()) or (top / path).is_symlink():
            raise RefusedError(f"'{path}' leads out of the work tree", hint="replace the link by a folder")
    for path, text in files.items():
        (top / path).parent.mkdir(parents=True, exist_ok=True)
        (top / path).write_text(text, encoding="utf-8")


def _next_steps(host: str, top: Path) -> list[str]:
    if host == "github":
        return [
            "next: fill in what is marked with EDIT, commit these files to the default branch and push it",
            "then protect tags gitml/** and gitml-ci/** (Settings, Rules), and each stage's environment",
        ]
    steps = []
    if (top / ".gitlab-ci.yml").read_text(encoding="utf-8") != _INCLUDE:
        steps.append("next: let .gitlab-ci.yml include it: - local: .gitlab/gitml-ci.yml")
    return [
        *steps,
        "next: fill in what is marked with EDIT, commit these files to the default branch and push it",
        "then protect tags gitml/* and gitml-ci/*, and set GITML_API_TOKEN and GITML_PUSH_TOKEN (Settings, CI/CD)",
    ]


def parse_ref(
    ref: _Ref,
    present: Annotated[
        bool, typer.Option("--present", help="Refuse an event that something came after: exit code 4.")
    ] = False,
    field: Annotated[
        str | None,
        typer.Option(
            "--field",
            metavar="FIELD",
            help="Only this: kind, model, version, stage, alias, event, number, tag or who.",
        ),
    ] = None,
    github_output: Annotated[
        bool, typer.Option("--github-output", help="In the form of the file $GITHUB_OUTPUT.")
    ] = False,
    json: _Json = False,
) -> None:
    """Print what a tag of the registry names: model, version, stage.

    Exit code 2: it is no such tag; 3: there is none of that name here.

    Examples:
      gitml ci parse-ref gitml/stages/churn/production/3
      gitml ci parse-ref --present --field version "$REF"
      gitml ci parse-ref --github-output "$REF" >> "$GITHUB_OUTPUT"
    """
    from gitml.registry.promotions import named_by
    from gitml.render.as_json import dump_json
    from gitml.render.text import clean

    if sum((field is not None, github_output, json)) > 1:
        raise UsageError("--field, --github-output and --json can't be combined", hint="give one of them")
    fields = named_by(open_repo(), ref, present=present).fields
    if json:
        document = {key: value for key, value in fields.items() if value}
        numbers = {key: int(fields[key]) for key in ("version", "number")}
        sys.stdout.write(dump_json("ref", {**document, **numbers}))
    elif field is not None:
        if field not in fields:
            raise UsageError(f"there is no field {field!r:.40}", hint=f"there are {', '.join(fields)}")
        print(fields[field])
    elif github_output:
        sys.stdout.write(_github_output(fields))
    else:
        sys.stdout.write("".join(f"{key} {clean(value)}\n" for key, value in fields.items() if value))


def _github_output(fields: dict[str, str]) -> str:
    """Values between marks that nobody can foresee, so that no value ends its own or begins another."""
    import secrets

    mark = f"gitml-{secrets.token_hex(16)}"
    return "".join(f"{key}<<{mark}\n{value}\n{mark}\n" for key, value in fields.items())


def apply_requests(
    commit: Annotated[
        str, typer.Option("--commit", metavar="COMMIT", help="The commit that has the requests.")
    ] = "HEAD",
    since: Annotated[
        str | None,
        typer.Option("--since", metavar="COMMIT", help="Leave out requests that this commit has too."),
    ] = None,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", "-n", help="Only ask the policy; promote nothing.")
    ] = False,
    sign: SignOption = None,
) -> None:
    """Make the promotions that merged requests ask for; prints their tags.

    Each is made once, however often this runs. Share them with gitml push.
    Exit code 4: at least one could not be made; the others were.

    Examples:
      gitml ci apply-requests
      gitml ci apply-requests --dry-run --since origin/main
    """
    from gitml.registry import requests

    done = requests.apply_requests(open_repo(), commit, since=since, dry_run=dry_run, sign=sign)
    for one in done:
        if one.event is not None and not one.before:
            print(one.event.ref.removeprefix("refs/tags/"))
        say(_outcome(one, dry_run=dry_run))
    failed = [one for one in done if one.error is not None]
    if failed:
        raise RefusedError(
            f"{len(failed)} of {len(done)} requests can't be made",
            hint=failed[0].error.hint if failed[0].error else None,
        )
    if not done:
        say(f"no requests in {requests.FOLDER}")


def _outcome(one: Applied, *, dry_run: bool) -> str:
    from gitml.render.text import clean

    if one.error is not None:
        return f"{clean(one.path)}: {clean(one.error.message)}"
    request = one.request
    what = f"{clean(request.model)} v{request.version} to {clean(request.stage)}" if request else ""
    verb = "was made before" if one.before else "can be made" if dry_run else "is made"
    return f"{clean(one.path)}: {what} {verb}"


def trigger(
    ref: _Ref,
    remote: Annotated[str, typer.Argument(metavar="[REMOTE]", help="The remote.")] = "origin",
) -> None:
    """Start CI for a promotion that the remote has; gitml push does it by itself.

    Example: gitml ci trigger gitml/stages/churn/production/3
    """
    from gitml.git.remote import Remote, Verdict
    from gitml.registry.promotions import named_by
    from gitml.render.text import clean
    from gitml.sync.triggers import push_triggers

    repo = open_repo()
    tag = named_by(repo, ref).tag
    results = push_triggers(repo, Remote(repo.git.process, remote), [tag.ref])
    if not results:
        raise NotFoundError(
            f"the default branch of '{clean(remote)}', as it is known here, has no workflow for it",
            hint="gitml ci init github writes one; if it has one by now: git fetch",
        )
    if results[0].verdict is Verdict.DONE:
        say(f"CI starts: {results[0].ref.removeprefix('refs/tags/')}")
    elif results[0].verdict in (Verdict.UP_TO_DATE, Verdict.EXISTS):
        say("CI was started for it before; start it again there")
    else:
        raise RefusedError(
            f"'{clean(remote)}' refuses '{results[0].ref}': {clean(results[0].reason)}",
            hint="ask who runs that host to allow tags gitml-ci/*",
        )
