"""A run from birth to history."""
