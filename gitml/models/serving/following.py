"""Following a stage or alias: what it leads to from now on is loaded beside what is served, and takes over.

A request that is under way is answered by the model that it began with. What can't be loaded does not
take over; what was served is served on, and `/metrics` and the log say so.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing

from gitml.errors import GitmlError, UsageError
from gitml.models.serving.metrics import Metrics
from gitml.models.serving.scorer import Scorer
from gitml.models.serving.settings import ServeSettings

_log = logging.getLogger("gitml.serving")
_MOVING = ("stage", "alias", "latest")


class NothingToFollowError(UsageError):
    """A model was to be followed that never moves."""

    def __init__(self, uri: str) -> None:
        super().__init__(
            f"'{uri}' always means the same model, so there is nothing to follow",
            hint="serve models:/NAME/Production, NAME#production, NAME@champion or NAME@latest",
        )


def check_moves(uri: str) -> None:
    """See that what a name leads to can change.

    Raises:
        NothingToFollowError: It can't.
    """
    from gitml.models.locating import is_stored
    from gitml.registry.names import parse_model_name

    if not is_stored(uri) or uri.startswith("runs:/"):
        raise NothingToFollowError(uri)
    if parse_model_name(uri, _stages()).kind not in _MOVING:
        raise NothingToFollowError(uri)


def _stages() -> tuple[str, ...]:
    from gitml.api.fluent import get_client
    from gitml.registry.naming import project_stages

    return project_stages(get_client().repo)


def version_now(uri: str) -> int:
    """Say which version a name leads to now; the repository is opened anew for that.

    Raises:
        NotFoundError: It leads to none.
    """
    from gitml.api.fluent import get_client
    from gitml.registry.names import find_version
    from gitml.registry.naming import project_stages
    from gitml.repo import Repo

    with closing(Repo.open(get_client().repo.git.common_dir)) as repo:
        return find_version(repo, uri, project_stages(repo)).version


class Follower:
    """Looks every so often where the model's name leads."""

    def __init__(
        self, settings: ServeSettings, serving: int | None, load: Callable[[], Scorer],
        take_over: Callable[[Scorer], None], metrics: Metrics,
    ) -> None:  # fmt: skip
        """Make one.

        Args:
            settings: Which model, and how often.
            serving: The version that is served.
            load: Loads the model that its name leads to.
            take_over: Is given what was loaded.
            metrics: What is counted.
        """
        self._settings = settings
        self._every_s = settings.follow_s or 0
        self._serving = serving
        self._load = load
        self._take_over = take_over
        self._metrics = metrics
        self._said = ""  # the trouble that the log has already

    async def run(self) -> None:
        """Look until the task is cancelled."""
        loop = asyncio.get_running_loop()
        with ThreadPoolExecutor(1, "follow") as thread:
            while True:
                await asyncio.sleep(self._every_s)
                try:
                    scorer = await loop.run_in_executor(thread, self._look)
                except Exception as err:  # noqa: BLE001 - whatever it is, what is served is served on
                    self._trouble(err)
                else:
                    self._fine(scorer)

    def _look(self) -> Scorer | None:
        if version_now(self._settings.uri) == self._serving:
            return None
        return self._load()

    def _fine(self, scorer: Scorer | None) -> None:
        if scorer is None:
            if self._said:
                self._metrics.recovered()
        else:
            before, self._serving = self._serving, scorer.served.version
            self._take_over(scorer)
            self._metrics.reloaded("loaded")
            _log.info(
                "v%s of '%s' is served now, before it was v%s", self._serving, scorer.served.name, before
            )
        self._said = ""

    def _trouble(self, err: Exception) -> None:
        said = f"{type(err).__name__}: {err}"
        self._metrics.reloaded("failed")
        if said == self._said:
            return
        self._said = said
        known = isinstance(err, GitmlError)
        _log.error(
            "'%s' can't be loaded, v%s is served on: %s", self._settings.uri, self._serving, said,
            exc_info=None if known else err,
        )  # fmt: skip
