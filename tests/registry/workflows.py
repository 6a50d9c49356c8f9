"""Workflows of GitHub and jobs of GitLab, run step by step as their hosts do: bash, variables, real clones."""

from __future__ import annotations

import fnmatch
import http.server
import json
import os
import re
import subprocess
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

_EXPRESSION = re.compile(r"\$\{\{(.*?)\}\}")
_TOKEN = re.compile(r"\s*('[^']*'|&&|\|\||==|!=|!|\(|\)|[A-Za-z_][\w.-]*(?:\(\))?)")
_WORDS = {"&&": " and ", "||": " or ", "!": " not ", "cancelled()": "False"}


class StepFailedError(AssertionError):
    """A step ended with an error."""

    def __init__(self, name: str, said: str) -> None:
        super().__init__(f"{name}: {said}")
        self.step = name
        self.said = said


def evaluate(text: str, context: Mapping[str, Any]) -> Any:
    """The value of an expression of GitHub's."""

    def value(word: str) -> str:
        if word in _WORDS:
            return _WORDS[word]
        if word[0] == "'" or word in ("==", "!=", "(", ")"):
            return word
        found: Any = context
        for part in word.split("."):
            found = found.get(part, "") if isinstance(found, Mapping) else ""
        return repr(found)

    parts = []
    while text.strip():
        match = _TOKEN.match(text)
        assert match, text
        parts.append(value(match[1]))
        text = text[match.end() :]
    return eval("".join(parts), {"__builtins__": {}})


def fill(text: Any, context: Mapping[str, Any]) -> str:
    """Fill in the expressions of a value."""
    return _EXPRESSION.sub(lambda match: str(evaluate(match[1], context)), str(text))


def starts(workflow: Mapping[str, Any], ref: str) -> bool:
    """Whether a push of a tag starts a workflow."""
    patterns = (workflow[True].get("push") or {}).get("tags", [])
    return any(fnmatch.fnmatchcase(ref.removeprefix("refs/tags/"), pattern) for pattern in patterns)


@dataclass
class Runner:
    """A machine that runs jobs.

    `server` is the repository, `programs` a folder that has gitml, which stands in for its installation.
    """

    server: Path
    folder: Path
    programs: Path
    variables: dict[str, str] = field(default_factory=dict)
    install: bool = False

    def job(self, workflow: Mapping[str, Any], name: str, context: dict[str, Any]) -> dict[str, str] | None:
        """Run a job of GitHub's; gives its outputs, None if it is not to run."""
        job = workflow["jobs"][name]
        if "if" in job and not evaluate(job["if"], context):
            return None
        temporary = self.folder / f"{name}-{len(list(self.folder.iterdir()))}"
        temporary.mkdir()
        files = {
            key: temporary / key
            for key in ("GITHUB_OUTPUT", "GITHUB_ENV", "GITHUB_PATH", "GITHUB_STEP_SUMMARY")
        }
        for path in files.values():
            path.touch()
        work = temporary / "work"
        context = {**context, "steps": {}}
        env = {
            **os.environ, **self.variables, **{key: str(path) for key, path in files.items()}, "RUNNER_TEMP": str(temporary),
            "PATH": f"{self.programs}{os.pathsep}{os.environ['PATH']}",
        }  # fmt: skip
        env |= {
            key: fill(value, context)
            for key, value in {**workflow.get("env", {}), **job.get("env", {})}.items()
        }
        env |= {key: self.variables[key] for key in ("GITML",) if key in self.variables}
        for step in job["steps"]:
            if "if" in step and not evaluate(
                step["if"].strip().removeprefix("${{").removesuffix("}}"), context
            ):
                continue
            if "uses" in step:
                assert re.fullmatch(r"actions/checkout@[0-9a-f]{40}", step["uses"]), step
                checkout(self.server, work, fill(step["with"]["ref"], context))
                continue
            if step["name"] == "gitml" and not self.install:
                continue
            assert "${{" not in step["run"]
            more = {key: fill(value, context) for key, value in step.get("env", {}).items()}
            bash(step["name"], step["run"], work, {**env, **more, **_pairs(files["GITHUB_ENV"])})
            env["PATH"] = os.pathsep.join([*files["GITHUB_PATH"].read_text().split(), env["PATH"]])
            if "id" in step:
                context["steps"][step["id"]] = {"outputs": _outputs(files["GITHUB_OUTPUT"])}
        return {key: fill(value, context) for key, value in job.get("outputs", {}).items()}

    def gitlab(self, jobs: Mapping[str, Any], name: str, ref: str) -> str:
        """Run a job of GitLab's for a ref; gives what it printed."""
        job = {**jobs[jobs[name]["extends"]], **jobs[name]}
        builds = self.folder / f"{name}-{len(list(self.folder.iterdir()))}"
        builds.mkdir()
        checkout(self.server, builds / "work", ref)
        env = {
            **os.environ, **self.variables, **job["variables"], "CI_BUILDS_DIR": str(builds), "CI_DEFAULT_BRANCH": "main",
            "PATH": f"{self.programs}{os.pathsep}{os.environ['PATH']}",
        }  # fmt: skip
        before = [
            line
            for line in job["before_script"]
            if self.install or ("venv" not in line and "pip" not in line)
        ]
        before = [line for line in before if self.install or not line.startswith("export PATH")]
        return bash(name, "\n".join(before + job["script"]), builds / "work", env)


