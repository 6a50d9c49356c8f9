"""List the packages that a Python interpreter would import, without importing any.

This file is also run as a script by the interpreter in question (`python -I
packages.py`), which may be older than gitml's: so it is plain Python 3.8,
standard library only, and imports nothing from gitml. It reads the first lines
of each package's metadata; `importlib.metadata` would cost 50 ms to import and a
full parse of every file.
"""

from __future__ import annotations

import os
import re
import sys

FORMAT = 1
_HEAD_BYTES = 8192  # name and version stand in the first lines of the metadata


def describe() -> dict[str, object]:
    """Describe the running interpreter.

    Returns:
        `version`, the `packages` (each with `name`, `version` and, where
        known, `url`, `commit`, `editable`), and the `folders` they were found in.
    """
    folders = search_folders()
    return {
        "format": FORMAT,
        "version": sys.version.split()[0],
        "packages": list_packages(folders),
        "folders": folders,
    }


def search_folders() -> list[str]:
    """Return the folders that packages are found in, in the order of import; they need not exist.

    The script's own folder and the current one are left out: what lies there is
    code, not installed. In isolated mode (`-I`), `PYTHONPATH` and the user's
    site folder are added, because the program will see them.
    """
    folders = [entry for entry in sys.path if entry and entry not in _places_of_code()]
    if sys.flags.isolated:
        inherited = os.environ.get("PYTHONPATH", "")
        folders = [entry for entry in inherited.split(os.pathsep) if entry] + folders + _user_folders()
    return list(dict.fromkeys(os.path.abspath(entry) for entry in folders))


def _places_of_code() -> set[str]:
    main = getattr(sys.modules.get("__main__"), "__file__", None)
    places = {os.getcwd(), os.curdir}
    if main:
        places.add(os.path.dirname(os.path.abspath(main)))
    return places


def _user_folders() -> list[str]:
    if os.environ.get("PYTHONNOUSERSITE") or not _sees_system_packages():
        return []
    import site

    return [site.getusersitepackages()]


def _sees_system_packages() -> bool:
    """Whether this is no virtual environment, or one that includes the system's packages."""
    if sys.prefix == sys.base_prefix:
        return True
    try:
        with open(os.path.join(sys.prefix, "pyvenv.cfg"), encoding="utf-8") as config:
            text = config.read()
    except OSError:
        return True
    return re.search(r"(?im)^include-system-site-packages\s*=\s*true", text) is not None


def list_packages(folders: list[str]) -> list[dict[str, object]]:
    """List the packages in some folders; of two with one name, the first is imported."""
    found: dict[str, dict[str, object]] = {}
    for folder in folders:
        for package in _packages_in(folder):
            found.setdefault(_normalized(str(package["name"])), package)
    return [found[name] for name in sorted(found)]


def _packages_in(folder: str) -> list[dict[str, object]]:
    try:
        names = sorted(os.listdir(folder))
    except OSError:  # an archive, or a folder that isn't there: often on the path, never with packages
        return []
    packages = []
    for name in names:
        if name.startswith("~"):  # what an interrupted pip left behind
            continue
        if name.endswith(".dist-info"):
            packages.append(_read_dist_info(os.path.join(folder, name)))
        elif name.endswith(".egg-info"):
            packages.append(_read_egg_info(folder, name))
    return [package for package in packages if package]


def _read_dist_info(path: str) -> dict[str, object]:
    package = _read_metadata(os.path.join(path, "METADATA"))
    if package:
        package.update(_read_origin(os.path.join(path, "direct_url.json")))
    return package


def _read_egg_info(folder: str, name: str) -> dict[str, object]:
    path = os.path.join(folder, name)
    package = _read_metadata(os.path.join(path, "PKG-INFO") if os.path.isdir(path) else path)
    if package and os.path.basename(folder) not in ("site-packages", "dist-packages"):
        package.update(url="file://" + folder, editable=True)  # setup.py develop
    return package


def _read_metadata(path: str) -> dict[str, object]:
    try:
        with open(path, "rb") as file:
            head = file.read(_HEAD_BYTES).decode("utf-8", "replace")
    except OSError:  # half-removed package: Python can't use it as a distribution either
        return {}
    fields: dict[str, object] = {}
    for key, value in re.findall(r"(?mi)^(name|version):[ \t]*(.*?)[ \t\r]*$", head.split("\n\n")[0]):
        fields.setdefault(key.lower(), value)
    return fields if len(fields) == 2 else {}


def _read_origin(path: str) -> dict[str, object]:
    try:
        with open(path, encoding="utf-8") as file:
            text = file.read()
    except OSError:  # the ordinary case: installed from an index
        return {}
    import json

    try:
        origin = json.loads(text)
        url, vcs = str(origin["url"]), origin.get("vcs_info") or {}
        editable = bool((origin.get("dir_info") or {}).get("editable"))
    except (ValueError, KeyError, AttributeError):
        return {}
    if vcs.get("vcs"):
        url = "{}+{}".format(vcs["vcs"], url)
    return {"url": url, "commit": vcs.get("commit_id"), "editable": editable}


def _normalized(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


if __name__ == "__main__":
    import json

    sys.stdout.write("\n" + json.dumps(describe()))
