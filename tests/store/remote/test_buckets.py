"""Buckets: who may, what is said when one may not, and servers that lie. All on S3."""

from __future__ import annotations

import json
import os
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import boto3
import pytest

from gitml.entities.artifact import Pointer
from gitml.errors import UsageError
from gitml.store.base import StoreUnreachableError
from gitml.store.cloud import open_store
from gitml.store.incoming import WrongContentError
from gitml.store.local import ChecksumMismatchError, object_key
from tests.store.remote.conftest import with_options

LARGE = 11 * 1024**2


@pytest.fixture
def admin(moto_port):
    client = boto3.client(
        "s3",
        endpoint_url=f"http://127.0.0.1:{moto_port}",
        aws_access_key_id="ada",
        aws_secret_access_key="secret",
        region_name="us-east-1",
    )
    yield client
    client.close()


def bucket_of(remote):
    return remote.url.split("/")[2]


def deny(admin, remote, *actions):
    bucket = bucket_of(remote)
    policy = {
        "Version": "2012-10-17",
        "Statement": [
            {
                "Effect": "Deny",
                "Principal": "*",
                "Action": list(actions),
                "Resource": [f"arn:aws:s3:::{bucket}", f"arn:aws:s3:::{bucket}/*"],
            }
        ],
    }
    admin.put_bucket_policy(Bucket=bucket, Policy=json.dumps(policy))


def test_access_denied(s3, admin, local, other):
    small, large = local.put_bytes(b"small"), local.put_bytes(os.urandom(LARGE))
    store = s3.open()
    store.upload(local, [small])
    deny(admin, s3, "s3:PutObject")
    for pointer in (local.put_bytes(b"more"), large):
        with pytest.raises(StoreUnreachableError) as caught:
            store.upload(local, [pointer])
        assert "access is denied" in str(caught.value)
        assert "must permit to list the bucket" in caught.value.hint
        assert caught.value.exit_code == 5
    assert store.download(other, [small]).moved == (small,)
    deny(admin, s3, "s3:GetObject")
    other.path(small.oid).unlink()
    with pytest.raises(StoreUnreachableError, match="access is denied"):
        store.download(other, [small])


def test_a_damaged_large_object_leaves_no_parts(s3, admin, local):
    pointer = local.put_bytes(os.urandom(LARGE))
    with local.path(pointer.oid).open("r+b") as stream:
        stream.write(b"damage")
    (failure,) = s3.open().upload(local, [pointer]).failed
    assert isinstance(failure.error, ChecksumMismatchError)
    assert not admin.list_multipart_uploads(Bucket=bucket_of(s3)).get("Uploads")
    assert not admin.list_objects_v2(Bucket=bucket_of(s3)).get("Contents")


def test_of_two_who_send_the_same_object_one_is_told_so(s3, local, monkeypatch):
    pointer = local.put_bytes(b"the same")
    store = s3.open()
    # Somebody else is faster than we: between our question and our answer.
    question = store._place.size

    def slow(oid):
        found = question(oid)
        if found is None:
            s3.spoil(pointer, b"the same")
        return found

    monkeypatch.setattr(store._place, "size", slow)
    result = store.upload(local, [pointer])
    assert (result.moved, result.present, result.failed) == ((), (pointer,), ())


@pytest.mark.heavy
def test_thousands_are_looked_up_by_few_requests(s3, admin, local):
    pointers = [local.put_bytes(b"%d" % number) for number in range(1500)]
    for pointer in pointers[:1200]:
        s3.spoil(pointer, local.path(pointer.oid).read_bytes())
    store = s3.open()
    store.missing(pointers[:1])
    s3.wire.reset()
    assert store.missing(pointers) == pointers[1200:]
    assert s3.wire.up < 300 * 1000, "a request has some 700 bytes: one for each would be a megabyte"


def test_nobody_there(s3, local):
    pointer = local.put_bytes(b"x")
    store = s3.open(endpoint="http://127.0.0.1:9", retries="0")
    with pytest.raises(StoreUnreachableError) as caught:
        store.upload(local, [pointer])
    assert "can't be reached" in str(caught.value)
    assert "goes on where it stopped" in caught.value.hint


def test_no_credentials(s3, local, monkeypatch):
    monkeypatch.delenv("AWS_ACCESS_KEY_ID")
    monkeypatch.delenv("AWS_SECRET_ACCESS_KEY")
    monkeypatch.setenv("AWS_METADATA_ENDPOINT", "http://127.0.0.1:9")
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    store = s3.open(retries="0")
    with pytest.raises(StoreUnreachableError) as caught:
        store.upload(local, [local.put_bytes(b"x")])
    assert "AWS_PROFILE" in caught.value.hint


