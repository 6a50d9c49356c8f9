"""What goes into a model and what comes out: found from data or type hints, and enforced when it predicts."""
