"""Requests over http, as git's configuration wants them; where they may lead is checked at each step."""

from __future__ import annotations

import ssl
import threading
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from http.cookiejar import DefaultCookiePolicy
from pathlib import Path
from typing import Any
from urllib.parse import urljoin

import requests
import urllib3
from requests.adapters import HTTPAdapter
from requests.utils import get_environ_proxies

from gitml.store.lfs.protocol import plain
from gitml.store.lfs.trouble import AGAIN, Trouble
from gitml.store.lfs.urls import (
    UnusableUrlError,
    is_downgrade,
    is_on,
    origin,
    setting_for,
    setting_only_for,
    shown,
    split_http,
)

BLOCK = 1024**2
_REDIRECTS = frozenset({301, 302, 307, 308})
_MOST_REDIRECTS = 5
# What says nothing about us: the rest of the headers does not go to another host.
_HARMLESS = frozenset({"accept", "accept-encoding", "content-type", "range", "user-agent"})
_CHECK = "check the network and the URL (git remote --verbose), then run the command again"


@dataclass(frozen=True, slots=True)
class Limits:
    """How long to wait, how many connections: Git LFS's own settings."""

    connect_s: float = 30
    silence_s: float = 60
    workers: int = 8
    retries: int = 5
    longest_delay_s: float = 10

    @classmethod
    def of(cls, values: Mapping[str, str]) -> Limits:
        """Read them from git's configuration."""
        return cls(
            connect_s=_number(values, "lfs.dialtimeout", 30, 1, 600),
            silence_s=_number(values, "lfs.activitytimeout", 60, 1, 3600),
            workers=_number(values, "lfs.concurrenttransfers", 8, 1, 64),
            retries=_number(values, "lfs.transfer.maxretries", 5, 0, 100),
            longest_delay_s=_number(values, "lfs.transfer.maxretrydelay", 10, 0, 600),
        )


def _number(values: Mapping[str, str], key: str, default: int, least: int, most: int) -> int:
    text = values.get(key, "").strip()
    return min(max(int(text[:9]), least), most) if text.isascii() and text.isdigit() else default


class _Adapter(HTTPAdapter):
    """Sends files in large blocks, and trusts what git trusts: the system's certificates, or a file."""

    def __init__(self, workers: int, verify: bool | str) -> None:
        if not isinstance(verify, str):
            self._context = ssl.create_default_context()
            if not verify:
                self._context.check_hostname = False
                self._context.verify_mode = ssl.CERT_NONE
        elif Path(verify).is_dir():
            self._context = ssl.create_default_context(capath=verify)
        else:
            self._context = ssl.create_default_context(cafile=verify)
        super().__init__(pool_connections=workers, pool_maxsize=workers)

    def init_poolmanager(self, *arguments: Any, **keywords: Any) -> None:
        super().init_poolmanager(*arguments, **keywords, blocksize=BLOCK, ssl_context=self._context)

    def proxy_manager_for(self, proxy: Any, **keywords: Any) -> Any:
        return super().proxy_manager_for(proxy, **keywords, blocksize=BLOCK, ssl_context=self._context)


