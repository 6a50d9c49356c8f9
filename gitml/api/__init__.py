"""Python: what a notebook or a training script holds."""
