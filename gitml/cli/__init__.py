"""The terminal: read arguments, call one function below, print."""
