"""Servers that are broken, or mean it: nothing wrong gets a name, nothing secret goes astray."""

from __future__ import annotations

import json
import logging
import os

import pytest

from gitml.entities.artifact import Pointer
from gitml.store.base import StoreUnreachableError
from gitml.store.incoming import WrongContentError
from tests.store.lfs.conftest import everything, keep, offer
from tests.store.lfs.server import lfs_server

MIB = 1024**2


def test_wrong_bytes(store, server, there):
    pointer = offer(server, os.urandom(2 * MIB))
    server.objects[pointer.oid] = os.urandom(2 * MIB)
    (failure,) = store.download(there, [pointer]).failed
    assert isinstance(failure.error, WrongContentError)
    assert "hashes to" in failure.error.message
    assert everything(there) == []


def test_more_bytes(store, server, there):
    pointer = offer(server, b"x" * 1000)
    server.script("GET", "", lambda handler: handler.send(200, b"x" * 10_000_000))
    (failure,) = store.download(there, [pointer]).failed
    assert isinstance(failure.error, WrongContentError)
    assert "longer" in failure.error.message
    assert everything(there) == []


def test_bytes_without_end(store, server, there):
    pointer = offer(server, b"x" * 1000)
    server.script("GET", "", endless)
    (failure,) = store.download(there, [pointer]).failed
    assert isinstance(failure.error, WrongContentError)
    assert everything(there) == []


def endless(handler):
    handler.send_response(200)
    handler.send_header("Connection", "close")
    handler.end_headers()
    handler.close_connection = True
    while True:
        handler.wfile.write(b"\0" * MIB)


def test_fewer_bytes(store, server, there):
    pointer = offer(server, b"x" * 1000)
    server.script("GET", "", lambda handler: handler.send(200, b"x" * 10))
    (failure,) = store.download(there, [pointer]).failed
    assert isinstance(failure.error, WrongContentError)
    assert "only 10 bytes" in failure.error.message
    assert not there.has(pointer.oid)
    assert store.download(there, [pointer]).moved == (pointer,)


def test_an_error_page_is_no_object(store, server, there):
    pointer = offer(server, b"x" * 1000)
    server.script("GET", "", lambda handler: handler.send(200, b"<html>log in</html>"))
    assert isinstance(store.download(there, [pointer]).failed[0].error, WrongContentError)


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (lambda a: {**a, "objects": [{**a["objects"][0], "oid": "0" * 64}]}, "not asked for"),
        (lambda a: {**a, "objects": [{**a["objects"][0], "oid": "../../x"}]}, "not asked for"),
        (lambda a: {**a, "objects": [{**a["objects"][0], "oid": 5}]}, "not asked for"),
        (lambda a: {**a, "objects": [{**a["objects"][0], "oid": ["x"]}]}, "not asked for"),
        (lambda a: {**a, "objects": [{**a["objects"][0], "size": 7}]}, "another size"),
        (lambda a: {**a, "objects": a["objects"] * 50}, "no list"),
        (lambda a: {**a, "objects": {"a": 1}}, "no list"),
        (lambda a: {**a, "objects": [None]}, "not asked for"),
        (lambda a: {**a, "objects": [{**a["objects"][0], "actions": [1]}]}, "actions"),
        (lambda a: {**a, "transfer": "tus"}, "not offered"),
        (lambda a: {**a, "hash_algo": "md5"}, "not SHA-256"),
        (lambda a: [a], "no object"),
        (lambda _: b"<html>welcome</html>", "not JSON"),
        (lambda _: b"[" * 200_000, "not JSON"),
        (lambda _: b'{"objects": [{"size": ' + b"9" * 10_000 + b"}]}", "not JSON"),
        (lambda _: b" " * (17 * MIB), "without end"),
        (lambda _: b"\xff\xfe\x00", "not JSON"),
        (lambda _: b"", "not JSON"),
    ],
)
def test_answers_that_are_none(store, server, there, change, reason):
    pointer = offer(server, b"x" * 1000)
    server.change = change
    with pytest.raises(StoreUnreachableError) as caught:
        store.download(there, [pointer])
    assert reason in caught.value.message
    assert caught.value.hint
    assert server.count("GET") == 0
    assert everything(there) == []


