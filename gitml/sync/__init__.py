"""Runs, tags and artifacts on their way between repositories."""
