"""Requests over http, as git's configuration wants them; where they may lead is checked at each step."""

from __future__ import annotations

import threading
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from urllib.parse import unquote, urljoin

import urllib3
from urllib3 import exceptions

from gitml.store.lfs.protocol import plain
from gitml.store.lfs.routes import Route, Routes, tls_context
from gitml.store.lfs.trouble import AGAIN, Trouble
from gitml.store.lfs.urls import UnusableUrlError, is_downgrade, origin, shown, split_http

BLOCK = 1024**2
_REDIRECTS = frozenset({301, 302, 307, 308})
_MOST_REDIRECTS = 5
_AGENT = "gitml (git-lfs basic transfer)"
# What says nothing about us: the rest of the headers does not go to another host.
_HARMLESS = frozenset({"accept", "accept-encoding", "content-type", "range", "user-agent"})
_CHECK = "check the network and the URL (git remote --verbose), then run the command again"
# In this order: some of these classes are children of others.
_CAUSES: tuple[tuple[type[Exception], str, str, bool], ...] = (
    (exceptions.ProxyError, "the proxy can't be reached", "git config http.proxy shows it", True),
    (exceptions.NameResolutionError, "its host name is not known", _CHECK, True),
    (exceptions.NewConnectionError, "there is no way to it", _CHECK, True),
    (exceptions.ConnectTimeoutError, "no connection within {:g} s", _CHECK, True),
    (exceptions.TimeoutError, "it said nothing for {:g} s", AGAIN, True),
    (exceptions.LocationValueError, "its URL can't be used", _CHECK, False),
    (exceptions.InvalidHeader, "its headers can't be used", _CHECK, False),
    (exceptions.HTTPError, "the connection broke off", AGAIN, True),
    (ConnectionError, "the connection broke off", AGAIN, True),
)


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
            connect_s=_number(values, "lfs.dialtimeout", 30, 0, 600) or 600,  # 0 is for ever
            silence_s=_number(values, "lfs.activitytimeout", 60, 0, 3600) or 3600,
            workers=_number(values, "lfs.concurrenttransfers", 8, 1, 64),
            retries=_number(values, "lfs.transfer.maxretries", 5, 0, 100),
            longest_delay_s=_number(values, "lfs.transfer.maxretrydelay", 10, 0, 600),
        )


def _number(values: Mapping[str, str], key: str, default: int, least: int, most: int) -> int:
    text = values.get(key, "").strip()
    return min(max(int(text[:9]), least), most) if text.isascii() and text.isdigit() else default


class Reply:
    """An answer whose body is not read yet.

    Attributes:
        url: Who gave it, after redirects.
        status: Its code.
        headers: Its headers.
    """

    def __init__(self, response: urllib3.BaseHTTPResponse, url: str, http: Http) -> None:
        self.url = url
        self.status = response.status
        self.headers = response.headers
        self._response = response
        self._http = http

    @property
    def tells_its_end(self) -> bool:
        """Whether a body that breaks off can be told from one that ends."""
        return "Content-Length" in self.headers or getattr(self._response, "chunked", False) is True

    def blocks(self) -> Iterator[bytes]:
        """Read the body, which frees the connection.

        Raises:
            Trouble: It broke off.
        """
        encoded = "Content-Encoding" in self.headers
        try:
            while block := self._response.read(BLOCK, decode_content=encoded):
                yield block
        except (exceptions.HTTPError, OSError) as err:
            raise self._http.explain(err) from None

    def read(self, most: int) -> bytes:
        """Read a body that should be short.

        Raises:
            Trouble: It is longer than that, or broke off.
        """
        data = b""
        for block in self.blocks():
            data += block
            if len(data) > most:
                self.close()
                raise Trouble("it answers without end", hint=_CHECK)
        return data

    def close(self) -> None:
        """Let go of it; if it was not read to its end, of the connection, too."""
        self._response.close()


