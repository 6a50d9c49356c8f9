"""What a server lets in: the rules of a pre-receive hook.

git has the objects of a push in quarantine then, and throws them away if the hook
says no. All refs are looked at before any is refused. Refs that are not gitml's are
none of our business.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import islice

from gitml.entities.artifact import Pointer
from gitml.errors import UsageError
from gitml.repo import RUNS_REF, Repo
from gitml.sync.findings import Limits
from gitml.sync.inspect import Commit, inspect
from gitml.sync.objects import missing_here, pointers_in
from gitml.sync.purged import purged_since
from gitml.sync.receive_tags import check_tags
from gitml.sync.rejection import ReceivedRef, Rejection
from gitml.sync.seen import INBOX, INBOX_NAME, TAGS, list_refs

_NAMESPACES = ("refs/heads/gitml/", TAGS, "refs/gitml/")
_IN_THE_WAY = ("refs/heads/gitml", "refs/tags/gitml")  # refs by these names leave no room for ours
_OF_ONE_CLONE = ("refs/gitml/live/", "refs/gitml/remotes/", "refs/gitml/incoming/")
_OID = re.compile("[0-9a-f]{40}|[0-9a-f]{64}")
_TOLD = 5  # findings of one ref
# Given a push's new tags of the registry, and the tip of the runs as it is afterwards.
Judge = Callable[[Repo, Sequence[ReceivedRef], str | None], Iterable[Rejection]]
_AGAIN = "record the runs again with a gitml of today, or push without them"


def parse_received(text: str) -> list[ReceivedRef]:
    """Read what git writes to a pre-receive hook.

    Raises:
        UsageError: It is something else.
    """
    refs = []
    for line in filter(None, text.splitlines()):
        words = line.split(" ")
        if len(words) != 3 or not (_OID.fullmatch(words[0]) and _OID.fullmatch(words[1])):
            raise UsageError(
                f"'{line[:100]}' is not what git writes to a pre-receive hook",
                hint="git runs this command by itself; to install it: gitml init --server",
            )
        old, new = (None if set(oid) == {"0"} else oid for oid in words[:2])
        refs.append(ReceivedRef(words[2], old, new))
    return refs


def concerns_runs(received: ReceivedRef) -> bool:
    """Whether a ref is gitml's."""
    return received.ref.startswith(_NAMESPACES) or received.ref in _IN_THE_WAY


def check_push(repo: Repo, received: Sequence[ReceivedRef], judge: Judge | None = None) -> list[Rejection]:
    """Find what speaks against letting a push in; nothing if all is well.

    Args:
        repo: The repository that is pushed to, opened with the push's quarantine.
        received: All refs of the push.
        judge: Says whether promotions are allowed, once their tags are sound.
    """
    push = _Push(repo, [one for one in received if concerns_runs(one)])
    found = list(push.check())
    if not found and judge is not None and push.tags:
        found += judge(repo, push.tags, push.runs)
    return found


