"""Packages that a run had from folders: its own code installed for editing, and gitml.

No index has them. The code's own package is found by the name that its
`pyproject.toml` gives, and is then imported from the code that was laid out:
what the environment would import instead is the work tree as it is today.
"""

from __future__ import annotations

import re
import sys
from dataclasses import dataclass
from pathlib import Path

_FROM_FOLDER = re.compile(
    r"# (?P<name>[\w.-]+)==(?P<version>\S+), editable install of .*|(?P<plain>[\w.-]+) @ file:.*"
)
_GITML = "gitml"


@dataclass(frozen=True, slots=True)
class OwnPackages:
    """What of a run's packages is at hand.

    Attributes:
        requirements: The recorded `requirements.txt` without the code's own
            packages; gitml by its version, for the one that is running.
        paths: Folders to import the code's own packages from.
        names: What those packages are called.
    """

    requirements: bytes
    paths: tuple[Path, ...] = ()
    names: tuple[str, ...] = ()


def find_own_packages(requirements: bytes, *, root: Path, folder: Path) -> OwnPackages:
    """Find the packages among recorded ones that the code itself is.

    Args:
        requirements: The recorded `requirements.txt`.
        root: The root of the code, laid out.
        folder: The folder that the program runs in.
    """
    here: dict[str, Path] = {}
    for place in dict.fromkeys((folder, root)):
        name = _project_name(place)
        if name is not None:
            here.setdefault(_normal(name), place / "src" if (place / "src").is_dir() else place)
    kept: list[str] = []
    found: dict[str, Path] = {}
    for line in requirements.decode("utf-8", "replace").splitlines():
        match = _FROM_FOLDER.fullmatch(line)
        name = (match["name"] or match["plain"]) if match else ""
        if _normal(name) in here:
            found[name] = here[_normal(name)]
        elif match and match["version"] and _normal(name) == _GITML:
            kept.append(f"{name}=={match['version']}")
        else:
            kept.append(line)
    text = "".join(f"{line}\n" for line in kept)
    return OwnPackages(text.encode(), tuple(found.values()), tuple(found))


def _normal(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def _project_name(folder: Path) -> str | None:
    if sys.version_info >= (3, 11):
        import tomllib
    else:
        import tomli as tomllib
    try:
        facts = tomllib.loads((folder / "pyproject.toml").read_text(encoding="utf-8"))
        return str(facts["project"]["name"])
    except (OSError, ValueError, KeyError, TypeError):  # there is none, or it is not one of a package
        return None
