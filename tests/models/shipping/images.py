"""A base image and wheels for tests that build images, since no registry is to be reached."""

from __future__ import annotations

import io
import os
import re
import subprocess
import sys
import sysconfig
import tarfile
from collections.abc import Iterator
from pathlib import Path

import pip

from tests.servers.containers import ROOT, TIMEOUT_S, RealEngine

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

_LINES = "root:x:0:0:root:/root:/bin/sh\nnobody:x:65534:65534:nobody:/:/bin/false\n"
_LEFT_OUT = re.compile(
    r"(^|/)(__pycache__|test|tests|idlelib|tkinter|ensurepip|turtledemo|lib2to3|config-[^/]*|site-packages)(/|$)"
)
# What wheels may count on by their platform tag.
_SYSTEM = (
    "libstdc++.so.6",
    "libgcc_s.so.1",
    "libm.so.6",
    "libpthread.so.0",
    "libdl.so.2",
    "librt.so.1",
    "libutil.so.1",
)


def python_base(engine: RealEngine, name: str) -> None:
    """Make an image that has this machine's Python with pip, a shell and nothing else."""
    archive = io.BytesIO()
    with tarfile.open(fileobj=archive, mode="w") as tar:
        for folder, mode in (("tmp", 0o1777), ("etc", 0o755), ("usr/bin", 0o755), ("opt", 0o755)):
            entry = tarfile.TarInfo(folder)
            entry.type, entry.mode = tarfile.DIRTYPE, mode
            tar.addfile(entry)
        for link in ("bin", "lib", "lib64"):
            _link(tar, link, f"usr/{link}")
        users = tarfile.TarInfo("etc/passwd")
        users.size = len(_LINES)
        tar.addfile(users, io.BytesIO(_LINES.encode()))
        for source, target in dict(_files()).items():
            tar.add(os.path.realpath(source), target.lstrip("/"), recursive=False)
        version = f"python3.{sys.version_info.minor}"
        _link(tar, "usr/local/bin/python3", version)
        _link(tar, "usr/bin/python3", f"../local/bin/{version}")
    done = subprocess.run(
        [engine.name, "import", "--change=ENV PATH=/usr/local/bin:/usr/bin:/bin", "-", name],
        env={**os.environ, **engine.environ}, input=archive.getvalue(), capture_output=True, timeout=TIMEOUT_S,
        check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr


def _link(tar: tarfile.TarFile, name: str, target: str) -> None:
    entry = tarfile.TarInfo(name)
    entry.type, entry.linkname = tarfile.SYMTYPE, target
    tar.addfile(entry)


def _files() -> Iterator[tuple[str, str]]:
    """Files of this machine, and where they go."""
    program = os.path.realpath(sys.executable)
    library = f"/usr/local/lib/python3.{sys.version_info.minor}"
    yield program, f"/usr/local/bin/python3.{sys.version_info.minor}"
    needed = [program, "/bin/dash"]
    for root, target in (
        (sysconfig.get_path("stdlib"), library),
        (str(Path(pip.__file__).parent), f"{library}/site-packages/pip"),
    ):
        for here, folders, files in os.walk(root):
            inner = os.path.relpath(here, root)
            folders[:] = [
                one
                for one in folders
                if not (target == library and _LEFT_OUT.search(os.path.join(inner, one)))
            ]
            for name in files:
                if not name.endswith(".pyc"):
                    source = os.path.join(here, name)
                    yield source, os.path.normpath(f"{target}/{inner}/{name}")
                    needed += [source] if name.endswith(".so") else []
    yield "/bin/dash", "/usr/bin/sh"
    for library in _libraries(needed):
        yield library, library if not library.startswith("/lib") else f"/usr{library}"


def _libraries(programs: list[str]) -> set[str]:
    known = subprocess.run(["/sbin/ldconfig", "-p"], capture_output=True, text=True, check=True).stdout
    places = dict(re.findall(r"^\s*(\S+) \(libc6,(?:x86-64|AArch64)\S*\) => (\S+)$", known, re.MULTILINE))
    system = [places[name] for name in _SYSTEM]
    said = subprocess.run(["ldd", *programs, *system], capture_output=True, text=True, check=False).stdout
    return {*system, *re.findall(r"(/\S+\.so[.0-9]*) \(0x", said)}


def wheelhouse(folder: Path, requirements: list[str]) -> Path:
    """Fetch wheels of what a model and gitml need, and what makes gitml's own from its source."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    own = [*project["dependencies"], *project["optional-dependencies"]["serve"], "hatchling>=1.27"]
    words = [sys.executable, "-m", "pip", "download", "-q", "--only-binary=:all:", f"--dest={folder}"]
    subprocess.run([*words, *own, *requirements], check=True, stderr=subprocess.DEVNULL)
    return folder
