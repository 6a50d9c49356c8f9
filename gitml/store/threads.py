"""Threads for files, also while Python is ending.

A run that a program leaves open is ended by Python's exit handlers, and at that
time no thread can be started any more: then the caller's own does the work.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from concurrent.futures import Executor


def open_pool(workers: int, name: str) -> Executor:
    """Make a pool of threads; one that works at once, in the caller's, where Python starts none any more.

    Args:
        workers: How many threads at most.
        name: What their names begin with.
    """
    try:
        from concurrent.futures import ThreadPoolExecutor  # 10 ms, which only large files are worth

        pool = ThreadPoolExecutor(workers, name)
        pool.submit(int)
    except RuntimeError:
        return _at_once()
    return pool


def _at_once() -> Executor:
    from concurrent.futures import Executor, Future

    class AtOnce(Executor):
        def submit(self, work: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Future[Any]:
            done: Future[Any] = Future()
            try:
                done.set_result(work(*args, **kwargs))
            except BaseException as err:  # noqa: BLE001 - whoever waits for the result gets it
                done.set_exception(err)
            return done

    return AtOnce()
