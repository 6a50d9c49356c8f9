"""The root: help, errors, exit codes, colours, pager, completion."""

from __future__ import annotations

import contextlib
import importlib
import io
import json
import os
import re
import resource
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import click
import pytest

from gitml.cli import app, failures
from gitml.cli import complete as names
from gitml.cli import complete_names as quick
from gitml.cli.commands import COMMANDS, HIDDEN
from gitml.cli.help import TOPICS
from gitml.cli.terminal import speaks_unicode
from gitml.repo import Repo
from gitml.tracking import edit
from gitml.tracking.start import start_run
from tests.cli.look.conftest import Look, record
from tests.quick import QuickGitml

ROOT = app.build()


def commands() -> list[tuple[str, click.Command]]:
    assert isinstance(ROOT, click.Group)
    context = click.Context(ROOT)
    found = []
    for name in COMMANDS:
        command = ROOT.get_command(context, name)
        assert command is not None
        found.append((name, command))
        if isinstance(command, click.Group):
            for part in command.list_commands(context):
                inner = command.get_command(context, part)
                assert inner is not None
                found.append((f"{name} {part}", inner))
    return found


@pytest.mark.parametrize(("name", "command"), commands())
def test_every_command_and_option_is_explained(name: str, command: click.Command) -> None:
    assert command.help, name
    for parameter in command.params:
        assert getattr(parameter, "help", None), f"{name} {parameter.name}"
    with command.make_context(name, [], resilient_parsing=True) as context:
        assert all(len(line) <= 80 for line in command.get_help(context).splitlines())


def test_gitml_alone_shows_the_commands_of_a_day(look: Look) -> None:
    text = look().out
    assert len(re.findall(r"^  [a-z-]+ {2,}[A-Z]", text, re.MULTILINE)) == 10
    assert "Example:" in text
    everything = look("--help").out
    assert all(f"  {name} " in everything for name, command in COMMANDS.items() if command not in HIDDEN)
    assert look("-h").out == everything
    assert re.fullmatch(r"gitml \d+\.\d+\.\d+\S*\n", look("--version").out)


def test_help_has_topics(look: Look) -> None:
    for topic in TOPICS:
        assert look("help", topic).out
    assert look("help", "log").out.startswith("Usage: gitml log")
    assert look("help").out == look("--help").out
    assert "there is no help on 'nothing'" in look("help", "nothing", code=3).err


def test_what_helps_who_comes_from_mlflow_exists(look: Look) -> None:
    text = TOPICS["mlflow"][1]
    named = {
        tuple(words.split())
        for words in re.findall(r"gitml ((?:[a-z]+(?![^\s,]) ?)+)", text)
        if words.split()[0] in COMMANDS
    }
    assert {("import", "mlruns"), ("import", "mlflow"), ("export", "mlruns"), ("runs", "list")} <= named
    for words in named:
        assert look(*words, "--help").out.startswith(f"Usage: gitml {' '.join(words)} ")


def test_examples_keep_their_lines(look: Look) -> None:
    assert "\n    gitml show @{best:acc} --params\n" in look("show", "--help").out


@pytest.mark.parametrize(
    ("arguments", "code", "message", "advice"),
    [
        (["lgo"], 2, "there is no command 'lgo'", "did you mean gitml log?"),
        (["log", "--jsno"], 2, "there is no option '--jsno'", "did you mean --json"),
        (
            ["log", "--color", "always"],
            2,
            "no option '--color'",
            "goes before the command: gitml --color always log",
        ),
        (["log", "--color=never"], 2, "no option '--color'", "gitml --color=never log"),
        (["models", "list", "-C", "a b"], 2, "no option '-C'", "gitml -C 'a b' models list"),
        (["log", "-P"], 2, "no option '-P'", "gitml -P log"),
        (["show", "--traceback"], 2, "no option '--traceback'", "gitml --traceback show"),
        (["--colr", "log"], 2, "there is no option '--colr'", "did you mean --color"),
        (["log", "-n", "x"], 2, "'x' is no whole number", "gitml log --help"),
        (["log", "-n", "-3"], 2, "-3 is not at least 0", "gitml log --help"),
        (["watch", "--interval", "x"], 2, "'x' is no number", "gitml watch --help"),
        (["watch", "--interval", "99"], 2, "99.0 is not between 0.1 and 60.0", "gitml watch --help"),
        (["log", "--top", "3"], 2, "option '--top' requires 2 arguments", "gitml log --help"),
        (["-C"], 2, "option '-C' requires an argument", "gitml --help"),
        (["show", "a", "b"], 2, "unexpected extra argument", "gitml show --help"),
        (["-C", "/nowhere-at-all", "log"], 3, "there is no folder '/nowhere-at-all'", "give -C a folder"),
        (["log", "-p", "--csv"], 2, "-p and --stat are for people", "gitml log -p, or gitml log --json"),
        (["show", "zzzz"], 3, "there is no run 'zzzz'", "gitml log"),
        (["--color=pink", "log"], 2, "pink", "gitml --help"),
    ],
)
def test_errors_say_what_and_what_next(
    project: Path, look: Look, arguments: list[str], code: int, message: str, advice: str
) -> None:
    answer = look(*arguments, code=code)
    assert answer.out == ""
    first, *rest = answer.err.splitlines()
    assert first.startswith("error: ")
    assert message in first
    assert rest[0].startswith("hint: ")
    assert advice in rest[0]


