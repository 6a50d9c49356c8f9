"""Which server belongs to a remote: as git-lfs finds it, compared with git-lfs itself."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest

from gitml.store.lfs import Endpoint, NoLfsServerError, find_endpoint, find_place
from gitml.store.lfs.urls import setting_for

REMOTES = [
    "https://h.example/foo/bar",
    "https://h.example/foo/bar.git",
    "https://h.example/foo/bar.git/",
    "https://h.example:8443/foo/bar",
    "http://h.example/foo",
    "https://ada@h.example/foo/bar",
    "ssh://git@h.example/foo/bar.git",
    "ssh://git@h.example:2222/foo/bar.git",
    "ssh://h.example/~ada/bar",
    "git@h.example:foo/bar.git",
    "h.example:foo/bar",
    "work:foo.git",
    "git@h.example:~ada/foo.git",
    "[git@h.example:2222]:foo/bar",
    "git://h.example/foo/bar",
]
SETTINGS = [
    {"lfs.url": "https://lfs.example/foo"},
    {"lfs.url": "https://lfs.example/foo", "remote.origin.lfsurl": "https://other.example/"},
    {"remote.origin.lfsurl": "https://lfs.example/foo"},
    {"remote.backup.lfsurl": "https://lfs.example/foo"},
    {"lfs.url": "ssh://git@lfs.example/foo"},
    {"lfs.url": "git@lfs.example:foo/bar"},
    {"url.https://mirror.example/.insteadof": "lfs:", "lfs.url": "lfs:foo"},
    {"url.ssh://git@h.example/.insteadof": "https://h.example/"},
    {"lfs.gitprotocol": "http"},
]


def spell(endpoint: Endpoint) -> tuple[str, str | None]:
    """As `git lfs env` does, which leaves ports out."""
    ssh = None if endpoint.ssh is None else f"{endpoint.ssh.user_and_host}:{endpoint.ssh.path}"
    return endpoint.url.rstrip("/"), ssh


def git_lfs_says(folder) -> tuple[str, str | None]:
    out = subprocess.run(["git", "lfs", "env"], cwd=folder, capture_output=True, text=True, check=True).stdout
    lines = out.splitlines()
    place = next(number for number, line in enumerate(lines) if line.startswith("Endpoint="))
    url = lines[place].removeprefix("Endpoint=").partition(" (")[0].replace("ada@", "").rstrip("/")
    ssh = lines[place + 1].strip().removeprefix("SSH=") if "SSH=" in lines[place + 1] else None
    return url, ssh


@pytest.mark.parametrize(
    ("url", "settings"),
    [
        *((url, {}) for url in REMOTES),
        *((REMOTES[0], settings) for settings in SETTINGS),
        (REMOTES[-1], SETTINGS[-1]),
    ],
)
def test_as_git_lfs_finds_it(git_repo, git, url, settings):
    if shutil.which("git-lfs") is None:
        pytest.fail("git-lfs is not installed") if "CI" in os.environ else pytest.skip(
            "git-lfs is not installed"
        )
    git(git_repo, "remote", "add", "origin", url)
    for key, value in settings.items():
        git(git_repo, "config", key, value)
    rewritten = git(git_repo, "ls-remote", "--get-url", "origin").strip()
    assert spell(find_endpoint(settings, "origin", rewritten, upload=False)) == git_lfs_says(git_repo)


@pytest.mark.parametrize(
    ("url", "settings"),
    [
        ("{there}", {}),
        ("file://{there}", {}),
        ("{there}", {"lfs.url": "https://lfs.example/foo"}),
        ("{there}", {"remote.origin.lfsurl": "https://lfs.example/foo"}),
        ("{there}", {"remote.backup.lfsurl": "https://lfs.example/foo"}),
        ("{there}", {"lfs.url": "git@lfs.example:foo"}),
        ("{there}", {"lfs.url": "{other}"}),
        ("https://h.example/foo", {"lfs.url": "file://{other}"}),
        ("https://h.example/foo", {"remote.origin.lfsurl": "{other}"}),
        ("{there}", {"url.https://mirror.example/.insteadof": "lfs:", "lfs.url": "lfs:foo"}),
    ],
)
def test_a_path_is_where_git_lfs_finds_it_too(git_repo, git, tmp_path, url, settings):
    if shutil.which("git-lfs") is None:
        pytest.fail("git-lfs is not installed") if "CI" in os.environ else pytest.skip("no git-lfs")
    for name in ("there", "other"):
        git(tmp_path, "init", "--quiet", "--bare", name)
    places = {"there": tmp_path / "there", "other": tmp_path / "other"}
    url, settings = url.format(**places), {key: value.format(**places) for key, value in settings.items()}
    git(git_repo, "remote", "add", "origin", url)
    for key, value in settings.items():
        git(git_repo, "config", key, value)
    found = find_place(settings, "origin", url, upload=False, base=git_repo)
    says = git_lfs_says(git_repo)
    assert (f"file://{found}" if isinstance(found, Path) else spell(found)[0]) == says[0]


def test_uploads_may_go_to_a_path_or_from_one(tmp_path):
    def found(values, upload, url="/srv/x", **more):
        return find_place(values, "origin", url, upload=upload, base=tmp_path, **more)

    push = {"remote.origin.lfspushurl": "https://up.example/x"}
    assert (found(push, False), found(push, True).url) == (Path("/srv/x"), "https://up.example/x")
    push = {"remote.origin.pushurl": "../y"}
    assert found(push, True) == tmp_path / "../y"
    assert found(push, False, "https://h.example/x").url == "https://h.example/x.git/info/lfs"
    # A file that comes with the repository must not have us write to a folder of this machine.
    for brought in ("/home/ada/x", "file:///home/ada/x"):
        assert found({}, True, lfsconfig={"lfs.url": brought}) == Path("/srv/x")
        own = found({}, True, "https://h.example/x", lfsconfig={"remote.origin.lfsurl": brought})
        assert own.url == "https://h.example/x.git/info/lfs"
    assert found({}, True, lfsconfig={"lfs.url": "https://l.example/x"}).url == "https://l.example/x"


def test_uploads_may_go_elsewhere():
    def found(values, upload):
        return find_endpoint(values, "origin", "https://h.example/foo", upload=upload).url

    for key in ("lfs.pushurl", "remote.origin.lfspushurl"):
        assert found({key: "https://up.example/x"}, True) == "https://up.example/x"
        assert found({key: "https://up.example/x"}, False) == "https://h.example/foo.git/info/lfs"
    push = {"remote.origin.pushurl": "git@h.example:foo"}
    assert find_endpoint(push, "origin", "https://h.example/foo", upload=True).ssh.path == "foo"
    assert find_endpoint(push, "origin", "https://h.example/foo", upload=False).ssh is None


def test_what_comes_with_a_repository_is_not_trusted_far():
    own = {"lfs.url": "https://own.example/x"}
    brought = {
        "lfs.url": "https://brought.example/x",
        "remote.origin.lfsurl": "https://brought.example/y",
        "remote.origin.url": "https://evil.example",
        "remote.origin.pushurl": "https://evil.example",
        "core.sshcommand": "touch /tmp/x",
        "url.https://evil.example/.insteadof": "https://",
        "http.proxy": "http://evil.example",
        "lfs.customtransfer.x.path": "/bin/sh",
    }

    def found(values, **more):
        return find_endpoint(values, "origin", "https://h.example/foo", upload=True, **more).url

    assert found(own, lfsconfig=brought) == "https://own.example/x"
    assert found({}, lfsconfig=brought) == "https://brought.example/x"
    del brought["lfs.url"]
    assert found({}, lfsconfig=brought) == "https://brought.example/y"
    del brought["remote.origin.lfsurl"]
    assert found({}, lfsconfig=brought) == "https://h.example/foo.git/info/lfs"


def test_the_port_of_ssh():
    for url in ("ssh://git@h.example:2222/foo", "[git@h.example:2222]:foo"):
        assert find_endpoint({}, "origin", url, upload=False).ssh.port == 2222
    inner = find_endpoint({}, "origin", "git@[::1]:foo", upload=False)
    assert inner.ssh.user_and_host == "git@::1"
    assert inner.url == "https://[::1]/foo.git/info/lfs"


@pytest.mark.parametrize(
    "url",
    [
        "/srv/churn.git",
        "../churn.git",
        "file:///srv/churn.git",
        "ext::sh -c touch% /tmp/x",
        "ftp://h.example/x",
        "-oProxyCommand=x:foo",
        "ssh://-oProxyCommand=x/foo",
        "ssh://-oProxyCommand=x@h.example/foo",
        "-oProxyCommand=x@h.example:foo",
        "ssh://h.example",
        "h.example:",
        "h.example:-rf",
        "git@h.example:foo\nbar",
        "https://h.example/foo\nbar",
        "https://h.example\\@evil.example/",
        "https:///foo",
        "https://h.example:x/",
        "",
    ],
)
def test_what_is_no_server(url):
    with pytest.raises(NoLfsServerError) as caught:
        find_endpoint({}, "origin", url, upload=False)
    assert "git config lfs.url URL" in caught.value.hint
    assert caught.value.message.isprintable()


def test_names_show_no_user():
    secret = "https://ada:s3cret@h.example/foo?token=s3cret"
    endpoint = find_endpoint({}, "origin", secret.partition("?")[0], upload=False)
    assert endpoint.name == "https://h.example/foo.git/info/lfs"
    assert "s3cret" not in repr(endpoint)
    assert (endpoint.username, endpoint.password) == ("ada", "s3cret")
    assert find_endpoint({}, "o", "ssh://ada@h.example:22/foo", upload=False).name == "ssh://h.example:22/foo"
    with pytest.raises(NoLfsServerError) as caught:
        find_endpoint({"lfs.url": "ftp://ada:s3cret@h.example/"}, "origin", "x", upload=False)
    assert "s3cret" not in caught.value.message


def test_credentials_are_those_of_the_git_remote():
    same = find_endpoint(
        {"lfs.url": "https://h.example/lfs"}, "o", "https://ada@h.example/foo.git", upload=False
    )
    assert (same.credential_url, same.username) == ("https://h.example/foo.git", "ada")
    other = find_endpoint(
        {"lfs.url": "https://lfs.example/x"}, "o", "https://ada@h.example/foo.git", upload=False
    )
    assert (other.credential_url, other.username) == ("https://lfs.example/x", None)


def test_settings_for_a_url_as_git_looks_them_up(git_repo, git):
    patterns = [
        "https://h.example", "https://h.example/foo", "https://h.example/foo/bar", "https://*.example",
        "https://ada@h.example", "https://h.example:8443", "http://h.example", "https://h.example/fo",
    ]  # fmt: skip
    values = {"http.proxy": "default"}
    git(git_repo, "config", "http.proxy", "default")
    for pattern in patterns:
        values[f"http.{pattern}.proxy"] = pattern
        git(git_repo, "config", f"http.{pattern}.proxy", pattern)
    for url in (
        "https://h.example/foo/bar/baz", "https://h.example/foo", "https://h.example/", "https://x.example/foo",
        "https://ada@h.example/", "https://h.example:8443/foo", "http://h.example/foo", "https://a.b.example/",
        "https://h.example/food", "https://H.EXAMPLE/foo/",
    ):  # fmt: skip
        expected = git(git_repo, "config", "--get-urlmatch", "http.proxy", url).strip()
        assert setting_for(values, url, "proxy") == expected, url
