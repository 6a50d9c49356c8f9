"""Objects up and down, whatever the network and the server do in between."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
import tracemalloc

import pytest

from gitml.entities.artifact import Pointer
from gitml.errors import DamagedError, RemoteError
from gitml.store.base import StoreUnreachableError, TransferError
from gitml.store.lfs import open_lfs_store
from gitml.store.local import ChecksumMismatchError, ObjectMissingError
from tests.store.lfs.conftest import QUICK, everything, keep, offer

MIB = 1024**2


def test_what_goes_up_comes_down(store, server, here, there):
    pointers = [*keep(here, 3, 1000), *keep(here, 1, 3 * MIB + 7), here.put_bytes(b"")]
    sent, fetched = [], []
    up = store.upload(here, pointers, sent.append)
    assert set(up.moved) == set(pointers)
    assert not up.failed
    assert sum(sent) == sum(pointer.size for pointer in pointers)
    assert store.missing(pointers) == []
    down = store.download(there, pointers, fetched.append)
    assert set(down.moved) == set(pointers)
    assert sum(fetched) == sum(pointer.size for pointer in pointers)
    for pointer in pointers:
        assert there.path(pointer.oid).read_bytes() == here.path(pointer.oid).read_bytes()
    assert everything(there) == sorted(there.path(pointer.oid) for pointer in pointers)


def test_what_is_there_is_not_sent_again(store, server, here):
    first, second = keep(here, 2, 1000)
    store.upload(here, [first])
    progress = []
    again = store.upload(here, [first, second], progress.append)
    assert (again.moved, again.present) == ((second,), (first,))
    assert server.count("PUT") == 2
    assert sum(progress) == 2000
    assert store.upload(here, [first, second]).present == (first, second)
    assert server.count("PUT") == 2


def test_what_is_here_is_not_asked_for(store, server, here):
    (pointer,) = keep(here, 1, 1000)
    done = store.download(here, [pointer])
    assert done.present == (pointer,)
    assert server.seen == []


def test_hundreds_are_asked_about_at_once(store, server, here, there):
    pointers = keep(here, 250, 50)
    assert len(store.missing(pointers)) == 250
    assert server.count("POST") == 3
    assert len(store.upload(here, pointers).moved) == 250
    assert server.count("POST") == 6
    assert len(store.download(there, pointers).moved) == 250
    assert server.count("POST") == 9


def test_nothing_is_asked_about_nothing(store, server, here):
    assert store.missing([]) == []
    assert store.upload(here, []).moved == ()
    assert store.download(here, []).moved == ()
    assert server.seen == []


def test_missing_is_what_is_not_there_or_in_another_size(store, server):
    there = offer(server, b"there")
    assert store.missing([there]) == []
    other = Pointer(there.oid, there.size + 1)
    absent = Pointer("0" * 64, 5)
    assert store.missing([there, other, absent]) == [other, absent]
    assert server.count("PUT") == server.count("GET") == 0


def test_an_object_that_nobody_has_is_a_failure_the_others_go(store, server, here):
    good = keep(here, 3, 100)
    absent = Pointer("0" * 64, 5)
    done = store.upload(here, [*good, absent])
    assert set(done.moved) == set(good)
    assert [(failure.pointer, type(failure.error)) for failure in done.failed] == [
        (absent, ObjectMissingError)
    ]


def test_an_object_that_only_the_server_has_is_present(store, server, here):
    pointer = offer(server, b"there")
    assert store.upload(here, [pointer]).present == (pointer,)


def test_an_object_that_the_server_lacks_is_a_failure(store, server, there):
    pointer, absent = offer(server, b"there"), Pointer("0" * 64, 5)
    done = store.download(there, [pointer, absent])
    assert done.moved == (pointer,)
    (failure,) = done.failed
    assert failure.pointer == absent
    assert "does not have it" in failure.error.message
    assert "Object does not exist" in failure.error.message
    assert failure.error.hint


def test_what_is_no_object_id_is_never_asked_for(store, server, here, there):
    bad = Pointer("../" * 21 + "x", 5)
    for done in (store.upload(here, [bad]), store.download(there, [bad])):
        assert isinstance(done.failed[0].error, DamagedError)
    with pytest.raises(DamagedError):
        store.missing([bad])
    assert server.seen == []


def test_an_object_that_is_damaged_here_is_not_sent(store, server, here):
    pointer, good = keep(here, 2, 2 * MIB)
    path = here.path(pointer.oid)
    path.chmod(0o644)
    path.write_bytes(b"X" + path.read_bytes()[1:])
    done = store.upload(here, [pointer, good])
    assert done.moved == (good,)
    assert isinstance(done.failed[0].error, ChecksumMismatchError)
    assert pointer.oid not in server.objects


def test_verify_is_asked_for_and_respected(store, server, here):
    server.verify = True
    (good,) = keep(here, 1, 100)
    assert store.upload(here, [good]).moved == (good,)
    assert server.count("POST", "/verify") == 1
    (bad,) = keep(here, 1, 100)
    server.answer("POST", "/verify", 422, {"message": "it got lost"})
    (failure,) = store.upload(here, [bad]).failed
    assert "it got lost" in failure.error.message


def test_actions_carry_what_the_server_wants(store, server, here, there):
    server.action = {"header": {"X-Token": "t0ken", "Content-Type": "application/x-weights"}}
    pointers = keep(here, 1, 100)
    store.upload(here, pointers)
    store.download(there, pointers)
    put = next(seen for seen in server.seen if seen.method == "PUT")
    get = next(seen for seen in server.seen if seen.method == "GET")
    assert put.headers["Content-Type"] == "application/x-weights"
    assert put.headers["Content-Length"] == "100"
    assert put.headers["X-Token"] == get.headers["X-Token"] == "t0ken"


def test_an_upload_in_chunks_where_the_server_wants_it(store, server, here):
    server.action = {"header": {"Transfer-Encoding": "chunked"}}
    (pointer,) = keep(here, 1, 2 * MIB + 1)
    assert store.upload(here, [pointer]).moved == (pointer,)
    assert "Content-Length" not in server.seen[-1].headers
    assert server.objects[pointer.oid] == here.path(pointer.oid).read_bytes()


# Networks that break


@pytest.mark.parametrize("ranges", [True, False])
def test_a_download_that_is_cut_goes_on(server, proxy, opened, there, ranges):
    server.ranges = ranges
    pointer = offer(server, os.urandom(3 * MIB))
    server.action = {"href": f"http://127.0.0.1:{proxy.port}/bytes/{pointer.oid}"}
    proxy.cut(2, 2 * MIB)
    progress = []
    done = opened(server.url).download(there, [pointer], progress.append)
    assert done.moved == (pointer,)
    assert sum(progress) == pointer.size
    assert there.path(pointer.oid).read_bytes() == server.objects[pointer.oid]
    starts = [seen.headers.get("Range") for seen in server.seen if seen.method == "GET"]
    assert starts[0] is None
    assert starts[1].startswith("bytes=")
    assert proxy.cuts == (1 if ranges else 0)  # what is left is less than where it cuts


def test_the_next_command_goes_on_where_one_broke_off(server, proxy, opened, there):
    pointer = offer(server, os.urandom(4 * MIB))
    server.action = {"href": f"http://127.0.0.1:{proxy.port}/bytes/{pointer.oid}"}
    proxy.cut(1, 3 * MIB)
    (failure,) = opened(server.url, {"lfs.transfer.maxretries": "0"}).download(there, [pointer]).failed
    assert isinstance(failure.error, TransferError)
    assert "broke off" in failure.error.message
    assert "run the command again" in failure.error.hint
    (part,) = everything(there)
    kept = part.stat().st_size
    assert kept >= 2 * MIB
    assert opened(server.url).download(there, [pointer]).moved == (pointer,)
    assert server.seen[-1].headers["Range"] == f"bytes={kept}-"
    assert everything(there) == [there.path(pointer.oid)]


def test_wrong_bytes_of_an_earlier_attempt_are_forgotten(store, server, there):
    pointer = offer(server, os.urandom(2 * MIB))
    part = there.root / "tmp" / f"gitml-part-{pointer.oid}"
    part.parent.mkdir(parents=True)
    part.write_bytes(b"\0" * MIB)
    assert store.download(there, [pointer]).moved == (pointer,)
    assert there.path(pointer.oid).read_bytes() == server.objects[pointer.oid]


def test_a_server_that_continues_somewhere_else_is_asked_for_all(store, server, there):
    pointer = offer(server, os.urandom(2 * MIB))
    part = there.root / "tmp" / f"gitml-part-{pointer.oid}"
    part.parent.mkdir(parents=True)
    part.write_bytes(server.objects[pointer.oid][:MIB])
    server.script("GET", "", lambda h: h.send(206, b"x" * 10, {"Content-Range": f"bytes 5-14/{2 * MIB}"}))
    assert store.download(there, [pointer]).moved == (pointer,)
    server.answer("GET", "", 416)
    other = offer(server, os.urandom(2 * MIB))
    part.with_name(f"gitml-part-{other.oid}").write_bytes(server.objects[other.oid][:MIB])
    assert store.download(there, [other]).moved == (other,)


def test_an_upload_that_is_cut_is_sent_again(server, proxy, opened, here):
    (pointer,) = keep(here, 1, 3 * MIB)
    server.action = {"href": f"http://127.0.0.1:{proxy.port}/bytes/{pointer.oid}"}
    proxy.cut(1, MIB, upstream=True)
    progress = []
    assert opened(server.url).upload(here, [pointer], progress.append).moved == (pointer,)
    assert sum(progress) == pointer.size
    assert server.objects[pointer.oid] == here.path(pointer.oid).read_bytes()


def test_nobody_listens(opened, here):
    store = opened("http://127.0.0.1:9/ada/churn", {"lfs.transfer.maxretries": "9"})
    began = time.monotonic()
    with pytest.raises(StoreUnreachableError) as caught:
        store.upload(here, keep(here, 1, 10))
    assert time.monotonic() - began < 20
    assert "nobody listens" in caught.value.message
    assert "git remote --verbose" in caught.value.hint


def test_a_host_that_does_not_exist(opened, here):
    with pytest.raises(StoreUnreachableError) as caught:
        opened("http://lfs.invalid/ada/churn").missing(keep(here, 1, 10))
    assert "not known" in caught.value.message


def test_a_server_that_goes_silent(server, opened, there):
    pointer = offer(server, b"x" * 100)
    release = threading.Event()
    server.script("GET", "", lambda handler: release.wait(20))
    quick = {"lfs.activitytimeout": "1", "lfs.transfer.maxretries": "0"}
    try:
        (failure,) = opened(server.url, quick).download(there, [pointer]).failed
    finally:
        release.set()
    assert "said nothing for 1 s" in failure.error.message


def test_a_server_that_dies_stops_all_of_it_soon(server, opened, here):
    pointers = keep(here, 60, 10)
    server.action = {"href": "http://127.0.0.1:9/bytes"}
    began = time.monotonic()
    with pytest.raises(RemoteError):
        opened(server.url, {"lfs.transfer.maxretries": "2"}).upload(here, pointers)
    assert time.monotonic() - began < 30


# Servers that are busy, or change their mind


@pytest.mark.parametrize("status", [429, 503, 500, 502])
def test_a_busy_server_is_asked_again(store, server, here, there, status):
    pointers = keep(here, 1, 100)
    server.answer("POST", "/batch", status, {"message": "busy"}, Retry_After="0")
    server.answer("PUT", "", status, Retry_After="0")
    assert len(store.upload(here, pointers).moved) == 1
    server.answer("GET", "", status, Retry_After="0")
    assert len(store.download(there, pointers).moved) == 1


def test_retry_after_is_waited_for(store, server, here):
    server.answer("PUT", "", 429, Retry_After="1")
    began = time.monotonic()
    assert len(store.upload(here, keep(here, 1, 100)).moved) == 1
    assert time.monotonic() - began >= 1


def test_who_is_told_to_come_back_much_later_is_told_so(store, server, here):
    server.answer("POST", "/batch", 429, {"message": "slow down"}, Retry_After="1800")
    began = time.monotonic()
    with pytest.raises(StoreUnreachableError) as caught:
        store.upload(here, keep(here, 1, 100))
    assert time.monotonic() - began < 20
    assert "slow down" in caught.value.message
    assert "30 minutes" in caught.value.hint


def test_patience_ends(store, server, here):
    server.answer("POST", "/batch", 503, {"message": "maintenance"}, times=9)
    with pytest.raises(StoreUnreachableError) as caught:
        store.upload(here, keep(here, 1, 100))
    assert "maintenance" in caught.value.message
    assert "503" in caught.value.message
    assert server.count("POST") == 3


@pytest.mark.parametrize(
    ("status", "reason"),
    [
        (403, "you may not write there"),
        (410, "removed"),
        (501, "can't do that"),
        (507, "no space left"),
        (509, "bandwidth"),
        (406, "does not speak Git LFS"),
        (413, "larger than"),
        (418, "refuses"),
    ],
)
def test_what_a_refusal_means(store, server, here, status, reason):
    server.answer("POST", "/batch", status, {"message": "the server's words"}, times=9)
    with pytest.raises(StoreUnreachableError) as caught:
        store.upload(here, keep(here, 1, 100))
    assert reason in caught.value.message
    assert "the server's words" in caught.value.message
    assert caught.value.hint
    assert server.count("POST") == 1
    assert caught.value.exit_code == 5


def test_no_git_lfs_there(store, server, here):
    server.answer("POST", "/batch", 404, b"<html>no such page</html>")
    with pytest.raises(StoreUnreachableError) as caught:
        store.missing(keep(here, 1, 100))
    assert "no Git LFS" in caught.value.message
    assert "git config lfs.url URL" in caught.value.hint
    assert "gitml remote artifacts URL" in caught.value.hint


def test_too_many_at_once_are_asked_about_in_halves(store, server, here):
    pointers = keep(here, 10, 10)
    server.answer("POST", "/batch", 413, {"message": "too many"})
    assert len(store.missing(pointers)) == 10
    assert server.count("POST") == 3


def test_all_refused_at_once_is_each_refused(store, server, there):
    server.answer("POST", "/batch", 404, {"message": "Cannot find any of the requested objects"})
    (failure,) = store.download(there, [Pointer("0" * 64, 5)]).failed
    assert "Cannot find any" in failure.error.message


def test_an_action_that_expired_is_asked_for_again(store, server, here, there):
    pointers = keep(here, 1, 100)
    server.action = {"expires_in": -5}
    asked = iter([{"expires_at": "2016-11-10T15:29:07Z"}, {}, {"expires_in": -1}, {}])

    def change(answer):
        for item in answer["objects"]:
            for action in item.get("actions", {}).values():
                action.pop("expires_in", None)
                action.update(next(asked))
        return answer

    server.change = change
    assert len(store.upload(here, pointers).moved) == 1
    assert server.count("POST", "/batch") == 2
    assert len(store.download(there, pointers).moved) == 1
    assert server.count("POST", "/batch") == 4


def test_a_link_that_is_refused_is_asked_for_again(store, server, here, there):
    pointers = keep(here, 1, 100)
    server.answer("PUT", "", 403, {"message": "Request has expired"})
    assert len(store.upload(here, pointers).moved) == 1
    assert server.count("POST", "/batch") == 2
    server.answer("GET", "", 401)
    assert len(store.download(there, pointers).moved) == 1
    server.answer("PUT", "", 403, {"message": "never"}, times=9)
    (failure,) = store.upload(here, keep(here, 1, 100)).failed
    assert "never" in failure.error.message
    assert server.count("PUT") == 4


def test_who_was_slower_finds_it_there(store, server, here):
    pointer, other = keep(here, 2, 100)

    def lose(handler):  # meanwhile somebody else sent it
        server.objects[pointer.oid] = here.path(pointer.oid).read_bytes()
        handler.answer(403, {"message": "Request has expired"})

    server.script("PUT", pointer.oid, lose)
    assert not store.upload(here, [pointer]).failed
    server.verify = True
    server.answer("POST", "/verify", 401)
    assert store.upload(here, [other]).moved == (other,)


def test_a_clock_that_is_wrong_does_not_keep_anybody_out(store, server, here):
    server.action = {"expires_at": "2016-11-10T15:29:07Z"}  # also of the new one: the server must know
    assert len(store.upload(here, keep(here, 1, 100)).moved) == 1


def test_ref_is_told_when_known(server, opened, here):
    store = opened(server.url, ref="refs/heads/gitml/runs")
    store.missing(keep(here, 1, 10))
    assert b'"ref":{"name":"refs/heads/gitml/runs"}' in server.seen[0].body


# Costs


def test_connections_are_kept(server, opened, here, there):
    pointers = keep(here, 60, 2000)
    store = opened(server.url, {"lfs.concurrenttransfers": "3"})
    store.upload(here, pointers)
    store.download(there, pointers)
    assert server.connections <= 3
    assert server.count("PUT") == server.count("GET") == 60


def test_memory_does_not_grow_with_the_objects(store, server, here, there):
    (pointer,) = keep(here, 1, 48 * MIB)
    store.upload(here, keep(here, 1, 10))  # loads what is loaded
    server.objects[pointer.oid] = here.path(pointer.oid).read_bytes()
    tracemalloc.start()
    try:
        store.download(there, [pointer])
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < 12 * MIB


CTRL_C = """
import sys
from pathlib import Path
from gitml.entities.artifact import Pointer
from gitml.store.lfs import open_lfs_store
from gitml.store.local import ObjectStore
store = open_lfs_store({}, "origin", sys.argv[1], None)
pointers = [Pointer(oid, 64 << 20) for oid in sys.argv[3:]]
print("begun", flush=True)
try:
    store.download(ObjectStore(Path(sys.argv[2])), pointers, lambda n: print("some", flush=True))
