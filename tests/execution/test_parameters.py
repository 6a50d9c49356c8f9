"""Values: checked against what is declared, brought here where they are elsewhere, and quoted for the shell."""

from __future__ import annotations

import random
import shutil
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import closing
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from gitml.entities.project import EntryPoint, Parameter, ParameterType
from gitml.errors import GitmlError, InvalidNameError, NotFoundError, RemoteError, UsageError
from gitml.execution.commands import UnquotableError, command_argv, shell_command
from gitml.execution.definition import find_entry_point, load_project
from gitml.execution.parameters import (
    MissingParametersError,
    ParameterValueError,
    materialize,
    missing_parameters,
    resolve_parameters,
)
from gitml.repo import Repo
from tests.conftest import Gitml

MAIN = EntryPoint(
    "main",
    "python train.py {data} {lr} {steps}",
    (
        Parameter("data", ParameterType.PATH),
        Parameter("lr", ParameterType.FLOAT, "0.1", least=0, most=1),
        Parameter("steps", ParameterType.INT),
    ),
)
AWKWARD = [
    "", " ", "a b", "'", '"', "\\", "$HOME", "$(id)", "`id`", "!!", "~", "*", "{x}", "{{", "-e", "--", "#", "\n", "a\n", "\t",
    "';id;'", '";id;"', "&", "é", "日本 語", "\udcff", "\x01", "a=b", "%s", "\r\n",
]  # fmt: skip
# What a program can be given: no NUL, and no letter that the file system's encoding lacks.
_texts = st.text(st.characters(exclude_characters="\0", exclude_categories=("Cs",))) | st.sampled_from(
    AWKWARD
)


def test_values_are_those_given_then_defaults_then_the_undeclared(tmp_path: Path):
    (tmp_path / "d.csv").touch()
    given_values = {"zeta": "1", "steps": "3", "data": "d.csv", "alpha": "x y"}
    found = resolve_parameters(MAIN, given_values, base=tmp_path)
    assert list(found.items()) == [
        ("data", "d.csv"),
        ("lr", "0.1"),
        ("steps", "3"),
        ("zeta", "1"),
        ("alpha", "x y"),
    ]
    real = materialize(MAIN, found, base=tmp_path, storage=tmp_path / "none")
    assert real == {**found, "data": str(tmp_path / "d.csv")}
    assert shell_command(MAIN, real).endswith("/d.csv 0.1 3 --zeta 1 --alpha 'x y'")
    assert not (tmp_path / "none").exists()


def test_all_that_is_missing_is_named_with_what_to_type(tmp_path: Path):
    assert [parameter.name for parameter in missing_parameters(MAIN, {"steps": "1"})] == ["data"]
    with pytest.raises(MissingParametersError, match=r"'data' \(path\), 'steps' \(int\)") as caught:
        resolve_parameters(MAIN, {"other": "1"}, base=tmp_path)
    assert caught.value.hint == "add -P data=… -P steps=…"


@pytest.mark.parametrize(
    ("parameter", "good", "bad"),
    [
        (Parameter("p", ParameterType.FLOAT), ["1", "-.5", "1e-3", "2.E+4", "inf", "NaN"], ["", "x", "1_0", "0x1", " 1", "1\n"]),
        (Parameter("p", ParameterType.INT), ["1", "-0", "+12"], ["1.0", "1e3", "١", "", "9" * 5000]),
        (Parameter("p", ParameterType.INT, least=1, most=3), ["1", "3"], ["0", "4"]),
        (Parameter("p", ParameterType.FLOAT, least=0), ["0", "inf"], ["-1e-9", "nan"]),
        (Parameter("p", ParameterType.BOOL), ["true", "False", "YES", "0"], ["2", "", "t"]),
        (Parameter("p", ParameterType.CHOICE, choices=("a", "b")), ["a"], ["A", ""]),
        (Parameter("p", ParameterType.URI), ["s3://b/k", "file:///x", "dbfs:/x"], ["x", "a b:c", "http:"]),
        (Parameter("p", ParameterType.PATH), [".", "file:///"], ["", "nope", "x" * 5000, "file:///nope"]),
        (Parameter("p"), ["", "anything\n"], ["\0", "\ud800"]),
    ],
)  # fmt: skip
def test_types_are_checked(tmp_path: Path, parameter: Parameter, good: list[str], bad: list[str]):
    point = EntryPoint("main", "x", (parameter,))
    for text in good:
        assert resolve_parameters(point, {"p": text}, base=tmp_path) == {"p": text}
    for text in bad:
        with pytest.raises(ParameterValueError, match="parameter 'p' "):
            resolve_parameters(point, {"p": text}, base=tmp_path)


