"""The cases: each measures one thing, on both sides, and returns its results."""

from __future__ import annotations

from collections.abc import Callable

from cases.artifacts import large_artifact
from cases.cloud import cloud
from cases.curves import curve
from cases.environments import environments
from cases.finding import finding
from cases.indexing import indexing
from cases.lfs import lfs
from cases.models import models
from cases.receiving import receiving
from cases.recording import log_metric, short_run
from cases.registry import registry
from cases.serving import serving
from cases.sharing import sharing
from cases.starting import start_up, wrap
from cases.sweeping import sweep
from context import Context
from measure import Result

Case = Callable[[Context], list[Result]]

CASES: dict[str, Case] = {
    "log-metric": log_metric,
    "short-run": short_run,
    "wrap": wrap,
    "start-up": start_up,
    "environments": environments,
    "sweep": sweep,
    "finding": finding,
    "indexing": indexing,
    "curve": curve,
    "artifact": large_artifact,
    "sharing": sharing,
    "lfs": lfs,
    "cloud": cloud,
    "receiving": receiving,
    "registry": registry,
    "models": models,
    "serving": serving,
}
