"""What runs in the image's build stage: makes the virtual environment that the model is served in.

It is copied into the build context and runs on the base image's Python, so it uses nothing but the
standard library. Times of files and compiled code depend on what is installed alone, so that building
the same context again gives the same files.
"""

from __future__ import annotations

import argparse
import compileall
import os
import py_compile
import subprocess
import sys
import venv
from pathlib import Path

LOCK = "requirements.lock"
TOOLS_LOCK = "tools.lock"
WHEELS = "wheels"
CHECKED = ("--require-hashes", "--no-deps")


def main() -> None:
    """Make the environment; the current directory has the lock."""
    parser = argparse.ArgumentParser()
    parser.add_argument("target", type=Path)
    parser.add_argument("--python", required=True)
    parser.add_argument("--with-uv", action="store_true")
    parser.add_argument("--offline", action="store_true")
    asked = parser.parse_args()
    here = ".".join(map(str, sys.version_info[:2]))
    if here != asked.python:
        sys.exit(f"the base image has Python {here}, and the model was made with {asked.python}")
    venv.EnvBuilder(with_pip=False, symlinks=True).create(asked.target)
    # The wheel of gitml itself is there too where no index has it, and is named by its path.
    places = ["--no-index", f"--find-links={WHEELS}"] if asked.offline else []
    (install_with_uv if asked.with_uv else install_with_pip)(asked.target, places)
    compile_all(asked.target)
    settle_times(asked.target, int(os.environ.get("SOURCE_DATE_EPOCH", "0")))


def install_with_pip(target: Path, places: list[str]) -> None:
    """Install the lock by the base image's pip, which stays behind in this stage."""
    _pip(f"--python={target}/bin/python", "install", "--no-compile", *CHECKED, *places, "-r", LOCK)


def install_with_uv(target: Path, places: list[str]) -> None:
    """Install the lock by the uv of a lock of its own."""
    tools = Path("tools").absolute()
    _pip("install", f"--target={tools}", *CHECKED, *places, "-r", TOOLS_LOCK)
    uv = [str(tools / "bin" / "uv"), "pip", "install", f"--python={target}/bin/python", "--link-mode=copy"]
    _run([*uv, "--no-cache", "--no-config", *CHECKED, *places, "-r", LOCK])


def _pip(*words: str) -> None:
    quiet = ("--no-cache-dir", "--disable-pip-version-check", "--root-user-action=ignore")
    first, *rest = words
    options = [first] if first.startswith("--python") else []
    command = rest if options else [*words]
    _run([sys.executable, "-m", "pip", *options, *command, *quiet])


def _run(words: list[str]) -> None:
    done = subprocess.run(words, check=False)
    if done.returncode:
        sys.exit(done.returncode)


def compile_all(target: Path) -> None:
    """Compile what was installed: the image's user can't, and would at every start.

    The code is checked against nothing later, since nothing changes in an image. Files that are no
    Python of this version, which some packages have, stay as they are.
    """
    compileall.compile_dir(
        target / "lib",
        maxlevels=40,
        quiet=2,
        invalidation_mode=py_compile.PycInvalidationMode.UNCHECKED_HASH,
        workers=1,
    )


def settle_times(target: Path, moment: int) -> None:
    """Give all files the same time."""
    for here, folders, files in os.walk(target):
        for name in (*folders, *files):
            os.utime(Path(here, name), (moment, moment), follow_symlinks=False)
    os.utime(target, (moment, moment))


if __name__ == "__main__":
    main()
