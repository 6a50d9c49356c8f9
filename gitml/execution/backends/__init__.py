"""Where a run runs: what schedulers have in common, and the ones that gitml knows."""
