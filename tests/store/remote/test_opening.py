"""From a URL to a store, or to what is wrong with it. Nothing is reached here."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from gitml.errors import UsageError
from gitml.store.cloud import open_store
from gitml.store.cloud.address import Address, parse_address
from gitml.store.folder import FolderStore
from tests.store.remote.conftest import with_options


@pytest.mark.parametrize(
    ("url", "address"),
    [
        ("s3://bucket", Address("s3", "bucket")),
        ("S3://bucket/a//b/", Address("s3", "bucket", "a/b")),
        ("abfss://box@account.dfs.core.windows.net/x", Address("abfss", "account.dfs.core.windows.net", "x", "box")),
        ("sftp://ada@host:2222/srv/runs", Address("sftp", "host", "srv/runs", "ada", 2222)),
        ("sftp://[::1]:22/srv", Address("sftp", "[::1]", "srv", None, 22)),
    ],
)  # fmt: skip
def test_urls_are_taken_apart(url, address):
    assert parse_address(url) == address


@pytest.mark.parametrize(
    "url",
    [
        "", "s3://", "s3:///x", "://x", "s3://bucket/../x", "s3://bucket/%2e%2e/x", "s3://-option/x",
        "sftp://-oProxyCommand=x/y", "sftp://-l@host/y", "s3://buc ket", "s3://bucket/a\nb", "s3://bucket/\x1b[2J",
        "sftp://host:port/x", "sftp://host:99999999/x", "simplecache::s3://bucket/x", "s3://bucket/x::y",
        "sftp://a b@host/x", "sftp://host\\x/y",
    ],
)  # fmt: skip
def test_urls_that_mean_nothing(url):
    with pytest.raises(UsageError):
        parse_address(url)


@pytest.mark.parametrize(
    "url",
    [
        "s3://AKIA:hunter2@bucket/x", "sftp://ada:hunter2@host/x", "az://box/x?sig=hunter2", "gs://bucket/#hunter2",
        "sftp://:hunter2@host/x",
    ],
)  # fmt: skip
def test_secrets_in_urls_are_refused_and_not_repeated(url):
    with pytest.raises(UsageError, match="do not belong") as caught:
        open_store(url, {})
    assert "hunter2" not in str(caught.value) + str(caught.value.hint)


@pytest.mark.parametrize("scheme", ["zip", "github", "http", "local", "nonsense"])
def test_unknown_schemes_name_those_that_are_known(scheme):
    with pytest.raises(UsageError) as caught:
        open_store(f"{scheme}://host/x", {})
    assert "s3://" in caught.value.hint
    assert "sftp://" in caught.value.hint


def test_paths(tmp_path):
    for url in (str(tmp_path / "x"), f"file://{tmp_path}/x", f"file://localhost{tmp_path}/%78"):
        store = open_store(url, {})
        assert isinstance(store, FolderStore)
        assert store.folder == tmp_path / "x"
    assert open_store("x", {}, base=tmp_path).folder == tmp_path / "x"
    assert open_store("x", {}, "the disk", base=tmp_path).name == "the disk"
    with pytest.raises(UsageError, match="relative") as caught:
        open_store("x", {})
    assert str(Path.cwd() / "x") in caught.value.hint
    with pytest.raises(UsageError) as caught:
        open_store("host:folder", {})
    assert "sftp://host/folder" in caught.value.hint


@pytest.mark.parametrize(
    ("url", "module", "extra"),
    [
        ("s3://bucket", "obstore", "cloud"),
        ("az://box", "obstore", "cloud"),
        ("webdav://host", "fsspec", "cloud"),
        ("sftp://host/x", "paramiko", "sftp"),
    ],
)
def test_missing_packages_are_named(url, module, extra):
    code = (
        f"import sys; sys.modules[{module!r}] = None\n"
        "from gitml.errors import MissingExtraError\nfrom gitml.store.cloud import open_store\n"
        f"try: open_store({url!r}, {{}})\nexcept MissingExtraError as err: print(err.hint, end='')"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == f"pip install 'gitml[{extra}]'"


@pytest.mark.parametrize(
    ("url", "options", "said"),
    [
        ("s3://bucket", {"colour": "red"}, "no option of S3"),
        ("s3://bucket", {"secret_access_key": "hunter2"}, "credential"),
        ("memory://x", {"password": "hunter2"}, "credential"),
        ("s3://bucket", {"allow_http": "perhaps"}, "true or false"),
        ("s3://bucket", {"timeout": "soon"}, "whole number"),
        ("s3://bucket", {"retries": "-1"}, "whole number"),
        ("az://box", {}, "which storage account"),
        ("abfs://box@somewhere.example.org/x", {}, "names no storage account"),
        ("gs://bucket", {"region": "eu"}, "no option of Google"),
    ],
)
def test_options_that_mean_nothing(url, options, said):
    with pytest.raises(UsageError, match=said) as caught:
        open_store(url, with_options(**options))
    assert "hunter2" not in str(caught.value) + str(caught.value.hint)


def test_endpoints_from_where_providers_have_them(monkeypatch):
    key = "c2VjcmV0"
    environ = {
        "AZURE_STORAGE_CONNECTION_STRING": "DefaultEndpointsProtocol=https;AccountName=lab;"
        f"AccountKey={key};EndpointSuffix=core.windows.net"
    }
    store = open_store("az://box/runs", {}, environ=environ)
    assert store.name == "az://box/runs"
    store.close()
    store = open_store("abfss://box@lab.dfs.core.windows.net/runs", {}, environ={"AZURE_STORAGE_KEY": key})
    assert store.name == "abfss://box@lab.dfs.core.windows.net/runs"
    store.close()
    with pytest.raises(UsageError, match="anybody on the way"):
        open_store("gs://bucket", {}, environ={"STORAGE_EMULATOR_HOST": "example.org:9023"})
