"""Keeping a repository in order: what is there, what is missing, what can go."""