@pytest.mark.parametrize(
    ("name", "command"), [(name, command) for name, command in commands() if command.no_args_is_help]
)
def test_a_command_alone_says_what_it_needs(look: Look, name: str, command: click.Command) -> None:
    answer = look(*name.split(), code=2)
    assert answer.out == ""
    first, second = answer.err.splitlines()
    assert first.startswith(f"error: gitml {name} needs ")
    assert f"gitml {name} --help" in second
    assert "such as gitml " in second or isinstance(command, click.Group) or name.startswith("hook ")


def test_what_a_command_needs_is_named(look: Look) -> None:
    assert "needs RUN and NEWNAME\n" in look("mv", code=2).err
    assert "needs RUN...\n" in look("runs", "compare", code=2).err
    assert "needs MODEL and DATA… and --out\n" in look("models", "score", code=2).err
    assert "needs a command: list, artifacts\n" in look("remote", code=2).err
    assert "such as gitml demo /tmp/gitml-demo; gitml demo --help" in look("demo", code=2).err


def test_hints_can_be_switched_off(project: Path, git: Callable[..., str], look: Look) -> None:
    git(project, "config", "advice.gitml", "off")
    assert look("show", "zzzz", code=3).err == "error: there is no run 'zzzz'\n"
    assert json.loads(look("show", "zzzz", "--json", code=3).err)["error"]["hint"]
    git(project, "config", "advice.gitml", "true")
    assert "hint: " in look("show", "zzzz", code=3).err


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        (["note", "@", "-F", "nofile"], 3),
        (["note", "@", "-F", "train.py/x"], 3),
        (["note", "@", "-F", "."], 2),
        (["demo", "/proc/x"], 3),
        (["note", "@", "-F", "x" * 300], 2),
    ],
)
def test_what_the_operating_system_refuses_has_its_code(
    project: Path, look: Look, arguments: list[str], code: int
) -> None:
    look(*arguments, code=code)


def test_outside_a_repository(look: Look, tmp_path: Path) -> None:
    answer = look("-C", str(tmp_path), "log", code=128)
    assert "is not in a git repository" in answer.err
    assert "hint: " in answer.err


def test_errors_are_json_where_json_was_asked_for(project: Path, look: Look) -> None:
    for arguments, code in ((["show", "zzzz", "--json"], 3), (["log", "--jsonl", "-f", "x >"], 2)):
        error = json.loads(look(*arguments, code=code).err)["error"]
        assert error["exit_code"] == code
        assert error["message"]
        assert error["type"].endswith("Error")


def test_json_errors_reach_to_wrong_usage(
    project: Path, gitml: Callable[..., subprocess.CompletedProcess[str]]
) -> None:
    answer = gitml(project, "log", "--json", "--wrong", code=2)
    assert json.loads(answer.stderr)["error"]["exit_code"] == 2


def test_hostile_names_in_errors_are_tame(project: Path, look: Look) -> None:
    assert "\x1b" not in look("show", "\x1b[31mred\x07", code=3).err


def test_traceback_shows_where_an_error_came_from(project: Path, look: Look) -> None:
    assert "Traceback" in look("--traceback", "show", "zzzz", code=3).err
    assert "Traceback" not in look("show", "zzzz", code=3).err


