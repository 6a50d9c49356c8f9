"""What went wrong with a request, in words; whether trying again can help, and when."""

from __future__ import annotations

import email.utils
import os
import time

from gitml.progress import Advance
from gitml.store.lfs.protocol import Operation

LONGEST_WAIT_S = 60.0
_RETRIES_IF_ABSENT = 2
_TRANSIENT = frozenset({408, 425, 429, 500, 502, 503, 504})
_ELSEWHERE = "gitml remote artifacts URL sets another place for artifacts"
AGAIN = "nothing is lost; run the command again, it goes on where this one stopped"

_WHY = {
    401: ("it does not let us in", "git credential fill shows what git knows; git credential reject forgets it"),
    404: ("it does not have it, or does not show it to you", "check your rights there, and the URL: git remote --verbose"),
    406: ("it does not speak Git LFS there", "git config lfs.url URL sets where the server is"),
    407: ("the proxy wants to know who you are", "git config http.proxy http://USER:PASSWORD@HOST:PORT"),
    410: ("it was removed there by its owner", "ask who runs the repository"),
    413: ("it is larger than the server takes", f"ask who runs it to raise the limit; {_ELSEWHERE}"),
    422: ("it refuses the object", f"ask who runs it; {_ELSEWHERE}"),
    429: ("it is asked too much", "wait some minutes, then run the command again"),
    501: ("it can't do that", f"git config lfs.url URL sets another server; {_ELSEWHERE}"),
    507: ("it has no space left", f"ask who runs it for more; {_ELSEWHERE}"),
    509: ("the bandwidth of your plan there is used up", f"raise the limit there, or wait; {_ELSEWHERE}"),
}  # fmt: skip


class Trouble(Exception):  # noqa: N818 - never reaches a user: it becomes an error
    """A request that did not do what it should; becomes an error of a store or of an object.

    Attributes:
        reason: What happened.
        hint: What to do.
        status: The server's status code, if it answered at all.
        retry_after: What it says when to come back.
        transient: Whether the same request may work in a while.
        absent: Whether nobody is there at all: then it is hardly a matter of seconds.
    """

    def __init__(
        self,
        reason: str,
        *,
        hint: str | None = None,
        status: int | None = None,
        retry_after: str | None = None,
        transient: bool = False,
        absent: bool = False,
    ) -> None:
        super().__init__(reason)
        self.reason = reason
        self.hint = hint
        self.status = status
        self.retry_after = retry_after
        self.transient = transient
        self.absent = absent


def trouble_of(
    status: int, message: str, operation: Operation | None = None, retry_after: str | None = None
) -> Trouble:
    """Explain a status code.

    Args:
        status: The code.
        message: What the server says about it, safe to show.
        operation: What was to be done.
        retry_after: Its header of that name.
    """
    if status == 403:
        reason = "you may not write there" if operation == "upload" else "you may not read there"
        hint: str | None = "ask for the right to; git credential reject forgets what you logged in with"
    elif status in _WHY:
        reason, hint = _WHY[status]
    elif status >= 500:
        reason, hint = "it is in trouble", AGAIN
    else:
        reason, hint = "it refuses", _ELSEWHERE
    details = ": ".join([f"status {status}", *([message] if message else [])])
    return Trouble(
        f"{reason} ({details})",
        hint=hint,
        status=status,
        retry_after=retry_after,
        transient=status in _TRANSIENT,
    )


class Backoff:
    """Waiting longer each time, as long as the server asks for, and not for ever."""

    def __init__(self, retries: int, longest_s: float, tell: Advance | None = None) -> None:
        """Say how often to try again.

        Args:
            retries: How often.
            longest_s: How long to wait at most between two times, unless the server asks for more.
            tell: Called now and then; ends it when it raises.
        """
        self._retries = retries
        self._longest_s = longest_s
        self._tell = tell
        self._done = 0

    def reset(self) -> None:
        """Begin anew: there was some progress."""
        self._done = 0

    def wait(self, trouble: Trouble) -> bool:
        """Wait before the next attempt; False if there is to be none."""
        retries = min(self._retries, _RETRIES_IF_ABSENT) if trouble.absent else self._retries
        if not trouble.transient or self._done >= retries:
            return False
        asked_s = seconds_to_wait(trouble.retry_after)
        if asked_s is not None and asked_s > LONGEST_WAIT_S:
            trouble.hint = f"it asks to come back in {asked_s / 60:,.0f} minutes; nothing is lost"
            return False
        # Not all at the same time: many clients, and many threads of each, were turned away together.
        spread = 0.5 + os.urandom(1)[0] / 512
        delay_s = min(0.25 * 2**self._done, self._longest_s) * spread if asked_s is None else asked_s
        self._done += 1
        until = time.monotonic() + delay_s
        while (left_s := until - time.monotonic()) > 0:
            time.sleep(min(left_s, 0.2))
            if self._tell is not None:
                self._tell(0)
        return True


def seconds_to_wait(header: str | None) -> float | None:
    """Read `Retry-After`: seconds, or a date."""
    if header is None:
        return None
    text = header.strip()
    if text.isascii() and text.isdigit():
        return float(text[:9])
    try:
        moment = email.utils.parsedate_to_datetime(text)
    except ValueError:
        return None
    return max(0.0, moment.timestamp() - time.time())
