"""One store of each kind, reached as a user reaches it, and a way around it to look and to spoil."""

from __future__ import annotations

import getpass
import itertools
import json
import os
import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from gitml.entities.artifact import Pointer
from gitml.store.base import ManagedStore
from gitml.store.cloud import open_store
from gitml.store.local import ObjectStore, object_key
from tests.store.remote import servers
from tests.store.remote.servers import Wire

_HEAVY = ("azure", "google", "sftp")
KINDS = [
    pytest.param(kind, marks=pytest.mark.heavy if kind in _HEAVY else ())
    for kind in ("folder", "memory", "s3", *_HEAVY)
]
_FOREIGN = ("AWS_", "AZURE_", "GOOGLE_", "FSSPEC_", "SSH_", "STORAGE_EMULATOR", "HTTP_PROXY", "http_proxy")
_numbers = itertools.count(1)


@dataclass
class Remote:
    """A store and its back door.

    `raw_put` and `raw_get` reach it by key without gitml; `wire` is what it is
    reached over, if it is a server; `nowhere` is a URL whose bucket or folder is not there.
    """

    kind: str
    url: str
    nowhere: str
    raw_put: Callable[[str, bytes], None]
    raw_get: Callable[[str], bytes | None]
    settings: dict[str, str] = field(default_factory=dict)
    wire: Wire | None = None
    opened: list[ManagedStore] = field(default_factory=list)

    def open(self, url: str | None = None, **options: str) -> ManagedStore:
        store = open_store(url or self.url, self.settings | with_options(**options))
        self.opened.append(store)
        return store

    def spoil(self, pointer: Pointer, content: bytes) -> None:
        self.raw_put(object_key(pointer.oid), content)


def with_options(**options: str) -> dict[str, str]:
    return {f"gitml.artifacts.option.{name.replace('_', '-')}": value for name, value in options.items()}


@pytest.fixture(autouse=True)
def _nobody(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Nobody's credentials, and a home without any."""
    for name in list(os.environ):
        if name.startswith(_FOREIGN):
            monkeypatch.delenv(name)
    (tmp_path / "home").mkdir()
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")


@pytest.fixture
def local(tmp_path: Path) -> ObjectStore:
    """The store of the one who sends."""
    return ObjectStore(tmp_path / "here")


@pytest.fixture
def other(tmp_path: Path) -> ObjectStore:
    """The store of the one who receives."""
    return ObjectStore(tmp_path / "there")


# Servers: one for the session, each test with a bucket of its own


@pytest.fixture(scope="session")
def moto_port(tmp_path_factory: pytest.TempPathFactory) -> Iterator[int]:
    with servers.moto(tmp_path_factory.mktemp("moto")) as port:
        yield port


@pytest.fixture(scope="session")
def google_port(tmp_path_factory: pytest.TempPathFactory) -> Iterator[int]:
    with servers.google(tmp_path_factory.mktemp("google")) as port:
        yield port


@pytest.fixture(scope="session")
def azurite_port(tmp_path_factory: pytest.TempPathFactory) -> Iterator[int]:
    with servers.azurite(tmp_path_factory.mktemp("azurite")) as port:
        yield port


@pytest.fixture(scope="session")
def sshd_folder(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Path, int]]:
    folder = tmp_path_factory.mktemp("sshd")
    with servers.sshd(folder) as port:
        yield folder, port


# The kinds


@pytest.fixture
def make_remote(
    request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Callable[[str], Remote]]:
    made: list[Remote] = []

    def make(kind: str) -> Remote:
        maker = _MAKERS[kind]
        made.append(maker(request, tmp_path, monkeypatch))
        return made[-1]

    yield make
    for remote in made:
        for store in remote.opened:
            store.close()
        if remote.wire is not None:
            remote.wire.close()


@pytest.fixture(params=KINDS)
def remote(request: pytest.FixtureRequest, make_remote: Callable[[str], Remote]) -> Remote:
    """A store of each kind in turn, empty."""
    return make_remote(request.param)


@pytest.fixture
def s3(make_remote: Callable[[str], Remote]) -> Remote:
    return make_remote("s3")


@pytest.fixture
def sftp(make_remote: Callable[[str], Remote]) -> Remote:
    return make_remote("sftp")


def _folder_behind(folder: Path) -> tuple[Callable[[str, bytes], None], Callable[[str], bytes | None]]:
    def put(key: str, content: bytes) -> None:
        (folder / key).parent.mkdir(parents=True, exist_ok=True)
        (folder / key).write_bytes(content)

    def get(key: str) -> bytes | None:
        return (folder / key).read_bytes() if (folder / key).is_file() else None

    return put, get


def _make_folder(request: Any, tmp_path: Path, _: Any) -> Remote:
    folder = tmp_path / "disk" / "runs"
    folder.parent.mkdir()
    return Remote("folder", f"file://{folder}", f"file://{tmp_path}/not/there", *_folder_behind(folder))


