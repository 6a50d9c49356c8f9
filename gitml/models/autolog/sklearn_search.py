"""What a search of scikit-learn tried: a table of all, and runs of the best."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

from gitml.api.fluent import start_run
from gitml.models.autolog.training import TAG, Training

if TYPE_CHECKING:
    import pandas as pd


def is_search(estimator: Any) -> bool:
    """Tell whether an estimator tries others: GridSearchCV, RandomizedSearchCV, halving ones."""
    from sklearn.model_selection._search import BaseSearchCV

    return isinstance(estimator, BaseSearchCV)


def log_search(training: Training, search: Any) -> None:
    """Log the best params and score, a table of all that was tried, and runs of the best of them."""
    if hasattr(search, "best_params_"):
        training.log_params({f"best_{name}": value for name, value in search.best_params_.items()})
    if hasattr(search, "best_score_"):
        training.log_metrics({"best_cv_score": search.best_score_})
    if not hasattr(search, "cv_results_"):
        return
    table = training.attempt("the search's results", lambda: _table(search.cv_results_))
    if table is None:
        return
    training.log_text("the search's results", "cv_results.csv", lambda: str(table.to_csv(index=False)))
    training.attempt("the runs of the search", lambda: _log_tries(training, search, table))


def _table(results: Mapping[str, Any]) -> pd.DataFrame:
    import pandas as pd

    return pd.DataFrame(dict(results))


def _log_tries(training: Training, search: Any, table: pd.DataFrame) -> None:
    for tried in _best(table, search.refit, training.options.max_tuning_runs):
        with start_run(
            nested=True,
            parent_run_id=training.run_id,
            tags={TAG: training.flavor, **(training.options.extra_tags or {})},
        ) as run:
            part = Training(training.flavor, training.what, training.options, run, training.troubles)
            estimator = _with(search.estimator, tried["params"])
            part.log_params(estimator.get_params(deep=True))
            part.set_tags(tags_of(estimator))
            # What each fold gave is in the table.
            part.log_metrics({k: v for k, v in tried.items() if not k.startswith(("param", "split"))})


def _best(table: pd.DataFrame, refit: Any, limit: int | None) -> Iterator[dict[str, Any]]:
    ranks = [column for column in table.columns if column.startswith("rank_test_")]
    by = f"rank_test_{refit}" if isinstance(refit, str) else "rank_test_score"
    if by not in ranks:
        by = next(iter(ranks), "")
    ordered = table.sort_values(by, kind="stable") if by else table
    for row in ordered.head(len(table) if limit is None else limit).to_dict("records"):
        yield {str(name): value for name, value in row.items()}


def _with(estimator: Any, params: Mapping[str, Any]) -> Any:
    from sklearn.base import clone

    return clone(estimator).set_params(**clone(dict(params), safe=False))


def tags_of(estimator: Any) -> dict[str, str]:
    """Say of what class an estimator is, in MLflow's words."""
    kind = type(estimator)
    return {"estimator_name": kind.__name__, "estimator_class": f"{kind.__module__}.{kind.__name__}"}
