"""The URL of a store: where, and nothing about who."""

from __future__ import annotations

import re
from dataclasses import dataclass
from urllib.parse import unquote, urlsplit

from gitml.errors import UsageError

_SCHEME = re.compile("[a-z][a-z0-9+.-]*")
_HOST = re.compile(r"[A-Za-z0-9]([A-Za-z0-9._-]*[A-Za-z0-9])?|\[[0-9A-Fa-f:.]+\]")
_USER = re.compile(r"[A-Za-z0-9_$]([A-Za-z0-9._$-]*[A-Za-z0-9_$])?")


@dataclass(frozen=True, slots=True)
class Address:
    """A store's URL, taken apart.

    Attributes:
        scheme: In lower case.
        host: The bucket, container or machine.
        path: What comes before `ab/cd/<oid>`, without slashes at its ends.
        user: Who to be there; for `abfs` the container.
        port: Of the machine.
    """

    scheme: str
    host: str
    path: str = ""
    user: str | None = None
    port: int | None = None

    @property
    def url(self) -> str:
        """The URL in its one spelling."""
        user = f"{self.user}@" if self.user else ""
        port = f":{self.port}" if self.port else ""
        path = f"/{self.path}" if self.path else ""
        return f"{self.scheme}://{user}{self.host}{port}{path}"


def parse_address(url: str) -> Address:
    """Take the URL of a store apart.

    Raises:
        UsageError: It is none, or it has a password or a token in it.
    """
    scheme, separator, rest = url.partition("://")
    if not separator or not _SCHEME.fullmatch(scheme.lower()):
        raise _unusable(url, "it is no URL", "write it as s3://BUCKET/PREFIX or sftp://HOST/FOLDER")
    if not url.isprintable() or "\\" in url or " " in rest.partition("/")[0]:
        raise _unusable(url, "it has characters that no URL has", None)
    if "::" in rest.partition("/")[2]:
        raise _unusable(url, "chains of file systems are not supported", None)
    userinfo, at, _ = rest.partition("/")[0].rpartition("@")
    if (at and ":" in userinfo) or "?" in rest or "#" in rest:
        raise _unusable(
            url,
            "passwords and tokens do not belong into a URL that is stored and shown",
            "leave them out; credentials come from the environment or the provider's usual files",
        )
    try:
        parts = urlsplit(f"x://{rest}")
        port = parts.port
    except ValueError as err:
        raise _unusable(url, str(err), None) from None
    host = parts.netloc.rpartition("@")[2]
    host = host.rpartition(":")[0] if port is not None else host.removesuffix(":")
    if not _HOST.fullmatch(host) or (at and not _USER.fullmatch(userinfo)):
        raise _unusable(url, "it names no host or bucket", f"write it as {scheme}://NAME/FOLDER")
    return Address(scheme.lower(), host, _clean(url, parts.path), userinfo or None, port)


def shown(url: str) -> str:
    """Leave out of a URL what could be secret."""
    return re.sub(r"([?#]).*", r"\1…", re.sub(r"://[^/]*@", "://…@", url))


def _clean(url: str, path: str) -> str:
    parts = [part for part in path.split("/") if part]
    if any(unquote(part) in (".", "..") for part in parts):
        raise _unusable(url, "'.' and '..' lead nowhere in a store", None)
    return "/".join(parts)


def _unusable(url: str, reason: str, hint: str | None) -> UsageError:
    return UsageError(f"the store '{shown(url)[:200]}' can't be used: {reason}", hint=hint)