@pytest.mark.parametrize("key", ["", "a b", "-x", "a;id", "a=b", "é", "a\n", "$(id)"])
def test_a_key_is_never_shell_or_an_option(tmp_path: Path, key: str):
    point = EntryPoint("main", "x")
    with pytest.raises(InvalidNameError):
        resolve_parameters(point, {key: "1"}, base=tmp_path)
    with pytest.raises(InvalidNameError):
        shell_command(point, {key: "1"})


# The shell


def arguments_of(command: str, folder: Path, end: bytes = b"\0") -> list[str]:
    done = subprocess.run(command_argv(command), cwd=folder, capture_output=True, check=True)
    return [part.decode("utf-8", "surrogateescape") for part in done.stdout.split(end)[:-1]]


@given(_texts, _texts)
@example("\udcff", "';id;'")
def test_the_program_gets_every_value_as_it_is(
    tmp_path_factory: pytest.TempPathFactory, one: str, other: str
):
    point = EntryPoint("main", "printf '%s\\0' {a} x{b}x '{{a}}' \\\n", (Parameter("a"), Parameter("b")))
    command = shell_command(point, {"a": one, "b": other, "c.d-e": other})
    assert arguments_of(command, tmp_path_factory.getbasetemp()) == [
        one,
        f"x{other}x",
        "{a}",
        "--c.d-e",
        other,
    ]


SCRIPTS = {
    "show.py": "import os, sys\nos.write(1, b''.join(os.fsencode(word) + b'\\0' for word in sys.argv[1:]))\n",
    "show it.sh": "printf '%s\\0' \"$@\"\n",
    "show.R": "for (word in commandArgs(trailingOnly = TRUE)) cat(word, '\\003', sep = '')\n",  # it can't print NUL
}


@pytest.mark.parametrize("name", ["show.py", "show it.sh", pytest.param("show.R", marks=pytest.mark.heavy)])
def test_so_do_scripts(tmp_path: Path, name: str):
    if name.endswith(".R") and shutil.which("Rscript") is None:
        pytest.skip("R is not installed")
    (tmp_path / name).write_text(SCRIPTS[name])
    values = {f"k{number}": text for number, text in enumerate(AWKWARD)}
    project = load_project(tmp_path)
    command = shell_command(find_entry_point(project, tmp_path, name), values)
    end = b"\3" if name.endswith(".R") else b"\0"
    assert arguments_of(command, tmp_path, end) == [
        word for key, text in values.items() for word in (f"--{key}", text)
    ]


@pytest.mark.parametrize("shell", ["bash", "dash"])
def test_no_value_becomes_shell_wherever_the_command_has_it(tmp_path: Path, shell: str):
    """Commands of random pieces with hostile values: each is refused, or runs without the value being run."""
    if shutil.which(shell) is None:
        pytest.skip(f"{shell} is not installed")
    pieces = [
        '"', "'", "$(", ")", "`", "echo ", " {v} ", "{v}", "{w}", " ", "\n", "\\\\", '\\"', " #", "${{X}}", "${{X:-", "}}",
        "$'", '$"', "<<E\n", "\nE\n", "((", "$((", ";", "|", "\\\n",
    ]  # fmt: skip
    hostile = [
        "$(>C)", "`>C`", '";>C;"', "';>C;'", "\n>C\n", "\nE\n>C\n", ");>C;(", "\\';>C #", "}$(>C)", "'", '"', "", "x", "\\",
    ]  # fmt: skip
    draw = random.Random(shell)
    lines = []
    for _ in range(6000):
        template = "echo " + "".join(draw.choices(pieces, k=draw.randint(1, 10)))
        point = EntryPoint("main", template, (Parameter("v"), Parameter("w")))
        values = {key: draw.choice(hostile) for key in draw.choice([("v", "w"), ("v", "w", "other")])}
        try:
            lines.append(shell_command(point, values))
        except GitmlError:
            continue
    attempts = [line for line in dict.fromkeys(lines) if ">C" in line]
    assert len(attempts) > 300
    for line in attempts[:150]:
        subprocess.run(
            [shell, "-c", line], cwd=tmp_path, stdin=subprocess.DEVNULL, capture_output=True, check=False
        )
        assert not (tmp_path / "C").exists(), line


@pytest.mark.parametrize(
    "command",
    [
        'x "{v}"',
        "x '{v}'",
        "x # {v}",
        "x `{v}`",
        'x "$(y "{v}")"',
        "cat <<E\n{v}\nE",
        "x $(( {v} ))",
        "x ${{y:-{v}}}",
    ],
)
def test_where_a_value_can_not_be_quoted_only_plain_ones_go(command: str):
    point = EntryPoint("main", command, (Parameter("v"),))
    assert "0.1" in shell_command(point, {"v": "0.1"})
    with pytest.raises(UnquotableError, match="'main' has '{v}' "):
        shell_command(point, {"v": "a b"})


