"""Getting in: passwords that git keeps, and what the git host says by ssh."""

from __future__ import annotations

import getpass
import json
import os
import shlex
import shutil
import socket
import ssl
import subprocess
import time
from contextlib import closing
from datetime import datetime, timedelta, timezone

import pytest

from gitml.entities.artifact import Pointer
from gitml.errors import RemoteError
from gitml.git.credentials import GitCredentials
from gitml.git.repo import GitRepo
from gitml.repo import Repo
from gitml.store.base import StoreUnreachableError
from gitml.store.lfs import LfsStore, find_endpoint
from gitml.store.lfs.endpoint import SshTarget
from gitml.store.lfs.ssh import ssh_command
from gitml.sync.stores import open_remote_store
from tests.store.lfs.conftest import QUICK, keep, offer
from tests.store.lfs.proxy import cutting_proxy

HELPER = """#!/bin/sh
{{ echo "== $1"; cat; }} >> {log}
test "$1" = get && printf 'username=%s\\npassword=%s\\n' {username} {password}
exit 0
"""


@pytest.fixture
def log(tmp_path):
    return tmp_path / "helper.log"


@pytest.fixture
def knowing(git_repo, git, log, tmp_path):
    """Let git's credential helper know a name and a password."""

    def know(username: str, password: str) -> GitCredentials:
        script = tmp_path / "helper"
        script.write_text(HELPER.format(log=log, username=username, password=password))
        script.chmod(0o755)
        git(git_repo, "config", "credential.helper", str(script))
        return GitCredentials(GitRepo.discover(git_repo).process)

    return know


def test_git_is_asked_once_and_told_that_it_was_right(server, opened, here, knowing, log):
    server.login = ("ada", "s3cret")
    store = opened(server.url, {}, knowing("ada", "s3cret"))
    assert len(store.upload(here, keep(here, 3, 10)).moved) == 3
    assert len(store.upload(here, keep(here, 3, 10)).moved) == 3
    said = log.read_text()
    assert said.count("== get") == said.count("== store") == 1
    assert "erase" not in said
    assert f"host=127.0.0.1:{server.server_port}" in said


def test_a_password_that_changed_meanwhile_is_asked_for_again(server, opened, here, knowing, log):
    server.login = ("ada", "s3cret")
    store = opened(server.url, {}, knowing("ada", "s3cret"))
    store.missing(keep(here, 1, 10))
    server.login = ("ada", "n3w")
    knowing("ada", "n3w")
    store.missing(keep(here, 1, 10))
    assert log.read_text().count("== get") == log.read_text().count("== store") == 2


def test_nothing_is_asked_if_the_server_does_not_want_it(server, opened, here, knowing, log):
    opened(server.url, {}, knowing("ada", "s3cret")).upload(here, keep(here, 1, 10))
    assert not log.exists()


def test_a_wrong_password_is_forgotten(server, opened, here, knowing, log):
    server.login = ("ada", "s3cret")
    with pytest.raises(StoreUnreachableError) as caught:
        opened(server.url, {}, knowing("ada", "wr0ng")).upload(here, keep(here, 1, 10))
    assert "does not accept your name and password" in caught.value.message
    assert "git credential" in caught.value.hint
    assert "wr0ng" not in caught.value.message + caught.value.hint
    said = log.read_text()
    assert "== erase" in said
    assert "== store" not in said
    assert server.count("POST") == 2


def test_git_knows_no_password(server, opened, here, git_repo):
    server.login = ("ada", "s3cret")
    with pytest.raises(RemoteError) as caught:
        opened(server.url, {}, GitCredentials(GitRepo.discover(git_repo).process)).missing(keep(here, 1, 10))
    assert "asks for a name and a password" in caught.value.message
    assert caught.value.hint


def test_no_one_to_ask(server, opened, here):
    server.login = ("ada", "s3cret")
    with pytest.raises(StoreUnreachableError) as caught:
        opened(server.url).missing(keep(here, 1, 10))
    assert caught.value.hint


def test_many_threads_ask_once(server, opened, here, knowing, log):
    pointers = keep(here, 450, 10)
    server.login = ("ada", "s3cret")
    store = opened(server.url, {}, knowing("ada", "s3cret"))
    assert len(store.missing(pointers)) == 450
    assert log.read_text().count("== get") == 1


