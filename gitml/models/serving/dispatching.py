"""Who predicts when: requests that wait are predicted together, and what takes long does not stop the rest.

All but the calls of the model runs in the event loop, so nothing is locked.

A job that can be joined with others waits in a queue. If nothing is being predicted, it is taken in
the same turn of the loop in which it came, so alone it waits for nobody; what came with it, or while
the model was busy, is taken together. A model that is known to be quick predicts in the loop itself;
every other one in a thread.
"""

from __future__ import annotations

import asyncio
import threading
from collections import deque
from collections.abc import Callable, Sequence
from contextlib import suppress
from queue import SimpleQueue
from typing import Any

from gitml.models.serving.jobs import Job
from gitml.models.serving.metrics import Metrics
from gitml.models.serving.replies import Reply
from gitml.models.serving.scorer import Scorer


class Threads:
    """Threads that call the model. They end with the process, even if a model never comes back.

    Attributes:
        busy: How many are at work.
    """

    def __init__(self, count: int) -> None:
        self.busy = 0
        self._count = count
        self._work: SimpleQueue[Callable[[], None]] = SimpleQueue()
        self._started = 0

    def run(self, work: Callable[[], Any]) -> asyncio.Future[Any]:
        """Do some work when a thread is free; give what came of it."""
        loop = asyncio.get_running_loop()
        future: asyncio.Future[Any] = loop.create_future()
        self.busy += 1

        def done(outcome: Any, err: BaseException | None) -> None:
            self.busy -= 1
            if not future.done():
                future.set_exception(err) if err is not None else future.set_result(outcome)

        def task() -> None:
            try:
                outcome, err = work(), None
            except BaseException as raised:  # noqa: BLE001 - it is raised where it is waited for
                outcome, err = None, raised
            with suppress(RuntimeError):  # the server has ended meanwhile
                loop.call_soon_threadsafe(done, outcome, err)

        if self._started < min(self._count, self.busy):
            self._started += 1
            threading.Thread(target=self._serve, daemon=True, name=f"predict-{self._started}").start()
        self._work.put(task)
        return future

    def _serve(self) -> None:
        while True:
            self._work.get()()


class Dispatcher:
    """Lets models predict."""

    def __init__(self, threads: int, wait_s: float, metrics: Metrics) -> None:
        """Make one for the running loop.

        Args:
            threads: How many calls can be under way at once, of models that are not batched.
            wait_s: How long to wait for others before a batch is predicted.
            metrics: What is counted.
        """
        self._threads = Threads(threads)
        self._wait_s = wait_s
        self._metrics = metrics
        self._queue: deque[tuple[Scorer, Job, asyncio.Future[Reply]]] = deque()
        self._batching = False  # whether a batch is under way, or about to be taken

    @property
    def busy(self) -> int:
        """How many calls of models are under way in threads."""
        return self._threads.busy

    async def in_thread(self, work: Callable[[], Any]) -> Any:
        """Do what takes long and does not touch a model."""
        return await self._threads.run(work)

    async def answer(self, scorer: Scorer, job: Job) -> Reply:
        """Predict for a request."""
        if job.key is None or job.rows >= scorer.batch_rows:
            return await self._alone(scorer, job)
        future: asyncio.Future[Reply] = asyncio.get_running_loop().create_future()
        self._queue.append((scorer, job, future))
        self._metrics.waiting(len(self._queue))
        if not self._batching:
            self._batching = True
            self._soon(scorer)
        return await future

    async def _alone(self, scorer: Scorer, job: Job) -> Reply:
        self._metrics.batch(1, job.rows)
        if scorer.is_quick:
            return scorer.answer([job])[0]
        (reply,) = await self._threads.run(lambda: scorer.answer([job]))
        return reply  # type: ignore[no-any-return]

    def _soon(self, scorer: Scorer) -> None:
        loop = asyncio.get_running_loop()
        if self._wait_s and sum(job.rows for _, job, _ in self._queue) < scorer.batch_rows:
            loop.call_later(self._wait_s, self._next)
        else:
            loop.call_soon(self._next)  # after all that came in this turn

    def _next(self) -> None:
        taken = self._take()
        if not taken:
            self._batching = False
            return
        scorer, jobs, futures = taken[0][0], [job for _, job, _ in taken], [future for *_, future in taken]
        self._metrics.batch(len(jobs), sum(job.rows for job in jobs))
        if scorer.is_quick:
            _settle(futures, scorer.answer(jobs))
            self._go_on()
            return

        def done(outcome: asyncio.Future[list[Reply]]) -> None:
            _settle(futures, outcome.result())
            self._go_on()

        self._threads.run(lambda: scorer.answer(jobs)).add_done_callback(done)

    def _go_on(self) -> None:
        if self._queue:
            self._soon(self._queue[0][0])
        else:
            self._batching = False

    def _take(self) -> list[tuple[Scorer, Job, asyncio.Future[Reply]]]:
        """Take the first that waits, and those behind it that can join it, in their order."""
        taken: list[tuple[Scorer, Job, asyncio.Future[Reply]]] = []
        left: list[tuple[Scorer, Job, asyncio.Future[Reply]]] = []
        rows = 0
        while self._queue:
            entry = self._queue.popleft()
            scorer, job, future = entry
            if future.done():  # nobody waits any more
                continue
            if not taken:
                taken.append(entry)
                rows = job.rows
            elif (
                scorer is taken[0][0] and job.key == taken[0][1].key and rows + job.rows <= scorer.batch_rows
            ):
                taken.append(entry)
                rows += job.rows
            else:
                left.append(entry)
                if rows >= taken[0][0].batch_rows:
                    break
        self._queue.extendleft(reversed(left))
        self._metrics.waiting(len(self._queue))
        return taken


def _settle(futures: Sequence[asyncio.Future[Reply]], replies: Sequence[Reply]) -> None:
    for future, reply in zip(futures, replies, strict=True):
        if not future.done():
            future.set_result(reply)
