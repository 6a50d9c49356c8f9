"""Evaluating models on data whose answers are known, and holding them against thresholds."""
