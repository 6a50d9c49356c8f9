"""Which way a metric gets better, guessed from its name as people name metrics."""

from __future__ import annotations

import re

# Measured, but no goal: machines, clocks, and what is set rather than achieved.
_NO_GOAL = re.compile(
    r"system/.*|(?:.*[/_.-])?(?:epochs?|steps?|iter(?:ations?)?|lr|learning_rate|seed|samples|batch(?:es)?|counts?|"
    r"points|n|support|depth|width|height|layers|rounds|trees|leaves|folds?|rank|world_size)|(?:.*[/.])?(?:n|num)_.*|"
    r".*_used"
)
_LOWER = re.compile(
    r"(?:^|[^a-z])(?:loss|err|error|errors|mse|rmse|mae|mape|smape|nll|bce|ce|perplexity|ppl|wer|cer|fid|latency|"
    r"time|duration|seconds|ms$|p50|p90|p95|p99|regret|cost|distance|divergence|kl|brier|fpr|fnr|eer|bpb|bpc|logloss|"
    r"crossentropy|cross_entropy|memory|size|bytes|aicc?|bic|deviance|residuals?|lpips|mmd|emd|wasserstein|chamfer|"
    r"hausdorff|fp|fn|false_(?:positive|negative|alarm|discovery)s?|miss(?:es|_rate)|misclassified|failures?|"
    r"violations?)(?:$|[^a-z])|(?:^|[^a-z])l[12](?:$|[^a-z0-9])"
)
_STATISTIC = re.compile(r"\.(?:min|max|last)$")  # a column `step_ms.min` points as `step_ms` does
_HIGHER_PREFIX = re.compile(r"(?:^|.*[/.])neg(?:ative)?_")  # as scikit-learn names what it turned round


def has_goal(metric: str) -> bool:
    """Whether a metric is something to improve.

    Example:
        >>> has_goal("accuracy"), has_goal("epoch"), has_goal("n"), has_goal("system/cpu")
        (True, False, False, False)
    """
    return not _NO_GOAL.fullmatch(metric.lower())


def lower_is_better(metric: str) -> bool:
    """Whether a smaller value of a metric is the better one.

    Example:
        >>> lower_is_better("val/log_loss"), lower_is_better("accuracy"), lower_is_better("valLoss")
        (True, False, True)
        >>> lower_is_better("neg_mean_squared_error")
        False
    """
    spaced = re.sub(r"(?<=[a-z])(?=[A-Z])", "_", _STATISTIC.sub("", metric)).lower()
    if _HIGHER_PREFIX.match(spaced):
        return False
    return bool(_LOWER.search(spaced)) or spaced.endswith(("loss", "error"))
