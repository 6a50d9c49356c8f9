"""A small real project to try gitml on: `gitml demo`."""
