"""Ask a server the same thing over and over, as cheaply as Python can: python load.py PORT CONNECTIONS SECONDS FILE.

The answers to one request are all of the same length, so after the first they are told apart by counting
bytes. Prints one line of JSON: requests, seconds, and each request's milliseconds by percentile.
"""

from __future__ import annotations

import asyncio
import json
import sys
import time
from pathlib import Path
from typing import Any

_OK = b"HTTP/1.1 200"
_WARM_UP = 20


class Asker(asyncio.Protocol):
    """One connection: the next request goes out when an answer is whole."""

    def __init__(self, request: bytes, length: int, until: float, took: list[float], done: Any) -> None:
        self.request, self.length, self.until, self.took, self.done = request, length, until, took, done
        self.got = 0

    def connection_made(self, transport: Any) -> None:
        """Ask the first time."""
        self.transport = transport
        self.ask()

    def ask(self) -> None:
        """Send the request."""
        self.got = 0
        self.begun = time.perf_counter()
        self.transport.write(self.request)

    def data_received(self, data: bytes) -> None:
        """Count what came, and ask again once it is a whole answer."""
        if not self.got and not data.startswith(_OK):
            self.done.set_exception(RuntimeError(f"answered {data[:200]!r}"))
            return
        self.got += len(data)
        if self.got < self.length:
            return
        now = time.perf_counter()
        self.took.append(now - self.begun)
        if now < self.until:
            self.ask()
        elif not self.done.done():
            self.done.set_result(None)


async def first_answer(port: int, request: bytes) -> int:
    """Ask some times; give the length of an answer, head and all."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    length = 0
    for _ in range(_WARM_UP):
        writer.write(request)
        head = await reader.readuntil(b"\r\n\r\n")
        if not head.startswith(_OK):
            raise RuntimeError(f"answered {head[:200]!r}")
        size = next(
            int(line[15:]) for line in head.lower().splitlines() if line.startswith(b"content-length:")
        )
        await reader.readexactly(size)
        length = len(head) + size
    writer.close()
    return length


async def main(port: int, connections: int, seconds: float, body: bytes) -> None:
    request = (
        f"POST /invocations HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nContent-Type: application/json\r\n"
        f"Content-Length: {len(body)}\r\n\r\n"
    ).encode() + body
    length = await first_answer(port, request)
    loop = asyncio.get_running_loop()
    took: list[float] = []
    begun = time.perf_counter()
    waits = [loop.create_future() for _ in range(connections)]
    for wait in waits:
        await loop.create_connection(
            lambda wait=wait: Asker(request, length, begun + seconds, took, wait), "127.0.0.1", port
        )
    await asyncio.gather(*waits)
    elapsed = time.perf_counter() - begun
    took.sort()
    at = {f"p{share}": 1000 * took[min(len(took) - 1, len(took) * share // 100)] for share in (50, 99)}
    print(json.dumps({"requests": len(took), "seconds": elapsed, **at}))


if __name__ == "__main__":
    arguments = int(sys.argv[1]), int(sys.argv[2]), float(sys.argv[3]), Path(sys.argv[4]).read_bytes()
    try:
        import uvloop
    except ModuleNotFoundError:
        asyncio.run(main(*arguments))
    else:
        uvloop.run(main(*arguments))
