"""Moving many objects at once: threads, partial failure, stopping early."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import FIRST_EXCEPTION, Future, ThreadPoolExecutor, wait

from gitml.entities.artifact import Pointer
from gitml.errors import GitmlError
from gitml.store.base import Failure, Transferred

WORKERS = 8


def move_all(
    pointers: Sequence[Pointer], move: Callable[[Pointer], bool], *, workers: int = WORKERS
) -> Transferred:
    """Move objects in parallel; one that fails does not stop the others.

    Args:
        pointers: The objects.
        move: Moves one of them; says whether it had to (False: it was there). A
            `GitmlError` that it raises is noted; anything else, Ctrl-C among it,
            stops all of it at the next object.
        workers: How many at once.
    """
    if len(pointers) < 2 or workers < 2:
        return _summary([(pointer, _outcome(move, pointer)) for pointer in pointers])
    pool = ThreadPoolExecutor(min(workers, len(pointers)), "gitml-transfer")
    try:
        futures: list[Future[bool | GitmlError]] = [pool.submit(_outcome, move, p) for p in pointers]
        wait(futures, return_when=FIRST_EXCEPTION)
        results = [(pointer, future.result()) for pointer, future in zip(pointers, futures, strict=True)]
    finally:
        pool.shutdown(cancel_futures=True)
    return _summary(results)


def _outcome(move: Callable[[Pointer], bool], pointer: Pointer) -> bool | GitmlError:
    try:
        return move(pointer)
    except GitmlError as err:
        return err


def _summary(results: Sequence[tuple[Pointer, bool | GitmlError]]) -> Transferred:
    return Transferred(
        tuple(pointer for pointer, result in results if result is True),
        tuple(pointer for pointer, result in results if result is False),
        tuple(Failure(pointer, result) for pointer, result in results if isinstance(result, GitmlError)),
    )
