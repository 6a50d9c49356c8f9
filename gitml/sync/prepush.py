"""Send artifacts before the branch or tag that points at them.

git calls the pre-push hook when it knows what it will push and nothing has
left yet. Only records are looked at whose artifacts are not known to be there, so
a push after each run costs the same with one run before it and with 100,000.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from gitml.errors import UsageError
from gitml.progress import Advance
from gitml.repo import RUNS_REF, Repo
from gitml.sync.delivering import Delivered, Delivery
from gitml.sync.objects import ArtifactsNotSentError
from gitml.sync.pulling import fetch
from gitml.sync.seen import seen

_NAMESPACES = ("refs/heads/gitml/", "refs/tags/gitml/", "refs/gitml/")
_OID = re.compile("[0-9a-f]{40}|[0-9a-f]{64}")


@dataclass(frozen=True, slots=True)
class PushedRef:
    """One line of what git tells a pre-push hook; an `oid` of zeros is nothing."""

    local: str
    local_oid: str
    remote: str
    remote_oid: str

    @property
    def concerns_runs(self) -> bool:
        """Whether runs or their versions go out by it."""
        is_deletion = set(self.local_oid) == {"0"}
        return not is_deletion and (self.local.startswith(_NAMESPACES) or self.remote.startswith(_NAMESPACES))


def parse_refs(text: str) -> list[PushedRef]:
    """Read what git writes to a pre-push hook.

    Raises:
        UsageError: It is something else.
    """
    refs = []
    for line in filter(None, text.splitlines()):
        words = line.split(" ")
        if len(words) != 4 or not (_OID.fullmatch(words[1]) and _OID.fullmatch(words[3])):
            raise UsageError(
                f"'{line[:100]}' is not what git writes to a pre-push hook",
                hint="git runs this command by itself; to install it: gitml init --hooks",
            )
        refs.append(PushedRef(*words))
    return refs


def send_artifacts(
    repo: Repo, remote: str, url: str, refs: Sequence[PushedRef], progress: Advance | None = None
) -> Delivered:
    """Send the objects that pushed runs need and the remote lacks.

    Without those that were purged. A remote that has moved on is looked at for that:
    git will not take the push, but artifacts go before it says so.

    Args:
        repo: The repository that is pushed from.
        remote: The remote's name, or its URL if it has none.
        url: Where it is.
        refs: What is pushed.
        progress: Called with the number of bytes done since the last call.

    Raises:
        ArtifactsNotSentError: At least one could not be sent; nothing that points
            at it should be pushed.
    """
    pushed = [ref for ref in refs if ref.concerns_runs]
    moved_on = [ref for ref in pushed if _is_there(ref) and not repo.git.has_object(ref.remote_oid)]

    def tips() -> list[str]:
        """What the remote has; of one that is told to have no runs, what was seen is of another place."""
        told = [ref.remote_oid for ref in pushed if _is_there(ref)]
        is_new = any(ref.remote == RUNS_REF and not _is_there(ref) for ref in pushed)
        return told if is_new else [*seen(repo, remote).tips, *told]

    def look_again() -> None:
        if moved_on:
            fetch(repo, remote)

    delivery = Delivery(repo, remote, tips, look_again=look_again, url=url)
    wanted = [ref.local_oid for ref in pushed]
    known = [tip for tip in tips() if repo.git.has_object(tip)]
    new = [c for c, parents in repo.git.rev_list(wanted, known) if len(parents) < 2] if wanted else []
    try:
        done = delivery.deliver(delivery.uncovered(wanted, new, known), new, progress)
    except ArtifactsNotSentError as err:
        err.hint = (err.hint or "").replace("gitml push --no-artifacts", "git push --no-verify")
        raise
    delivery.note(next((ref.local_oid for ref in pushed if ref.local == RUNS_REF), None), done)
    return done


def _is_there(ref: PushedRef) -> bool:
    return set(ref.remote_oid) != {"0"}


def without_password(url: str) -> str:
    """Leave out what a URL gives away about its user."""
    return re.sub(r"://[^/@]*@", "://", url)
