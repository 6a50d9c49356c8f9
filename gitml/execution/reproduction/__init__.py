"""A run again: the same code, params, inputs and environment; then a verdict."""