@pytest.mark.parametrize(
    "href",
    [
        "file:///etc/passwd",
        "ftp://127.0.0.1/x",
        "gopher://127.0.0.1/x",
        "/bytes/relative",
        "//127.0.0.1/x",
        "http://",
        "http://-oProxyCommand=x/y",
        "http://user:secret@127.0.0.1/x",
        "http://127.0.0.1/x\r\nX-Injected: 1",
        "http://127.0.0.1\\@evil.example/x",
        "http://127.0.0.1:99999/x",
        "http://[::1/x",
        "",
        5,
    ],
)
@pytest.mark.parametrize("operation", ["upload", "download"])
def test_urls_that_lead_astray(store, server, here, there, href, operation):
    server.action = {"href": href}
    with pytest.raises(StoreUnreachableError) as caught:
        if operation == "upload":
            store.upload(here, keep(here, 1, 10))
        else:
            store.download(there, [offer(server, b"x")])
    assert "secret" not in caught.value.message
    assert server.count("PUT") == server.count("GET") == 0


@pytest.mark.parametrize(
    "headers",
    [
        {"X": "a\r\nY: b"},
        {"X\r\nY": "b"},
        {"X": 5},
        {"X": None},
        {"": "x"},
        {"X": "\N{ROCKET}"},
        "X: y",
        ["x"],
        {"X": "a\0b"},
    ],
)
def test_headers_that_break_out(store, server, here, headers):
    server.action = {"header": headers}
    with pytest.raises(StoreUnreachableError) as caught:
        store.upload(here, keep(here, 1, 10))
    assert "headers" in caught.value.message
    assert server.count("PUT") == 0


def test_a_server_that_leaves_objects_out(store, server, there):
    pointers = [offer(server, b"1"), offer(server, b"2")]
    server.change = lambda answer: {**answer, "objects": answer["objects"][:1]}
    done = store.download(there, pointers)
    assert done.moved == (pointers[0],)
    assert "says nothing about it" in done.failed[0].error.message


def test_a_server_that_gives_no_way(store, server, there):
    pointer = offer(server, b"1")
    server.change = lambda answer: {**answer, "objects": [{"oid": pointer.oid, "size": 1}]}
    (failure,) = store.download(there, [pointer]).failed
    assert "no way to download" in failure.error.message


def test_words_of_a_server_are_shown_as_words(store, server, here):
    server.answer("POST", "/batch", 403, {"message": "\x1b[31mred\x1b[0m\r\n\x07" + "x" * 5000})
    with pytest.raises(StoreUnreachableError) as caught:
        store.upload(here, keep(here, 1, 10))
    assert caught.value.message.isprintable()
    assert len(caught.value.message) < 500


def test_errors_of_any_form(store, server, there):
    pointer = offer(server, b"1")
    for error in (5, "no", {"code": "x", "message": ["y"]}, {"code": 10**30}, {}):
        server.change = lambda a, error=error: {**a, "objects": [{"oid": pointer.oid, "error": error}]}
        (failure,) = store.download(there, [pointer]).failed
        assert failure.error.message


# Redirects


def redirect(target, status=307):
    return lambda handler: handler.answer(status, {}, {"Location": target})


@pytest.mark.parametrize("status", [301, 302, 307, 308])
def test_a_repository_that_moved(store, server, here, status):
    server.script("POST", "/ada/", redirect("/grace/churn.git/info/lfs/objects/batch", status))
    server.script("PUT", "/ada/", redirect(f"{server.lfs_url}/elsewhere/{'0' * 64}", status))
    (pointer,) = keep(here, 1, 2 * MIB)
    assert store.upload(here, [pointer]).moved == (pointer,)
    assert server.objects["0" * 64] == here.path(pointer.oid).read_bytes()


def test_what_is_secret_does_not_go_to_another_host(opened, server, here, there, git_repo, monkeypatch):
    server.login = ("ada", "s3cret")
    with lfs_server() as other:
        pointer = offer(server, b"x" * 1000)
        other.objects[pointer.oid] = server.objects[pointer.oid]
        address = f"http://127.0.0.1:{other.server_port}"
        server.action = {"header": {"Authorization": "Bearer t0ken", "X-Token": "t0ken"}}
        server.script("GET", "", redirect(f"{address}/bytes/{pointer.oid}"))
        url = server.url.replace("http://", "http://ada:s3cret@")
        extra = {"http.extraheader": "X-Extra: t0ken", f"http.{server.url}.extraheader": "X-Mine: t0ken"}
        assert opened(url, extra).download(there, [pointer]).moved == (pointer,)
        assert server.seen[-1].headers["X-Mine"] == "t0ken"
        assert server.seen[-1].headers["Authorization"] == "Bearer t0ken"
        (came,) = other.seen
        assert not {"Authorization", "X-Token", "X-Extra", "X-Mine"} & set(came.headers)
        assert "t0ken" not in str(came.headers)
        # Nor where a batch request is sent on, and the other host asks for a password.
        other.login = ("ada", "s3cret")
        server.script("POST", "", redirect(f"{address}/ada/churn.git/info/lfs/objects/batch"), times=2)
        with pytest.raises(StoreUnreachableError) as caught:
            opened(url).missing([pointer])
        assert "asks for a password" in caught.value.message
        assert "git config lfs.url" in caught.value.hint
        assert all("Authorization" not in seen.headers for seen in other.seen)