class Http:
    """Connections that are kept; several threads may use it."""

    def __init__(
        self, values: Mapping[str, str], environ: Mapping[str, str], limits: Limits, home: str
    ) -> None:
        """Open nothing yet.

        Args:
            values: git's configuration.
            environ: The environment.
            limits: How long to wait.
            home: The server's own URL: what is for any URL goes to its origin alone.
        """
        self._values = {key: value for key, value in values.items() if key.startswith("http.")}
        self._environ = environ
        self._limits = limits
        self._home = origin(home)
        # One each, because urllib3 changes the TLS context of a connection that is not to be verified.
        self._sessions: dict[bool | str, requests.Session] = {}
        self._lock = threading.Lock()

    def close(self) -> None:
        """Let go of the connections."""
        with self._lock:
            while self._sessions:
                self._sessions.popitem()[1].close()

    def _session(self, verify: bool | str) -> requests.Session:
        with self._lock:
            session = self._sessions.get(verify)
            if session is None:
                session = self._sessions[verify] = self._new_session(verify)
            return session

    def _new_session(self, verify: bool | str) -> requests.Session:
        if verify is False:  # the user's own decision, made in git's configuration
            urllib3.disable_warnings(urllib3.exceptions.InsecureRequestWarning)
        try:
            adapter = _Adapter(self._limits.workers, verify)
        except OSError as err:
            reason = f"the certificates in '{verify}' can't be read ({err.strerror})"
            raise Trouble(reason, hint="git config http.sslCAInfo shows what is set") from None
        session = requests.Session()
        session.trust_env = False  # .netrc would replace the headers that a server gave us
        session.cookies.set_policy(DefaultCookiePolicy(allowed_domains=[]))
        session.headers["User-Agent"] = "gitml (git-lfs basic transfer)"
        for scheme in ("http://", "https://"):
            session.mount(scheme, adapter)
        return session

    def send(
        self,
        method: str,
        url: str,
        headers: Mapping[str, str],
        body: bytes | Iterable[bytes] | None = None,
    ) -> requests.Response:
        """Make a request; the answer's body is not read yet.

        Args:
            method: GET, POST or PUT.
            url: Where to.
            headers: What it carries.
            body: What is sent; after a redirect, again from its start.

        Raises:
            Trouble: No answer, or it leads to where we must not go.
        """
        for _ in range(_MOST_REDIRECTS + 1):
            response = self._send_once(method, url, headers, body)
            location = response.headers.get("Location")
            if response.status_code not in _REDIRECTS or location is None:
                return response
            response.close()
            target = _target(url, location)
            if origin(target) != origin(url):
                headers = {name: value for name, value in headers.items() if name.lower() in _HARMLESS}
            url = target
        raise Trouble(f"it redirects more than {_MOST_REDIRECTS} times", hint=_CHECK)

    def _send_once(
        self, method: str, url: str, headers: Mapping[str, str], body: bytes | Iterable[bytes] | None
    ) -> requests.Response:
        verify = self._verify(url)
        session = self._session(verify)
        given = {name.lower() for name in headers}
        extra = {name: value for name, value in self._extra_headers(url).items() if name.lower() not in given}
        try:
            return session.request(
                method,
                url,
                headers={**extra, **headers},
                data=body,
                stream=True,
                allow_redirects=False,
                timeout=(self._limits.connect_s, self._limits.silence_s),
                verify=verify,
                cert=self._certificate(url),
                proxies=self._proxies(url),
            )
        except (requests.RequestException, urllib3.exceptions.HTTPError, OSError) as err:
            raise self.explain(err) from None  # its text has the URL, and what is signed in it

    def _extra_headers(self, url: str) -> dict[str, str]:
        look_up = setting_for if origin(url) == self._home else setting_only_for
        line = look_up(self._values, url, "extraheader")
        name, colon, value = (line or "").partition(":")
        return {name.strip(): value.strip()} if colon and name.strip() else {}

    def _verify(self, url: str) -> bool | str:
        if (
            "GIT_SSL_NO_VERIFY" in self._environ
            or is_on(setting_for(self._values, url, "sslverify")) is False
        ):
            return False
        return (
            self._environ.get("GIT_SSL_CAINFO")
            or setting_for(self._values, url, "sslcainfo")
            or self._environ.get("REQUESTS_CA_BUNDLE")
            or self._environ.get("CURL_CA_BUNDLE")
            or True
        )

    def _certificate(self, url: str) -> str | tuple[str, str] | None:
        certificate = self._environ.get("GIT_SSL_CERT") or setting_for(self._values, url, "sslcert")
        key = self._environ.get("GIT_SSL_KEY") or setting_for(self._values, url, "sslkey")
        return (certificate, key) if certificate and key else certificate or None

    def _proxies(self, url: str) -> Any:
        configured = setting_for(self._values, url, "proxy")
        if configured is not None:  # an empty one means: none
            proxy = configured if "://" in configured or not configured else f"http://{configured}"
            return {"http": proxy, "https": proxy} if proxy else {}
        return get_environ_proxies(url)

    def explain(self, err: Exception) -> Trouble:
        """Say what went wrong with a connection, without the URL."""
        text = str(err)
        if isinstance(err, requests.exceptions.ProxyError):
            return Trouble(
                "the proxy can't be reached", hint="git config http.proxy shows it", transient=True
            )
        if isinstance(err, (requests.exceptions.SSLError, urllib3.exceptions.SSLError)):
            detail = text.partition("certificate verify failed: ")[2].partition(" (_ssl")[0]
            return Trouble(
                f"its certificate is not trusted ({plain(detail) or 'TLS failed'})",
                hint="git config http.sslCAInfo FILE names who you trust",
            )
        if isinstance(err, requests.exceptions.ConnectTimeout):
            return Trouble(f"no connection within {self._limits.connect_s:g} s", hint=_CHECK, transient=True)
        if isinstance(err, (requests.exceptions.Timeout, urllib3.exceptions.TimeoutError)):
            return Trouble(f"it said nothing for {self._limits.silence_s:g} s", hint=AGAIN, transient=True)
        for sign, reason in (
            ("Name or service not known", "its host name is not known"),
            ("NameResolutionError", "its host name is not known"),
            ("Connection refused", "nobody listens there"),
            ("unreachable", "there is no way to it"),
        ):
            if sign in text:
                return Trouble(reason, hint=_CHECK, transient=True)
        if isinstance(err, (requests.exceptions.InvalidURL, requests.exceptions.InvalidHeader)):
            return Trouble("its URL or headers can't be used", hint=_CHECK)
        if isinstance(err, OSError) and not isinstance(err, (requests.RequestException, ConnectionError)):
            return Trouble(f"{plain(err.strerror) or 'it does not work'}", hint=_CHECK)
        return Trouble("the connection broke off", hint=AGAIN, transient=True)


def _target(url: str, location: str) -> str:
    target = urljoin(url, location)
    try:
        parts = split_http(target)
    except UnusableUrlError as err:
        raise Trouble(f"it redirects to {err}", hint=_CHECK) from None
    if is_downgrade(url, target):
        raise Trouble(f"it redirects to {shown(target)}, which gives up encryption", hint=_CHECK)
    if "@" in parts.netloc:
        raise Trouble("it redirects to a URL with a user in it", hint=_CHECK)
    return target


def read_limited(response: requests.Response, most: int) -> bytes:
    """Read a body that should be short; the connection is free again afterwards.

    Raises:
        Trouble: It is longer than that, or broke off.
    """
    data = b""
    try:
        while len(data) <= most and (chunk := response.raw.read(BLOCK, decode_content=True)):
            data += chunk
    except (urllib3.exceptions.HTTPError, OSError):
        response.close()
        raise Trouble("the connection broke off", hint=AGAIN, transient=True) from None
    if len(data) > most:
        response.close()
        raise Trouble("it answers without end", hint=_CHECK)
    return data
