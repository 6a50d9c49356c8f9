"""One transfer to or from an S3 server, in a process of its own.

    python cloud_transfer.py gitml|boto3 upload|download ENDPOINT BUCKET STORE LIST

STORE is the folder that has `objects/`, LIST a file of lines `OID SIZE`. What it
prints last is a JSON object with the seconds that it took, imports not included.
"""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path
from time import perf_counter

Objects = list[tuple[str, int]]


def ours(operation: str, endpoint: str, bucket: str, store: Path, objects: Objects) -> float:
    """Send or fetch as gitml does: looked up before, checked on the way."""
    from gitml.entities.artifact import Pointer
    from gitml.store.cloud import open_store
    from gitml.store.local import ObjectStore

    remote = open_store(f"s3://{bucket}", {"gitml.artifacts.option.endpoint": endpoint})
    local = ObjectStore(store)
    pointers = [Pointer(oid, size) for oid, size in objects]
    start = perf_counter()
    result = remote.upload(local, pointers) if operation == "upload" else remote.download(local, pointers)
    took = perf_counter() - start
    remote.close()
    assert len(result.moved) == len(objects), result
    return took


def theirs(operation: str, endpoint: str, bucket: str, store: Path, objects: Objects) -> float:
    """Send or fetch by boto3's transfer manager, everything at once, with its own settings."""
    import boto3
    from s3transfer.manager import TransferManager

    client = boto3.client("s3", endpoint_url=endpoint)
    paths = {oid: store / "objects" / oid[:2] / oid[2:4] / oid for oid, _ in objects}
    start = perf_counter()
    with TransferManager(client) as manager:
        futures = []
        for oid, path in paths.items():
            key = f"{oid[:2]}/{oid[2:4]}/{oid}"
            if operation == "upload":
                futures.append(manager.upload(str(path), bucket, key))
            else:
                path.parent.mkdir(parents=True, exist_ok=True)
                futures.append(manager.download(bucket, key, str(path)))
        for future in futures:
            future.result()
    return perf_counter() - start


def main() -> None:
    library, operation, endpoint, bucket, store, listed = sys.argv[1:]
    objects = [(oid, int(size)) for oid, size in map(str.split, Path(listed).read_text().splitlines())]
    os.environ |= {
        "AWS_ACCESS_KEY_ID": "benchmark",
        "AWS_SECRET_ACCESS_KEY": "benchmark",
        "AWS_DEFAULT_REGION": "us-east-1",
    }
    move = ours if library == "gitml" else theirs
    print(json.dumps({"s": move(operation, endpoint, bucket, Path(store), objects)}))


if __name__ == "__main__":
    main()
