"""What went wrong at a store, in our words.

Stores tell it in many ways: status codes, XML, the errors of HTTP and SSH
libraries. What they say is looked through for what the reader can do about it;
URLs lose their query, because for some stores it is the credential.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from gitml.errors import RemoteError
from gitml.store.base import StoreUnreachableError, TransferError

_SAFE = "nothing is lost; run the command again, it goes on where it stopped"


@dataclass(frozen=True, slots=True)
class Help:
    """What a kind of store calls things, for hints.

    Attributes:
        container: What has to exist, such as "bucket 'runs'".
        credentials: Where they come from.
        permissions: What they must permit.
    """

    container: str
    credentials: str
    permissions: str


@dataclass(frozen=True, slots=True)
class _Kind:
    sign: re.Pattern[str]
    reason: str
    hint: str
    whole: bool = True  # it would go wrong for the next object too


def _kind(sign: str, reason: str, hint: str, *, whole: bool = True) -> _Kind:
    return _Kind(re.compile(sign, re.IGNORECASE), reason, hint, whole)


_KINDS = (
    _kind(
        r"NoSuchBucket|ContainerNotFound|bucket does not exist|container does not exist",
        "there is no {container}",
        "make it, or correct the URL: gitml remote artifacts URL",
    ),
    _kind(
        r"169\.254\.|latest/api/token|latest/meta-data|metadata\.google|token request|no credential|CredentialUnavailable|Missing.*credential",
        "there are no credentials",
        "{credentials}",
    ),
    _kind(
        r"InvalidAccessKeyId|SignatureDoesNotMatch|AuthenticationFailed|AuthorizationFailure|ExpiredToken"
        r"|InvalidToken|TokenRefreshRequired|Unauthenticated|401 Unauthorized|invalid_grant|RequestTimeTooSkewed",
        "the credentials are wrong or have expired ({said})",
        "{credentials}",
    ),
    _kind(
        r"PermissionDenied|AccessDenied|403 Forbidden|lacked the necessary privileges|Permission denied",
        "access is denied ({said})",
        "{credentials}; they must permit to {permissions}",
    ),
    _kind(
        r"\b507 |QuotaExceeded|InsufficientStorage|StorageFull|No space left|Disk quota|AccountBeingCreated",
        "there is no room left there ({said})",
        "make room there and run the command again; what was sent is not sent again",
    ),
    _kind(
        r"PermanentRedirect|AuthorizationHeaderMalformed|Received redirect",
        "the {container} is in another region ({said})",
        "git config gitml.artifacts.option.region REGION, or set AWS_REGION",
    ),
    _kind(
        r"\b416 |InvalidRange|StartTooLarge|Wanted range|range.*(?:not satisfiable|out of bounds)",
        "it is shorter there than it should be",
        "push it again from where the run was recorded: gitml push",
        whole=False,
    ),
    _kind(
        r"SlowDown|ServerBusy|TooManyRequests|\b429 |\b503 |500 Internal|502 Bad|504 Gateway",
        "the server is in trouble ({said})",
        _SAFE,
    ),
    _kind(
        r"timed out|\btimeout\b|deadline has elapsed",
        "no answer came in time",
        f"check the connection; {_SAFE}",
    ),
    _kind(
        r"error sending request|dns error|Connect(?:ion)?\b|Name or service not known|unreachable|nodename nor"
        r"|Temporary failure in name resolution|error decoding response body|channel closed|EOF",
        "it can't be reached ({said})",
        f"check the connection, or the endpoint if you set one; {_SAFE}",
    ),
)


def explain(name: str, advice: Help, error: BaseException, oid: str | None) -> RemoteError:
    """Make an error of gitml's out of what a library raised.

    Args:
        name: The store's name in messages.
        advice: What this kind of store calls things.
        error: What was raised.
        oid: The object that it was about, if it was about one.
    """
    text = f"{type(error).__name__}: {error}"
    for kind in _KINDS:
        if kind.sign.search(text):
            words = {
                "said": summary(error),
                "container": advice.container,
                "credentials": advice.credentials,
                "permissions": advice.permissions,
            }
            reason, hint = kind.reason.format(**words), kind.hint.format(**words)
            if kind.whole or oid is None:
                return StoreUnreachableError(name, reason, hint=hint)
            return TransferError(name, oid, reason, hint=hint)
    if oid is None:
        return StoreUnreachableError(name, summary(error), hint=_SAFE)
    return TransferError(name, oid, summary(error), hint=_SAFE)


def not_there(name: str, oid: str) -> TransferError:
    """An object that was to be fetched is not there."""
    return TransferError(
        name, oid, "it is not there", hint="push it from where the run was recorded: gitml push"
    )


def summary(error: BaseException) -> str:
    """Tell in a line what a library said, without what nobody should see."""
    text = str(error).partition("\n\nDebug source")[0]
    code, said = re.search(r"<Code>([^<]*)", text), re.search(r"<Message>([^<\n]*)", text)
    if code:
        text = f"{code[1]}: {said[1]}" if said else code[1]
    text = re.sub(r"\?[^\s\"']+", "?…", text)
    text = re.sub(r"://[^/\s@]*@", "://…@", text)
    text = re.sub(r", after \d+ retries, max_retries: \d+, retry_timeout: \S+|in \d[\d.]*[mµ]?s\b", "", text)
    text = re.sub(r"^(?:Generic \w+ error|Object at location \S+ [\w ]+): ", "", text)
    return re.sub(r"[\x00-\x20\x7f-\x9f]+", " ", text).strip()[:300] or type(error).__name__
