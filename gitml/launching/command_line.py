"""Which part of a command line is the program's own, and which its launcher's.

`python -u -m pkg.train --lr 1` is the program `pkg.train` with `--lr 1`; the
rest tells the interpreter what to do. Where that can't be told for sure, no
arguments are taken rather than wrong ones.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import PurePath

_MOST_LAUNCHERS = 8

_PYTHON = re.compile(r"(?:python|pypy)[0-9.]*(?:t|w)?(?:\.exe)?")
_MODULE = re.compile(r"[A-Za-z_][\w.]*")
_SHELLS = frozenset(("sh", "bash", "dash", "zsh", "ksh", "fish", "ash"))
_INTERPRETERS = frozenset(("julia", "node", "deno", "bun", "ruby", "perl", "lua", "php", "octave", "java"))
# They start another program; their own options come before it.
_LAUNCHERS = frozenset((
    "env", "nice", "ionice", "nohup", "time", "timeout", "stdbuf", "setsid", "taskset", "numactl",
    "xvfb-run", "catchsegv", "strace", "ltrace", "perf", "nsys", "ncu", "sudo", "doas", "chrt",
    "unbuffer", "script", "uv", "uvx", "poetry", "pipenv", "pdm", "hatch", "rye", "pixi", "conda",
    "mamba", "micromamba", "torchrun", "accelerate", "deepspeed", "horovodrun", "composer", "mpirun",
    "mpiexec", "srun", "ray", "coverage", "kernprof", "scalene", "py-spy", "viztracer", "ipython",
    "papermill", "litgpt", "xargs",
))  # fmt: skip
# Of these, the ones whose first word without a dash is the program.
_PLAIN_LAUNCHERS = frozenset(("env", "nohup", "time", "setsid", "stdbuf", "catchsegv", "unbuffer"))
_PYTHON_LAUNCHERS = frozenset((
    "torch.distributed.run", "torch.distributed.launch", "accelerate.commands.launch",
    "deepspeed.launcher.runner", "cProfile", "profile", "pdb", "trace", "coverage", "kernprof",
    "line_profiler", "memory_profiler", "scalene", "viztracer", "debugpy", "IPython",
))  # fmt: skip
_SCRIPT_SUFFIXES = frozenset((
    ".py", ".pyw", ".ipy", ".ipynb", ".r", ".jl", ".js", ".mjs", ".cjs", ".ts", ".rb", ".pl", ".lua",
    ".php", ".m", ".sh", ".bash", ".zsh", ".fish", ".jar",
))  # fmt: skip
_PYTHON_VALUE_OPTIONS = "WX"  # `-W error`, `-X dev`: apart or in one word
_SHELL_VALUE_OPTIONS = frozenset(("-o", "+o", "-O", "+O", "--rcfile", "--init-file"))


@dataclass(frozen=True, slots=True)
class CommandLine:
    """A command line taken apart.

    Attributes:
        entry_point: What is really run: a script, a module, or a program.
        arguments: What that gets.
    """

    entry_point: str
    arguments: tuple[str, ...]


def parse_command_line(command: Sequence[str]) -> CommandLine:
    """Find the program that a command line is about; never fails.

    Example:
        >>> parse_command_line(["python", "-u", "train.py", "--lr", "0.1"])
        CommandLine(entry_point='train.py', arguments=('--lr', '0.1'))
    """
    words = list(command)
    for _ in range(_MOST_LAUNCHERS):
        inner = _step_into(words)
        if isinstance(inner, CommandLine):
            return inner
        words = inner
    return CommandLine(words[0] if words else "", ())


def _step_into(words: list[str]) -> CommandLine | list[str]:
    """Take one launcher off: the answer, or the command line that it starts."""
    if not words:
        return CommandLine("", ())
    program, rest = words[0], words[1:]
    name = PurePath(program).name.lower()
    if _PYTHON.fullmatch(name):
        return _python(program, rest)
    if name == "rscript":
        return _rscript(program, rest)
    if name == "r":
        return _r(program, rest)
    if name in _SHELLS:
        return _shell(program, rest)
    if name in _INTERPRETERS:
        return _interpreter(program, rest)
    if name in _LAUNCHERS:
        return _launched(program, rest)
    return CommandLine(program, tuple(rest))


def _python(program: str, words: list[str]) -> CommandLine | list[str]:
    at = 0
    while at < len(words) and words[at].startswith("-") and words[at] != "-":
        word = words[at]
        if word.startswith("--"):
            at += 2 if word == "--check-hash-based-pycs" else 1
            continue
        for position, letter in enumerate(word[1:], 1):
            attached = word[position + 1 :]
            if letter in "cm":
                value, after = (attached, at + 1) if attached else ("".join(words[at + 1 : at + 2]), at + 2)
                return _python_target(program, letter, value, words[after:])
            if letter in _PYTHON_VALUE_OPTIONS:
                at += 0 if attached else 1
                break
        at += 1
    if at >= len(words):
        return CommandLine(program, ())
    return CommandLine(words[at] if words[at] != "-" else program, tuple(words[at + 1 :]))


def _python_target(program: str, letter: str, value: str, rest: list[str]) -> CommandLine | list[str]:
    if letter == "c":
        return CommandLine(program, tuple(rest))
    if value in _PYTHON_LAUNCHERS:
        return _launched(value, rest)
    return CommandLine(value or program, tuple(rest))


def _rscript(program: str, words: list[str]) -> CommandLine:
    at, expressions = 0, False
    while at < len(words) and words[at].startswith("-"):
        if words[at] == "-e":
            expressions, at = True, at + 1
        elif expressions:
            break
        at += 1
    if expressions:  # instead of a file: all that follows is theirs
        return CommandLine(program, tuple(words[at:]))
    return CommandLine(words[at] if at < len(words) else program, tuple(words[at + 1 :]))


def _r(program: str, words: list[str]) -> CommandLine:
    before = words[: words.index("--args")] if "--args" in words else words
    entry = program
    for at, word in enumerate(before):
        if word in ("-f", "--file") and at + 1 < len(before):
            entry = before[at + 1]
        elif word.startswith("--file="):
            entry = word[len("--file=") :]
    return CommandLine(entry, tuple(words[len(before) + 1 :]))


def _shell(program: str, words: list[str]) -> CommandLine | list[str]:
    at = 0
    while at < len(words) and words[at][:1] in ("-", "+") and words[at] not in ("-", "--"):
        if words[at].startswith("-") and not words[at].startswith("--") and "c" in words[at][1:]:
            # A piece of shell text: which of its words count is not ours to guess.
            return CommandLine(program, ())
        at += 2 if words[at] in _SHELL_VALUE_OPTIONS else 1
    if at < len(words) and words[at] == "--":
        at += 1
    return CommandLine(words[at], tuple(words[at + 1 :])) if at < len(words) else CommandLine(program, ())


def _interpreter(program: str, words: list[str]) -> CommandLine:
    plain = [at for at, word in enumerate(words) if not word.startswith("-")]
    at = next((at for at in plain if _is_script(words[at])), plain[0] if plain else None)
    return CommandLine(program, ()) if at is None else CommandLine(words[at], tuple(words[at + 1 :]))


def _launched(launcher: str, words: list[str]) -> CommandLine | list[str]:
    """Find what a launcher starts, without knowing the options of each."""
    own_name = PurePath(launcher).name.lower()
    for at, word in enumerate(words):
        rest = words[at + 1 :]
        if word == "-m" and rest and _MODULE.fullmatch(rest[0]):
            return CommandLine(rest[0], tuple(rest[1:]))
        if word == "--" and rest:
            return rest
        if word.startswith("-") or "=" in word:
            continue
        if word == "run" and rest and not rest[0].startswith("-"):
            return rest
        if own_name in _PLAIN_LAUNCHERS or _is_launcher(word, own_name):
            return words[at:]
        if _is_script(word) or ("/" in word and not _may_be_value(words, at)):
            return CommandLine(word, tuple(rest))
    return CommandLine(launcher, ())


def _is_launcher(word: str, own_name: str) -> bool:
    name = PurePath(word).name.lower()
    known = name in _SHELLS or name in _INTERPRETERS or name in ("rscript", "r") or name in _LAUNCHERS
    return name != own_name and (known or _PYTHON.fullmatch(name) is not None)


def _may_be_value(words: list[str], at: int) -> bool:
    """Whether a word could belong to the option before it."""
    return at > 0 and words[at - 1].startswith("-") and "=" not in words[at - 1]


def _is_script(word: str) -> bool:
    return PurePath(word).suffix.lower() in _SCRIPT_SUFFIXES
