"""Serving: a loaded model behind HTTP, with MLflow's scoring protocol and the Open Inference Protocol."""
