"""Autologging: trainings of a framework are recorded without a line in them; `gitml.autolog()` starts it."""
