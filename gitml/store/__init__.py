"""Artifact bytes by content."""