def test_a_password_in_the_url_and_one_in_netrc(server, opened, here, tmp_path, monkeypatch):
    server.login = ("ada", "s3cret")
    assert opened(server.url.replace("://", "://ada:s3cret@")).missing(keep(here, 1, 10))
    netrc = tmp_path / "netrc"
    netrc.write_text("machine 127.0.0.1 login ada password s3cret\n")
    netrc.chmod(0o600)
    monkeypatch.setenv("NETRC", str(netrc))
    assert opened(server.url).missing(keep(here, 1, 10))


def test_a_way_to_log_in_that_we_do_not_know(server, opened, here, knowing, log):
    server.answer("POST", "", 401, {}, LFS_Authenticate="Negotiate")
    with pytest.raises(StoreUnreachableError) as caught:
        opened(server.url, {}, knowing("ada", "x")).missing(keep(here, 1, 10))
    assert "in a way that gitml does not know" in caught.value.message
    assert not log.exists()


def test_headers_and_proxies_of_git(server, opened, here):
    values = {"http.extraheader": "X-All: 1", f"http.{server.url}.extraheader": "Authorization: Basic eA=="}
    opened(server.url, values).missing(keep(here, 1, 10))
    assert server.seen[-1].headers["Authorization"] == "Basic eA=="
    through = opened("http://git.invalid/ada/churn", {"http.proxy": f"127.0.0.1:{server.server_port}"})
    assert through.missing(keep(here, 1, 10))
    assert server.seen[-1].path == "http://git.invalid/ada/churn.git/info/lfs/objects/batch"
    with pytest.raises(StoreUnreachableError) as caught:
        opened("http://git.invalid/x", {"http.proxy": "http://127.0.0.1:9"}).missing(keep(here, 1, 10))
    assert "proxy" in caught.value.message


@pytest.mark.parametrize(
    "settings",
    [
        [("http.extraHeader", "X-A: 1"), ("http.extraHeader", "X-B: 2"), ("http.extraHeader", "X-A: 3")],
        [("http.extraHeader", "X-A: 1"), ("http.extraHeader", ""), ("http.extraHeader", "X-B: 2")],
        [
            ("http.extraHeader", "X-A: 1"),
            ("http.{url}.extraHeader", "X-B: 2"),
            ("http.{url}.extraHeader", "X-C: 3"),
        ],
        [("http.{url}.extraHeader", "X-B: 2"), ("http.extraHeader", "X-A: 1")],
        [
            ("http.extraHeader", "X-A: 1"),
            ("http.{url}.extraHeader", ""),
            ("http.{url}.extraHeader", "X-B: 2"),
        ],
        [("http.{url}/ada.extraHeader", "X-B: 2"), ("http.{url}.extraHeader", "X-A: 1")],
        [("http.{url}.extraHeader", "X-A: 1"), ("http.https://other.example.extraHeader", "X-B: 2")],
        [
            ("http.extraHeader", "User-Agent: mine"),
            ("http.extraHeader", "no header"),
            ("http.extraHeader", "X-A:"),
        ],
    ],
)
def test_all_headers_that_git_would_send(git_repo, git, server, settings):
    """Compared with git itself, which is asked about the same server."""
    base = server.url.rpartition("/ada/")[0]
    git(git_repo, "remote", "add", "origin", f"{server.url}.git")
    for key, value in settings:
        name = key.format(
            url=base
        )  # as a person writes it: git config would move settings of one section together
        with (git_repo / ".git/config").open("a") as file:
            section, _, rest = name.partition(".")
            url, _, variable = rest.rpartition(".")
            file.write(f'[{section} "{url}"]\n' if url else f"[{section}]\n")
            file.write(f'\t{variable} = "{value}"\n')
    server.answer("GET", "/info/refs", 404, times=9)
    subprocess.run(["git", "ls-remote", "origin"], cwd=git_repo, capture_output=True, check=False)
    expected = sent(server)
    assert expected
    with closing(Repo.open(git_repo)) as repo, closing(open_remote_store(repo, "origin", lfs=True)) as store:
        store.missing([Pointer("ab" * 32, 10)])
    assert sent(server) == expected


def sent(server) -> list[tuple[str, str]]:
    """The headers of the last request that somebody's configuration added."""
    lines = server.seen[-1].lines
    return sorted(line for line in lines if line[0].startswith("X-") or line[1] == "mine")


