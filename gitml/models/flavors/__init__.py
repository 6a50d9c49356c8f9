"""Flavors: one small module for each framework, over the mechanism in `gitml.models.saving` and `loading`."""