def test_nothing_is_appended_to_a_comment():
    with pytest.raises(UsageError, match="ends in a comment"):
        shell_command(EntryPoint("main", "x # well"), {"v": "1"})


# From elsewhere


class _Server(SimpleHTTPRequestHandler):
    def do_GET(self) -> None:
        if (
            self.path.startswith("/private") and self.headers["Authorization"] != "Basic YWRhOnA0c3M="
        ):  # ada:p4ss
            self.send_error(401)
        elif self.path == "/moved.csv":
            self.send_response(302)
            self.send_header("Location", "/d.csv")
            self.end_headers()
        elif self.path == "/short":
            self.send_response(200)
            self.send_header("Content-Length", "100")
            self.end_headers()
            self.wfile.write(b"x")
        else:
            super().do_GET()

    def end_headers(self) -> None:
        self.send_header("Content-Disposition", 'attachment; filename="../../evil"')
        super().end_headers()

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def served(tmp_path: Path) -> Iterator[tuple[Path, str]]:
    folder = tmp_path / "served"
    folder.mkdir()
    with ThreadingHTTPServer(("127.0.0.1", 0), partial(_Server, directory=str(folder))) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        yield folder, f"127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join()


def brought(uri: str, folder: Path) -> Path:
    values = resolve_parameters(MAIN, {"data": uri, "steps": "1"}, base=folder)
    assert values["data"] == uri
    return Path(materialize(MAIN, values, base=folder, storage=folder)["data"])


def test_a_url_is_downloaded(tmp_path: Path, served: tuple[Path, str]):
    folder, host = served
    (folder / "d.csv").write_text("a,b\n")
    (folder / "private").write_text("secret")
    for number, (path, name) in enumerate(
        [("d.csv?sig=1", "d.csv"), ("moved.csv", "moved.csv"), ("%2e%2e%2fd.csv/../d.csv", "d.csv")]
    ):
        found = brought(f"http://{host}/{path}", tmp_path / str(number))
        assert found.name == name
        assert found.is_relative_to(tmp_path / str(number))
        assert found.read_text() == "a,b\n"
    assert brought(f"http://ada:p4ss@{host}/private", tmp_path / "signed").read_text() == "secret"
    with pytest.raises(NotFoundError, match="there is nothing at"):
        brought(f"http://{host}/none", tmp_path / "none")
    with pytest.raises(RemoteError, match="the server answers 401") as caught:
        brought(f"http://ada:wr0ng@{host}/private", tmp_path / "wrong")
    assert "wr0ng" not in caught.value.message
    with pytest.raises(RemoteError, match="can't be downloaded"):
        brought(f"http://{host}/short", tmp_path / "short")
    again = tmp_path / "again"
    first = brought(f"http://{host}/d.csv", again)
    (folder / "d.csv").unlink()
    assert brought(f"http://{host}/d.csv", again) == first  # once for all runs that share a storage
    with pytest.raises(UsageError, match="can't be made"):
        brought(f"http://{host}/d.csv", first)


def test_what_is_here_is_not_copied_and_what_is_nowhere_is_told(tmp_path: Path):
    (tmp_path / "a b").mkdir()
    assert brought((tmp_path / "a b").as_uri(), tmp_path) == tmp_path / "a b"
    with pytest.raises(UsageError, match="gitml knows no store 'nope://'"):
        brought("nope://x/y", tmp_path / "s")
    with pytest.raises(UsageError, match="needs a repository"):
        brought("runs:/0123/model", tmp_path / "t")


def test_files_of_runs_and_models(git_repo: Path, tmp_path: Path, gitml: Gitml):
    (git_repo / "make.py").write_text("import pathlib\npathlib.Path('out.txt').write_text('kept')\n")
    gitml(git_repo, "run", "--artifact", "out.txt", "--", sys.executable, "make.py")
    run_id = gitml(git_repo, "log", "--format", "%H").stdout.strip()
    gitml(git_repo, "models", "register", f"runs:/{run_id}/out.txt", "churn")
    with closing(Repo.open(git_repo)) as repo:
        for number, uri in enumerate((f"runs:/{run_id}/out.txt", "models:/churn/1", "models:/churn@latest")):
            values = {"data": uri, "steps": "1", "lr": "1"}
            storage = tmp_path / str(number)
            found = Path(materialize(MAIN, values, base=git_repo, storage=storage, repo=repo)["data"])
            assert found.read_text() == "kept"
            assert found.is_relative_to(storage)
        with pytest.raises(NotFoundError):
            materialize(
                MAIN, {"data": "models:/churn/7"}, base=git_repo, storage=tmp_path / "none", repo=repo
            )