def bash(name: str, script: str, work: Path, env: Mapping[str, str]) -> str:
    """Run a script as hosts do."""
    done = subprocess.run(
        ["bash", "--noprofile", "--norc", "-eo", "pipefail", "-c", script],
        cwd=work, env=env, check=False, capture_output=True, text=True,
    )  # fmt: skip
    if done.returncode != 0:
        raise StepFailedError(name, done.stdout + done.stderr)
    return done.stdout


def checkout(server: Path, work: Path, ref: str) -> None:
    """Clone a ref."""
    for command in (
        ["clone", "--quiet", "--no-checkout", str(server), str(work)],
        [
            "-C",
            str(work),
            "checkout",
            "--quiet",
            "--detach",
            ref if re.fullmatch("[0-9a-f]{40}", ref) else _there(ref),
        ],
    ):
        subprocess.run(["git", *command], check=True, capture_output=True)


def _there(ref: str) -> str:
    return ref if ref.startswith("gitml-ci/") else f"origin/{ref.removeprefix('refs/heads/')}"


def _pairs(path: Path) -> dict[str, str]:
    return dict(line.split("=", 1) for line in path.read_text().splitlines())


def _outputs(path: Path) -> dict[str, str]:
    found, lines = {}, iter(path.read_text().splitlines())
    for line in lines:
        key, _, mark = line.partition("<<")
        value = []
        while (part := next(lines)) != mark:
            value.append(part)
        found[key] = "\n".join(value)
    return found


class Api(http.server.BaseHTTPRequestHandler):
    """As much of the hosts' interfaces as the workflows use: comments, and starting a workflow."""

    def do_GET(self) -> None:
        self._answer([{"id": i, **said} for i, said in enumerate(self.server.comments)])

    def do_POST(self) -> None:
        said = self._read()
        if self.path.endswith("/dispatches"):
            self.server.started.append(said)
            self._answer(None, 204)
        else:
            self.server.comments.append({"body": said["body"], "user": {"type": "Bot"}})
            self._answer({}, 201)

    def do_PATCH(self) -> None:
        self.server.comments[int(self.path.rpartition("/")[2])]["body"] = self._read()["body"]
        self._answer({})

    do_PUT = do_PATCH  # noqa: N815 - as http.server wants it

    def _read(self) -> dict[str, Any]:
        from urllib.parse import parse_qs

        self.server.tokens.add(self.headers.get("Authorization") or self.headers.get("PRIVATE-TOKEN"))
        body = self.rfile.read(int(self.headers["Content-Length"])).decode()
        if self.headers["Content-Type"] == "application/json":
            return dict(json.loads(body))
        return {key: values[0] for key, values in parse_qs(body).items()}

    def _answer(self, document: Any, status: int = 200) -> None:
        data = b"" if document is None else json.dumps(document).encode()
        self.send_response(status)
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def log_message(self, *_: Any) -> None:
        """Keep quiet."""


@contextmanager
def api() -> Iterator[http.server.HTTPServer]:
    """Serve the interface on a free port."""
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Api)
    server.comments, server.started, server.tokens = [], [], set()
    server.url = f"http://127.0.0.1:{server.server_address[1]}"
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield server
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def load(text: str) -> dict[str, Any]:
    """Read a workflow; YAML 1.1 takes its key `on` for true."""
    return dict(yaml.safe_load(text))
