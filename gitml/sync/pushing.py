"""Pushing: artifacts first, then the runs, then the tags of the registry.

The branch of a remote that moved on is fetched, joined and pushed again. A writer
that loses this race a few times leaves its runs in the remote's inbox, a ref of its
own where nobody contends; the next one who syncs folds them into the branch.
"""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from enum import Enum
from typing import TYPE_CHECKING

from gitml.errors import ConflictError
from gitml.git.remote import Progress, RefResult, RefUpdate, Remote, Verdict
from gitml.progress import Advance
from gitml.repo import RUNS_REF, Repo
from gitml.store.base import Transferred
from gitml.sync.delivering import Delivered, Delivery, Left
from gitml.sync.refusal import PushRefusedError
from gitml.sync.seen import INBOX, Seen, places, seen, seen_and_tags
from gitml.sync.settled import Settle, Settled
from gitml.sync.tags import PushedTags, push_tags, tag_clashes
from gitml.sync.triggers import push_triggers

if TYPE_CHECKING:
    from gitml.progress import Reach

_RACES = 3  # lost ones before the inbox
_PATIENCE = 20  # attempts where the host has no inbox
_PAUSE_S = 0.2
_TAG_RACES = 5


class Way(Enum):
    """How runs got there."""

    NOTHING = "nothing"
    BRANCH = "branch"
    INBOX = "inbox"


@dataclass(frozen=True, slots=True)
class PushOptions:
    """How to push.

    Attributes:
        inbox: Go to the inbox at once, without trying the branch.
        artifacts: Send artifacts before the runs that need them.
        all_artifacts: Ask about the artifacts of all runs, also of those that went before.
        dry_run: Only tell what would go.
        tags: Send tags of the registry too.
    """

    inbox: bool = False
    artifacts: bool = True
    all_artifacts: bool = False
    dry_run: bool = False
    tags: bool = True


@dataclass(frozen=True, slots=True)
class Pushed:
    """What a push did.

    Attributes:
        remote: The remote's name.
        way: How the runs got there.
        records: Records that the remote did not have.
        races: How often another writer was faster.
        folded: Names of inbox refs that are on the branch now and were removed.
        objects: What became of the artifacts; of a dry run `moved` are those that would be sent.
        left: Artifacts of runs that the remote has, which did not get there.
        tags: What became of the tags.
        inbox: The inbox ref that holds the runs, if they went there.
        settled: Tags of ours that gave way to those of others, or would by a dry run.
    """

    remote: str
    way: Way
    records: int = 0
    races: int = 0
    folded: tuple[str, ...] = ()
    objects: Transferred = field(default_factory=Transferred)
    tags: PushedTags = field(default_factory=PushedTags)
    inbox: str | None = None
    settled: Settled = field(default_factory=Settled)
    left: Left = field(default_factory=Left)


def push(
    repo: Repo,
    name: str,
    options: PushOptions = PushOptions(),
    *,
    sent: Advance | None = None,
    progress: Progress | None = None,
    inspected: Reach | None = None,
    settle: Settle | None = None,
) -> Pushed:
    """Send runs, their artifacts and the tags of the registry to a remote.

    Safe to repeat, whatever broke: what is there already is not sent again.

    Args:
        repo: The repository.
        name: The remote's name, or a URL.
        options: How to push.
        sent: Called with the number of artifact bytes done since the last call.
        progress: Told phase, done and total of git's part.
        inspected: Told how many of how many fetched commits are inspected.
        settle: Gives way where somebody else's tag has the name of one that was never shared.

    Raises:
        ArtifactsNotSentError: An artifact could not be sent; no run was.
        PushRefusedError: A rule of the host keeps runs out.
        RemoteUnreachableError: No answer, or no right to write.
        UnsoundRecordsError: The remote holds something that is no sound record.
    """
    push_ = _Push(repo, Remote(repo.git.process, name), options, progress, inspected, settle)
    push_.look_at_place()
    if options.tags:
        push_.look_at_tags()
    tip = repo.git.tip(RUNS_REF)
    new = push_.new_records(tip)
    delivered = push_.send_objects(tip, new, sent)
    tip = repo.git.tip(RUNS_REF)  # tombstones may have come in meanwhile
    way, races, inbox = (Way.NOTHING, 0, None) if tip is None else push_.send_runs(tip)
    if push_.was_made_anew:  # it had lost what we knew of, and our artifacts with it
        new = push_.all_records(tip)
        delivered = push_.send_objects(tip, new, sent)
    if way is not Way.INBOX and tip is not None and not new:
        way = Way.NOTHING
    tags = push_.send_tags() if options.tags else PushedTags()
    folded = () if options.dry_run or way is Way.INBOX else push_.fold_inbox()
    return Pushed(
        name, way, len(new), races, folded, delivered.objects, tags, inbox, push_.settled, delivered.left
    )


