"""Moving many objects at once: threads, partial failure, stopping early."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from gitml.entities.artifact import Pointer
from gitml.errors import GitmlError
from gitml.progress import Advance
from gitml.store.base import Failure, StoreUnreachableError, Transferred

if TYPE_CHECKING:
    from concurrent.futures import Future

WORKERS = 8


class StoppedError(GitmlError):
    """Somebody stopped the whole while this object was on its way."""

    def __init__(self) -> None:
        super().__init__("stopped", hint="nothing is lost; run the command again, it goes on from here")


class Stopping:
    """An `Advance` that can say no: ends transfers in the middle of large objects.

    It is called with the number of bytes done, like the progress that it passes
    this on to.
    """

    def __init__(self, progress: Advance | None = None) -> None:
        """Wrap a progress, or none."""
        self._progress = progress
        self._stopped = False

    def stop(self) -> None:
        """Let every call from now on raise."""
        self._stopped = True

    def __call__(self, count: int) -> None:
        """Report bytes that were moved.

        Raises:
            StoppedError: `stop` was called.
        """
        if self._stopped:
            raise StoppedError
        if self._progress is not None:
            self._progress(count)


def move_all(
    pointers: Sequence[Pointer],
    move: Callable[[Pointer], bool],
    *,
    workers: int = WORKERS,
    stopping: Stopping | None = None,
) -> Transferred:
    """Move objects in parallel; one that fails does not stop the others.

    Args:
        pointers: The objects.
        move: Moves one of them; says whether it had to (False: it was there). A
            `GitmlError` that it raises is noted; anything else, Ctrl-C among it,
            stops all of it at the next object, and so does `StoreUnreachableError`.
        workers: How many at once.
        stopping: Told when all of it stops, so that objects on their way end early.
    """
    if len(pointers) < 2 or workers < 2:
        return _summary([(pointer, _outcome(move, pointer)) for pointer in pointers])
    from concurrent.futures import FIRST_EXCEPTION, ThreadPoolExecutor, wait  # 5 ms, only for who moves some

    pool = ThreadPoolExecutor(min(workers, len(pointers)), "gitml-transfer")
    try:
        futures: list[Future[bool | GitmlError]] = [pool.submit(_outcome, move, p) for p in pointers]
        for future in wait(futures, return_when=FIRST_EXCEPTION).done:
            future.result()  # what stops all of it must not wait for those before it
        results = [(pointer, future.result()) for pointer, future in zip(pointers, futures, strict=True)]
    except BaseException:
        if stopping is not None:
            stopping.stop()
        raise
    finally:
        pool.shutdown(cancel_futures=True)
    return _summary(results)


def _outcome(move: Callable[[Pointer], bool], pointer: Pointer) -> bool | GitmlError:
    try:
        return move(pointer)
    except StoreUnreachableError:
        raise  # the next object would not fare better
    except GitmlError as err:
        return err


def _summary(results: Sequence[tuple[Pointer, bool | GitmlError]]) -> Transferred:
    return Transferred(
        tuple(pointer for pointer, result in results if result is True),
        tuple(pointer for pointer, result in results if result is False),
        tuple(Failure(pointer, result) for pointer, result in results if isinstance(result, GitmlError)),
    )