except KeyboardInterrupt:
    print("stopped")
"""


def test_ctrl_c_ends_large_transfers_at_once(server, there):
    pointers = [offer(server, bytes([number]) * (64 * MIB)) for number in range(2)]

    def trickle(handler):
        handler.send_response(200)
        handler.send_header("Content-Length", str(64 * MIB))
        handler.end_headers()
        for _ in range(64):
            handler.wfile.write(bytes(MIB))
            time.sleep(0.2)

    server.script("GET", "", trickle, times=2)
    command = [sys.executable, "-c", CTRL_C, server.url, str(there.root), *(p.oid for p in pointers)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout.readline() == "begun\n"
        while process.stdout.readline() != "some\n":
            pass
        process.send_signal(signal.SIGINT)
        began = time.monotonic()
        rest = process.stdout.read()
        process.wait()
    assert rest.endswith("stopped\n")
    assert time.monotonic() - began < 8


def test_http_is_loaded_only_by_who_moves(tmp_path):
    code = "import sys, gitml.store.lfs; sys.exit('urllib3' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_stores_can_be_used_from_several_threads(server, here, tmp_path):
    pointers = keep(here, 40, 5000)
    store = open_lfs_store(QUICK, "origin", server.url, None)
    results = []
    threads = [
        threading.Thread(target=lambda part=part: results.append(store.upload(here, part)))
        for part in (pointers[:20], pointers[20:], pointers[10:30])
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    store.close()
    assert len(results) == 3
    assert not any(result.failed for result in results)
    assert set(server.objects) == {pointer.oid for pointer in pointers}
