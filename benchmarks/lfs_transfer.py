"""Objects to or from a Git LFS server, by gitml's store alone; prints how many seconds it took.

python lfs_transfer.py upload|download URL FOLDER FILE-WITH-OIDS-AND-SIZES
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from time import perf_counter

from gitml.entities.artifact import Pointer
from gitml.store.lfs import open_lfs_store, transfer  # noqa: F401 - what the store loads when it is first used
from gitml.store.local import ObjectStore


def main() -> None:
    """Move them all, or fail."""
    operation, url, folder, listed = sys.argv[1:]
    lines = Path(listed).read_text().splitlines()
    pointers = [Pointer(oid, int(size)) for oid, size in (line.split() for line in lines)]
    start = perf_counter()
    store = open_lfs_store({"lfs.url": url}, "origin", url, None)
    move = store.upload if operation == "upload" else store.download
    done = move(ObjectStore(Path(folder)), pointers)
    store.close()
    print(json.dumps({"s": perf_counter() - start}))
    for failure in done.failed:
        print(failure.error, file=sys.stderr)
    sys.exit(len(done.moved) != len(pointers))


main()
