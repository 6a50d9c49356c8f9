"""What differs between runs, as a notebook holds it."""

from __future__ import annotations

from typing import Any

from gitml.api.fluent import get_client
from gitml.api.handles import Run
from gitml.api.notebook import mime_bundle
from gitml.errors import UsageError
from gitml.tracking.diff import RunDiff


class Diff:
    """A comparison of two or more runs that draws itself.

    Attributes:
        entity: The comparison in full: rows of `params`, `metrics`, `packages`,
            `files` and so on, each with one value a run.
    """

    def __init__(self, entity: RunDiff) -> None:
        self.entity = entity

    def to_dictionary(self, *, everything: bool = False) -> dict[str, Any]:
        """Turn into plain dictionaries and lists, as `gitml diff --json` does.

        Args:
            everything: Whether what is the same in all runs is there too.
        """
        from gitml.render.diff_listing import diff_document

        return dict(diff_document(self.entity, everything=everything))

    def __str__(self) -> str:
        from gitml.render.diff_text import diff_text
        from gitml.render.ink import PLAIN

        return diff_text(self.entity, PLAIN, None)

    def __repr__(self) -> str:
        return f"<Diff of {', '.join(repr(run.name) for run in self.entity.runs)}>"

    def _repr_html_(self) -> str:
        from gitml.render.html import diff_html  # only notebooks draw

        return diff_html(self.entity)

    def _repr_markdown_(self) -> str:
        from gitml.render.notebook_markdown import diff_markdown

        return diff_markdown(self.entity)

    def _repr_mimebundle_(self, include: object = None, exclude: object = None) -> dict[str, str]:
        del include, exclude
        return mime_bundle(self, str(self))


def diff_runs(*runs: str | Run) -> Diff:
    """Compare runs: params, metrics, environment, files, data and code.

    Args:
        runs: Two or more runs, or names of them as commands take them: an id,
            a prefix of one, a name, `@`, `@~1`, `@{best:acc}`; or versions of
            models: `churn@v3`, `churn#production`.

    Raises:
        UsageError: There is only one.
        RunNotFoundError: A name leads nowhere.
    """
    if len(runs) < 2:
        raise UsageError("a comparison needs two runs or more", hint="gitml.diff_runs('@~1', '@')")
    from gitml.registry.naming import resolve_run_or_version  # the index is needed only to find runs
    from gitml.tracking.diff import diff_runs as compare

    repo = get_client().repo
    found = [run.entity if isinstance(run, Run) else resolve_run_or_version(repo, run) for run in runs]
    return Diff(compare(repo, found))
