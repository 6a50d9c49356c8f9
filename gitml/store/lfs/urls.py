"""URLs: whether they may be used, what of git's configuration is meant for them, what may be shown."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from urllib.parse import SplitResult, unquote, urlsplit, urlunsplit

from gitml.errors import UsageError

Origin = tuple[str, str, int]
_DEFAULT_PORTS = {"http": 80, "https": 443}
# Control characters in a URL have leaked credentials to the wrong host before; a backslash is a slash to some.
_UNFIT = re.compile(r"[\x00-\x20\x7f\\]")


class UnusableUrlError(ValueError):
    """A URL that is not for us; the message says why, without showing more than its origin."""


def split_http(url: str) -> SplitResult:
    """Take apart an absolute http or https URL.

    Raises:
        UnusableUrlError: It is something else.
    """
    if _UNFIT.search(url):
        raise UnusableUrlError("a URL with blanks or control characters")
    try:
        parts = urlsplit(url)
        _ = parts.port
    except ValueError:
        raise UnusableUrlError("a URL that makes no sense") from None
    if parts.scheme not in _DEFAULT_PORTS:
        raise UnusableUrlError(f"a URL that begins with '{parts.scheme[:20]}:' and not with http or https")
    if not parts.hostname or parts.hostname.startswith("-"):
        raise UnusableUrlError("a URL without a host")
    return parts


def origin(url: str) -> Origin:
    """Tell scheme, host and port: what credentials belong to."""
    parts = split_http(url)
    return parts.scheme, (parts.hostname or "").lower(), parts.port or _DEFAULT_PORTS[parts.scheme]


def is_downgrade(before: str, after: str) -> bool:
    """Whether going from one URL to another gives up encryption."""
    return split_http(before).scheme == "https" and split_http(after).scheme != "https"


def without_user(url: str) -> tuple[str, str | None, str | None]:
    """Split a URL from the name and the password in it."""
    parts = split_http(url)
    bare = urlunsplit(parts._replace(netloc=parts.netloc.rpartition("@")[2]))
    user = None if parts.username is None else unquote(parts.username)
    password = None if parts.password is None else unquote(parts.password)
    return bare, user or None, password


def shown(url: str) -> str:
    """Give what may be shown of a URL: no user, no query, where signatures stand."""
    try:
        parts = split_http(url)
    except UnusableUrlError:
        return re.sub(r"//[^/@]*@", "//", re.sub(r"[\x00-\x20\x7f]", "?", url.partition("?")[0]))[:200]
    return f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}{parts.path}"[:200]


def setting_for(values: Mapping[str, str], url: str, name: str) -> str | None:
    """Look up `http.<url>.<name>`, the pattern that fits best, else `http.<name>`, as `--get-urlmatch` does."""
    parts, ending = split_http(url), f".{name}"
    best: tuple[tuple[int, int, bool], str] | None = None
    for key, value in values.items():
        if key.startswith("http.") and key.endswith(ending) and len(key) > len("http") + len(ending):
            rank = _rank(key[len("http.") : -len(ending)], parts)
            if rank is not None and (best is None or rank >= best[0]):
                best = rank, value
    return values.get(f"http.{name}") if best is None else best[1]


def all_settings_for(
    settings: Iterable[tuple[str, str]], url: str, name: str, *, general: bool = True
) -> list[str]:
    """Look up a setting that may stand several times, as git does: an empty value forgets those before it.

    One that fits worse than an earlier one does not count, so what stands for the host
    below what stands for all is added to it.

    Args:
        settings: Keys and values, in the order of git's configuration.
        url: The URL.
        name: The setting.
        general: Also those that are for any URL.
    """
    parts, ending = split_http(url), f".{name}"
    best = (0, 0, False)
    found: list[str] = []
    for key, value in settings:
        if key == f"http{ending}":
            rank = (0, 0, False) if general else None
        elif key.startswith("http.") and key.endswith(ending):
            rank = _rank(key[len("http.") : -len(ending)], parts)
        else:
            continue
        if rank is not None and rank >= best:
            best = rank
            found = [*found, value] if value else []
    return found


def _rank(pattern: str, url: SplitResult) -> tuple[int, int, bool] | None:
    """Tell how well a pattern fits, by git's rules: host, then path, then user; None if it does not."""
    try:
        wanted = split_http(pattern)
    except UnusableUrlError:
        return None
    port = wanted.port or _DEFAULT_PORTS[wanted.scheme]
    if wanted.scheme != url.scheme or port != (url.port or _DEFAULT_PORTS[url.scheme]):
        return None
    host = (wanted.hostname or "").lower()
    labels, found = host.split("."), (url.hostname or "").lower().split(".")
    if len(labels) != len(found) or any(a not in ("*", b) for a, b in zip(labels, found, strict=True)):
        return None
    prefix = wanted.path.rstrip("/")
    if url.path != prefix and not url.path.startswith(f"{prefix}/"):
        return None
    if wanted.username is not None and wanted.username != url.username:
        return None
    return len(host), len(prefix), wanted.username is not None


def is_on(text: str | None) -> bool | None:
    """Read a boolean of git's configuration; None where there is none."""
    if text is None:
        return None
    word = text.strip().lower()
    if word in ("true", "yes", "on", "1"):
        return True
    if word in ("false", "no", "off", "0", ""):
        return False
    raise UsageError(f"'{text[:80]}' is no boolean", hint="git config --list shows which setting has it")
