"""Runs of other tools in, runs for other tools out."""
