"""Send artifacts before the branch or tag that points at them.

git calls the pre-push hook when it knows what it will push and nothing has
left yet. Only commits that the remote does not have are looked at, so a push
after each run costs the same with one run before it and with 100,000.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from gitml.entities.artifact import Pointer
from gitml.errors import UsageError
from gitml.repo import Repo
from gitml.store.base import Transferred
from gitml.sync.objects import ArtifactsNotSentError, pointers_in, send
from gitml.sync.pulling import fetch
from gitml.sync.purged import of_older_runs, purged_since
from gitml.sync.seen import seen

_NAMESPACES = ("refs/heads/gitml/", "refs/tags/gitml/", "refs/gitml/")
_OID = re.compile("[0-9a-f]{40}|[0-9a-f]{64}")
Progress = Callable[[int], None]


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
    repo: Repo, remote: str, url: str, refs: Sequence[PushedRef], progress: Progress | None = None
) -> Transferred:
    """Send the objects that pushed runs need and the remote lacks.

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
    wanted = needed_objects(repo, remote, [ref for ref in refs if ref.concerns_runs])
    try:
        return send(repo, remote, wanted, progress, url=url)
    except ArtifactsNotSentError as err:
        err.hint = (err.hint or "").replace("gitml push --no-artifacts", "git push --no-verify")
        raise


def needed_objects(repo: Repo, remote: str, refs: Sequence[PushedRef]) -> list[Pointer]:
    """List the objects behind pointers in commits that the remote does not have yet.

    Without those that were purged. A remote that has moved on is looked at for that:
    git will not take the push, but artifacts go before it says so.
    """
    if not refs:
        return []
    known = [tip for tip in seen(repo, remote).tips if repo.git.has_object(tip)]
    known += [ref.remote_oid for ref in refs if repo.git.has_object(ref.remote_oid)]
    commits = list({commit: None for ref in refs for commit, _ in repo.git.rev_list(ref.local_oid, known)})
    pointers = pointers_in(repo.git, commits)
    older = of_older_runs(repo, commits, pointers) if pointers else set()
    if not older:
        return pointers
    if any(set(ref.remote_oid) != {"0"} and not repo.git.has_object(ref.remote_oid) for ref in refs):
        fetch(repo, remote)
    tips = [*seen(repo, remote).tips, *(ref.remote_oid for ref in refs)]
    purged = purged_since(repo, commits, older, tips)
    return [pointer for pointer in pointers if pointer not in purged]


def without_password(url: str) -> str:
    """Leave out what a URL gives away about its user."""
    return re.sub(r"://[^/@]*@", "://", url)
