"""Where packages come from: what the user told pip holds for uv too, where uv was told nothing."""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from gitml.tracking.secrets import strip_url_credentials

_PLACES = ("index-url", "extra-index-url", "find-links", "no-index")
_UV_SAYS = (
    "UV_INDEX_URL", "UV_DEFAULT_INDEX", "UV_INDEX", "UV_EXTRA_INDEX_URL", "UV_FIND_LINKS",
)  # fmt: skip
_UV_FILE_SAYS = re.compile(
    r"^\s*(?:\[\[index\]\]|(?:index|index-url|extra-index-url|find-links|no-index)\s*=)", re.MULTILINE
)
_PIP_SAYS = ("PIP_INDEX_URL", "PIP_EXTRA_INDEX_URL", "PIP_FIND_LINKS", "PIP_NO_INDEX", "PIP_CONFIG_FILE")


def index_marks(environ: Mapping[str, str]) -> list[str]:
    """Return texts that change when the user's variables name other places for packages.

    Credentials are left out: a new token is no new place.
    """
    return [
        f"{name}={strip_url_credentials(environ[name])}"
        for name in (*_UV_SAYS, *_PIP_SAYS)
        if environ.get(name)
    ]


@dataclass(frozen=True, slots=True)
class Handed:
    """What uv is told that only pip was told.

    Attributes:
        variables: Environment variables.
        options: Options of its commands that look for packages.
    """

    variables: Mapping[str, str]
    options: tuple[str, ...] = ()


def handed_to_uv(environ: Mapping[str, str]) -> Handed:
    """Say for uv what the user told pip about places, unless uv was told some itself.

    Args:
        environ: Variables of both, and `HOME` and the like for their files.
    """
    pip = pip_settings(environ)
    found: dict[str, str] = {}
    if "cert" in pip and not environ.get("SSL_CERT_FILE"):
        found["SSL_CERT_FILE"] = pip["cert"]
    if any(environ.get(name) for name in _UV_SAYS) or any(map(_says_places, _uv_files(environ))):
        return Handed(found)
    if "index-url" in pip:
        found["UV_DEFAULT_INDEX"] = pip["index-url"]
    if "extra-index-url" in pip:
        found["UV_INDEX"] = " ".join(pip["extra-index-url"].split())
        # To pip, which the user told of them, all indexes are equal.
        found["UV_INDEX_STRATEGY"] = environ.get("UV_INDEX_STRATEGY") or "unsafe-best-match"
    if "find-links" in pip:
        found["UV_FIND_LINKS"] = ",".join(pip["find-links"].split())
    alone = pip.get("no-index", "").lower() in ("1", "true", "yes", "on")
    return Handed(found, ("--no-index",) if alone else ())


def pip_settings(environ: Mapping[str, str]) -> dict[str, str]:
    """Read what pip was told about places of packages: its files, then its variables."""
    import configparser

    found: dict[str, str] = {}
    for path in _pip_files(environ):
        parser = configparser.RawConfigParser()
        try:
            parser.read(path, encoding="utf-8")
        except (configparser.Error, OSError, UnicodeDecodeError):
            continue  # pip itself will say what is wrong with it
        for section in ("global", "install"):
            if parser.has_section(section):
                found.update(
                    {key: value for key, value in parser.items(section) if key in (*_PLACES, "cert")}
                )
    for key in (*_PLACES, "cert"):
        value = environ.get("PIP_" + key.upper().replace("-", "_"))
        if value:
            found[key] = value
    return found


def _pip_files(environ: Mapping[str, str]) -> Iterator[Path]:
    given = environ.get("PIP_CONFIG_FILE")
    if given == os.devnull:
        return
    home = Path(environ.get("HOME") or Path.home())
    for folder in reversed((environ.get("XDG_CONFIG_DIRS") or "/etc/xdg").split(os.pathsep)):
        yield Path(folder) / "pip" / "pip.conf"
    yield Path("/etc/pip.conf")
    yield home / ".pip" / "pip.conf"
    yield Path(environ.get("XDG_CONFIG_HOME") or home / ".config") / "pip" / "pip.conf"
    yield Path(sys.prefix) / "pip.conf"
    if given:
        yield Path(given)


def _uv_files(environ: Mapping[str, str]) -> Iterator[Path]:
    given = environ.get("UV_CONFIG_FILE")
    if given:
        yield Path(given)
        return
    home = Path(environ.get("HOME") or Path.home())
    yield Path(environ.get("XDG_CONFIG_HOME") or home / ".config") / "uv" / "uv.toml"
    for folder in (environ.get("XDG_CONFIG_DIRS") or "/etc/xdg").split(os.pathsep):
        yield Path(folder) / "uv" / "uv.toml"
    yield Path("/etc/uv/uv.toml")


def _says_places(path: Path) -> bool:
    try:
        return bool(_UV_FILE_SAYS.search(path.read_text(encoding="utf-8")))
    except (OSError, UnicodeDecodeError):  # no such file, as a rule
        return False
