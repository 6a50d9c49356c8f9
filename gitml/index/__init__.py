"""A throw-away SQLite view of the runs branch, and the language to ask it."""
