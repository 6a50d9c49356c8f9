"""How S3, Google Cloud Storage and Azure Blob are addressed and signed in to.

Credentials come from where the provider's own tools look for them. obstore reads
most of the environment by itself; what it does not know is filled in here.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from datetime import timedelta
from typing import Any
from urllib.parse import urlsplit

from obstore.exceptions import BaseError
from obstore.store import AzureStore, GCSStore, S3Store

from gitml.errors import UsageError
from gitml.store.cloud import aws
from gitml.store.cloud.address import Address
from gitml.store.cloud.buckets import BucketPlace
from gitml.store.cloud.failures import Help, summary
from gitml.store.cloud.options import Options, as_flag

_COMMON = ("allow-http", "endpoint", "retries", "skip-signature", "timeout")
_LOCAL = ("127.0.0.1", "localhost", "::1")
_AZURE_DOMAINS = re.compile(r"([a-z0-9]{3,24})\.(?:dfs|blob)\.(core\.windows\.net|core\.[a-z0-9.-]+)")


def s3(address: Address, settings: Mapping[str, str], environ: Mapping[str, str], name: str) -> BucketPlace:
    """Open a bucket of S3, or of a server that speaks its protocol."""
    options = Options(
        settings,
        "S3",
        (
            *_COMMON,
            "profile",
            "region",
            "request-payer",
            "server-side-encryption",
            "sse-kms-key-id",
            "virtual-hosted-style",
        ),
    )
    endpoint = (
        options.text("endpoint") or environ.get("AWS_ENDPOINT_URL_S3") or environ.get("AWS_ENDPOINT_URL")
    )
    profile = options.text("profile")
    config: dict[str, Any] = {
        "endpoint": endpoint,
        "region": options.text("region") or aws.region(profile, environ),
        "virtual_hosted_style_request": options.flag("virtual-hosted-style"),
        "request_payer": options.flag("request-payer"),
        "skip_signature": options.flag("skip-signature"),
        "server_side_encryption": options.text("server-side-encryption"),
        "sse_kms_key_id": options.text("sse-kms-key-id"),
    }
    if not options.flag("skip-signature"):
        config |= aws.credentials(profile, environ)
    allow_http = _allow_http(options, environ.get("AWS_ALLOW_HTTP"), endpoint)
    advice = Help(
        f"bucket '{address.host}'",
        "set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or AWS_PROFILE and ~/.aws (aws configure)",
        "list the bucket, get, put and delete objects",
    )
    return _open(S3Store, address.host, address.path, config, options, allow_http, name, advice)


def google(
    address: Address, settings: Mapping[str, str], environ: Mapping[str, str], name: str
) -> BucketPlace:
    """Open a bucket of Google Cloud Storage."""
    options = Options(settings, "Google Cloud Storage", _COMMON)
    endpoint = options.text("endpoint") or environ.get("STORAGE_EMULATOR_HOST")
    config: dict[str, Any] = {"skip_signature": options.flag("skip-signature")}
    if endpoint:
        endpoint = endpoint if "://" in endpoint else f"http://{endpoint}"
        if environ.get("STORAGE_EMULATOR_HOST") or options.flag("skip-signature"):
            # An emulator wants no signature; so obstore is told, a flag alone would leave out writing.
            account = {"gcs_base_url": endpoint, "disable_oauth": True, "client_email": "", "private_key": ""}
            config["service_account_key"] = json.dumps(account | {"private_key_id": ""})
        else:
            config["base_url"] = endpoint
    advice = Help(
        f"bucket '{address.host}'",
        "gcloud auth application-default login, or set GOOGLE_APPLICATION_CREDENTIALS to a key's file",
        "list the bucket, get, create and delete objects (roles/storage.objectAdmin)",
    )
    allow_http = _allow_http(options, None, endpoint)
    return _open(GCSStore, address.host, address.path, config, options, allow_http, name, advice)


def azure(
    address: Address, settings: Mapping[str, str], environ: Mapping[str, str], name: str
) -> BucketPlace:
    """Open a container of Azure Blob: `az://CONTAINER` or `abfs://CONTAINER@ACCOUNT.dfs.core.windows.net`."""
    options = Options(settings, "Azure Blob", (*_COMMON, "account", "use-azure-cli"))
    connection = _connection_string(environ.get("AZURE_STORAGE_CONNECTION_STRING", ""))
    container, account, endpoint = _azure_names(address)
    endpoint = options.text("endpoint") or endpoint or connection.get("blobendpoint")
    config: dict[str, Any] = {
        "account_name": account
        or options.text("account")
        or environ.get("AZURE_STORAGE_ACCOUNT_NAME")
        or environ.get("AZURE_STORAGE_ACCOUNT")
        or connection.get("accountname"),
        "account_key": environ.get("AZURE_STORAGE_ACCOUNT_KEY")
        or environ.get("AZURE_STORAGE_KEY")
        or connection.get("accountkey"),
        "sas_key": environ.get("AZURE_STORAGE_SAS_TOKEN") or connection.get("sharedaccesssignature"),
        "endpoint": endpoint,
        "use_azure_cli": options.flag("use-azure-cli"),
        "skip_signature": options.flag("skip-signature"),
    }
    if not config["account_name"]:
        raise UsageError(
            f"'{address.url}' does not say which storage account the container is in",
            hint="git config gitml.artifacts.option.account ACCOUNT, or set AZURE_STORAGE_ACCOUNT_NAME",
        )
    advice = Help(
        f"container '{container}' in the account '{config['account_name']}'",
        "set AZURE_STORAGE_ACCOUNT_KEY, AZURE_STORAGE_SAS_TOKEN or AZURE_CLIENT_ID and so on, or sign in by "
        "az login and git config gitml.artifacts.option.use-azure-cli true",
        "list the container, read, create and delete blobs (Storage Blob Data Contributor)",
    )
    allow_http = _allow_http(options, environ.get("AZURE_ALLOW_HTTP"), endpoint)
    return _open(AzureStore, container, address.path, config, options, allow_http, name, advice)


def _open(
    kind: type[Any],
    bucket: str,
    prefix: str,
    config: Mapping[str, Any],
    options: Options,
    allow_http: bool,
    name: str,
    advice: Help,
) -> BucketPlace:
    """Hand everything to obstore.

    Raises:
        UsageError: It can't make sense of it.
    """
    try:
        opened = kind(
            bucket,
            **{key: value for key, value in config.items() if value is not None},
            client_options={
                "allow_http": allow_http,
                "connect_timeout": "10s",
                "timeout": f"{options.number('timeout', 120)}s",  # of one part, not of an object
            },
            retry_config={
                "max_retries": options.number("retries", 5),
                "retry_timeout": timedelta(seconds=60),
                "backoff": {
                    "init_backoff": timedelta(milliseconds=200),
                    "max_backoff": timedelta(seconds=5),
                    "base": 2,
                },
            },
        )
    except (BaseError, ValueError) as err:
        raise UsageError(
            f"the store '{name}' can't be used: {summary(err)}", hint=advice.credentials
        ) from err
    return BucketPlace(opened, prefix, name, advice)


def _allow_http(options: Options, variable: str | None, endpoint: str | None) -> bool:
    """Whether plain HTTP is fine: on this machine always, elsewhere if the user says so.

    Raises:
        UsageError: The endpoint is plain HTTP and nobody allowed it.
    """
    allowed = options.flag("allow-http")
    if allowed is None and variable is not None:
        allowed = as_flag("ALLOW_HTTP", variable)
    if endpoint is None or not endpoint.lower().startswith("http://"):
        return bool(allowed)
    if allowed is None:
        allowed = urlsplit(endpoint).hostname in _LOCAL
    if not allowed:
        raise UsageError(
            "the store's endpoint is http://, which anybody on the way can read and change",
            hint="use https://, or git config gitml.artifacts.option.allow-http true",
        )
    return True


def _azure_names(address: Address) -> tuple[str, str | None, str | None]:
    """Container, account and endpoint that a URL names."""
    if address.user is None:
        return address.host, None, None
    named = _AZURE_DOMAINS.fullmatch(address.host)
    if named is None:
        raise UsageError(
            f"'{address.url}' names no storage account",
            hint="write it as abfs://CONTAINER@ACCOUNT.dfs.core.windows.net/FOLDER, or az://CONTAINER/FOLDER",
        )
    public = named[2] == "core.windows.net"
    return address.user, named[1], None if public else f"https://{named[1]}.blob.{named[2]}"


def _connection_string(text: str) -> dict[str, str]:
    pairs = (part.partition("=") for part in text.split(";") if "=" in part)
    return {key.strip().lower(): value for key, _, value in pairs}
