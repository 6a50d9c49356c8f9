"""Where AWS's own tools keep credentials and the region.

obstore reads the environment, and asks the machine it runs on (EC2, ECS, EKS);
profiles, single sign-on and roles are boto3's business where it is installed,
and without it plain keys in `~/.aws` work.
"""

from __future__ import annotations

import configparser
from collections.abc import Mapping
from datetime import datetime, timedelta, timezone
from importlib import import_module
from pathlib import Path
from typing import Any

from gitml.errors import UsageError

_LIFE = timedelta(minutes=5)
_OF_THE_MACHINE = (
    "AWS_ACCESS_KEY_ID",
    "AWS_WEB_IDENTITY_TOKEN_FILE",
    "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI",
    "AWS_CONTAINER_CREDENTIALS_FULL_URI",
)


def region(profile: str | None, environ: Mapping[str, str]) -> str | None:
    """Find the region that the user works in."""
    named = environ.get("AWS_REGION") or environ.get("AWS_DEFAULT_REGION")
    return named or _section("config", profile, environ).get("region")


def credentials(profile: str | None, environ: Mapping[str, str]) -> dict[str, Any]:
    """Find credentials in the user's files; nothing if obstore finds some by itself.

    Raises:
        UsageError: The profile does not exist, or is unusable.
    """
    if profile is None and any(environ.get(variable) for variable in _OF_THE_MACHINE):
        return {}
    profile = profile or environ.get("AWS_PROFILE")
    try:
        boto3 = import_module("boto3")  # of no use to a type checker: it has no types
    except ImportError:
        return _plain_keys(profile, environ)
    return _of_boto3(boto3, profile)


def _of_boto3(boto3: Any, profile: str | None) -> dict[str, Any]:
    botocore_error: type[Exception] = import_module("botocore.exceptions").BotoCoreError
    try:
        found = boto3.session.Session(profile_name=profile).get_credentials()
    except botocore_error as err:
        raise UsageError(f"AWS: {err}", hint="aws configure list-profiles shows what there is") from err
    if found is None:
        return {}

    def provide() -> dict[str, Any]:
        frozen = found.get_frozen_credentials()  # renews them when it is time
        return {
            "access_key_id": frozen.access_key,
            "secret_access_key": frozen.secret_key,
            "token": frozen.token,
            "expires_at": datetime.now(timezone.utc) + _LIFE,
        }

    return {"credential_provider": provide}


def _plain_keys(profile: str | None, environ: Mapping[str, str]) -> dict[str, Any]:
    section = {**_section("config", profile, environ), **_section("credentials", profile, environ)}
    if profile is not None and not section:
        raise UsageError(
            f"AWS: there is no profile '{profile}'", hint="aws configure --profile NAME makes one"
        )
    if "aws_access_key_id" not in section:
        if any(key in section for key in ("sso_session", "sso_start_url", "role_arn", "credential_process")):
            raise UsageError(
                f"AWS: the profile '{profile or 'default'}' needs boto3 to sign in", hint="pip install boto3"
            )
        return {}
    found = {
        "access_key_id": section["aws_access_key_id"],
        "secret_access_key": section.get("aws_secret_access_key", ""),
    }
    token = section.get("aws_session_token")
    return found | ({"session_token": token} if token else {})


def _section(file: str, profile: str | None, environ: Mapping[str, str]) -> dict[str, str]:
    variable = "AWS_CONFIG_FILE" if file == "config" else "AWS_SHARED_CREDENTIALS_FILE"
    given = environ.get(variable)
    path = Path(given) if given else Path(environ.get("HOME", "~")).expanduser() / ".aws" / file
    parser = configparser.RawConfigParser(strict=False)
    name = profile or environ.get("AWS_PROFILE") or "default"
    try:
        parser.read(path, encoding="utf-8")
    except (configparser.Error, UnicodeDecodeError) as err:
        raise UsageError(f"AWS: '{path}' can't be read: {err}") from err
    for section in (name, f"profile {name}"):
        if parser.has_section(section):
            return dict(parser[section])
    return {}