@pytest.fixture(scope="module")
def certificate(tmp_path_factory):
    if shutil.which("openssl") is None:
        pytest.fail("openssl is not installed") if "CI" in os.environ else pytest.skip(
            "openssl is not installed"
        )
    folder = tmp_path_factory.mktemp("tls")
    command = [
        "openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=localhost",
        "-addext", "subjectAltName=DNS:localhost", "-keyout", folder / "key", "-out", folder / "cert",
    ]  # fmt: skip
    subprocess.run(command, check=True, capture_output=True)
    return folder


def test_certificates(server, opened, here, there, certificate, monkeypatch):
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate / "cert", certificate / "key")
    server.socket = context.wrap_socket(server.socket, server_side=True)
    server.handle_error = lambda *_: None
    url = f"https://localhost:{server.server_port}/ada/churn"
    with pytest.raises(StoreUnreachableError) as caught:
        opened(url).missing(keep(here, 1, 10))
    assert "certificate is not trusted" in caught.value.message
    assert "http.sslCAInfo" in caught.value.hint
    assert opened(url, {"http.sslcainfo": str(certificate / "cert")}).missing(keep(here, 1, 10))
    monkeypatch.setenv("HOME", str(certificate))
    assert opened(url, {"http.sslcainfo": "~/cert"}).missing(keep(here, 1, 10))
    assert opened(url, {f"http.https://localhost:{server.server_port}.sslverify": "false"}).missing(
        keep(here, 1, 10)
    )
    with pytest.raises(StoreUnreachableError) as caught:
        opened(url, {"http.sslcainfo": "/nowhere"}).missing(keep(here, 1, 10))
    assert "can't be read" in caught.value.message
    # Never back to where everybody can listen.
    trusting = opened(url, {"http.sslcainfo": str(certificate / "cert")})
    with pytest.raises(StoreUnreachableError) as caught:
        trusting.upload(here, keep(here, 1, 10))  # its actions lead to http
    assert "gives up encryption" in caught.value.message
    server.answer("POST", "", 307, {}, Location=server.lfs_url)
    with pytest.raises(StoreUnreachableError) as caught:
        trusting.missing(keep(here, 1, 10))
    assert "gives up encryption" in caught.value.message


def test_a_cut_connection_with_tls(server, opened, there, certificate):
    pointer = offer(server, os.urandom(3 << 20))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate / "cert", certificate / "key")
    server.socket = context.wrap_socket(server.socket, server_side=True)
    server.handle_error = lambda *_: None
    with cutting_proxy(server.server_port) as proxy:
        server.action = {"href": f"https://localhost:{proxy.port}/bytes/{pointer.oid}"}
        proxy.cut(1, 2 << 20)
        trusting = {"http.sslcainfo": str(certificate / "cert")}
        store = opened(f"https://localhost:{server.server_port}/ada/churn", trusting)
        assert store.download(there, [pointer]).moved == (pointer,)
        assert proxy.cuts == 0


def test_a_server_without_tls(server, opened, here):
    with pytest.raises(StoreUnreachableError) as caught:
        opened(f"https://127.0.0.1:{server.server_port}/ada/churn").missing(keep(here, 1, 10))
    assert "does not speak TLS" in caught.value.message


# ssh


def test_the_command_is_the_one_that_git_would_run():
    target = SshTarget("git@h.example", 2222, "ada/my churn;x.git")
    tail = ["git@h.example", "git-lfs-authenticate 'ada/my churn;x.git' upload"]

    def command(values, environ):
        return ssh_command(target, "upload", values, {"PATH": "/nowhere", **environ})

    assert command({}, {}) == ["ssh", "-p", "2222", *tail]
    assert command({}, {"GIT_SSH": "/usr/local/my ssh"}) == ["/usr/local/my ssh", "-p", "2222", *tail]
    configured = {"core.sshcommand": "ssh -i '~/my key' -o 'A B'"}
    assert command(configured, {}) == ["ssh", "-i", "~/my key", "-o", "A B", "-p", "2222", *tail]
    assert command(configured, {"HOME": "/home/ada"})[2] == "/home/ada/my key"
    both = command(configured, {"GIT_SSH_COMMAND": "/bin/other -4", "GIT_SSH": "x"})
    assert both[:2] == ["/bin/other", "-4"]
    assert command({}, {"GIT_SSH": "plink"})[:3] == ["plink", "-P", "2222"]
    assert command({"ssh.variant": "tortoiseplink"}, {})[:4] == ["ssh", "-batch", "-P", "2222"]
    for line in ("ssh -i $HOME/key", "ssh `x`", "ssh 'x"):
        with pytest.raises(StoreUnreachableError):
            command({"core.sshcommand": line}, {})