def _make_memory(request: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Remote:
    fsspec = pytest.importorskip("fsspec")
    files = fsspec.filesystem("memory")
    root = f"/shelf{next(_numbers)}"
    files.mkdir(root)

    def put(key: str, content: bytes) -> None:
        files.pipe_file(f"{root}/runs/{key}", content)

    def get(key: str) -> bytes | None:
        return files.cat_file(f"{root}/runs/{key}") if files.exists(f"{root}/runs/{key}") else None

    return Remote("memory", f"memory:/{root}/runs", f"memory:/{root}/not/there", put, get)


def _make_s3(request: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Remote:
    import boto3
    from botocore.exceptions import ClientError

    port = request.getfixturevalue("moto_port")
    wire = Wire(port)
    bucket = f"bucket-{os.getpid()}-{next(_numbers)}"
    client = boto3.client(
        "s3",
        endpoint_url=f"http://127.0.0.1:{port}",
        aws_access_key_id="ada",
        aws_secret_access_key="secret",
        region_name="us-east-1",
    )
    request.addfinalizer(client.close)
    client.create_bucket(Bucket=bucket)

    def put(key: str, content: bytes) -> None:
        client.put_object(Bucket=bucket, Key=f"team/runs/{key}", Body=content)

    def get(key: str) -> bytes | None:
        try:
            return client.get_object(Bucket=bucket, Key=f"team/runs/{key}")["Body"].read()
        except ClientError:
            return None

    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "ada")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "secret")
    settings = with_options(endpoint=f"http://127.0.0.1:{wire.port}", retries="1")
    return Remote("s3", f"s3://{bucket}/team/runs", "s3://not-there/x", put, get, settings, wire)


def _make_azure(request: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Remote:
    from obstore.store import AzureStore

    port = request.getfixturevalue("azurite_port")
    container = f"box-{os.getpid()}-{next(_numbers)}"
    _create_container(port, container)
    endpoint = f"http://127.0.0.1:{{}}/{servers.AZURE_ACCOUNT}"
    bucket = AzureStore(
        container,
        account_name=servers.AZURE_ACCOUNT,
        account_key=servers.AZURE_KEY,
        endpoint=endpoint.format(port),
        client_options={"allow_http": True},
    )
    wire = Wire(port)
    monkeypatch.setenv("AZURE_STORAGE_ACCOUNT_NAME", servers.AZURE_ACCOUNT)
    monkeypatch.setenv("AZURE_STORAGE_ACCOUNT_KEY", servers.AZURE_KEY)
    settings = with_options(endpoint=endpoint.format(wire.port), retries="1")
    url = f"az://{container}/runs"
    return Remote("azure", url, "az://not-there/x", *_bucket_behind(bucket), settings, wire)


def _create_container(port: int, name: str) -> None:
    """Azure's own way, signed by hand: obstore makes no containers."""
    import base64
    import hashlib
    import hmac
    import http.client
    from email.utils import formatdate

    account, date, version = servers.AZURE_ACCOUNT, formatdate(usegmt=True), "2021-08-06"
    signed = (
        "PUT" + 12 * "\n" + f"x-ms-date:{date}\nx-ms-version:{version}\n"
        f"/{account}/{account}/{name}\nrestype:container"
    )
    mac = hmac.new(base64.b64decode(servers.AZURE_KEY), signed.encode(), hashlib.sha256)
    connection = http.client.HTTPConnection("127.0.0.1", port)
    connection.request(
        "PUT",
        f"/{account}/{name}?restype=container",
        headers={
            "x-ms-date": date,
            "x-ms-version": version,
            "Authorization": f"SharedKey {account}:{base64.b64encode(mac.digest()).decode()}",
            "Content-Length": "0",
        },
    )
    assert connection.getresponse().status == 201
    connection.close()


def _make_google(request: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Remote:
    from http.client import HTTPConnection

    from obstore.store import GCSStore

    port = request.getfixturevalue("google_port")
    name = f"bucket-{os.getpid()}-{next(_numbers)}"
    connection = HTTPConnection("127.0.0.1", port)
    connection.request("PUT", f"/{name}")
    assert connection.getresponse().status == 200
    connection.close()
    account = {"disable_oauth": True, "client_email": "", "private_key": "", "private_key_id": ""}
    bucket = GCSStore(
        name,
        service_account_key=json.dumps({"gcs_base_url": f"http://127.0.0.1:{port}", **account}),
        client_options={"allow_http": True},
    )
    wire = Wire(port)
    monkeypatch.setenv("STORAGE_EMULATOR_HOST", f"http://127.0.0.1:{wire.port}")
    settings = with_options(retries="1")
    url = f"gs://{name}/runs"
    return Remote("google", url, "gs://not-there/x", *_bucket_behind(bucket), settings, wire)


def _bucket_behind(bucket: Any) -> tuple[Callable[[str, bytes], None], Callable[[str], bytes | None]]:
    import obstore

    def put(key: str, content: bytes) -> None:
        obstore.put(bucket, f"runs/{key}", content)

    def get(key: str) -> bytes | None:
        try:
            return bytes(obstore.get(bucket, f"runs/{key}").bytes())
        except FileNotFoundError:
            return None

    return put, get


def _make_sftp(request: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Remote:
    keys, port = request.getfixturevalue("sshd_folder")
    wire = Wire(port)
    ssh = tmp_path / "home" / ".ssh"
    ssh.mkdir(mode=0o700)
    shutil.copy(keys / "id", ssh / "id_ed25519")
    (ssh / "known_hosts").write_text(f"[127.0.0.1]:{wire.port} {(keys / 'host.pub').read_text()}")
    folder = tmp_path / "disk" / "runs"
    folder.parent.mkdir()
    where = f"sftp://{getpass.getuser()}@127.0.0.1:{wire.port}"
    return Remote(
        "sftp", f"{where}{folder}", f"{where}{tmp_path}/not/there", *_folder_behind(folder), {}, wire
    )


_MAKERS: dict[str, Callable[[Any, Path, pytest.MonkeyPatch], Remote]] = {
    "folder": _make_folder,
    "memory": _make_memory,
    "s3": _make_s3,
    "azure": _make_azure,
    "google": _make_google,
    "sftp": _make_sftp,
}
