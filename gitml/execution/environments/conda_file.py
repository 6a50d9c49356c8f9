"""Environment files of conda: what they ask for, and what of that pip can install.

conda's names are not PyPI's: a name can belong to somebody else there. So only
packages that are known to be the same, or whose other name is known, are taken
from PyPI; for everything else conda is needed.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from gitml.execution.environments.conda_names import OTHER_ON_PYPI, SAME_ON_PYPI
from gitml.execution.environments.errors import EnvironmentFileError
from gitml.execution.environments.requirements import normalize_name
from gitml.formats.yaml_nodes import Node

_SPEC = re.compile(
    r"(?:(?P<channel>[\w./:-]+)::)?(?P<name>[A-Za-z0-9_][\w.-]*)\s*(?P<version>(?:[=<>!~ ].*)?)", re.ASCII
)
_CLAUSE = re.compile(r"(>=|<=|==|!=|~=|>|<|=)?\s*(\d[\w.!+-]*?)(\.?\*)?", re.ASCII)
_INSTALLERS = ("pip", "setuptools", "wheel")


@dataclass(frozen=True, slots=True)
class CondaFile:
    """What an environment file of conda asks for.

    Attributes:
        python: The version of Python, as in `pythons.is_request`; None if any.
        lines: Line number and requirement that pip understands, for all that pip can install.
        pip: Those of them that the file itself leaves to pip.
        conda_only: Specs that pip can't, as they are written.
    """

    python: str | None
    lines: tuple[tuple[int, str], ...]
    pip: tuple[tuple[int, str], ...]
    conda_only: tuple[str, ...]


def read_conda_file(data: bytes, source: str) -> CondaFile:
    """Read an environment file.

    Raises:
        EnvironmentFileError: It is not YAML, or `dependencies` is no list of specs.
    """
    node = Node.of(data, source, EnvironmentFileError)
    dependencies = node.pairs().get("dependencies") if node else None
    python: str | None = None
    translated: list[tuple[int, str]] = []
    pip: list[tuple[int, str]] = []
    conda_only: list[str] = []
    for item in dependencies.items() if dependencies and not dependencies.is_null else ():
        if item.is_mapping:
            listed = item.known_pairs(("pip",))["pip"]
            pip += [(line.line, line.text("a requirement")) for line in listed.items()]
            continue
        match = _SPEC.fullmatch(item.text("a package").strip())
        if match is None:
            raise item.error(f"'{item.text():.80}' is not a package", "name=version")
        name, version = match["name"].lower(), match["version"].strip()
        if name == "python":
            python = _python_request(version)
            if python is None and version:
                raise item.error(f"'{version:.40}' is not a version of Python", "python=3.11")
        elif (requirement := _on_pypi(name, version)) is None:
            conda_only.append(item.text())
        elif requirement:
            translated.append((item.line, requirement))
    return CondaFile(python, (*translated, *pip), tuple(pip), tuple(conda_only))


def _python_request(version: str) -> str | None:
    clauses = _clauses(version)
    if not clauses:
        return None
    if len(clauses) == 1 and re.fullmatch(r"==\d+(?:\.\d+)*(?:\.\*)?", clauses[0]):
        return clauses[0][2:].removesuffix(".*")
    return ",".join(clauses)


def _on_pypi(name: str, version: str) -> str | None:
    """Say a spec as pip does; empty for what needs no installing, None if it can't be said."""
    normalized = normalize_name(name)
    if normalized in _INSTALLERS and not version:
        return "" if normalized == "pip" else normalized
    there = (
        normalized
        if normalized in SAME_ON_PYPI or normalized in _INSTALLERS
        else OTHER_ON_PYPI.get(normalized)
    )
    if there is None:
        return None
    clauses = _clauses(version)
    return None if clauses is None else there + ",".join(clauses)


def _clauses(version: str) -> list[str] | None:
    """Translate conda's `=1.2`, `=1.2=build`, `1.2.*`, `>=1,<2`; None for what pip has no word for."""
    if not version or version == "*":
        return []
    build = re.fullmatch(r"=?([^=<>!~,| ]+)=[^=,| ]+", version)
    if build is not None:  # a build is conda's alone; it belongs to one version
        version = f"=={build[1]}"
    found = []
    for clause in version.split(","):
        match = _CLAUSE.fullmatch(clause.strip())
        if match is None:
            return None
        operator, number, star = match[1] or "", match[2], match[3]
        if operator == "=" or (not operator and star):  # `=1.2` is anything that begins so
            found.append(f"=={number}.*")
        else:
            found.append(f"{operator or '=='}{number}{'.*' if star else ''}")
    return found
