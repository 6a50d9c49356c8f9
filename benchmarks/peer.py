"""MLflow, in a virtual environment of its own."""

from __future__ import annotations

import shutil
import subprocess
import sys
import venv
from pathlib import Path

PACKAGE = "mlflow"
VERSION = "3.17.2"
_MARK = "gitml-benchmark-complete"


def install_peer(folder: Path) -> Path:
    """Install the peer, unless that was done before.

    Args:
        folder: Its virtual environment; made anew if it is not whole.

    Returns:
        Its Python.

    Raises:
        subprocess.CalledProcessError: pip could not install it.
    """
    python = folder / "bin" / "python"
    mark = folder / _MARK
    if not mark.exists() or mark.read_text() != VERSION:
        print(f"installing {PACKAGE} {VERSION} into {folder} …", file=sys.stderr, flush=True)
        if folder.exists():
            if not (folder / "pyvenv.cfg").exists():
                raise FileExistsError(f"'{folder}' is there and is no virtual environment")
            shutil.rmtree(folder)
        venv.create(folder, with_pip=True)
        pip = [str(python), "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
        subprocess.run([*pip, f"{PACKAGE}=={VERSION}"], check=True)
        mark.write_text(VERSION)
    return python