class _Push:
    """One push to one remote."""

    def __init__(
        self,
        repo: Repo,
        remote: Remote,
        options: PushOptions,
        progress: Progress | None,
        inspected: Reach | None,
        settle: Settle | None,
    ) -> None:
        self.repo = repo
        self.remote = remote
        self.settled = Settled()
        self._settle = settle
        self._options = options
        self._progress = progress
        self._inspected = inspected
        self._looked: tuple[Seen, dict[str, str]] | None = None
        self.was_made_anew = False
        self._delivery = Delivery(
            repo,
            remote.name,
            lambda: self.look()[0].tips,
            look_again=self._take_in_theirs,
            dry_run=options.dry_run,
        )

    def look(self) -> tuple[Seen, dict[str, str]]:
        """Tell what is known of the remote, and the tags here; as of the beginning or the last fetch."""
        if self._looked is None:
            self._looked = seen_and_tags(self.repo, self.remote.name)
        return self._looked

    def look_at_place(self) -> None:
        """Look at a remote of which only another place was seen, by the same name; or with nothing to send."""
        known, own = self.look()
        if self.repo.git.tip(RUNS_REF) is None and not own:
            self.remote.list_refs(RUNS_REF)  # whoever names a remote wants to hear that it can't be reached
        elif (known.tips or known.tags) and not self._delivery.is_known:
            from gitml.sync.pulling import fetch

            fetch(self.repo, self.remote.name, progress=self._progress)
            self._looked = None

    def _take_in_theirs(self) -> None:
        """Fetch what is there, and join it."""
        from gitml.sync.pulling import fetch, take_in  # 20 ms, and most pushes are not behind

        fetched = fetch(self.repo, self.remote.name, progress=self._progress)
        take_in(self.repo, fetched, inspected=self._inspected)
        self._looked = None

    def look_at_tags(self) -> None:
        """Give way to tags that others shared meanwhile, before runs that tell of ours go."""
        known, own = self.look()
        if self._settle is None or own.keys() <= known.tags.keys():
            return
        self._give_way()

    def _give_way(self) -> bool:
        """Look at the remote's tags again; says whether ours have changed for it."""
        from gitml.sync.pulling import fetch, take_in

        fetched = fetch(self.repo, self.remote.name, progress=self._progress)
        self._looked = None
        if self._settle is None or not tag_clashes(self.repo, fetched.after.tags):
            return False
        if self._options.dry_run:
            self.settled = self._settle(self.repo, fetched.after.tags, True)
            return False
        pulled = take_in(self.repo, fetched, inspected=self._inspected, settle=self._settle)
        self._looked = None
        self.settled = self.settled.and_then(pulled.settled)
        return bool(pulled.settled)

    def send_tags(self) -> PushedTags:
        """Send tags; where somebody was faster meanwhile, give way and go on."""
        done: tuple[str, ...] = ()
        tags = PushedTags()
        for _ in range(_TAG_RACES):
            known, own = self.look()
            if not own:
                break
            tags = push_tags(self.repo, self.remote, known.tags, dry_run=self._options.dry_run)
            done += tags.made
            lost = tags.clashes or tags.refused
            if not lost or self._settle is None or self._options.dry_run or not self._give_way():
                break
            tip = self.repo.git.tip(RUNS_REF)
            if tip is not None:  # what was said of a version that has another number now
                self.send_runs(tip)
        given = self.settled.refs if self._options.dry_run else frozenset()
        clashes = tuple(one for one in tags.clashes if one.ref not in given)
        triggers = push_triggers(self.repo, self.remote, done, dry_run=self._options.dry_run)
        return PushedTags(done, clashes, tags.refused, tuple(triggers), tags.odd)

    def new_records(self, tip: str | None) -> list[str]:
        """List what the remote did not have when it was last seen."""
        return self._records(tip, self._known())

    def all_records(self, tip: str | None) -> list[str]:
        """List all records, and ask about the artifacts of all of them."""
        self._delivery.forget()
        return self._records(tip, [])

    def _known(self) -> list[str]:
        return [tip for tip in self.look()[0].tips if self.repo.git.has_object(tip)]

    def _records(self, tip: str | None, known: list[str]) -> list[str]:
        if tip is None:
            return []
        return [commit for commit, parents in self.repo.git.rev_list(tip, known) if len(parents) < 2]

    def send_objects(self, tip: str | None, new: list[str], sent: Advance | None) -> Delivered:
        """Send what new records point at, and what is missing there of those before."""
        done = Delivered()
        if tip is not None and self._options.artifacts:
            if self._options.all_artifacts:
                self._delivery.forget()
            known = [] if self.was_made_anew else self._known()
            uncovered = self._delivery.uncovered([tip], new, known)
            done = self._delivery.deliver(uncovered, [] if self.was_made_anew else new, sent)
        self._delivery.note(tip if self._options.artifacts else None, done)
        return done

    def send_runs(self, tip: str) -> tuple[Way, int, str | None]:
        """Send the branch, or after a few lost races leave the runs in the inbox.

        Returns:
            How they got there, how many races were lost, and the inbox ref.
        """
        races = 0
        if not self._options.inbox:
            for attempt in range(_PATIENCE):
                if attempt == _RACES and (ref := self._to_inbox(tip)):
                    return Way.INBOX, races, ref
                result = self._to_branch(tip)
                if result.verdict in (Verdict.DONE, Verdict.UP_TO_DATE):
                    return (Way.BRANCH if result.verdict is Verdict.DONE else Way.NOTHING), races, None
                if result.verdict is Verdict.REFUSED:
                    raise PushRefusedError(self.remote.name, RUNS_REF, result.reason)
                if self._options.dry_run:
                    return Way.BRANCH, 1, None
                races += 1
                tip = self._catch_up(attempt)
            raise ConflictError(RUNS_REF, _PATIENCE)
        ref = self._to_inbox(tip)
        if ref is None:
            raise PushRefusedError(self.remote.name, f"{INBOX}{tip}", "it keeps refs of that kind out")
        return Way.INBOX, races, ref

    def _to_branch(self, tip: str) -> RefResult:
        (result,) = self.remote.push(
            [RefUpdate(RUNS_REF, tip)], dry_run=self._options.dry_run, progress=self._progress
        )
        self.was_made_anew |= result.made and self.look()[0].runs is not None
        if result.verdict in (Verdict.DONE, Verdict.UP_TO_DATE) and not self._options.dry_run:
            self._note(places(self.repo, self.remote.name).runs, tip)
        return result

    def _to_inbox(self, tip: str) -> str | None:
        """Leave runs in the inbox, by a name that says what they are: pushing them twice is once."""
        ref = f"{INBOX}{tip}"
        (result,) = self.remote.push(
            [RefUpdate(ref, tip)], dry_run=self._options.dry_run, progress=self._progress
        )
        if result.verdict is Verdict.REFUSED:
            return None
        if not self._options.dry_run:
            self._note(places(self.repo, self.remote.name).inbox + tip, tip)
        return ref

    def _catch_up(self, attempt: int) -> str:
        """Take in what another writer was faster with."""
        import random  # only so that writers don't march in step

        time.sleep(random.uniform(0, _PAUSE_S * attempt))  # noqa: S311
        self._take_in_theirs()
        tip = self.repo.git.tip(RUNS_REF)
        if tip is None:
            raise ConflictError(RUNS_REF, attempt + 1)
        return tip

    def fold_inbox(self) -> tuple[str, ...]:
        """Remove the inbox refs that the branch there contains now."""
        if not self.look()[0].inbox:
            return ()
        known = seen(self.repo, self.remote.name)  # with what this push did
        if known.runs is None:
            return ()
        git = self.repo.git
        here = {name: commit for name, commit in known.inbox.items() if git.has_object(commit)}
        outside = {commit for commit, _ in git.rev_list(list(here.values()), [known.runs])}
        done = {name: commit for name, commit in here.items() if commit not in outside}
        results = self.remote.push(
            [RefUpdate(INBOX + name, None, expected=commit) for name, commit in done.items()]
        )
        removed = [
            result.ref.removeprefix(INBOX)
            for result in results
            if result.verdict in (Verdict.DONE, Verdict.UP_TO_DATE)
        ]
        for name in removed:
            git.move_ref(places(self.repo, self.remote.name).inbox + name, done[name], None)
        return tuple(removed)

    def _note(self, ref: str, commit: str) -> None:
        """Remember where a ref of the remote stands; git may have done so itself."""
        old = self.repo.git.tip(ref)
        if old != commit:
            self.repo.git.move_ref(ref, old, commit, "gitml push")