class _Push:
    """One push, and what the repository had before it."""

    def __init__(self, repo: Repo, received: Sequence[ReceivedRef]) -> None:
        self._repo = repo
        self._received = received
        self._limits = Limits(blob_bytes=repo.settings.receive_blob_limit)
        self._known = list_refs(repo, RUNS_REF, INBOX) if received else {}
        self._kinds = self._kinds_of_new()

    @property
    def tags(self) -> list[ReceivedRef]:
        """The new tags of the registry."""
        return [one for one in self._received if one.ref.startswith(TAGS) and one.new is not None]

    @property
    def runs(self) -> str | None:
        """Tip of the branch of runs, as it is after the push."""
        pushed = next((one.new for one in self._received if one.ref == RUNS_REF), None)
        return pushed or self._known.get(RUNS_REF)

    def _kinds_of_new(self) -> dict[str, str]:
        new = list(dict.fromkeys(one.new for one in self._received if one.new))
        found = zip(new, self._repo.git.process.cat_sizes(new), strict=True)
        return {oid: size[0] for oid, size in found if size is not None}

    def check(self) -> Iterator[Rejection]:
        """Look at every ref."""
        tags = []
        histories: list[str] = []
        for one in self._received:
            if one.ref.startswith(TAGS):
                tags.append(one)
            elif one.ref == RUNS_REF or one.ref.startswith(INBOX):
                yield from self._check_history(one, histories)
                if one.new and self._kinds.get(one.new) == "commit":
                    histories.append(one.new)
            elif one.new is not None:
                yield _unknown(one)
        yield from self._check_removals()
        yield from check_tags(self._repo, tags, [*self._known.values(), *histories])

    # Histories of runs

    def _check_history(self, one: ReceivedRef, before: Sequence[str]) -> Iterator[Rejection]:
        name = one.ref.removeprefix(INBOX)
        if one.new is None:
            if one.ref == RUNS_REF:
                yield Rejection(
                    one.ref, "history", "the runs of a team are never deleted", "leave it as it is"
                )
            return
        if one.ref != RUNS_REF and not INBOX_NAME.fullmatch(name):
            yield Rejection(
                one.ref,
                "name",
                "names in the inbox are letters, digits, '.', '_' and '-'",
                "gitml push --inbox",
            )
        if self._kinds.get(one.new) != "commit":
            yield Rejection(one.ref, "record", "it must point at a commit", "gitml push")
            return
        if one.old is not None and not self._repo.git.is_ancestor(one.old, one.new):
            yield Rejection(
                one.ref, "history", f"it only grows, and '{one.old[:12]}' would be lost",
                "gitml sync joins both histories; never rebase or force-push runs",
            )  # fmt: skip
        commits = list(self._repo.git.rev_list(one.new, [*self._known.values(), *before]))
        yield from self._check_commits(one.ref, commits)

    def _check_commits(self, ref: str, commits: Sequence[Commit]) -> Iterator[Rejection]:
        met: dict[Pointer, str] = {}

        def note(commit: str, path: str, pointer: Pointer) -> None:
            met.setdefault(pointer, f"{commit[:12]}:{path}")

        findings = inspect(self._repo.git, commits, limits=self._limits, on_pointer=note)
        count = 0
        for finding in findings:
            count += 1
            if count <= _TOLD:
                yield Rejection(ref, finding.rule, str(finding), _AGAIN)
        if count > _TOLD:
            yield Rejection(ref, "record", f"and {count - _TOLD:,} more like these", _AGAIN)
        yield from self._check_objects(ref, commits, met)

    def _check_objects(
        self, ref: str, commits: Sequence[Commit], met: dict[Pointer, str]
    ) -> Iterator[Rejection]:
        """Make sure that what runs point at is here, if it is kept here, and nobody purged it."""
        if not self._keeps_objects():
            return
        lacking = missing_here(self._repo, [pointer for pointer in met if pointer.lfs])
        if lacking:
            records = [commit for commit, parents in commits if len(parents) < 2]
            wanted = set(pointers_in(self._repo.git, records))
            lacking = [pointer for pointer in lacking if pointer in wanted]
            purged = purged_since(self._repo, records, lacking) if lacking else set()
            lacking = [pointer for pointer in lacking if pointer not in purged]
        for pointer in islice(lacking, _TOLD):
            yield Rejection(
                ref, "missing", f"{met[pointer]}: its object of {pointer.size:,} bytes is not here",
                "gitml push sends artifacts first",
            )  # fmt: skip
        if len(lacking) > _TOLD:
            more = f"and {len(lacking) - _TOLD:,} more objects are not here"
            yield Rejection(ref, "missing", more, "gitml push sends artifacts first")

    def _keeps_objects(self) -> bool:
        mode = self._repo.settings.receive_lfs_objects
        return mode == "require" or (mode == "auto" and (self._repo.objects.root / "objects").is_dir())

    def _check_removals(self) -> Iterator[Rejection]:
        """An entry of the inbox may go when the branch has its runs."""
        gone = [one for one in self._received if one.ref.startswith(INBOX) and one.new is None and one.old]
        if not gone:
            return
        branch = [one.new for one in self._received if one.ref == RUNS_REF and one.new]
        branch += [self._known[RUNS_REF]] if RUNS_REF in self._known else []
        outside = {
            commit for commit, _ in self._repo.git.rev_list([one.old for one in gone if one.old], branch)
        }
        for one in gone:
            if one.old in outside:
                yield Rejection(
                    one.ref,
                    "history",
                    "its runs are not on the branch yet",
                    "gitml sync puts them there first",
                )


def _unknown(one: ReceivedRef) -> Rejection:
    if one.ref in _IN_THE_WAY:
        return Rejection(one.ref, "ref", "it would leave no room for gitml's own refs", "choose another name")
    if one.ref.startswith(_OF_ONE_CLONE):
        return Rejection(one.ref, "ref", "it is of one clone only", "push without --mirror: gitml push")
    return Rejection(one.ref, "ref", "gitml has no ref of that name", "choose a name outside of gitml/")
