"""The model registry: versions, stages and aliases as tags, what changes about a model as records."""
