"""SFTP: whom we trust, and who lets us in."""

from __future__ import annotations

import os
import shutil
import subprocess

import pytest

from gitml.errors import UsageError
from gitml.store.base import StoreUnreachableError
from gitml.store.local import object_key

pytestmark = pytest.mark.heavy


@pytest.fixture
def ssh(tmp_path, sftp):
    return tmp_path / "home" / ".ssh"


def refusal(remote, url=None):
    with pytest.raises(StoreUnreachableError) as caught:
        remote.open(url)
    assert caught.value.exit_code == 5
    return caught.value


def test_an_unknown_host_is_refused(sftp, ssh):
    (ssh / "known_hosts").unlink()
    error = refusal(sftp)
    assert "is not known here" in str(error)
    assert f"ssh -p {sftp.wire.port}" in error.hint
    assert not (ssh / "known_hosts").exists(), "and is not made known either"


def test_a_changed_key_is_refused(sftp, ssh, tmp_path):
    command = ["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(tmp_path / "other")]
    subprocess.run(command, check=True)
    (ssh / "known_hosts").write_text(f"[127.0.0.1]:{sftp.wire.port} {(tmp_path / 'other.pub').read_text()}")
    assert "not the one that is known" in str(refusal(sftp))


def test_a_wrong_key_is_not_let_in(sftp, ssh):
    (ssh / "id_ed25519").unlink()
    command = ["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(ssh / "id_ed25519")]
    subprocess.run(command, check=True)
    error = refusal(sftp)
    assert "does not let us in" in str(error)
    assert "ssh-add" in error.hint


def test_nobody_there(sftp):
    sftp.wire.close()
    assert "can't be reached" in str(refusal(sftp))


def test_settings_of_ssh(sftp, ssh, local, tmp_path):
    shutil.move(ssh / "id_ed25519", ssh / "key-for-the-lab")
    user = sftp.url.partition("//")[2].partition("@")[0]
    (ssh / "config").write_text(
        f"Host lab\n  HostName 127.0.0.1\n  Port {sftp.wire.port}\n  User {user}\n"
        f"  IdentityFile {ssh}/key-for-the-lab\n"
    )
    pointer = local.put_bytes(b"by its short name")
    store = sftp.open(f"sftp://lab{tmp_path}/disk/runs")
    assert store.upload(local, [pointer]).moved == (pointer,)
    assert sftp.raw_get(object_key(pointer.oid)) == b"by its short name"
    (ssh / "config").write_text("Host lab\n  HostName 127.0.0.1\n  ProxyJump elsewhere\n")
    with pytest.raises(UsageError, match="ProxyJump") as caught:
        sftp.open(f"sftp://lab{tmp_path}/disk/runs")
    assert "ProxyCommand" in caught.value.hint


def test_a_folder_that_can_not_be_made(sftp, local):
    pointer = local.put_bytes(b"x")
    store = sftp.open("sftp://" + sftp.url.split("/")[2] + "/proc/runs")
    (failure,) = store.upload(local, [pointer]).failed
    assert "No such file" in str(failure.error)


def test_no_temporary_files_stay(sftp, local, tmp_path):
    good, bad = local.put_bytes(os.urandom(10**6)), local.put_bytes(os.urandom(3 * 10**6))
    with local.path(bad.oid).open("r+b") as stream:
        stream.write(b"damage")
    result = sftp.open().upload(local, [good, bad])
    assert result.moved == (good,)
    files = [path for path in (tmp_path / "disk").rglob("*") if path.is_file()]
    assert [path.name for path in files] == [good.oid]