def test_an_action_elsewhere_gets_no_password_of_ours(opened, server, here):
    server.login = ("ada", "s3cret")
    with lfs_server() as other:
        server.change = lambda answer: {
            **answer,
            "objects": [
                {
                    **item,
                    "authenticated": False,
                    "actions": {"upload": {"href": f"{other.url}/put/{item['oid']}"}},
                }
                for item in answer["objects"]
            ],
        }
        (pointer,) = keep(here, 1, 10)
        url = server.url.replace("http://", "http://ada:s3cret@")
        assert opened(url).upload(here, [pointer]).moved == (pointer,)
        assert "Authorization" not in other.seen[0].headers


def test_an_action_at_home_gets_it(opened, server, here):
    server.login = ("ada", "s3cret")
    server.change = lambda answer: {
        **answer, "objects": [{**item, "authenticated": False} for item in answer["objects"]]
    }  # fmt: skip
    (pointer,) = keep(here, 1, 10)
    opened(server.url.replace("http://", "http://ada:s3cret@")).upload(here, [pointer])
    assert server.seen[-1].headers["Authorization"].startswith("Basic ")


@pytest.mark.parametrize(
    ("target", "reason"),
    [
        ("file:///etc/passwd", "redirects to"),
        ("http://user:pw@127.0.0.1/", "redirects to"),
        ("http://127.0.0.1:9/x y", "redirects to"),
        ("javascript:alert(1)", "redirects to"),
    ],
)
def test_redirects_that_lead_astray(store, server, here, target, reason):
    server.script("POST", "", redirect(target))
    with pytest.raises(StoreUnreachableError) as caught:
        store.missing(keep(here, 1, 10))
    assert reason in caught.value.message


def test_redirects_without_end(store, server, here):
    server.script("POST", "", redirect("/again/info/lfs/objects/batch"), times=20)
    with pytest.raises(StoreUnreachableError) as caught:
        store.missing(keep(here, 1, 10))
    assert "redirects" in caught.value.message
    assert server.count("POST") < 10


def test_nothing_secret_is_said(opened, server, here, caplog):
    caplog.set_level(logging.DEBUG)
    url = server.url.replace("http://", "http://ada:s3cret@")
    server.login = ("ada", "s3cret")
    server.action = {"href": f"{server.lfs_url}/put?signature=s1gned"}
    said = []
    echo = {"message": "you sent Basic YWRhOnMzY3JldA== with s3cret"}
    server.answer("PUT", "", 403, echo, times=9)
    said += [failure.error for failure in opened(url).upload(here, keep(here, 1, 10)).failed]
    server.script("POST", "", lambda handler: handler.answer(401, {}))  # then with a password
    server.answer("POST", "", 403, echo, times=9)
    with pytest.raises(StoreUnreachableError) as caught:
        opened(url).missing(keep(here, 1, 10))
    said.append(caught.value)
    server.login = ("ada", "changed")
    with pytest.raises(StoreUnreachableError) as caught:
        opened("http://127.0.0.1:9/x?y", {"lfs.url": "http://ada:s3cret@127.0.0.1:9/x?q=s1gned"}).missing(
            keep(here, 1, 10)
        )
    said.append(caught.value)
    text = json.dumps([f"{err.message} {err.hint} {err!r} {err.__cause__!r}" for err in said])
    assert len(said) == 3
    for secret in ("s3cret", "YWRhOnMzY3JldA", "s1gned"):
        assert secret not in text
    own = [record.getMessage() for record in caplog.records if record.name.startswith("gitml")]
    assert "s3cret" not in "".join(own)
    assert not any("s3cret" in record.getMessage() for record in caplog.records)


def test_pointers_that_contradict_each_other(store, server, there):
    pointer = offer(server, b"x" * 100)
    liar = Pointer(pointer.oid, 99)
    done = store.download(there, [liar, pointer])
    assert done.moved == (pointer,)
    assert [failure.pointer for failure in done.failed] == [liar]