def test_no_program_of_the_current_folder(tmp_path, monkeypatch):
    (tmp_path / "ssh").write_text("#!/bin/sh\ntouch was-run\n")
    (tmp_path / "ssh").chmod(0o755)
    monkeypatch.chdir(tmp_path)
    command = ssh_command(SshTarget("h", None, "x"), "upload", {}, {"PATH": f".:{os.environ['PATH']}"})
    assert command[0] != str(tmp_path / "ssh")
    assert os.path.isabs(command[0]) or shutil.which("ssh") is None


class Host:
    """What a git host has: `git-lfs-authenticate`, that notes how it was called."""

    def __init__(self, folder, called) -> None:
        self.folder = folder
        self.called = called

    def answers(self, document: object, code: int = 0, error: str = "") -> None:
        program = self.folder / "git-lfs-authenticate"
        text = document if isinstance(document, str) else json.dumps(document)
        program.write_text(
            f"#!/bin/sh\necho \"$@\" >> {self.called}\ncat <<'END'\n{text}\nEND\n"
            f"echo {shlex.quote(error)} >&2\nexit {code}\n"
        )
        program.chmod(0o755)


@pytest.fixture
def host(tmp_path, server):
    (tmp_path / "host").mkdir()
    made = Host(tmp_path / "host", tmp_path / "called")
    made.answers({"href": server.lfs_url, "header": {"Authorization": "RemoteAuth t0ken"}})
    return made


@pytest.fixture
def by_ssh(host, monkeypatch, tmp_path, opened):
    """Open a store whose ssh runs the host's programs here."""
    local = tmp_path / "local-ssh"
    local.write_text(f'#!/bin/sh\nPATH={host.folder}:$PATH\nfor last; do :; done\neval "$last"\n')
    local.chmod(0o755)
    monkeypatch.setenv("GIT_SSH_COMMAND", f"{local} -x")
    return opened("git@h.example:ada/churn.git")


def test_the_host_gives_url_and_headers(by_ssh, host, server, here, there):
    pointers = keep(here, 3, 100)
    assert len(by_ssh.upload(here, pointers).moved) == 3
    assert server.seen[0].headers["Authorization"] == "RemoteAuth t0ken"
    assert by_ssh.missing(pointers) == []
    assert len(by_ssh.download(there, pointers).moved) == 3
    assert host.called.read_text() == "ada/churn.git upload\nada/churn.git download\n"


def test_what_ssh_gave_is_not_said(by_ssh, server, here):
    server.answer("POST", "/batch", 403, {"message": "RemoteAuth t0ken is not enough: t0ken"})
    with pytest.raises(StoreUnreachableError) as caught:
        by_ssh.missing(keep(here, 1, 100))
    assert "is not enough" in caught.value.message
    assert "t0ken" not in caught.value.message


@pytest.mark.parametrize("expiry", [{"expires_in": -1}, {"expires_at": "2016-11-10T15:29:07Z"}])
def test_what_expired_is_asked_for_again(by_ssh, host, server, here, expiry):
    host.answers({"href": server.lfs_url, **expiry})
    pointers = keep(here, 1, 100)
    by_ssh.missing(pointers)
    by_ssh.missing(pointers)
    assert host.called.read_text().count("download") == 2


def test_what_lasts_is_kept(by_ssh, host, server, here):
    until = datetime.now(timezone.utc) + timedelta(hours=1)
    host.answers({"href": server.lfs_url, "expires_at": until.strftime("%Y-%m-%dT%H:%M:%SZ")})
    for _ in range(3):
        by_ssh.missing(keep(here, 1, 100))
    assert host.called.read_text().count("download") == 1


def test_what_the_server_does_not_take_is_asked_for_once_more(by_ssh, host, server, here):
    server.answer("POST", "/batch", 401)
    by_ssh.missing(keep(here, 1, 100))
    assert host.called.read_text().count("download") == 2
    server.answer("POST", "/batch", 401, times=5)
    with pytest.raises(StoreUnreachableError) as caught:
        by_ssh.missing(keep(here, 1, 100))
    assert "by ssh" in caught.value.message


