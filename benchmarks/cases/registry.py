"""The registry with 10,000 versions and 10,000 promotions: asked, and promoted in."""

from __future__ import annotations

import sys

from context import HERE, Context
from measure import BrokenBenchmarkError, Result, Target, interleave, result, run_child

_VERSIONS, _PROMOTIONS, _MODELS = 10_000, 10_000, 100
_REPEATS = 15


def registry(context: Context) -> list[Result]:
    """The peer keeps no history of stages, so that it has no answer to compare with."""
    repository = context.new_repository()
    context.fill("gitml", repository, 1)
    program = [sys.executable, HERE / "registry_store.py", repository, _MODELS, _VERSIONS, _PROMOTIONS]
    run_child(program, cwd=repository, env=context.env)
    index = repository / ".git/gitml/index.sqlite"

    def ask() -> dict[str, float]:
        index.unlink(missing_ok=True)
        cold = context.gitml("gitml_registry", repository, repeats=1).answer
        answer = context.gitml("gitml_registry", repository, repeats=_REPEATS).answer
        if (answer["models"], answer["versions"], answer["events"]) != (
            _MODELS,
            _VERSIONS,
            _PROMOTIONS // _MODELS,
        ):
            raise BrokenBenchmarkError(f"the registry has {answer}")
        return {**answer, "cold_s": cold["first_s"]}

    (answers,) = interleave((ask, min(3, context.sizes.rounds)))
    many = f"{_VERSIONS:,} versions and {_PROMOTIONS:,} promotions of {_MODELS} models"
    rows = [
        ("registry_first", f"the registry's first answer, nothing read before, {many}", "s", "cold_s", 2),
        ("registry_first_cached", "… the first of a process, tags read before by another", "s", "first_s", 2),
        ("registry_list", "… all models", "ms", "list_ms", 150),
        ("registry_versions", "… all versions of all models", "ms", "versions_ms", 150),
        ("registry_resolve", "… `models:/NAME/Production`", "ms", "resolve_ms", 150),
        ("registry_history", "… who held what when: the history of one model", "ms", "history_ms", 150),
        ("registry_promote", "… one promotion", "ms", "promote_ms", 50),
    ]
    return [
        result(key, what, unit, [answer[field] for answer in answers], target=Target(target))
        for key, what, unit, field, target in rows
    ]
