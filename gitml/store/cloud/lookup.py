"""Which of many objects a store has, with as few requests as will do.

One request can ask for one object, or list a thousand. Object ids are random, so
the first page of a listing tells how many objects there are, and from that
follows for each two hex digits whether listing them or asking one by one is less.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from itertools import chain
from typing import TypeVar

from gitml.entities.artifact import Pointer
from gitml.store.cloud.place import Found, Place
from gitml.store.local import object_key

_Answer = TypeVar("_Answer")
_FEW = 16  # so many are asked for one by one
_PAGE = 1000
_FOLDERS = 256
_LISTING_COSTS = 3  # a page of a listing takes as long as so many single questions


def sizes(place: Place, pointers: Sequence[Pointer]) -> dict[str, int]:
    """Find the sizes of those objects that a store has."""
    oids = [pointer.oid for pointer in pointers]
    keys = {object_key(oid): oid for oid in oids}
    if len(oids) <= _FEW:
        return _ask(place, oids)
    search = _search_by_name if place.lists_by_name else _search_folders
    return search(place, keys)


def _search_by_name(place: Place, keys: dict[str, str]) -> dict[str, int]:
    pages = place.listing()
    first = next(pages, ())
    found = _wanted(keys, first)
    if len(first) < _PAGE:
        return found | _wanted(keys, chain.from_iterable(pages))
    pages_in_folder = max(1, len(first) // _folders_in(first) // _PAGE)
    rest = {key: oid for key, oid in keys.items() if oid not in found}
    listed: list[str] = []
    asked: list[str] = []
    for folder, members in _by_folder(rest).items():
        if len(members) > _LISTING_COSTS * pages_in_folder:
            listed.append(folder)
        else:
            asked += members
    found |= _ask(place, asked)
    for part in _at_once(
        place, lambda folder: _wanted(rest, chain.from_iterable(place.listing(folder))), listed
    ):
        found |= part
    return found


def _search_folders(place: Place, keys: dict[str, str]) -> dict[str, int]:
    """Leave out what can't be there because its folder is not; ask for the rest."""
    there = _subfolders(place, "")
    by_folder = {folder: oids for folder, oids in _by_folder(keys).items() if folder in there}
    looked = [folder for folder, oids in by_folder.items() if len(oids) > 1]
    for folder, below in zip(
        looked, _at_once(place, lambda folder: _subfolders(place, folder), looked), strict=True
    ):
        by_folder[folder] = [oid for oid in by_folder[folder] if oid[2:4] in below]
    return _ask(place, list(chain.from_iterable(by_folder.values())))


def _subfolders(place: Place, folder: str) -> set[str]:
    return {key[-2:] for page in place.listing(folder) for key, size in page if size < 0}


def _by_folder(keys: dict[str, str]) -> dict[str, list[str]]:
    groups = defaultdict(list)
    for oid in keys.values():
        groups[oid[:2]].append(oid)
    return groups


def _wanted(keys: dict[str, str], page: Iterable[Found]) -> dict[str, int]:
    return {keys[key]: size for key, size in page if key in keys}


def _folders_in(page: Sequence[Found]) -> int:
    """Of the 256 folders, how many the first page of a listing covers."""
    last = page[-1][0][:2]
    return int(last, 16) + 1 if re.fullmatch("[0-9a-f]{2}", last) else _FOLDERS


def _ask(place: Place, oids: Sequence[str]) -> dict[str, int]:
    found = zip(oids, _at_once(place, place.size, oids), strict=True)
    return {oid: size for oid, size in found if size is not None}


def _at_once(place: Place, ask: Callable[[str], _Answer], items: Sequence[str]) -> list[_Answer]:
    if len(items) < 2:
        return [ask(item) for item in items]
    workers = place.workers * (4 if place.lists_by_name else 1)  # questions are small
    pool = ThreadPoolExecutor(min(workers, len(items)), "gitml-lookup")
    try:
        return list(pool.map(ask, items))
    finally:
        pool.shutdown(cancel_futures=True)
