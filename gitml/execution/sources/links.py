"""Symbolic links of a tree: which of them would lead out of it."""

from __future__ import annotations

from collections.abc import Collection, Mapping

_LIMIT = 40  # as many links as a kernel follows on the way to a file


def leads_out(link: str, links: Mapping[str, str], opaque: Collection[str] = ()) -> bool:
    """Whether a link leads out of the tree, by itself or over other links of it.

    Args:
        link: Its path in the tree, with '/' between parts.
        links: All links of the tree: path to what they say.
        opaque: Paths of folders whose own links are not known, as those of
            submodules; '..' below one may lead anywhere.
    """
    here = link.split("/")[:-1]
    rest = _parts(links[link])
    if links[link].startswith("/"):
        return True
    followed = 0
    while rest:
        part = rest.pop(0)
        if part == "..":
            if not here or _is_below(here, opaque):
                return True
            here.pop()
            continue
        here.append(part)
        target = links.get("/".join(here))
        if target is not None:
            followed += 1
            if target.startswith("/") or followed > _LIMIT:
                return True
            here.pop()
            rest = _parts(target) + rest
    return False


def _parts(target: str) -> list[str]:
    return [part for part in target.split("/") if part not in ("", ".")]


def _is_below(here: list[str], folders: Collection[str]) -> bool:
    return any("/".join(here[: count + 1]) in folders for count in range(len(here)))
