"""The tag that starts CI for a promotion.

Hosts take their workflows from the commit of the tag that was pushed. A promotion's tag
leads to the record of a run, which has none. So `gitml-ci/<model>/<stage>/<N>` stands on
a commit of the code's default branch, and names the promotion by its own name.
"""

from __future__ import annotations

from gitml.formats.registry_names import RegistryRef, parse_ref

TRIGGERS = "refs/tags/gitml-ci/"
_STAGES = "refs/tags/gitml/stages/"
_SHORT = ("gitml/", "gitml-ci/")

# The workflows that a trigger starts, where `gitml ci init` writes them.
GITHUB_WORKFLOW = ".github/workflows/gitml-promotion.yml"
GITLAB_WORKFLOW = ".gitlab/gitml-ci.yml"


def trigger_of(ref: str) -> str | None:
    """Name the tag that starts CI for a promotion; None if the ref is none.

    Example:
        >>> trigger_of("refs/tags/gitml/stages/churn/production/3")
        'refs/tags/gitml-ci/churn/production/3'
    """
    known = parse_ref(ref)
    return TRIGGERS + ref.removeprefix(_STAGES) if known is not None and known.kind == "stage" else None


def parse_ci_ref(text: str) -> tuple[str, RegistryRef] | None:
    """Read what a workflow was started by: the full name of a tag of the registry, and what it names.

    Example:
        >>> parse_ci_ref("gitml-ci/churn/production/3")[0]
        'refs/tags/gitml/stages/churn/production/3'
    """
    ref = f"refs/tags/{text}" if text.startswith(_SHORT) else text
    if ref.startswith(TRIGGERS):
        ref = _STAGES + ref.removeprefix(TRIGGERS)
    known = parse_ref(ref)
    return None if known is None else (ref, known)
