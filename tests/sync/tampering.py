"""Bundles as somebody would make them who means harm."""

from __future__ import annotations

import hashlib
import io
import json
import tarfile
from collections.abc import Callable
from pathlib import Path

Edit = Callable[[dict], object]


def rewrite(source: Path, target: Path, edit: Edit = dict, members: Callable[[list], list] = list) -> None:
    """Make a bundle as somebody would who means harm: other words, other files."""
    with tarfile.open(source) as tar:
        found = [(info, tar.extractfile(info).read()) for info in tar.getmembers()]
    manifest = json.loads(found[0][1])
    edit(manifest)
    data = json.dumps(manifest).encode()
    seal = f"{hashlib.sha256(data).hexdigest()}  manifest.json\n".encode()
    heads = [entry("manifest.json", data), entry("manifest.sha256", seal)]
    with tarfile.open(target, "w", format=tarfile.GNU_FORMAT) as tar:
        for header, content in [*heads[:1], *members([heads[1], *found[2:]])]:
            tar.addfile(header, io.BytesIO(content) if header.isreg() else None)


def entry(name: str, content: bytes = b"x", **changes) -> tuple[tarfile.TarInfo, bytes]:
    info = tarfile.TarInfo(name)
    info.size = len(content)
    for key, value in changes.items():
        setattr(info, key, value)
    return info, content