@pytest.mark.parametrize("with_boto3", [True, False])
def test_keys_from_the_usual_files(s3, local, tmp_path, monkeypatch, with_boto3):
    monkeypatch.delenv("AWS_ACCESS_KEY_ID")
    monkeypatch.delenv("AWS_SECRET_ACCESS_KEY")
    if not with_boto3:
        monkeypatch.setitem(__import__("sys").modules, "boto3", None)
    folder = tmp_path / "home" / ".aws"
    folder.mkdir()
    (folder / "credentials").write_text(
        "[default]\naws_access_key_id = ada\naws_secret_access_key = secret\n"
        "[lab]\naws_access_key_id = grace\naws_secret_access_key = %secret\n"
    )
    (folder / "config").write_text("[profile lab]\nregion = eu-central-1\n")
    for profile in (None, "lab"):
        pointer = local.put_bytes(str(profile).encode())
        options = {"profile": profile} if profile else {}
        assert s3.open(**options).upload(local, [pointer]).moved == (pointer,)
    with pytest.raises(UsageError, match="nobody"):
        s3.open(profile="nobody")


def test_plain_http_is_only_for_this_machine(s3, monkeypatch):
    with pytest.raises(UsageError, match="anybody on the way") as caught:
        s3.open(endpoint="http://s3.example.org")
    assert "allow-http" in caught.value.hint
    s3.open(endpoint="http://s3.example.org", allow_http="true")
    monkeypatch.setenv("AWS_ALLOW_HTTP", "true")
    s3.open(endpoint="http://s3.example.org")
    monkeypatch.delenv("AWS_ALLOW_HTTP")
    monkeypatch.setenv("AWS_ENDPOINT_URL_S3", "http://s3.example.org")
    with pytest.raises(UsageError, match="anybody on the way"):
        open_store(s3.url, {})


# A server that lies


class _Liar(BaseHTTPRequestHandler):
    """Lists what is nobody's business, and sends endless zeros."""

    keys: tuple[tuple[str, str], ...] = ()
    asked: list[str]

    def do_GET(self) -> None:
        if "list-type" in self.path:
            items = "".join(
                f"<Contents><Key>{key}</Key><Size>{size}</Size>"
                "<LastModified>2026-01-01T00:00:00.000Z</LastModified></Contents>"
                for key, size in self.keys
            )
            body = f'<?xml version="1.0"?><ListBucketResult>{items}</ListBucketResult>'.encode()
            self._answer(200, body)
        else:
            self._answer(206, bytes(4096), ("Content-Range", "bytes 0-4095/4096"))

    def do_HEAD(self) -> None:
        self.send_response(200)
        self.send_header("Content-Length", "4096")
        self.send_header("Last-Modified", "Thu, 01 Jan 2026 00:00:00 GMT")
        self.send_header("ETag", '"x"')
        self.end_headers()

    def _answer(self, status: int, body: bytes, *headers: tuple[str, str]) -> None:
        self.send_response(status)
        for name, value in (
            ("Content-Length", str(len(body))), ("ETag", '"x"'),
            ("Last-Modified", "Thu, 01 Jan 2026 00:00:00 GMT"), *headers,
        ):  # fmt: skip
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def liar(monkeypatch):
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "ada")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "secret")
    server = ThreadingHTTPServer(("127.0.0.1", 0), _Liar)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    settings = with_options(endpoint=f"http://127.0.0.1:{server.server_port}", retries="0")
    store = open_store("s3://bucket/runs", settings)
    yield store
    store.close()
    server.shutdown()
    server.server_close()
    thread.join()


def test_a_listing_that_lies(liar, monkeypatch):
    oid = "ab12" + 60 * "0"
    monkeypatch.setattr(
        _Liar,
        "keys",
        (
            (f"runs/{object_key(oid)}", "7"),
            (f"runs/../../{oid}", "7"),
            (f"elsewhere/{object_key(oid)}", "7"),
            (f"runs/cd/12/{oid}", "7"),
            ("runs/ab/12/&#x2e;&#x2e;", "7"),
            (f"runs/ab/12/{oid}&#10;", "7"),
            (f"runs/ab/12/{oid}/x", "7"),
        ),
    )
    try:
        found = list(liar.objects())
    except StoreUnreachableError:
        found = []  # the client may refuse such a listing as a whole
    assert found in ([], [Pointer(oid, 7)])
    monkeypatch.setattr(_Liar, "keys", ((f"runs/{object_key(oid)}", "-7"),))
    try:
        assert list(liar.objects()) == []
    except StoreUnreachableError as err:
        assert err.exit_code == 5


def test_content_that_lies(liar, other):
    pointer = Pointer("ab12" + 60 * "0", 4096)
    assert liar.missing([pointer]) == []
    (failure,) = liar.download(other, [pointer]).failed
    assert isinstance(failure.error, WrongContentError)
    assert not other.has(pointer.oid)
    larger = Pointer("ab13" + 60 * "0", 10**7)
    (failure,) = liar.download(other, [larger]).failed
    assert failure.error.exit_code in {5, 6}
    assert not other.has(larger.oid)
