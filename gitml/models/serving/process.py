"""One process that serves: uvicorn around the application, from a loaded model to the last answer."""

from __future__ import annotations

import asyncio
import logging
import os
import signal
import socket
import sys
import warnings
from collections.abc import Callable, Coroutine
from typing import TYPE_CHECKING, Any

from gitml.models.serving.settings import ServeSettings

if TYPE_CHECKING:
    import uvicorn

    from gitml.models.serving.app import App
    from gitml.models.serving.loading import Served
    from gitml.models.serving.scorer import Scorer

_log = logging.getLogger("gitml.serving")
_KEEP_ALIVE_S = 75  # longer than load balancers keep connections, so that they close them and not we
_RETIRE_S, _TICK_S = 20.0, 0.05
_BACKLOG = 2048
CUT_OFF = 1


def listen(settings: ServeSettings) -> socket.socket:
    """Open the socket that requests come to.

    Raises:
        OSError: The address can't be had.
    """
    family = socket.AF_INET6 if ":" in settings.host else socket.AF_INET
    listening = socket.socket(family, socket.SOCK_STREAM)
    listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listening.bind((settings.host, settings.port))
        listening.listen(_BACKLOG)
    except BaseException:
        listening.close()
        raise
    listening.set_inheritable(True)
    return listening


def load_scorer(settings: ServeSettings) -> Scorer:
    """Load the model and make it ready to answer.

    Raises:
        GitmlError: It can't be loaded.
    """
    from gitml.models.serving.loading import load_served
    from gitml.models.serving.scorer import make_scorer

    return make_scorer(load_served(settings), settings.max_bytes, settings.batch_rows)


def serve(
    settings: ServeSettings, listening: socket.socket, ready: Callable[[Served], None], *, guardian: int | None = None
) -> int:  # fmt: skip
    """Load the model and serve it until the process is told to end by SIGTERM or SIGINT.

    Args:
        settings: How it is served.
        listening: An open socket.
        ready: Called once requests are answered.
        guardian: A descriptor at whose end the server ends too.

    Returns:
        The exit status: 0, or `CUT_OFF` if requests were under way when the time to drain was over.

    Raises:
        GitmlError: The model can't be loaded.
    """
    from gitml.models.serving.app import App
    from gitml.models.serving.metrics import Metrics
    from gitml.models.signatures.problems import SchemaWarning

    # Told for every request it would fill the log; nothing is kept of each text either.
    warnings.filterwarnings("ignore", category=SchemaWarning)
    app = App(load_scorer(settings), settings, Metrics())
    server = _server(app, settings)
    for number in (signal.SIGTERM, signal.SIGINT):
        # uvicorn raises them again when it is done; by then there is nothing left to do.
        signal.signal(number, _ended_already)
    try:
        _run(_main(server, app, listening, ready, guardian))
    finally:
        listening.close()
    if app.busy:
        _log.error("%d calls of the model were cut off", app.busy)
        logging.shutdown()
        sys.stderr.flush()
        os._exit(CUT_OFF)  # threads in a model that does not come back would keep the process
    return 0


async def _main(
    server: uvicorn.Server, app: App, listening: socket.socket, ready: Callable[[Served], None], guardian: int | None
) -> None:  # fmt: skip
    tasks = [asyncio.create_task(_tell_when_started(server, lambda: ready(app.scorer.served)))]
    loop = asyncio.get_running_loop()
    if guardian is not None:
        loop.add_reader(guardian, lambda: _end_without(guardian, loop, server))
        loop.add_signal_handler(
            signal.SIGUSR1, lambda: tasks.append(asyncio.create_task(_retire(server, app)))
        )
    try:
        await server.serve([listening])
    finally:
        for task in tasks:
            task.cancel()


def _end_without(guardian: int, loop: asyncio.AbstractEventLoop, server: uvicorn.Server) -> None:
    if not os.read(guardian, 1024):
        loop.remove_reader(guardian)
        server.should_exit = True


async def _retire(server: uvicorn.Server, app: App) -> None:
    """Take no new connections, ask those that are there to go, and end after that.

    A connection that was closed under a client's next request would lose that request.
    """
    for each in server.servers:
        each.close()
    app.retire()
    until = asyncio.get_running_loop().time() + _RETIRE_S
    while (  # noqa: ASYNC110 - uvicorn has a set of them and no event
        server.server_state.connections and asyncio.get_running_loop().time() < until
    ):
        await asyncio.sleep(_TICK_S)
    server.should_exit = True


async def _tell_when_started(server: uvicorn.Server, ready: Callable[[], None]) -> None:
    while not server.started:  # noqa: ASYNC110 - uvicorn has a flag and no event
        await asyncio.sleep(0.005)
    ready()


def _run(main: Coroutine[Any, Any, None]) -> None:
    try:
        import uvloop
    except ModuleNotFoundError:  # there is none for this platform
        asyncio.run(main)
    else:
        uvloop.run(main)


def _server(app: App, settings: ServeSettings) -> uvicorn.Server:
    import uvicorn

    return uvicorn.Server(
        uvicorn.Config(
            app,
            http="httptools",
            ws="none",
            lifespan="off",
            access_log=False,
            log_config=None,
            server_header=False,
            proxy_headers=False,
            timeout_keep_alive=_KEEP_ALIVE_S,
            timeout_graceful_shutdown=max(1, round(settings.drain_s)),
        )
    )


def _ended_already(_number: int, _frame: object) -> None:
    pass