@pytest.mark.parametrize(
    ("document", "code", "error", "said"),
    [
        ({}, 127, "git-lfs-authenticate: command not found", "command not found"),
        ({}, 255, "Permission denied (publickey).", "Permission denied"),
        ({}, 1, "you may \x1b[31mnot", "you may"),
        ("Welcome to the host!", 0, "", "not JSON"),
        ({"href": "file:///etc/passwd"}, 0, "", "file:"),
        ({"href": "http://h/\nX"}, 0, "", "blanks or control"),
        ({"href": 5}, 0, "", "without a URL"),
        ({"href": "http://h/", "header": {"A": "b\r\nC: d"}}, 0, "", "headers"),
        ("[" * 100_000, 0, "", "not JSON"),
    ],
)
def test_a_host_that_says_something_else(by_ssh, host, here, document, code, error, said):
    host.answers(document, code, error)
    with pytest.raises(StoreUnreachableError) as caught:
        by_ssh.missing(keep(here, 1, 10))
    assert said in caught.value.message
    assert "git-lfs-authenticate" in caught.value.message
    assert caught.value.message.isprintable()
    assert caught.value.hint


def test_ssh_that_is_not_there(opened, here, monkeypatch):
    monkeypatch.setenv("GIT_SSH", "/nowhere/ssh")
    with pytest.raises(StoreUnreachableError) as caught:
        opened("git@h.example:ada/churn.git").missing(keep(here, 1, 10))
    assert "can't be started" in caught.value.message


@pytest.fixture
def sshd(tmp_path, host):
    """A real sshd on a high port, with a key; gives its port and the command to reach it."""
    program = shutil.which("sshd", path=f"{os.environ['PATH']}:/usr/sbin")
    if program is None or shutil.which("ssh") is None:
        reason = "openssh-server is not installed"
        pytest.fail(reason) if "CI" in os.environ else pytest.skip(reason)
    folder = tmp_path / "sshd"
    folder.mkdir(mode=0o700)
    for name in ("host", "user"):
        command = ["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", folder / name]
        subprocess.run(command, check=True)
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = probe.getsockname()[1]
    shutil.copy(folder / "user.pub", folder / "authorized")
    (folder / "config").write_text(
        f"Port {port}\nListenAddress 127.0.0.1\nHostKey {folder}/host\nAuthorizedKeysFile {folder}/authorized\n"
        f"StrictModes no\nUsePAM no\nPidFile none\nPasswordAuthentication no\n"
        f'ForceCommand PATH={host.folder}:$PATH; eval "$SSH_ORIGINAL_COMMAND"\n'
    )
    if os.getuid() == 0:
        os.makedirs("/run/sshd", exist_ok=True)
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen([program, "-D", "-e", "-f", folder / "config"], stdout=log, stderr=log)
    until = time.monotonic() + 20
    while time.monotonic() < until and process.poll() is None:
        try:
            socket.create_connection(("127.0.0.1", port), 1).close()
            break
        except OSError:
            time.sleep(0.02)
    assert process.poll() is None, (folder / "log").read_text()
    known = f"-o UserKnownHostsFile={folder}/known -o StrictHostKeyChecking=no"
    yield port, f"ssh -F /dev/null -i {folder}/user -o IdentitiesOnly=yes {known}"
    process.terminate()
    process.wait()


def test_a_real_ssh_server(sshd, host, server, here, there):
    port, ssh = sshd
    values = {**QUICK, "core.sshcommand": ssh}
    url = f"ssh://{getpass.getuser()}@127.0.0.1:{port}/ada/churn's.git"
    endpoint = find_endpoint(values, "origin", url, upload=True)
    store = LfsStore(endpoint, values=values)
    pointers = keep(here, 2, 100)
    assert len(store.upload(here, pointers).moved) == 2
    assert len(store.download(there, pointers).moved) == 2
    assert server.seen[0].headers["Authorization"] == "RemoteAuth t0ken"
    assert host.called.read_text() == "/ada/churn's.git upload\n/ada/churn's.git download\n"
    wrong = LfsStore(
        endpoint, values={**QUICK, "core.sshcommand": f"{ssh} -i /nowhere -o BatchMode=yes -l nobody-here"}
    )
    with pytest.raises(StoreUnreachableError) as caught:
        wrong.missing(pointers)
    assert "ssh" in caught.value.message
    store.close()
    wrong.close()