def test_a_bug_leaves_a_report(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    monkeypatch.setattr(sys, "argv", ["gitml", "log", "--token=ghp_0123456789abcdefghijklmnopqrstuvwxyzAB"])
    try:
        raise KeyError("oops")
    except KeyError as err:
        assert failures.report(err, app.Session()) == 70
    first, second = capsys.readouterr().err.splitlines()
    assert first == "error: this is a bug in gitml (KeyError: 'oops')"
    report = Path(second.rpartition(" ")[2])
    assert "KeyError: 'oops'" in report.read_text()
    assert "ghp_0123" not in report.read_text()


@pytest.mark.parametrize(
    ("err", "code", "message"),
    [
        (KeyboardInterrupt(), 130, ""),
        (click.Abort(), 130, ""),
        (
            FileNotFoundError(2, "No such file or directory", "x.txt"),
            3,
            (
                "error: no such file or directory: 'x.txt'\n"
                "hint: see whether the name is right, and the disk that it is on is mounted\n"
            ),
        ),
        (SystemExit(3), 3, ""),
        (SystemExit(), 0, ""),
    ],
)
def test_other_ends(err: BaseException, code: int, message: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert failures.report(err, app.Session()) == code
    assert capsys.readouterr().err == message


def test_a_closed_pipe_is_no_news(project: Path) -> None:
    script = f"{sys.executable} -m gitml log --csv 2>err | true; echo ${{PIPESTATUS[0]}}"
    done = subprocess.run(["bash", "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout == "141\n"
    assert Path("err").read_text() == ""


@pytest.mark.parametrize(
    "locale",
    [
        {"LC_ALL": "C", "PYTHONIOENCODING": "ascii", "PYTHONUTF8": "0"},
        {"LC_ALL": "C"},  # in which Python writes UTF-8
        {"LC_ALL": "POSIX"},
    ],
    ids=lambda locale: "-".join(locale.values()),
)
def test_a_locale_without_unicode_gets_ascii(project: Path, locale: dict[str, str]) -> None:
    commands = [
        ["log"], ["show"], ["diff"], ["status"], ["log", "--graph"], ["plot", "acc"], ["log", "--group-by", "depth"],
        ["config"], ["show", "quiet-fox"],
    ]  # fmt: skip
    code = f"from gitml.cli.app import run; [(print('$', *command), run(command)) for command in {commands}]"
    done = subprocess.run(
        [sys.executable, "-c", code],
        env={**os.environ, **locale},
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert done.stderr == ""
    assert done.stdout.isascii()
    assert "\\u" not in done.stdout
    parts = done.stdout.split("$ ")[1:]
    assert len(parts) == len(commands)
    assert all(part.count("\n") > 2 for part in parts), parts


@pytest.mark.parametrize(
    ("environ", "encoding", "letters"),
    [
        ({}, "utf-8", True),
        ({"LC_ALL": "C"}, "utf-8", False),
        ({"LC_ALL": "C.UTF-8", "LANG": "C"}, "utf-8", True),
        ({"LC_ALL": "C", "PYTHONUTF8": "1"}, "utf-8", True),
        ({"LC_ALL": "C", "PYTHONIOENCODING": "utf-8"}, "utf-8", True),
        ({"LC_CTYPE": "C.UTF-8", "LANG": "C"}, "utf-8", True),  # as Python leaves it where LANG is C
        ({"LANG": "POSIX"}, "utf-8", False),
        ({"LC_ALL": "en_US.UTF-8"}, "latin-1", False),
        ({"LC_ALL": "xx_XX.UTF-8"}, "utf-8", True),
    ],
)
def test_who_has_all_letters(environ: dict[str, str], encoding: str, letters: bool) -> None:
    with io.TextIOWrapper(io.BytesIO(), encoding=encoding) as stream:
        assert speaks_unicode(stream, environ) is letters


def test_long_output_goes_through_the_pager(
    project: Path, on_terminal: Callable[..., str], git: Callable[..., str]
) -> None:
    pager = project / "pager.sh"
    pager.write_text('#!/bin/sh\necho "paged by $1 with $LESS"\ncat\n')
    pager.chmod(0o755)
    assert "paged by me with FRXS" in on_terminal(project, "log", lines=4, GITML_PAGER=f"{pager} me")
    assert "paged by" not in on_terminal(project, "log", lines=40, GITML_PAGER=f"{pager} me")
    assert "paged by" not in on_terminal(project, "--no-pager", "log", lines=4, GITML_PAGER=f"{pager} me")
    git(project, "config", "core.pager", f"{pager} git")
    assert "paged by git" in on_terminal(project, "log", lines=4, PAGER=f"{pager} environ")
    git(project, "config", "--unset", "core.pager")
    assert "paged by environ with X" in on_terminal(
        project, "show", lines=4, PAGER=f"{pager} environ", LESS="X"
    )
    assert "brisk-heron" in on_terminal(project, "log", lines=4, GITML_PAGER="no-such-pager-at-all")


@pytest.fixture
def complete(quick: QuickGitml) -> Callable[[Path, str], list[str]]:
    """Complete a line in a folder, as a shell asks for it."""

    def ask(folder: Path, line: str) -> list[str]:
        typed = {"COMP_WORDS": line, "COMP_CWORD": str(line.count(" ")), "_GITML_COMPLETE": "complete_bash"}
        done = quick.run([], cwd=folder, env={**os.environ, **typed})
        assert done.stderr == ""
        return done.stdout.split()

    return ask


def test_names_are_completed(
    project: Path, tmp_path: Path, complete: Callable[[Path, str], list[str]]
) -> None:
    assert complete(project, "gitml sh") == ["show"]
    assert complete(project, "gitml show qu") == ["quiet-fox"]
    assert complete(project, "gitml show ")[:3] == ["@", "@~1", "quiet-fox"]
    assert complete(project, "gitml plot ") == ["acc", "loss"]
    assert complete(project, "gitml log -c acc,l") == ["acc,loss", "acc,lr"]
    assert complete(project, "gitml log -e ch") == ["churn"]
    assert complete(tmp_path, "gitml show ") == []


def test_completion_knows_live_runs_and_what_only_git_knows_yet(
    project: Path, git: Callable[..., str], complete: Callable[[Path, str], list[str]]
) -> None:
    with contextlib.closing(Repo.open(project)) as repo:
        live = start_run(repo, name="emu")
        start_run(repo, name="calm-emu").close()
        assert complete(project, "gitml watch calm")[:1] == ["calm-emu"]
        live.close()
        record(repo, "newest-ibis", {"recall": [0.5]})
    assert complete(project, "gitml show new") == ["newest-ibis"]  # the index has not seen it
    assert complete(project, "gitml plot rec") == ["recall"]
    git(project, "pack-refs", "--all")
    assert complete(project, "gitml show new") == ["newest-ibis"]
    (project / ".git/gitml/index.sqlite").write_bytes(b"not a database")
    assert complete(project, "gitml show new") == ["newest-ibis"]


def test_completion_asks_the_index_directly_and_gets_the_same(
    project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def ask() -> list[object]:
        return [
            complete_with("")
            for complete_with in (names.runs, names.experiments, names.metrics, names.fields)
        ]

    with contextlib.closing(Repo.open(project)) as repo:
        repo.index.catch_up()
    for reader in (quick.runs, quick.experiments, quick.metrics, quick.fields):
        assert quick.read(reader), reader  # else the tables were renamed and completion became slow
    direct = ask()
    monkeypatch.setattr(quick, "read", lambda _: None)
    assert ask() == direct
    code = "import sys; from gitml.cli import complete; print(complete.runs('')); print([m for m in {} if m in sys.modules])"
    done = subprocess.run(
        [sys.executable, "-c", code.format(("gitml.index", "gitml.repo", "dulwich", "git", "yaml"))],
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert done.stdout.splitlines()[-1] == "[]"


@pytest.fixture
def in_bash(quick: QuickGitml) -> Callable[..., list[str]]:
    """Complete a line as our script for bash asks for it; `word` is what bash takes for the word."""

    def ask(folder: Path, line: str, word: str) -> list[str]:
        typed = {"_GITML_LINE": line, "_GITML_WORD": word, "_GITML_COMPLETE": "complete_bash"}
        done = quick.run([], cwd=folder, env={**os.environ, **typed})
        assert done.stderr == ""
        return [line for line in done.stdout.splitlines() if line]

    return ask


ODD = [
    "x$(touch pwned)",
    "x;ls",
    "x`ls`",
    "x y",
    "x|y",
    "x\\y",
    "x>y",
    "~x*",
    "x'y",
    'x"y',
    "x:y",
    "x{a,b}",
    "é ☃",
]


@pytest.mark.parametrize("name", ODD)
def test_a_name_that_a_shell_would_act_on_is_offered_quoted(
    project: Path, in_bash: Callable[..., list[str]], complete: Callable[[Path, str], list[str]], name: str
) -> None:
    with contextlib.closing(Repo.open(project)) as repo:
        record(repo, name, {})
    for before, after in (("", ""), ("'", "'"), ('"', '"')):
        offered = in_bash(project, f"gitml show {before}", "")[2]
        read = subprocess.run(
            ["bash", "-c", f"printf %s {before}{offered}{after}"], cwd=project, capture_output=True, text=True,
            check=True,
        )  # fmt: skip
        assert read.stdout == name
    if name != "x:y":
        assert name not in complete(project, "gitml show "), "an older script inserts it as it is"


@pytest.mark.parametrize("name", ["-x", "=x"])
def test_a_name_that_could_not_be_read_is_not_offered(
    project: Path, in_bash: Callable[..., list[str]], name: str
) -> None:
    with contextlib.closing(Repo.open(project)) as repo:
        run_id = record(repo, name, {})
    offered = in_bash(project, "gitml show ", "")
    assert name not in offered
    assert run_id[:8] in offered


def test_what_is_offered_goes_on_from_where_the_word_of_bash_began(
    project: Path, in_bash: Callable[..., list[str]]
) -> None:
    with contextlib.closing(Repo.open(project)) as repo:
        gone = record(repo, "co:lon two", {"val acc": [0.5]})
        assert in_bash(project, "gitml show co:l", "l") == ["lon\\ two"]
        assert in_bash(project, "gitml show co:lon\\ t", "lon\\ t") == ["lon\\ two"]
        assert in_bash(project, "gitml show 'co:l", "co:l") == ["co:lon two"]
        assert in_bash(project, "gitml show @{best:lo", "lo") == ["loss}"]
        assert in_bash(project, "gitml log -s -lo", "-lo") == ["-loss"]
        assert in_bash(project, "gitml log --top 3 lo", "lo") == ["loss"]
        assert in_bash(project, "gitml log --top ", "") == []
        assert in_bash(project, "gitml log -c loss,va", "loss,va") == ["loss,val\\ acc"]
        assert in_bash(project, "gitml run -e ch", "ch") == ["churn"]
        assert in_bash(project, "gitml artifacts cat brisk-heron e", "e") == ["eval.csv"]
        assert in_bash(project, "gitml help filt", "filt") == ["filters"]
        assert in_bash(project, "gitml runs restore ", "") == []
        edit.delete_run(repo, gone)
    assert in_bash(project, "gitml runs restore ", "") == ["co:lon\\ two", gone[:8]]
    assert in_bash(project, "gitml nonsense x", "x") == []
    assert in_bash(project, "A=1 /usr/bin/gitml show qui", "qui") == ["quiet-fox"]


def test_bash_itself_completes_a_name(project: Path, look: Look, tmp_path: Path) -> None:
    with contextlib.closing(Repo.open(project)) as repo:
        record(repo, "two words*", {})
    (tmp_path / "gitml").write_text(f'#!/bin/sh\nexec {sys.executable} -m gitml "$@"\n')
    (tmp_path / "gitml").chmod(0o755)
    asked = """
        complete -p gitml
        COMP_LINE='gitml show tw' COMP_POINT=13
        _gitml_completion gitml tw show
        printf '%s\\n' "${COMPREPLY[@]}"
    """
    done = subprocess.run(
        ["bash", "-c", look("completion", "bash").out + asked], capture_output=True, text=True, check=True,
        env={**os.environ, "PATH": f"{tmp_path}:{os.environ['PATH']}"},
    )  # fmt: skip
    assert done.stdout.splitlines() == ["complete -o default -F _gitml_completion gitml", "two\\ words\\*"]


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_completion_scripts(look: Look, shell: str) -> None:
    assert "_GITML_COMPLETE" in look("completion", shell).out


def test_commands_load_only_what_they_need() -> None:
    heavy = ("rich", "pandas", "numpy", "lark", "git", "dulwich", "yaml", "psutil", "pydantic", "gitml.api")
    code = "import sys; from gitml.cli.app import run; run({}); print([m for m in {} if m in sys.modules], file=sys.stderr)"
    for arguments in ([], ["--help"], ["log", "--help"], ["run", "--help"], ["help", "filters"]):
        done = subprocess.run(
            [sys.executable, "-c", code.format(arguments, heavy)], capture_output=True, text=True, check=True
        )
        assert done.stderr == "[]\n", arguments


def test_listing_for_programs_loads_no_rich(project: Path) -> None:
    code = "import sys; from gitml.cli.app import run; run(['log', '--json']); print('rich' in sys.modules, file=sys.stderr)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stderr == "False\n"


def test_help_and_completion_start_fast(project: Path) -> None:
    def seconds(arguments: list[str], **environ: str) -> float:
        """What it costs of a processor: on a busy machine that says more than the clock."""
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        command = [sys.executable, "-m", "gitml", *arguments]
        subprocess.run(command, capture_output=True, check=True, env={**os.environ, **environ})
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime

    # The budget is 150 ms for each; machines that run tests are shared, so some room, and the best of several.
    assert any(seconds(["--help"]) < 0.4 for _ in range(7))
    typed = {"_GITML_COMPLETE": "complete_bash", "COMP_WORDS": "gitml show ", "COMP_CWORD": "2"}
    assert any(seconds([], **typed) < 0.4 for _ in range(7))


def test_every_module_registers_what_the_table_says() -> None:
    for command in COMMANDS.values():
        assert hasattr(importlib.import_module(f"gitml.cli.{command.module}"), "register")
