"""How a URL is reached, by git's configuration: through whom, trusting whom, with what headers."""

from __future__ import annotations

import ssl
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from urllib.request import getproxies_environment, proxy_bypass

import certifi
import urllib3

from gitml.store.lfs.trouble import Trouble
from gitml.store.lfs.urls import (
    Origin,
    UnusableUrlError,
    all_settings_for,
    is_on,
    origin,
    setting_for,
    shown,
    split_http,
)

_MOST = 1000


@dataclass(frozen=True, slots=True)
class Route:
    """How a URL is reached.

    Attributes:
        verify: Whether certificates are checked; the file or folder of those that are trusted.
        certificate: Ours, with its key.
        proxy: Through whom.
        headers: What git's configuration adds.
    """

    verify: bool | str
    certificate: tuple[str, str | None] | None
    proxy: str | None
    headers: tuple[tuple[str, str], ...]


class Routes:
    """The routes to all URLs of one server; several threads may use it."""

    def __init__(
        self,
        values: Mapping[str, str],
        environ: Mapping[str, str],
        home: str,
        headers: Sequence[tuple[str, str]] | None = None,
    ) -> None:
        """Look nothing up yet.

        Args:
            values: git's configuration.
            environ: The environment.
            home: The server's own URL: headers that are for any URL go to its origin alone.
            headers: The settings of `extraHeader`, which may stand several times; those
                of `values` if not given.
        """
        self._headers = tuple(values.items() if headers is None else headers)
        self._values = {key: value for key, value in values.items() if key.startswith("http.")}
        # Routes differ from path to path only if there are settings for paths.
        self._by_origin = not any("://" in key for key in (*self._values, *(key for key, _ in self._headers)))
        self._environ = environ
        self._home = origin(home)
        self._known: dict[Origin | str, Route] = {}

    def to(self, url: str) -> Route:
        """Look up the route to a URL."""
        key: Origin | str = origin(url) if self._by_origin else url.partition("?")[0]
        route = self._known.get(key)
        if route is None:
            if len(self._known) > _MOST:
                self._known.clear()
            route = self._known[key] = Route(
                self._verify(url), self._certificate(url), self._proxy(url), self._extra_headers(url)
            )
        return route

    def _extra_headers(self, url: str) -> tuple[tuple[str, str], ...]:
        general = origin(url) == self._home
        lines = all_settings_for(self._headers, url, "extraheader", general=general)
        parts = (line.partition(":") for line in lines)
        found = ((name.strip(), value.strip()) for name, _, value in parts)
        return tuple((name, value) for name, value in found if name and value)  # as curl does

    def _verify(self, url: str) -> bool | str:
        if (
            "GIT_SSL_NO_VERIFY" in self._environ
            or is_on(setting_for(self._values, url, "sslverify")) is False
        ):
            return False
        return (
            self._environ.get("GIT_SSL_CAINFO")
            or self._file(url, "sslcainfo")
            or self._environ.get("REQUESTS_CA_BUNDLE")
            or self._environ.get("CURL_CA_BUNDLE")
            or True
        )

    def _file(self, url: str, name: str) -> str | None:
        path, home = setting_for(self._values, url, name), self._environ.get("HOME")
        return f"{home}{path[1:]}" if path and home and path.startswith("~/") else path

    def _certificate(self, url: str) -> tuple[str, str | None] | None:
        certificate = self._environ.get("GIT_SSL_CERT") or self._file(url, "sslcert")
        key = self._environ.get("GIT_SSL_KEY") or self._file(url, "sslkey")
        return (certificate, key) if certificate else None

    def _proxy(self, url: str) -> str | None:
        parts = split_http(url)
        proxy = setting_for(self._values, url, "proxy")  # an empty one means: none
        if proxy is None and not proxy_bypass(parts.netloc.rpartition("@")[2]):
            found = getproxies_environment()
            proxy = found.get(parts.scheme) or found.get("all")
        if not proxy:
            return None
        proxy = proxy if "://" in proxy else f"http://{proxy}"
        try:
            split_http(proxy)
        except UnusableUrlError:
            reason = f"the proxy '{shown(proxy)}' is none for http"
            raise Trouble(reason, hint="git config http.proxy shows it; gitml knows no socks") from None
        return proxy


def tls_context(route: Route) -> ssl.SSLContext:
    """Trust whom git trusts: the system's certificates, or a file."""
    try:
        context = ssl.create_default_context()
        if isinstance(route.verify, str):
            context = (
                ssl.create_default_context(capath=route.verify)
                if Path(route.verify).is_dir()
                else ssl.create_default_context(cafile=route.verify)
            )
        elif route.verify:
            context.load_verify_locations(certifi.where())  # a Python of one's own may not find the system's
        else:
            context.check_hostname = False
            context.verify_mode = ssl.CERT_NONE
            # The user's own decision, made in git's configuration.
            urllib3.disable_warnings(urllib3.exceptions.InsecureRequestWarning)
        if route.certificate is not None:
            context.load_cert_chain(*route.certificate)
    except OSError as err:
        named = [route.verify] if isinstance(route.verify, str) else []
        named += [file for file in route.certificate or () if file]
        reason = f"the certificates in '{' or '.join(named)}' can't be read ({err.strerror or 'not PEM'})"
        raise Trouble(reason, hint="git config --get-regexp http.*ssl shows what is set") from None
    return context
