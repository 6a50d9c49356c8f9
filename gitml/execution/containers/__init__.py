"""Containers: the words that run a command in an image, by Docker or Podman."""

from __future__ import annotations

from gitml.execution.containers.environment import Workspace, container_environment
from gitml.execution.containers.image import IMAGE_FILE

__all__ = ["IMAGE_FILE", "Workspace", "container_environment"]
