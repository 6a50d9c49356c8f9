"""Which way a metric gets better, guessed from its name as people name metrics."""

from __future__ import annotations

import re

_LOWER = re.compile(
    r"(?:^|[^a-z])(?:loss|err|error|errors|mse|rmse|mae|mape|smape|nll|bce|ce|perplexity|ppl|wer|cer|fid|latency|"
    r"time|duration|seconds|ms|p50|p90|p95|p99|regret|cost|distance|divergence|kl|brier|fpr|fnr|eer|bpb|bpc|logloss|"
    r"crossentropy|cross_entropy|memory|size|bytes)(?:$|[^a-z])"
)


def lower_is_better(metric: str) -> bool:
    """Whether a smaller value of a metric is the better one.

    Example:
        >>> lower_is_better("val/log_loss"), lower_is_better("accuracy"), lower_is_better("valLoss")
        (True, False, True)
    """
    spaced = re.sub(r"(?<=[a-z])(?=[A-Z])", "_", metric).lower()
    return bool(_LOWER.search(spaced)) or spaced.endswith(("loss", "error"))
