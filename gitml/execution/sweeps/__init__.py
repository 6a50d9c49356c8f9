"""Sweeps: many runs of one thing, each with other values of its parameters."""