class Http:
    """Connections that are kept; several threads may use it."""

    def __init__(
        self,
        values: Mapping[str, str],
        environ: Mapping[str, str],
        limits: Limits,
        home: str,
        extra_headers: Sequence[tuple[str, str]] | None = None,
    ) -> None:
        """Open nothing yet.

        Args:
            values: git's configuration.
            environ: The environment.
            limits: How long to wait.
            home: The server's own URL: what is for any URL goes to its origin alone.
            extra_headers: The settings of `extraHeader`, in their order.
        """
        self._routes = Routes(values, environ, home, extra_headers)
        self._limits = limits
        self._pools: dict[tuple[object, ...], urllib3.PoolManager] = {}
        self._lock = threading.Lock()

    def close(self) -> None:
        """Let go of the connections."""
        with self._lock:
            while self._pools:
                self._pools.popitem()[1].clear()

    def send(
        self,
        method: str,
        url: str,
        headers: Mapping[str, str],
        body: bytes | Iterable[bytes] | None = None,
    ) -> Reply:
        """Make a request.

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
            if response.status not in _REDIRECTS or location is None:
                return response
            response.close()
            target = _target(url, location)
            if origin(target) != origin(url):
                headers = {name: value for name, value in headers.items() if name.lower() in _HARMLESS}
            url = target
        raise Trouble(f"it redirects more than {_MOST_REDIRECTS} times", hint=_CHECK)

    def _send_once(
        self, method: str, url: str, headers: Mapping[str, str], body: bytes | Iterable[bytes] | None
    ) -> Reply:
        with self._lock:
            route = self._routes.to(url)
            pool = self._pool(url, route)
        carried = _carried(route, headers)
        try:
            response = pool.urlopen(
                method,
                url,
                redirect=False,
                body=body,
                headers=carried,
                retries=False,
                timeout=urllib3.Timeout(connect=self._limits.connect_s, read=self._limits.silence_s),
                preload_content=False,
                decode_content=False,
            )
        except (exceptions.HTTPError, OSError) as err:
            raise self.explain(err) from None  # its text has the URL, and what is signed in it
        except (ValueError, UnicodeError):
            raise Trouble("its URL or headers can't be used", hint=_CHECK) from None
        return Reply(response, url, self)

    def _pool(self, url: str, route: Route) -> urllib3.PoolManager:
        """Give the pool for a route. Never one for two: what is verified is a matter of its TLS context."""
        encrypted = url.startswith("https:")
        key = (encrypted, route.proxy, route.verify, route.certificate) if encrypted else (route.proxy,)
        pool = self._pools.get(key)
        if pool is None:
            pool = self._pools[key] = self._new_pool(route, encrypted)
        return pool

    def _new_pool(self, route: Route, encrypted: bool) -> urllib3.PoolManager:
        workers = self._limits.workers
        context = tls_context(route) if encrypted else None
        if route.proxy is None:
            return urllib3.PoolManager(workers, maxsize=workers, blocksize=BLOCK, ssl_context=context)
        parts = split_http(route.proxy)
        user = "" if parts.username is None else f"{unquote(parts.username)}:{unquote(parts.password or '')}"
        return urllib3.ProxyManager(
            route.proxy,
            workers,
            proxy_headers=urllib3.make_headers(proxy_basic_auth=user) if user else None,
            maxsize=workers,
            blocksize=BLOCK,
            ssl_context=context,
        )

    def explain(self, err: Exception) -> Trouble:
        """Say what went wrong with a connection, without the URL."""
        if isinstance(err, exceptions.SSLError):
            return _explain_tls(str(err))
        if isinstance(err, exceptions.NewConnectionError) and "Connection refused" in str(err):
            return Trouble("nobody listens there", hint=_CHECK, transient=True, absent=True)
        for kind, reason, hint, transient in _CAUSES:
            if isinstance(err, kind):
                seconds = self._limits.connect_s if "connection" in reason else self._limits.silence_s
                absent = isinstance(err, (exceptions.ProxyError, exceptions.NewConnectionError))
                return Trouble(reason.format(seconds), hint=hint, transient=transient, absent=absent)
        # What is left is this machine's: no more sockets, say.
        return Trouble(plain(getattr(err, "strerror", "")) or "it does not work", hint=_CHECK)


def _carried(route: Route, headers: Mapping[str, str]) -> urllib3.HTTPHeaderDict:
    """Put the headers of a request together; what git's configuration adds may stand several times."""
    carried = urllib3.HTTPHeaderDict()
    for name, value in route.headers:
        if name.lower() not in {given.lower() for given in headers}:
            carried.add(name, value)
    carried.setdefault("User-Agent", _AGENT)
    carried.update(headers)
    return carried


def _explain_tls(text: str) -> Trouble:
    """Tell a certificate that is not trusted from a server without TLS, and both from a broken connection."""
    if "certificate" in text.lower() or "hostname" in text.lower():
        detail = text.partition("certificate verify failed: ")[2].partition(" (_ssl")[0]
        reason = f"its certificate is not trusted ({plain(detail) or 'TLS failed'})"
        return Trouble(reason, hint="git config http.sslCAInfo FILE names who you trust")
    if any(sign in text for sign in ("WRONG_VERSION_NUMBER", "HTTP_REQUEST", "record layer failure")):
        return Trouble("it does not speak TLS there", hint=_CHECK)
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
